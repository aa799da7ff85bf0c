package compare

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/dcf"
	"nod/crypto/prg"
)

// Dealer makes the correlations of one channel. It is used by the dealer, and by
// both parties to recompute the correlations that they open to each other. One
// goroutine at a time; it allocates nothing a correlation.
type Dealer struct {
	check   *code.Check
	prg     *dcf.PRG
	scratch dcf.Scratch
	layouts [2]layout
	half    [2][]byte // expansions
	r       code.Code // r_0 xor r_1
	minus2a []uint32  // -2 a_j mod 2^32
	commit  *commitment
}

// NewDealer prepares to deal for a check over a channel.
func NewDealer(check *code.Check, channel canon.ChannelID) *Dealer {
	d := &Dealer{
		check:   check,
		prg:     dcf.NewPRG(channel),
		r:       code.NewCode(check.Bits()),
		layouts: [2]layout{layoutOf(check, Matcher), layoutOf(check, Custodian)},
		commit:  newCommitment(channel),
	}
	for _, a := range check.A {
		d.minus2a = append(d.minus2a, uint32(-2*a))
	}
	for p, l := range d.layouts {
		d.half[p] = make([]byte, l.expanded, roundUp(l.expanded))
	}
	return d
}

// Deal computes the corrections of both halves of one correlation, as a function
// of its index and the two seeds alone. corrections[p] has CorrectionsSize bytes
// and is overwritten. Both seeds are uniform and used for this index only.
func (d *Dealer) Deal(index uint64, seeds *[2]prg.Seed, corrections *[2][]byte) {
	l0, l1 := &d.layouts[0], &d.layouts[1]
	seeds[0].Expand(d.half[0][:cap(d.half[0])])
	seeds[1].Expand(d.half[1][:cap(d.half[1])])
	h0, h1 := d.half[0], d.half[1]
	c0, c1 := corrections[0][:l0.corrections], corrections[1][:l1.corrections]

	rho := d.fold(c0, c1)

	// MACs of W: k_i = t_peer - m_i W_peer.
	w0, w1 := word(h0, l0.w), word(h1, l1.w)
	m0, m1 := macKey(h0, l0.m), macKey(h1, l1.m)
	putWord(c0, l0.kw, word(h1, l1.tw)-m0*w1)
	putWord(c1, l1.kw, word(h0, l0.tw)-m1*w0)

	// The gate: f(v) = beta if v < rho mod 2^(N-1); gamma shares msb(rho) beta.
	beta := dcf.BlockFrom(h0[l0.beta:]).Xor(dcf.BlockFrom(h1[l1.beta:]))
	top := rho >> l0.levels & 1
	dcf.BlockFrom(h0[l0.gamma:]).Xor(beta.And(top)).Put(c1[l1.cgamma:])
	low := uint32(rho & (1<<l0.levels - 1))
	cw := c0[l0.cw : l0.cw+dcf.Size(l0.levels)]
	d.prg.Gen(&d.scratch, cw, l0.levels, low, beta, dcf.Root(h0[l0.root:]), dcf.Root(h1[l1.root:]))
	copy(c1[l1.cw:], cw)

	commit := d.commit.of(index, beta)
	copy(c0[l0.commitment:], commit[:])
	copy(c1[l1.commitment:], commit[:])
}

// fold computes, for every bit j, B_1 = -2 a_j r_j - B_0 mod 2^32, the MAC words
// K_i = T_peer - m_i B_peer, and rho = W_0 + W_1 - sum_j a_j r_j.
func (d *Dealer) fold(c0, c1 []byte) (rho uint64) {
	l0, l1 := &d.layouts[0], &d.layouts[1]
	h0, h1 := d.half[0], d.half[1]
	m0, m1 := macKey(h0, l0.m), macKey(h1, l1.m)
	for w := range d.r {
		d.r[w] = word(h0, l0.r+8*w) ^ word(h1, l1.r+8*w)
		foldWord(d.r[w], (*[64]uint32)(d.minus2a[64*w:]), m0, m1,
			(*[256]byte)(h0[l0.b+256*w:]), (*[512]byte)(h0[l0.t+512*w:]), (*[512]byte)(h1[l1.t+512*w:]),
			(*[256]byte)(c1[l1.cb+256*w:]), (*[512]byte)(c0[l0.k+512*w:]), (*[512]byte)(c1[l1.k+512*w:]))
	}
	folded := d.check.Distance(d.r) - d.check.A0
	return word(h0, l0.w) + word(h1, l1.w) - uint64(int64(folded))
}

// foldWord is fold for 64 bits, given their -2 a_j, in two loops that each keep all
// they need in registers. It does not branch on r.
func foldWord(r uint64, a *[64]uint32, m0, m1 uint64, b0 *[256]byte, t0, t1 *[512]byte, b1 *[256]byte, k0, k1 *[512]byte) {
	_, _, _, _, _, _, _ = a[0], b0[0], b1[0], t0[0], t1[0], k0[0], k1[0] // not in the loops
	le := binary.LittleEndian
	r = bits.Reverse64(r) // so that the sign is the next bit
	for j := range 64 {
		x1 := a[j]&uint32(int64(r)>>63) - le.Uint32(b0[4*j:4*j+4])
		r <<= 1
		le.PutUint32(b1[4*j:4*j+4], x1)
		le.PutUint64(k0[8*j:8*j+8], le.Uint64(t1[8*j:8*j+8])-m0*uint64(x1))
	}
	for j := range 16 {
		b := (*[4 * 4]byte)(b0[16*j : 16*j+16])
		t := (*[4 * 8]byte)(t0[32*j : 32*j+32])
		k := (*[4 * 8]byte)(k1[32*j : 32*j+32])
		le.PutUint64(k[0:], le.Uint64(t[0:])-m1*uint64(le.Uint32(b[0:])))
		le.PutUint64(k[8:], le.Uint64(t[8:])-m1*uint64(le.Uint32(b[4:])))
		le.PutUint64(k[16:], le.Uint64(t[16:])-m1*uint64(le.Uint32(b[8:])))
		le.PutUint64(k[24:], le.Uint64(t[24:])-m1*uint64(le.Uint32(b[12:])))
	}
}

// Wipe overwrites what the last correlation left behind.
func (d *Dealer) Wipe() {
	clear(d.half[0][:cap(d.half[0])])
	clear(d.half[1][:cap(d.half[1])])
	d.r.Wipe()
	d.scratch.Wipe()
	d.commit.wipe()
}

// commitment hashes beta without allocating:
// C = SHA-256(canonical("beta", channel, index, beta)).
type commitment struct{ encoded []byte }

const commitTail = 8 + 4 + dcf.BlockSize // index, length of beta, beta

func newCommitment(channel canon.ChannelID) *commitment {
	var beta [dcf.BlockSize]byte
	return &commitment{canon.Encode("beta", channel[:], canon.Uint64(0), beta[:])}
}

func (c *commitment) of(index uint64, beta dcf.Block) [sha256.Size]byte {
	tail := c.encoded[len(c.encoded)-commitTail:]
	binary.BigEndian.PutUint64(tail, index)
	beta.Put(tail[8+4:])
	return sha256.Sum256(c.encoded)
}

func (c *commitment) wipe() { clear(c.encoded[len(c.encoded)-dcf.BlockSize:]) }

package compare

import (
	"encoding/binary"
	"math/bits"

	"nod/crypto/code"
)

// sums are S(V) = sum of V_j over the set bits j of c, plus the constant word.
type sums struct {
	b uint64 // S(B_i) + W_i = z_i
	t uint64 // S(T_i) + t_i = g_i
	k uint64 // S(K) + k: what the peer's g must be, less m_i z
}

// The words are added a piece of 256 bits of c at a time: the places of its set bits
// are listed first, so that one long loop without tests adds up what stands there. A
// place then fits a byte, which spares the loop every check of bounds.
const pieceBits = 256

// piece is B, T and K of a last piece with fewer bits, copied to where a whole one fits.
type piece struct {
	b [4 * pieceBits]byte
	t [8 * pieceBits]byte
	k [8 * pieceBits]byte
}

// sum computes all three in one walk over the set bits of c.
func (r *Ready) sum() {
	l := &r.layout
	bs := r.expansion[l.b : l.b+4*l.n]
	if r.party == Custodian {
		bs = r.corrections[l.cb : l.cb+4*l.n]
	}
	ts := r.expansion[l.t : l.t+8*l.n]
	ks := r.corrections[l.k : l.k+8*l.n]
	r.sums = sums{
		b: word(r.expansion, l.w),
		t: word(r.expansion, l.tw),
		k: word(r.corrections, l.kw),
	}
	for c := r.c; len(c) > 0; {
		words := min(len(c), pieceBits/64)
		places := r.places[:list(c[:words], &r.places)]
		if words == pieceBits/64 {
			r.sums.add((*[4 * pieceBits]byte)(bs), (*[8 * pieceBits]byte)(ts), (*[8 * pieceBits]byte)(ks), places)
		} else {
			copy(r.last.b[:], bs)
			copy(r.last.t[:], ts)
			copy(r.last.k[:], ks)
			r.sums.add(&r.last.b, &r.last.t, &r.last.k, places)
		}
		c, bs, ts, ks = c[words:], bs[4*64*words:], ts[8*64*words:], ks[8*64*words:]
	}
}

func (s *sums) add(b *[4 * pieceBits]byte, t, k *[8 * pieceBits]byte, places []uint8) {
	sum := *s
	_, _, _ = b[0], t[0], k[0] // not in the loop
	for _, p := range places {
		j := int(p)
		sum.b += uint64(binary.LittleEndian.Uint32(b[4*j : 4*j+4]))
		sum.t += binary.LittleEndian.Uint64(t[8*j : 8*j+8])
		sum.k += binary.LittleEndian.Uint64(k[8*j : 8*j+8])
	}
	*s = sum
}

// inByte holds, for every byte, the places of its set bits: one in each byte of the
// word, from the lowest.
var inByte = func() (table [256]uint64) {
	for v := range table {
		for rest := uint8(v); rest != 0; rest &= rest - 1 {
			at := 8 * (bits.OnesCount8(uint8(v)) - bits.OnesCount8(rest))
			table[v] |= uint64(bits.TrailingZeros8(rest)) << at
		}
	}
	return table
}()

// list writes the place of each set bit of a piece of c, and returns how many there
// are. It goes by bytes, without a branch, because finding bits one by one is slow
// on processors that Go's default instructions are too old for.
func list(c code.Code, to *[pieceBits + 8]uint8) int {
	const each = 0x0101010101010101
	n, at := 0, uint64(0)
	for _, v := range c {
		n = listByte(uint8(v), at, to, n)
		n = listByte(uint8(v>>8), at+8*each, to, n)
		n = listByte(uint8(v>>16), at+16*each, to, n)
		n = listByte(uint8(v>>24), at+24*each, to, n)
		n = listByte(uint8(v>>32), at+32*each, to, n)
		n = listByte(uint8(v>>40), at+40*each, to, n)
		n = listByte(uint8(v>>48), at+48*each, to, n)
		n = listByte(uint8(v>>56), at+56*each, to, n)
		at += 64 * each
	}
	return n
}

func listByte(v uint8, at uint64, to *[pieceBits + 8]uint8, n int) int {
	n &= pieceBits - 1 // it is less: not checked below
	binary.LittleEndian.PutUint64(to[n:n+8], at+inByte[v])
	return n + bits.OnesCount8(v)
}

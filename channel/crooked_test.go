package channel

import (
	"context"
	"encoding/binary"

	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/crypto/dcf"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/keyring"
	"nod/wire"
)

// crooked is a dealer that cheats. It deals as the real one does, from seeds of its
// own, and lets a test change what it sends and signs.
type crooked struct {
	w      *world
	secret prg.Seed

	spoil func(place int, c *correlation)                                   // before it is listed
	list  func(party compare.Party, digests [][2]compare.Digests)           // before it is signed, differently for each
	send  func(party compare.Party, q *wire.BatchRequest, h []compare.Half) // after it is signed
}

func newCrooked(w *world) *crooked {
	d := &crooked{w: w, secret: prg.New()}
	w.dealer = d
	return d
}

func (d *crooked) checkOf(q *wire.BatchRequest) *code.Check {
	if q.Check == d.w.other.ID {
		return d.w.other
	}
	return d.w.check
}

// deal makes one correlation honestly.
func (d *crooked) deal(q *wire.BatchRequest, place int) *correlation {
	check := d.checkOf(q)
	return d.one(compare.NewChannel(q.Channel(), check), compare.NewDealer(check, q.Channel()), q, place)
}

func (d *crooked) one(channel *compare.Channel, dealer *compare.Dealer, q *wire.BatchRequest, place int) *correlation {
	check := channel.Check
	index := q.Batch*uint64(q.Size) + uint64(place)
	c := &correlation{check: check, channel: channel, index: index}
	var seeds [2]prg.Seed
	var corrections [2][]byte
	for p := range seeds {
		seeds[p] = prg.Derive(d.secret[:], "crooked", q.Channel(), 2*index+uint64(p))
		corrections[p] = make([]byte, compare.CorrectionsSize(check, compare.Party(p)))
	}
	dealer.Deal(index, &seeds, &corrections)
	for p := range seeds {
		c.halves[p] = compare.Half{Seed: seeds[p], Corrections: corrections[p]}
	}
	return c
}

func (d *crooked) Batch(ctx context.Context, q *wire.BatchRequest) (*wire.BatchAnswer, error) {
	party := compare.Matcher
	if wire.PeerOf(ctx).Role == seal.Custodian {
		party = compare.Custodian
	}
	a := &wire.BatchAnswer{Root: 1}
	check := d.checkOf(q)
	channel, dealer := compare.NewChannel(q.Channel(), check), compare.NewDealer(check, q.Channel())
	for place := range int(q.Size) {
		c := d.one(channel, dealer, q, place)
		if d.spoil != nil {
			d.spoil(place, c)
		}
		a.Halves = append(a.Halves, c.halves[party])
		a.Digests = append(a.Digests, [2]compare.Digests{c.halves[0].Digests(), c.halves[1].Digests()})
	}
	if d.list != nil {
		d.list(party, a.Digests)
	}
	list := cut.List{Root: 1, Channel: q.Channel(), Batch: q.Batch, Halves: a.Digests}
	var err error
	if a.Signature, a.Identity, err = d.w.keys.Sign(ctx, keyring.Identity, list.Signed()); err != nil {
		return nil, err
	}
	if d.send != nil {
		d.send(party, q, a.Halves)
	}
	return a, nil
}

// correlation is both halves of one, in the dealer's hands. The offsets are those
// of docs/spec/vectors.md.
type correlation struct {
	check   *code.Check
	channel *compare.Channel
	index   uint64
	halves  [2]compare.Half
}

func (c *correlation) n() int { return c.check.Bits() }

// expansion of a half: r, (B,) T, W, t, m, beta, (gamma,) root.
func (c *correlation) expansion(p compare.Party) []byte {
	size := c.n()/8 + 8*c.n() + 3*8 + 2*16
	if p == compare.Matcher {
		size += 4*c.n() + 16
	}
	out := make([]byte, size)
	c.halves[p].Seed.Expand(out)
	return out
}

// tail is what follows T: W, t, m, beta, (gamma,) root.
func (c *correlation) tail(p compare.Party) []byte {
	at := c.n()/8 + 8*c.n()
	if p == compare.Matcher {
		at += 4 * c.n()
	}
	return c.expansion(p)[at:]
}

// shiftB1 changes the weights that half 1 folds in, and half 0's MAC words with
// them, so that every MAC still holds: D grows by shift for every set bit of c.
func (c *correlation) shiftB1(shift int32) {
	n := c.n()
	b1 := c.halves[1].Corrections // B_1 first
	k0 := c.halves[0].Corrections // K_0 first
	t1 := c.expansion(compare.Custodian)[n/8:]
	m0 := binary.LittleEndian.Uint64(c.tail(compare.Matcher)[16:]) | 1
	for j := range n {
		b := binary.LittleEndian.Uint32(b1[4*j:]) + uint32(shift)
		binary.LittleEndian.PutUint32(b1[4*j:], b)
		binary.LittleEndian.PutUint64(k0[8*j:], binary.LittleEndian.Uint64(t1[8*j:])-m0*uint64(b))
	}
}

// shiftGate moves the gate's rho, so that the outcome is whether D < T + shift.
func (c *correlation) shiftGate(shift int32) {
	n, levels := c.n(), c.check.Domain-1
	tails := [2][]byte{c.tail(0), c.tail(1)}
	rho := binary.LittleEndian.Uint64(tails[0]) + binary.LittleEndian.Uint64(tails[1])
	r0, r1 := c.expansion(0), c.expansion(1)
	for j := range n {
		if (r0[j/8]^r1[j/8])>>(j%8)&1 == 1 {
			rho -= uint64(int64(c.check.A[j]))
		}
	}
	rho += uint64(int64(shift))
	beta := dcf.BlockFrom(tails[0][24:]).Xor(dcf.BlockFrom(tails[1][24:]))
	gamma0 := dcf.BlockFrom(tails[0][40:])
	gamma0.Xor(beta.And(rho >> levels & 1)).Put(c.halves[1].Corrections[4*n:])
	cw := make([]byte, dcf.Size(levels))
	dcf.NewPRG(c.channel.ID).Gen(new(dcf.Scratch), cw, levels, uint32(rho&(1<<levels-1)), beta,
		dcf.Root(tails[0][56:]), dcf.Root(tails[1][40:]))
	copy(c.halves[0].Corrections[8*n+8:], cw)
	copy(c.halves[1].Corrections[4*n+16+8*n+8:], cw)
}

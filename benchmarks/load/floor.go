package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"runtime"
	"time"

	"github.com/cloudflare/circl/hpke"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/prg"
	"nod/fault"
)

// Cost is what one bare operation costs, and how many of it the three roles together
// cannot do without in one verification.
type Cost struct {
	Name  string
	Times float64
	CPU   time.Duration // of one
}

// Sum is the cost of all in one verification.
func (c Cost) Sum() time.Duration { return time.Duration(c.Times * float64(c.CPU)) }

// Floor is what a verification cannot avoid: the openings and signatures of the
// protocol, and its comparison with the dealing of correlations, each as bare calls of
// the same libraries.
type Floor struct{ Signed, Compared []Cost }

// Sum is the cost of some.
func Sum(costs []Cost) (out time.Duration) {
	for _, c := range costs {
		out += c.Sum()
	}
	return out
}

// Mean is the mean of two measurements of the floor.
func (f Floor) Mean(g Floor) Floor {
	mean := func(a, b []Cost) []Cost {
		out := append([]Cost(nil), a...)
		for i := range out {
			out[i].CPU = (a[i].CPU + b[i].CPU) / 2
		}
		return out
	}
	return Floor{mean(f.Signed, g.Signed), mean(f.Compared, g.Compared)}
}

// MeasureFloor measures every operation for a length of CPU time.
func MeasureFloor(ctx context.Context, plan *code.Plan, batch, sacrifice int, length time.Duration) (f Floor, err error) {
	signed, err := signing(plan)
	if err != nil {
		return f, err
	}
	for i, operations := range [][]operation{signed, comparing(plan, float64(batch)/float64(batch-sacrifice))} {
		for _, o := range operations {
			if ctx.Err() != nil {
				return f, fault.New(fault.Cancelled, "%w", ctx.Err())
			}
			each, err := timed(length, o.do)
			if err != nil {
				return f, err
			}
			costs := []*[]Cost{&f.Signed, &f.Compared}[i]
			*costs = append(*costs, Cost{o.name, o.times, each})
		}
	}
	return f, nil
}

type operation struct {
	name  string
	times float64
	do    func() error
}

// timed is the CPU time of one call: that of its thread, so that other work on the
// machine counts only as far as it disturbs caches.
func timed(length time.Duration, do func() error) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const rusageThread = 1
	for n := 1; ; n *= 2 {
		start := usage(rusageThread)
		for range n {
			if err := do(); err != nil {
				return 0, err
			}
		}
		if used := usage(rusageThread) - start; used >= length {
			return used / time.Duration(n), nil
		}
	}
}

func mismatch() error { return fault.New(fault.Unexpected, "the floor's own operation failed") }

// signing are the operations of docs/spec/sealing.md and docs/spec/orders.md.
func signing(plan *code.Plan) ([]operation, error) {
	suite := hpke.NewSuite(hpke.KEM_XWING, hpke.KDF_HKDF_SHA256, hpke.AEAD_AES128GCM)
	public, private, err := hpke.KEM_XWING.Scheme().GenerateKeyPair()
	if err != nil {
		return nil, fault.New(fault.Unexpected, "%w", err)
	}
	var sealed [2][]byte // of both servers
	var encs [2][]byte
	for i, size := range []int{plan.TotalBytes(), prg.Size} {
		sender, err := suite.NewSender(public, nil)
		if err != nil {
			return nil, fault.New(fault.Unexpected, "%w", err)
		}
		enc, sealer, err := sender.Setup(rand.Reader)
		if err != nil {
			return nil, fault.New(fault.Unexpected, "%w", err)
		}
		encs[i] = enc
		if sealed[i], err = sealer.Seal(make([]byte, size), nil); err != nil {
			return nil, fault.New(fault.Unexpected, "%w", err)
		}
	}
	turn := 0
	open := func() error {
		turn = 1 - turn
		receiver, err := suite.NewReceiver(private, nil)
		if err != nil {
			return err
		}
		opener, err := receiver.Setup(encs[turn])
		if err != nil {
			return err
		}
		_, err = opener.Open(sealed[turn], nil)
		return err
	}
	message := make([]byte, 512)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fault.New(fault.Unexpected, "%w", err)
	}
	hash := sha256.Sum256(message)
	es256, err := ecdsa.SignASN1(rand.Reader, p256, hash[:])
	if err != nil {
		return nil, fault.New(fault.Unexpected, "%w", err)
	}
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fault.New(fault.Unexpected, "%w", err)
	}
	eddsa := ed25519.Sign(edPrivate, message)
	return []operation{
		{"X-Wing (HPKE) opening: one at each server", 2, open},
		{"ES256 verification of the relying party's request: one at each server", 2, func() error { return verified(ecdsa.VerifyASN1(&p256.PublicKey, hash[:], es256)) }},
		{"ES256 verification of the device's signature: one at each server", 2, func() error { return verified(ecdsa.VerifyASN1(&p256.PublicKey, hash[:], es256)) }},
		{"Ed25519 signature: answer and verdict, each by both servers", 4, func() error { ed25519.Sign(edPrivate, message); return nil }},
		{"Ed25519 verification: the matcher checks the custodian's two", 2, func() error { return verified(ed25519.Verify(edPublic, message, eddsa)) }},
	}, nil
}

func verified(ok bool) error {
	if !ok {
		return mismatch()
	}
	return nil
}

// comparing are the operations of docs/spec/protocol.md: for every check of the plan,
// the dealing of a correlation, its digests, and the comparison by both parties. The
// dealer keeps nothing, so it deals for each server anew. dealt is how many correlations
// are dealt for one that is used.
func comparing(plan *code.Plan, dealt float64) (out []operation) {
	for _, step := range plan.Steps {
		name := "match: "
		if step.Slot == code.NoSlot {
			name = "plausibility: "
		}
		b := newBare(step.Check, step.T)
		out = append(out,
			operation{name + "dealing a correlation, once for each server", 2 * dealt, b.deal},
			operation{name + "its digests, likewise, and half of them at each server", 3 * dealt, b.digest},
			operation{name + "expanding and comparing, both servers", 1, b.compare})
	}
	return out
}

// bare is one comparison of a check that is played again and again.
type bare struct {
	dealer *compare.Dealer
	seeds  [2]prg.Seed
	halves [2]compare.Half
	ready  [2]*compare.Ready
	u      [2]code.Code
	bound  int32
	m1     compare.M1
	m2     compare.M2
}

func newBare(check *code.Check, bound int32) *bare {
	id := canon.ChannelID{1}
	channel := compare.NewChannel(id, check)
	b := &bare{dealer: compare.NewDealer(check, id), seeds: [2]prg.Seed{prg.New(), prg.New()}, bound: bound}
	for p, party := range []compare.Party{compare.Matcher, compare.Custodian} {
		b.halves[p] = compare.Half{Seed: b.seeds[p], Corrections: make([]byte, compare.CorrectionsSize(check, party))}
		b.ready[p] = compare.NewReady(channel, party)
		b.u[p] = code.NewCode(check.Bits())
	}
	b.m1.C, b.m2.C = code.NewCode(check.Bits()), code.NewCode(check.Bits())
	_ = b.deal()
	return b
}

const bareIndex = 9

func (b *bare) deal() error {
	corrections := [2][]byte{b.halves[0].Corrections, b.halves[1].Corrections}
	b.dealer.Deal(bareIndex, &b.seeds, &corrections)
	return nil
}

func (b *bare) digest() error {
	b.halves[0].Digests()
	b.halves[1].Digests()
	return nil
}

func (b *bare) compare() error {
	for p := range b.ready {
		if err := b.ready[p].Load(bareIndex, &b.halves[p]); err != nil {
			return err
		}
	}
	var m3 compare.M3
	var m4 compare.M4
	if err := b.ready[0].Open(b.u[0], b.bound, &b.m1); err != nil {
		return err
	}
	if err := b.ready[1].Answer(b.u[1], b.bound, &b.m1, &b.m2); err != nil {
		return err
	}
	if err := b.ready[0].Reply(&b.m2, &m3); err != nil {
		return err
	}
	if _, err := b.ready[1].Close(&m3, &m4); err != nil {
		return err
	}
	_, err := b.ready[0].Conclude(&m4)
	return err
}

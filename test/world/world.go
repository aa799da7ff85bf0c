// Package world is an embedded deployment with synthetic people, for tests that
// play whole verifications.
package world

import (
	"context"
	"crypto/rand"
	mrand "math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/compare/cut"
	"nod/dev"
	"nod/orders"
	"nod/wire"
)

// World is a deployment. It closes itself when its test ends.
type World struct {
	*dev.Deployment
	People // of the only slot's model
	Clock  *Clock
}

// Shape is the model of a World that does not ask for another.
func Shape() codetest.Shape {
	return codetest.Shape{Dimension: 64, Bits: 256, MaxWeight: 7, Plausibility: true}
}

// New opens a deployment whose policy has one slot for a model of the shape. Its
// batches are tiny: quick to deal, and no claim about a dealer. change, if set,
// has the last word on its options.
func New(t testing.TB, shape codetest.Shape, change func(*dev.Options)) *World {
	t.Helper()
	rng := mrand.New(mrand.NewPCG(1, uint64(len(t.Name()))))
	w := &World{People: People{T: t, Rand: rng, Model: codetest.Model(rng, shape)}, Clock: NewClock()}
	options := dev.Options{
		Folder: t.TempDir(), Models: []*code.Model{w.Model}, Policy: codetest.Policy(code.FMR1e3, w.Model),
		Params: cut.Params{Batch: 96, Sacrifice: 32}, Now: w.Clock.Now,
	}
	if change != nil {
		change(&options)
	}
	d, err := dev.Open(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	w.Deployment, w.Bound = d, d.Plan.Steps[0].T
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// Clock stands still unless it is moved. Safe for concurrent use.
type Clock struct{ ms atomic.Int64 }

// NewClock starts at the present second.
func NewClock() *Clock {
	c := new(Clock)
	c.ms.Store(time.Now().Truncate(time.Second).UnixMilli())
	return c
}

// Now is the clock's time.
func (c *Clock) Now() time.Time { return time.UnixMilli(c.ms.Load()).UTC() }

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// Enrol enrols a person, by the portrait, in slot 0.
func (w *World) Enrol(p Person) {
	w.T.Helper()
	if _, err := w.Station.Enrol(context.Background(), p.Name, 0, w.Model, w.Portrait(p)); err != nil {
		w.T.Fatal(err)
	}
}

// Ask verifies that shown is the citizen claimed.
func (w *World) Ask(claimed, shown Person) bool {
	w.T.Helper()
	v, err := w.Verify(context.Background(), claimed.Name, w.Photo(shown))
	if err != nil {
		w.T.Fatal(err)
	}
	return v.Verdict.Match
}

// Expect is Ask with the answer that it must have.
func (w *World) Expect(claimed, shown Person, want bool) {
	w.T.Helper()
	if got := w.Ask(claimed, shown); got != want {
		w.T.Fatalf("verdict %v, want %v", got, want)
	}
}

// SignOrder signs an order of the bureau, a second after everything before it.
func (w *World) SignOrder(kind orders.OrderKind, p Person) []byte {
	w.T.Helper()
	w.Clock.Advance(time.Second)
	order, err := orders.SignOrder(w.Bureau, &orders.Order{
		Kind: kind, Citizen: p.Name, JTI: rand.Text(), IssuedAt: w.Clock.Now(), Expiry: w.Clock.Now().Add(time.Hour),
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return order
}

// Deliver delivers an order.
func (w *World) Deliver(order []byte) error {
	_, err := w.Matcher.Order(context.Background(), &wire.OrderRequest{Order: order})
	return err
}

// Order signs and delivers an order of the bureau.
func (w *World) Order(kind orders.OrderKind, p Person) {
	w.T.Helper()
	if err := w.Deliver(w.SignOrder(kind, p)); err != nil {
		w.T.Fatal(err)
	}
}

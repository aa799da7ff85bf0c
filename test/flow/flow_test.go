// Package flow tests whole verifications, enrolments, renewals and erasures over
// the three roles of an embedded deployment.
package flow_test

import (
	"context"
	"crypto/rand"
	mrand "math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"nod/client"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/compare/cut"
	"nod/dev"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// tiny is a batch for tests: quick to deal, and no claim about a dealer.
var tiny = cut.Params{Batch: 96, Sacrifice: 32}

// world is a deployment with synthetic people.
type world struct {
	*dev.Deployment
	t     *testing.T
	rng   *mrand.Rand
	model *code.Model
	clock *clock
}

// clock stands still unless it is moved.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.ms.Store(time.Now().Truncate(time.Second).UnixMilli())
	return c
}

func (c *clock) Now() time.Time          { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

func newWorld(t *testing.T, change func(*dev.Options)) *world {
	t.Helper()
	rng := mrand.New(mrand.NewPCG(1, uint64(len(t.Name()))))
	model := codetest.Model(rng, codetest.Shape{Dimension: 64, Bits: 256, MaxWeight: 7, Plausibility: true})
	c := newClock()
	options := dev.Options{
		Folder: t.TempDir(), Models: []*code.Model{model}, Policy: codetest.Policy(code.FMR1e6, model),
		Params: tiny, Now: c.Now,
	}
	if change != nil {
		change(&options)
	}
	d, err := dev.Open(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{Deployment: d, t: t, rng: rng, model: model, clock: c}
}

// person is a synthetic face.
type person struct {
	name     orders.Citizen
	features []float32
}

func (w *world) person(reference string) person {
	w.t.Helper()
	name, err := orders.NewCitizen(reference)
	if err != nil {
		w.t.Fatal(err)
	}
	return person{name, codetest.Features(w.rng, w.model.Dimension())}
}

// photo is a person's features as another photo gives them.
func (w *world) photo(p person) client.Features {
	return client.Features{w.model.Network(): {codetest.Near(w.rng, p.features, 0.1)}}
}

func (w *world) enrol(p person) {
	w.t.Helper()
	if _, err := w.Station.Enrol(context.Background(), p.name, 0, w.model, w.photo(p)); err != nil {
		w.t.Fatal(err)
	}
}

// ask verifies that shown is the citizen claimed.
func (w *world) ask(claimed, shown person) bool {
	w.t.Helper()
	v, err := w.Verify(context.Background(), claimed.name, w.photo(shown))
	if err != nil {
		w.t.Fatal(err)
	}
	return v.Verdict.Match
}

func (w *world) expect(claimed, shown person, want bool) {
	w.t.Helper()
	if got := w.ask(claimed, shown); got != want {
		w.t.Fatalf("verdict %v, want %v", got, want)
	}
}

// order signs and delivers an order of the bureau.
func (w *world) order(kind orders.OrderKind, p person) error {
	w.t.Helper()
	w.clock.Advance(time.Second)
	order, err := orders.SignOrder(w.Bureau, &orders.Order{
		Kind: kind, Citizen: p.name, JTI: rand.Text(), IssuedAt: w.clock.Now(), Expiry: w.clock.Now().Add(time.Hour),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = w.Matcher.Order(context.Background(), &wire.OrderRequest{Order: order})
	return err
}

func TestVerify(t *testing.T) {
	w := newWorld(t, nil)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	w.enrol(alice)
	w.enrol(bob)
	w.expect(alice, alice, true)
	w.expect(bob, bob, true)
	w.expect(alice, bob, false)
	w.expect(bob, alice, false)
	w.expect(carol, carol, false) // never enrolled
	w.expect(alice, alice, true)
}

func TestEnrolAnew(t *testing.T) {
	w := newWorld(t, nil)
	alice, bob := w.person("alice"), w.person("bob")
	w.enrol(alice)
	w.clock.Advance(time.Second)
	// Another face for the same citizen replaces the first.
	w.enrol(person{alice.name, bob.features})
	w.expect(alice, alice, false)
	w.expect(alice, bob, true)
}

func TestErase(t *testing.T) {
	w := newWorld(t, nil)
	alice := w.person("alice")
	w.enrol(alice)
	w.expect(alice, alice, true)
	if err := w.order(orders.Erase, alice); err != nil {
		t.Fatal(err)
	}
	w.expect(alice, alice, false)
	if _, err := w.Halves(context.Background(), alice.name); !fault.Is(err, fault.NotFound) {
		t.Errorf("after erasure: %v", err)
	}
	w.clock.Advance(time.Second)
	w.enrol(alice)
	w.expect(alice, alice, true)
}

func TestLock(t *testing.T) {
	w := newWorld(t, nil)
	alice := w.person("alice")
	w.enrol(alice)
	for _, step := range []struct {
		kind orders.OrderKind
		want bool
	}{{orders.Lock, false}, {orders.Unlock, true}} {
		if err := w.order(step.kind, alice); err != nil {
			t.Fatal(err)
		}
		w.expect(alice, alice, step.want)
	}
}

func TestRenew(t *testing.T) {
	w := newWorld(t, nil)
	people := []person{w.person("a"), w.person("b"), w.person("c")}
	for _, p := range people {
		w.enrol(p)
	}
	before, err := w.Halves(context.Background(), people[0].name)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := w.RotatePad(context.Background()); err != nil {
			t.Fatal(err)
		}
		renewed, cursor := uint32(0), []byte(nil)
		for more := true; more; more = len(cursor) > 0 {
			page, err := w.Matcher.Renew(context.Background(), &wire.RenewRequest{Cursor: cursor, Limit: 2})
			if err != nil {
				t.Fatal(err)
			}
			renewed, cursor = renewed+page.Renewed, page.Cursor
		}
		if renewed != 3 {
			t.Fatalf("%d templates renewed, want 3", renewed)
		}
		if _, err := w.DestroyOldPads(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, p := range people {
			w.expect(p, p, true)
		}
		w.expect(people[0], people[1], false)
	}
	after, err := w.Halves(context.Background(), people[0].name)
	if err != nil {
		t.Fatal(err)
	}
	if after.Matcher.Masked.Equal(before.Matcher.Masked) || after.Matcher.Counter != 3 {
		t.Error("the stored template did not change")
	}
}

// Everything is there again after a restart.
func TestRestart(t *testing.T) {
	folder := t.TempDir()
	var options dev.Options
	in := func(o *dev.Options) { o.Folder = folder; options = *o }
	w := newWorld(t, in)
	alice, bob := w.person("alice"), w.person("bob")
	w.enrol(alice)
	if _, err := dev.Open(context.Background(), options); !fault.Is(err, fault.StoreInUse) {
		t.Errorf("the folder opened twice: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := dev.Open(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	w.Deployment = d
	w.expect(alice, alice, true)
	w.expect(alice, bob, false)
}

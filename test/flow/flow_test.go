// Package flow tests whole verifications, enrolments, renewals and erasures over
// the three roles of an embedded deployment.
package flow_test

import (
	"context"
	"testing"
	"time"

	"nod/dev"
	"nod/fault"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

// stage is a deployment with synthetic people.
type stage struct{ *world.World }

func newStage(t *testing.T, change func(*dev.Options)) *stage {
	t.Helper()
	return &stage{world.New(t, world.Shape(), change)}
}

func TestVerify(t *testing.T) {
	w := newStage(t, nil)
	alice, bob, carol := w.Person("alice"), w.Person("bob"), w.Person("carol")
	w.Enrol(alice)
	w.Enrol(bob)
	w.Expect(alice, alice, true)
	w.Expect(bob, bob, true)
	w.Expect(alice, bob, false)
	w.Expect(bob, alice, false)
	w.Expect(carol, carol, false) // never enrolled
	w.Expect(alice, alice, true)
}

func TestEnrolAnew(t *testing.T) {
	w := newStage(t, nil)
	alice, bob := w.Person("alice"), w.Person("bob")
	w.Enrol(alice)
	w.Clock.Advance(time.Second)
	// Another face for the same citizen replaces the first.
	w.Enrol(world.Person{Name: alice.Name, Face: bob.Face})
	w.Expect(alice, alice, false)
	w.Expect(alice, bob, true)
}

func TestErase(t *testing.T) {
	w := newStage(t, nil)
	alice := w.Person("alice")
	w.Enrol(alice)
	w.Expect(alice, alice, true)
	if err := w.Deliver(w.SignOrder(orders.Erase, alice)); err != nil {
		t.Fatal(err)
	}
	w.Expect(alice, alice, false)
	if _, err := w.Halves(context.Background(), alice.Name); !fault.Is(err, fault.NotFound) {
		t.Errorf("after erasure: %v", err)
	}
	w.Clock.Advance(time.Second)
	w.Enrol(alice)
	w.Expect(alice, alice, true)
}

func TestLock(t *testing.T) {
	w := newStage(t, nil)
	alice := w.Person("alice")
	w.Enrol(alice)
	for _, step := range []struct {
		kind orders.OrderKind
		want bool
	}{{orders.Lock, false}, {orders.Unlock, true}} {
		if err := w.Deliver(w.SignOrder(step.kind, alice)); err != nil {
			t.Fatal(err)
		}
		w.Expect(alice, alice, step.want)
	}
}

func TestRenew(t *testing.T) {
	w := newStage(t, nil)
	people := []world.Person{w.Person("a"), w.Person("b"), w.Person("c")}
	for _, p := range people {
		w.Enrol(p)
	}
	before, err := w.Halves(context.Background(), people[0].Name)
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
			w.Expect(p, p, true)
		}
		w.Expect(people[0], people[1], false)
	}
	after, err := w.Halves(context.Background(), people[0].Name)
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
	w := newStage(t, in)
	alice, bob := w.Person("alice"), w.Person("bob")
	w.Enrol(alice)
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
	w.Expect(alice, alice, true)
	w.Expect(alice, bob, false)
}

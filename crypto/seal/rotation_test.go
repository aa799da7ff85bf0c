package seal

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"nod/fault"
)

func TestKeysRotateAndAreWiped(t *testing.T) {
	r := newRecipients(t, Matcher)
	first := recipientKey(t, r, now)
	c := testContext()
	c.Expiry = now.Add(72 * time.Hour)
	sealed, err := Seal(first, c, []byte("share"))
	if err != nil {
		t.Fatal(err)
	}
	rotate := func(at time.Time) {
		t.Helper()
		if err := r.Rotate(t.Context(), at, identity(Matcher)); err != nil {
			t.Fatal(err)
		}
	}
	rotate(now.Add(Period - time.Second))
	if recipientKey(t, r, now.Add(Period-time.Second)).ID() != first.ID() {
		t.Fatal("rotated too soon")
	}
	rotate(now.Add(Period))
	if recipientKey(t, r, now.Add(Period)).ID() == first.ID() {
		t.Fatal("not rotated after the period")
	}
	if _, err := r.Open(c, sealed, 5, now.Add(Lifetime)); err != nil {
		t.Fatalf("the previous key must serve to its end: %v", err)
	}
	private := r.keys.keys[0].key
	after := now.Add(Lifetime + time.Second)
	if _, err := r.Open(c, sealed, 5, after); !fault.Is(err, fault.KeyExpired) {
		t.Fatalf("after its end, not wiped yet: %v", err)
	}
	rotate(after)
	if _, err := r.Open(c, sealed, 5, after); !fault.Is(err, fault.KeyExpired) {
		t.Fatalf("after it was wiped: %v", err)
	}
	if packed, err := private.MarshalBinary(); err != nil || string(packed) != string(make([]byte, len(packed))) {
		t.Fatal("the old key is not wiped")
	}
	late := now.Add(Lifetime + remembered + time.Minute)
	rotate(late)
	if _, err := r.Open(c, sealed, 5, late); !fault.Is(err, fault.UnknownKey) {
		t.Fatalf("long after: %v", err)
	}
}

func TestKeyringAwayKeepsTheNewestKeyForAWhile(t *testing.T) {
	r := newRecipients(t, Matcher)
	away := errors.New("away")
	failing := func(context.Context, []byte) ([]byte, uint32, error) { return nil, 0, away }
	if err := r.Rotate(t.Context(), now.Add(Period), failing); !errors.Is(err, away) {
		t.Fatalf("rotation hid the failure: %v", err)
	}
	if _, err := r.Certificate(now.Add(Offered)); err != nil {
		t.Fatalf("the newest key must still be offered: %v", err)
	}
	if _, err := r.Certificate(now.Add(Offered + time.Second)); !fault.Is(err, fault.KeyringUnavailable) {
		t.Fatalf("a key was offered that ends too soon: %v", err)
	}
	if _, err := NewSigners(Matcher).Sign(now, nil); !fault.Is(err, fault.KeyringUnavailable) {
		t.Fatalf("signed without a key: %v", err)
	}
}

func TestWipeForgetsEverything(t *testing.T) {
	r := newRecipients(t, Matcher)
	sealed, err := Seal(recipientKey(t, r, now), testContext(), []byte("share"))
	if err != nil {
		t.Fatal(err)
	}
	r.Wipe()
	if _, err := r.Open(testContext(), sealed, 5, now); !fault.Is(err, fault.KeyExpired) {
		t.Fatalf("opened after Wipe: %v", err)
	}
	s := NewSigners(Matcher)
	if err := s.Rotate(t.Context(), now, identity(Matcher)); err != nil {
		t.Fatal(err)
	}
	s.Wipe()
	if _, err := s.Sign(now, nil); err == nil {
		t.Fatal("signed after Wipe")
	}
}

// With the race detector on: rotation and use at once.
func TestConcurrentUse(t *testing.T) {
	r, s := NewRecipients(Matcher), NewSigners(Matcher)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			at := now.Add(time.Duration(i%4) * 40 * time.Minute)
			c := testContext()
			c.Expiry = at.Add(time.Hour)
			for range 10 {
				if r.Rotate(t.Context(), at, identity(Matcher)) != nil || s.Rotate(t.Context(), at, identity(Matcher)) != nil {
					t.Error("rotation failed")
				}
				_, _ = s.Sign(at, []byte("message"))
				_, _ = r.Open(c, make([]byte, Overhead+5), 5, at)
				_, _ = r.Certificate(at)
			}
		})
	}
	wg.Wait()
}

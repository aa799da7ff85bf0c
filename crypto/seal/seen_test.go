package seal

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"

	"nod/fault"
)

// A certificate that verified before is held to role, use and time each time, and not
// one byte of it may change.
func TestSeenCertificates(t *testing.T) {
	b, now := testBundle(t), time.Unix(1_900_000_000, 0)
	key := make([]byte, ForVerdict.keySize())
	issued, err := Issue(t.Context(), identity(Matcher), Matcher, ForVerdict, key, now, now.Add(Lifetime))
	if err != nil {
		t.Fatal(err)
	}
	cert := issued.Bytes()
	for range 2 {
		if c, err := b.Check(cert, Matcher, ForVerdict, now); err != nil || c.Role != Matcher {
			t.Fatal(err)
		}
	}
	if len(b.seen.certs) != 1 {
		t.Fatalf("%d certificates are remembered", len(b.seen.certs))
	}
	for name, check := range map[string]func() error{
		"another role": func() error { _, err := b.Check(cert, Custodian, ForVerdict, now); return err },
		"another use":  func() error { _, err := b.Check(cert, Matcher, ForRecipient, now); return err },
		"another bundle": func() error {
			ids := testIdentities()
			ids[Matcher] = []Identity{{Version: 1, Key: public(keyFor("another matcher"))}}
			other, err := NewBundle(ids, public(keyFor("offline")))
			if err != nil {
				t.Fatal(err)
			}
			_, err = other.Check(cert, Matcher, ForVerdict, now)
			return err
		},
	} {
		if err := check(); !fault.Is(err, fault.BadCertificate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, at := range []time.Time{now.Add(-time.Minute), now.Add(Lifetime + time.Minute)} {
		if _, err := b.Check(cert, Matcher, ForVerdict, at); !fault.Is(err, fault.KeyExpired) {
			t.Errorf("at another time: %v", err)
		}
	}
	flips(cert, func(changed []byte, at int) {
		if _, err := b.Check(changed, Matcher, ForVerdict, now); err == nil {
			t.Errorf("byte %d changed, and the certificate verifies", at)
		}
	})
	if len(b.seen.certs) != 1 {
		t.Errorf("%d certificates are remembered: those that do not verify must not be", len(b.seen.certs))
	}
}

// What is remembered is bounded.
func TestSeenIsBounded(t *testing.T) {
	b, now := testBundle(t), time.Unix(1_900_000_000, 0)
	for range 3 * maxSeen {
		key, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		issued, err := Issue(t.Context(), identity(Matcher), Matcher, ForVerdict, key, now, now.Add(Lifetime))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Check(issued.Bytes(), Matcher, ForVerdict, now); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.seen.certs); n == 0 || n > maxSeen {
		t.Errorf("%d certificates are remembered, at most %d", n, maxSeen)
	}
}

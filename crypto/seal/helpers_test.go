package seal

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/cloudflare/circl/kem/xwing"

	"nod/crypto/canon"
)

// now is the moment at which the tests happen.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// keyFor is an Ed25519 key that is the same in every run.
func keyFor(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("test key of " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// signer signs with one version of a key.
func signer(key ed25519.PrivateKey, version uint32) SignFunc {
	return func(_ context.Context, message []byte) ([]byte, uint32, error) {
		return ed25519.Sign(key, message), version, nil
	}
}

func identity(role Role) SignFunc { return signer(keyFor(string(role)), 1) }

func testIdentities() map[Role][]Identity {
	out := map[Role][]Identity{}
	for _, role := range Roles() {
		out[role] = []Identity{{Version: 1, Key: public(keyFor(string(role)))}}
	}
	return out
}

func testBundle(t testing.TB) *Bundle {
	t.Helper()
	b, err := NewBundle(testIdentities(), public(keyFor("offline")))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testContext() Context {
	return Context{
		Kind:    Probe,
		Request: canon.RequestHash(sha256.Sum256([]byte("request"))),
		Place:   sha256.Sum256([]byte("session")),
		Party:   "https://bank.example",
		Model:   canon.ModelID(sha256.Sum256([]byte("model"))),
		Expiry:  now.Add(3 * time.Minute),
	}
}

// newRecipients has one key, made at now.
func newRecipients(t testing.TB, role Role) *Recipients {
	t.Helper()
	r := NewRecipients(role)
	if err := r.Rotate(t.Context(), now, identity(role)); err != nil {
		t.Fatal(err)
	}
	return r
}

// fixedRecipients has one key, the same in every process: a fuzzer's workers
// share what they find.
func fixedRecipients(t testing.TB, role Role) *Recipients {
	t.Helper()
	seed := sha256.Sum256([]byte("test recipient"))
	private, packed := xwing.DeriveKeyPairPacked(seed[:])
	cert, err := Issue(t.Context(), identity(role), role, ForRecipient, packed, now, now.Add(Lifetime))
	if err != nil {
		t.Fatal(err)
	}
	key, _ := xwing.DeriveKeyPair(private)
	r := NewRecipients(role)
	r.keys.add(cert, key)
	return r
}

func recipientKey(t testing.TB, r *Recipients, at time.Time) *RecipientKey {
	t.Helper()
	cert, err := r.Certificate(at)
	if err != nil {
		t.Fatal(err)
	}
	key, err := testBundle(t).Recipient(cert, r.keys.role, at)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// flips calls f with one bit of every byte of data flipped in turn (under the
// race detector, of some bytes); data is restored.
func flips(data []byte, f func(changed []byte, at int)) {
	for i := 0; i < len(data); i += stride {
		data[i] ^= 1 << (i % 8)
		f(data, i)
		data[i] ^= 1 << (i % 8)
	}
}

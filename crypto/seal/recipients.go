package seal

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/cloudflare/circl/kem/xwing"

	"nod/fault"
)

// Recipients are one server's keys to what is sealed for it: made in memory,
// replaced every hour, wiped, and never written anywhere, so what was captured
// stays sealed. It prints only its kind. Safe for concurrent use.
type Recipients struct {
	keys rotation[*xwing.PrivateKey]
}

// NewRecipients is an empty set for a role; Rotate fills it.
func NewRecipients(role Role) *Recipients {
	return &Recipients{rotation[*xwing.PrivateKey]{role: role, use: ForRecipient, wipe: wipeXWing}}
}

// wipeXWing overwrites the seed and the X25519 key. The expanded lattice key is
// behind a pointer that circl does not give out: it is dropped, and overwritten
// when the garbage collector's memory is used again.
func wipeXWing(k *xwing.PrivateKey) { *k = xwing.PrivateKey{} }

// Rotate wipes the keys whose time has passed, and makes a new one if it is
// time, certified through sign. Call it at start and every minute or so. When it
// fails, the newest key still serves until Offered.
func (r *Recipients) Rotate(ctx context.Context, now time.Time, sign SignFunc) error {
	r.keys.expire(now)
	if !r.keys.due(now) {
		return nil
	}
	var seed [xwing.SeedSize]byte
	_, _ = rand.Read(seed[:]) // never fails: it crashes the program instead
	defer clear(seed[:])
	private, public := xwing.DeriveKeyPair(seed[:])
	packed := make([]byte, xwing.PublicKeySize)
	public.Pack(packed)
	cert, err := Issue(ctx, sign, r.keys.role, ForRecipient, packed, now, now.Add(Lifetime))
	if err != nil {
		wipeXWing(private)
		return err
	}
	r.keys.add(cert, private)
	return nil
}

// Certificate is the newest key's certificate, to hand to senders.
func (r *Recipients) Certificate(now time.Time) ([]byte, error) { return r.keys.certificate(now) }

// Open decrypts a sealed message whose plaintext has exactly size bytes. Faults:
// Truncated or Oversize for a wrong length, UnknownKey, KeyExpired, Expired when
// the context's own time is over, and BadCiphertext for everything else: changed,
// sealed for another place, kind, party, model, role or time. The caller wipes
// the result.
func (r *Recipients) Open(c Context, sealed []byte, size int, now time.Time) (Plain, error) {
	if err := c.valid(); err != nil {
		return nil, err
	}
	switch want := Overhead + size; {
	case len(sealed) < want:
		return nil, fault.New(fault.Truncated, "sealed message of %d bytes, want %d", len(sealed), want)
	case len(sealed) > want:
		return nil, fault.New(fault.Oversize, "sealed message of %d bytes, want %d", len(sealed), want)
	case now.After(c.Expiry):
		return nil, fault.New(fault.Expired, "the %s's time ended at %s", c.Kind, c.Expiry.UTC().Format(time.RFC3339))
	}
	id := KeyID(sealed[:KeyIDSize])
	var plain Plain
	err := r.keys.withKey(id, now, func(private *xwing.PrivateKey) (err error) {
		plain, err = openWith(private, r.keys.role, id, &c, sealed[KeyIDSize:])
		return err
	})
	return plain, err
}

// Wipe forgets every key.
func (r *Recipients) Wipe() { r.keys.wipeAll() }

// String hides the keys.
func (*Recipients) String() string { return "seal.Recipients(secret)" }

// GoString hides the keys.
func (*Recipients) GoString() string { return "seal.Recipients(secret)" }

// Format hides it under every verb.
func (r *Recipients) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.String())) }

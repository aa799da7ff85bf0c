package seal

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"nod/fault"
)

// Signers are one server's short-lived Ed25519 keys for answers, verdicts and
// receipts: made in memory, replaced every hour and wiped. It prints only its
// kind. Safe for concurrent use.
type Signers struct {
	keys rotation[ed25519.PrivateKey]
}

// NewSigners is an empty set for a role; Rotate fills it.
func NewSigners(role Role) *Signers {
	return &Signers{rotation[ed25519.PrivateKey]{role: role, use: ForVerdict, wipe: func(k ed25519.PrivateKey) { clear(k) }}}
}

// Role is the role that the keys sign for.
func (s *Signers) Role() Role { return s.keys.role }

// Rotate is as for Recipients.
func (s *Signers) Rotate(ctx context.Context, now time.Time, sign SignFunc) error {
	s.keys.expire(now)
	if !s.keys.due(now) {
		return nil
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fault.New(fault.Unexpected, "verdict key: %w", err)
	}
	cert, err := Issue(ctx, sign, s.keys.role, ForVerdict, public, now, now.Add(Lifetime))
	if err != nil {
		clear(private)
		return err
	}
	s.keys.add(cert, private)
	return nil
}

// Signature is a signature by a short-lived key, with the certificate that says
// whose it is.
type Signature struct {
	Cert  []byte
	Value []byte // Ed25519, 64 bytes
}

// Sign signs message with the newest key.
func (s *Signers) Sign(now time.Time, message []byte) (Signature, error) {
	return s.SignWith(now, func(*Cert) ([]byte, error) { return message, nil })
}

// SignWith signs a message that names its key: message is given the certificate
// of the key that will sign.
func (s *Signers) SignWith(now time.Time, message func(*Cert) ([]byte, error)) (Signature, error) {
	var out Signature
	err := s.keys.withNewest(now, func(c *Cert, private ed25519.PrivateKey) error {
		m, err := message(c)
		if err != nil {
			return err
		}
		out = Signature{Cert: c.Bytes(), Value: ed25519.Sign(private, m)}
		return nil
	})
	return out, err
}

// Wipe forgets every key.
func (s *Signers) Wipe() { s.keys.wipeAll() }

// String hides the keys.
func (*Signers) String() string { return "seal.Signers(secret)" }

// GoString hides the keys.
func (*Signers) GoString() string { return "seal.Signers(secret)" }

// Format hides it under every verb.
func (s *Signers) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

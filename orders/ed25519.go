package orders

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"fmt"
	"io"

	"nod/fault"
)

// Ed25519 is a copy of the key for uses beside JWS, such as TLS; ok is false for a
// P-256 key.
func (k *PublicKey) Ed25519() (key ed25519.PublicKey, ok bool) {
	if k.ec != nil {
		return nil, false
	}
	return bytes.Clone(k.ed), true
}

// Signer lets the key sign for uses beside JWS, such as TLS, without giving it out;
// ok is false for a P-256 key. Wiping k ends the use of the signer.
func (k *PrivateKey) Signer() (signer crypto.Signer, ok bool) {
	if k.ed == nil {
		return nil, false
	}
	return ed25519Signer{k}, true
}

// ed25519Signer prints only its kind.
type ed25519Signer struct{ key *PrivateKey }

// Public is the key that verifies: an ed25519.PublicKey.
func (s ed25519Signer) Public() crypto.PublicKey {
	key, _ := s.key.public.Ed25519()
	return key
}

// Sign signs as ed25519.PrivateKey does; with a key that was wiped it is
// fault.BadKey.
func (s ed25519Signer) Sign(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if s.key.ed == nil {
		return nil, fault.New(fault.BadKey, "the key was wiped")
	}
	return s.key.ed.Sign(random, message, opts)
}

// String hides the key.
func (ed25519Signer) String() string { return "orders.Signer(secret)" }

// GoString hides the key.
func (ed25519Signer) GoString() string { return "orders.Signer(secret)" }

// Format hides the key under every verb.
func (s ed25519Signer) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

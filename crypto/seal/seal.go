// Package seal keeps a probe or an enrolment closed to everyone but the one
// server that it is for, and says which keys belong to which server. It
// implements docs/spec/sealing.md.
//
// Sealing is HPKE (RFC 9180) in base mode with the X-Wing KEM, HKDF-SHA-256 and
// AES-128-GCM. Recipient keys are short-lived, live in memory only, and are
// certified by their role's identity key; the identity keys are pinned by a
// trust bundle. Signatures are classical (Ed25519): a quantum adversary can not
// open what was recorded, but could sign once it exists.
package seal

import (
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"github.com/cloudflare/circl/hpke"
	"github.com/cloudflare/circl/kem"

	"nod/crypto/canon"
	"nod/fault"
)

// Kind says what is sealed. The kinds have labels of their own in HPKE's info,
// so neither opens as the other.
type Kind string

// The kinds.
const (
	Probe     Kind = "probe"
	Enrolment Kind = "enrolment"
)

// Context is everything that a sealed message is bound to, besides the
// recipient's role and key: it opens only where all of it is the same.
type Context struct {
	Kind    Kind
	Request canon.RequestHash // q: of the request, or of the enrolment
	Place   [32]byte          // the session's id; for an enrolment the row's
	Party   string            // the relying party, or the station
	Model   canon.ModelID
	Expiry  time.Time // of the session or enrolment, whole seconds
}

// Sizes in bytes. A sealed message is key id, encapsulation and ciphertext, and
// is Overhead longer than its plaintext.
const (
	KeyIDSize    = 32
	encSize      = 1120 // X-Wing ciphertext
	tagSize      = 16   // AES-GCM tag
	Overhead     = KeyIDSize + encSize + tagSize
	MaxPlaintext = 4096
)

func suite() hpke.Suite {
	return hpke.NewSuite(hpke.KEM_XWING, hpke.KDF_HKDF_SHA256, hpke.AEAD_AES128GCM)
}

// info is HPKE's info: the label and the kind.
func (c *Context) info() []byte { return canon.Encode("seal", []byte(c.Kind)) }

// associated is HPKE's aad for a recipient.
func (c *Context) associated(role Role, key KeyID) []byte {
	return canon.Encode("sealed", c.Request[:], c.Place[:], []byte(c.Party), []byte(role), key[:], c.Model[:],
		canon.Time(c.Expiry))
}

func (c *Context) valid() error {
	if c.Kind != Probe && c.Kind != Enrolment {
		return fault.New(fault.OutOfRange, "nothing of this kind is sealed")
	}
	return nil
}

// RecipientKey is the public key of one server for a short time. Only
// Bundle.Recipient makes one, so holding it means that the server's own identity
// key certified it.
type RecipientKey struct {
	role   Role
	id     KeyID
	public kem.PublicKey
}

// Role is the server's role.
func (k *RecipientKey) Role() Role { return k.role }

// ID names the key.
func (k *RecipientKey) ID() KeyID { return k.id }

// Seal encrypts plaintext, 1 to MaxPlaintext bytes, to the holder of key. The
// plaintext stays the caller's, to wipe.
func Seal(key *RecipientKey, c Context, plaintext []byte) ([]byte, error) {
	return sealWith(rand.Reader, key, c, plaintext)
}

// sealWith draws the 64 bytes of the encapsulation from random. Anything but
// fresh uniform bytes is for test vectors.
func sealWith(random io.Reader, key *RecipientKey, c Context, plaintext []byte) ([]byte, error) {
	if err := c.valid(); err != nil {
		return nil, err
	}
	if len(plaintext) == 0 || len(plaintext) > MaxPlaintext {
		return nil, fault.New(fault.OutOfRange, "%d bytes to seal, want 1 to %d", len(plaintext), MaxPlaintext)
	}
	sender, err := suite().NewSender(key.public, c.info())
	if err != nil {
		return nil, fault.New(fault.BadKey, "recipient key: %w", err)
	}
	enc, sealer, err := sender.Setup(random)
	if err != nil {
		return nil, fault.New(fault.BadKey, "recipient key: %w", err)
	}
	ct, err := sealer.Seal(plaintext, c.associated(key.role, key.id))
	if err != nil {
		return nil, fault.New(fault.Unexpected, "sealing: %w", err)
	}
	out := make([]byte, 0, KeyIDSize+len(enc)+len(ct))
	out = append(out, key.id[:]...)
	out = append(out, enc...)
	return append(out, ct...), nil
}

// openWith decrypts the encapsulation and ciphertext that follow the key id.
func openWith(private kem.PrivateKey, role Role, id KeyID, c *Context, body []byte) (Plain, error) {
	receiver, err := suite().NewReceiver(private, c.info())
	if err != nil {
		return nil, errNotOpened()
	}
	opener, err := receiver.Setup(body[:encSize])
	if err != nil {
		return nil, errNotOpened()
	}
	plain, err := opener.Open(body[encSize:], c.associated(role, id))
	if err != nil {
		return nil, errNotOpened()
	}
	return plain, nil
}

// errNotOpened is the same for every reason: which one it was would tell a
// forger something, and an honest client nothing.
func errNotOpened() error {
	return fault.New(fault.BadCiphertext, "sealed message was changed, or is for another place")
}

// Plain is what a sealed message held: a share or a seed. Secret: it prints only
// its kind, and is wiped after use.
type Plain []byte

// Wipe overwrites the bytes with zeros.
func (p Plain) Wipe() { clear(p) }

// String hides the value.
func (Plain) String() string { return "seal.Plain(secret)" }

// GoString hides the value.
func (Plain) GoString() string { return "seal.Plain(secret)" }

// Format hides it under every verb.
func (p Plain) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// MarshalText hides the value from JSON and from structured logs.
func (p Plain) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

package seal

import (
	"context"
	"crypto/ed25519"
	"time"

	"nod/crypto/canon"
	"nod/fault"
)

// Role is one of the three trust domains.
type Role string

// The roles.
const (
	Matcher   Role = "matcher"
	Custodian Role = "custodian"
	Dealer    Role = "dealer"
)

// Roles lists the roles in the order in which encodings name them.
func Roles() []Role { return []Role{Matcher, Custodian, Dealer} }

func (r Role) valid() bool { return r == Matcher || r == Custodian || r == Dealer }

// Use is what a short-lived key may do.
type Use string

// The uses.
const (
	ForRecipient Use = "recipient" // X-Wing: open what is sealed to the role
	ForVerdict   Use = "verdict"   // Ed25519: sign answers, verdicts and receipts
)

func (u Use) keySize() int {
	switch u {
	case ForRecipient:
		return 1216
	case ForVerdict:
		return ed25519.PublicKeySize
	}
	return 0
}

// KeyID names a short-lived key: the hash of its use and public key, so a
// certificate cannot give a key another's name.
type KeyID = canon.ID[keyKind]

type keyKind struct{}

// Limits of a certificate.
const (
	// MaxLifetime is the longest time that a certificate may cover.
	MaxLifetime = 2 * time.Hour
	// Skew is how far a reader's clock may be from the signer's.
	Skew = 30 * time.Second
	// MaxCert is the most bytes that an encoded certificate has.
	MaxCert = 2048
)

// Cert says that a short-lived public key belongs to a role, in the words of
// that role's identity key. Immutable. A Cert that was only parsed is a claim:
// Bundle.Recipient and Bundle.Check verify it.
type Cert struct {
	Role            Role
	Use             Use
	PublicKey       []byte // X-Wing or Ed25519, by Use
	NotBefore       time.Time
	NotAfter        time.Time
	IdentityVersion uint32 // the version of the identity key that signed

	signature [ed25519.SignatureSize]byte
}

// SignFunc signs a message with a role's identity key and says which version of
// the key it used. keyring.Signer's Sign, applied to keyring.Identity, is one.
type SignFunc func(ctx context.Context, message []byte) (signature []byte, version uint32, err error)

// maxIssueTries bounds how often the identity key may rotate under Issue.
const maxIssueTries = 4

// Issue has a role's identity key certify public for a use, from notBefore to
// notAfter, cut to whole seconds.
func Issue(ctx context.Context, sign SignFunc, role Role, use Use, public []byte, notBefore, notAfter time.Time) (*Cert, error) {
	c := &Cert{
		Role:            role,
		Use:             use,
		PublicKey:       public,
		NotBefore:       notBefore.UTC().Truncate(time.Second),
		NotAfter:        notAfter.UTC().Truncate(time.Second),
		IdentityVersion: 1,
	}
	if err := c.valid(); err != nil {
		return nil, err
	}
	// The version is part of what is signed, and only signing tells which one is
	// the latest: so a stale guess is corrected and signed again.
	for range maxIssueTries {
		signature, version, err := sign(ctx, c.body())
		if err != nil {
			return nil, err
		}
		if version == c.IdentityVersion && len(signature) == ed25519.SignatureSize {
			c.signature = [ed25519.SignatureSize]byte(signature)
			return c, nil
		}
		c.IdentityVersion = version
	}
	return nil, fault.New(fault.KeyringUnavailable, "the %s's identity key does not sign under one version", role)
}

// body is what the identity key signs.
func (c *Cert) body() []byte {
	return canon.Encode("certificate-body", []byte(c.Role), []byte(c.Use), c.PublicKey,
		canon.Time(c.NotBefore), canon.Time(c.NotAfter), canon.Uint64(uint64(c.IdentityVersion)))
}

// Bytes is the certificate as it travels: what was signed, and the signature.
func (c *Cert) Bytes() []byte { return canon.Encode("certificate", c.body(), c.signature[:]) }

// KeyID names the certified key.
func (c *Cert) KeyID() KeyID { return keyID(c.Use, c.PublicKey) }

func keyID(use Use, public []byte) KeyID { return KeyID(canon.Sum("key", []byte(use), public)) }

func oversizeCert(data []byte) error {
	return fault.New(fault.Oversize, "certificate of %d bytes, at most %d", len(data), MaxCert)
}

// ParseCert reads what Bytes writes. It verifies nothing but the form.
func ParseCert(data []byte) (*Cert, error) {
	if len(data) > MaxCert {
		return nil, oversizeCert(data)
	}
	outer := canon.NewReader("certificate", data)
	body := outer.Bytes(0, MaxCert)
	c := new(Cert)
	outer.Fixed(c.signature[:])
	if err := outer.Close(); err != nil {
		return nil, err
	}
	r := canon.NewReader("certificate-body", body)
	c.Role = Role(r.Text(0, 16))
	c.Use = Use(r.Text(0, 16))
	c.PublicKey = append([]byte(nil), r.Bytes(0, MaxCert)...)
	c.NotBefore = r.Time()
	c.NotAfter = r.Time()
	c.IdentityVersion = uint32(r.Uint(1<<32 - 1))
	if err := r.Close(); err != nil {
		return nil, err
	}
	return c, c.valid()
}

// valid checks what does not need a key.
func (c *Cert) valid() error {
	switch {
	case !c.Role.valid():
		return fault.New(fault.BadEncoding, "certificate for an unknown role")
	case c.Use.keySize() == 0:
		return fault.New(fault.BadEncoding, "certificate for an unknown use")
	case len(c.PublicKey) != c.Use.keySize():
		return fault.New(fault.BadKey, "public key of %d bytes, want %d", len(c.PublicKey), c.Use.keySize())
	case c.IdentityVersion == 0:
		return fault.New(fault.OutOfRange, "identity keys count from 1")
	case !c.NotBefore.Before(c.NotAfter) || c.NotAfter.Sub(c.NotBefore) > MaxLifetime:
		return fault.New(fault.OutOfRange, "certificate covers %s, want more than 0 and at most %s",
			c.NotAfter.Sub(c.NotBefore), MaxLifetime)
	}
	return nil
}

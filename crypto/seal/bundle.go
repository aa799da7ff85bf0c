package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/cloudflare/circl/hpke"

	"nod/crypto/canon"
	"nod/fault"
)

// Identity is one version of a role's identity key.
type Identity struct {
	Version uint32            `json:"version"`
	Key     ed25519.PublicKey `json:"key"`
}

// MaxIdentities is the most versions that a bundle lists for one role.
const MaxIdentities = 4

// Bundle is the trust that a client, relying party or station is shipped with:
// the identity keys of every role, and an offline key that no server's operator
// holds. It is pinned. Only Update replaces it, with the next bundle, signed by
// every one of its keys: so no single role, nor all three together without the
// offline key, can change who is trusted. Immutable.
type Bundle struct {
	serial     uint64
	identities map[Role][]Identity
	offline    ed25519.PublicKey
	previous   canon.Digest // of the bundle before; zero for the first
	signatures []bundleSignature

	seen *seen // certificates that verified under these identities
}

// bundleSignature is by a key of the bundle before.
type bundleSignature struct {
	Key   ed25519.PublicKey `json:"key"`
	Value []byte            `json:"signature"`
}

// NewBundle is a first bundle, to be pinned as it is. Every role has 1 to
// MaxIdentities versions, in rising order; no key appears twice.
func NewBundle(identities map[Role][]Identity, offline ed25519.PublicKey) (*Bundle, error) {
	b := &Bundle{serial: 1, identities: cloneIdentities(identities), offline: offline, seen: newSeen()}
	return b, b.valid()
}

// Next is the bundle that is to follow b, not signed yet.
func (b *Bundle) Next(identities map[Role][]Identity, offline ed25519.PublicKey) (*Bundle, error) {
	n := &Bundle{serial: b.serial + 1, identities: cloneIdentities(identities), offline: offline, previous: b.Digest(), seen: newSeen()}
	return n, n.valid()
}

func cloneIdentities(identities map[Role][]Identity) map[Role][]Identity {
	out := make(map[Role][]Identity, len(identities))
	for role, list := range identities {
		out[role] = slices.Clone(list)
	}
	return out
}

// Serial counts bundles from 1.
func (b *Bundle) Serial() uint64 { return b.serial }

// SignedBytes is what the keys of the bundle before sign.
func (b *Bundle) SignedBytes() []byte {
	fields := [][]byte{canon.Uint64(b.serial), b.previous[:], b.offline}
	for _, role := range Roles() {
		fields = append(fields, []byte(role), canon.Uint64(uint64(len(b.identities[role]))))
		for _, id := range b.identities[role] {
			fields = append(fields, canon.Uint64(uint64(id.Version)), id.Key)
		}
	}
	return canon.Encode("trust-bundle", fields...)
}

// Digest names the bundle, without its signatures.
func (b *Bundle) Digest() canon.Digest {
	return canon.Digest(canon.Sum("trust-bundle-digest", b.SignedBytes()))
}

// WithSignature is b with a signature over SignedBytes by a key of the bundle
// before.
func (b *Bundle) WithSignature(key ed25519.PublicKey, signature []byte) (*Bundle, error) {
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, b.SignedBytes(), signature) {
		return nil, fault.New(fault.BadSignature, "trust bundle %d: the signature does not verify", b.serial)
	}
	n := *b
	n.signatures = append(slices.Clone(b.signatures), bundleSignature{key, signature})
	slices.SortFunc(n.signatures, func(x, y bundleSignature) int { return bytes.Compare(x.Key, y.Key) })
	return &n, n.valid()
}

// Update returns next if it may replace b: it is the very next one, and carries
// a signature by every identity key and the offline key of b, and no other. Any
// other bundle fails with fault.BadBundle.
func (b *Bundle) Update(next *Bundle) (*Bundle, error) {
	if next.serial != b.serial+1 || next.previous != b.Digest() {
		return nil, fault.New(fault.BadBundle, "bundle %d does not follow the pinned bundle %d", next.serial, b.serial)
	}
	message := next.SignedBytes()
	signed := func(key ed25519.PublicKey) bool {
		return slices.ContainsFunc(next.signatures, func(s bundleSignature) bool {
			return bytes.Equal(s.Key, key) && ed25519.Verify(key, message, s.Value)
		})
	}
	required := 1
	if !signed(b.offline) {
		return nil, fault.New(fault.BadBundle, "bundle %d is not signed by the offline key", next.serial)
	}
	for _, role := range Roles() {
		for _, id := range b.identities[role] {
			required++
			if !signed(id.Key) {
				return nil, fault.New(fault.BadBundle, "bundle %d is not signed by version %d of the %s's identity key",
					next.serial, id.Version, role)
			}
		}
	}
	if len(next.signatures) != required {
		return nil, fault.New(fault.BadBundle, "bundle %d has %d signatures, want %d", next.serial, len(next.signatures), required)
	}
	return next, nil
}

// Check reads a certificate and verifies it for one role and use at a time,
// under that role's own identity key: a certificate by another role's key, even
// one that names this role, is fault.BadCertificate.
func (b *Bundle) Check(cert []byte, role Role, use Use, at time.Time) (*Cert, error) {
	if len(cert) > MaxCert {
		return nil, oversizeCert(cert)
	}
	hash := sha256.Sum256(cert)
	c := b.seen.get(&hash)
	if c == nil {
		var err error
		if c, err = b.verified(cert, role, use); err != nil {
			return nil, err
		}
		b.seen.put(&hash, c)
	}
	if c.Role != role || c.Use != use {
		return nil, mistaken(c, role, use)
	}
	if at.Before(c.NotBefore.Add(-Skew)) || at.After(c.NotAfter.Add(Skew)) {
		return nil, fault.New(fault.KeyExpired, "certificate of the %s is for %s to %s", role,
			c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339))
	}
	return c, nil
}

func mistaken(c *Cert, role Role, use Use) error {
	return fault.New(fault.BadCertificate, "certificate of the %s for %s, want the %s for %s", c.Role, c.Use, role, use)
}

// verified reads a certificate for one role and use, and checks its signature.
func (b *Bundle) verified(cert []byte, role Role, use Use) (*Cert, error) {
	c, err := ParseCert(cert)
	if err != nil {
		return nil, err
	}
	if c.Role != role || c.Use != use {
		return nil, mistaken(c, role, use)
	}
	i := slices.IndexFunc(b.identities[role], func(id Identity) bool { return id.Version == c.IdentityVersion })
	if i < 0 {
		return nil, fault.New(fault.BadCertificate, "bundle %d has no version %d of the %s's identity key", b.serial, c.IdentityVersion, role)
	}
	if !ed25519.Verify(b.identities[role][i].Key, c.body(), c.signature[:]) {
		return nil, fault.New(fault.BadCertificate, "certificate is not signed by the %s's identity key", role)
	}
	return c, nil
}

// Recipient verifies a certificate for sealing to role, now.
func (b *Bundle) Recipient(cert []byte, role Role, now time.Time) (*RecipientKey, error) {
	c, err := b.Check(cert, role, ForRecipient, now)
	if err != nil {
		return nil, err
	}
	public, err := hpke.KEM_XWING.Scheme().UnmarshalBinaryPublicKey(c.PublicKey)
	if err != nil {
		return nil, fault.New(fault.BadKey, "recipient key of the %s: %w", role, err)
	}
	return &RecipientKey{role: role, id: c.KeyID(), public: public}, nil
}

// Verify checks that message was signed by role's verdict key, which was valid
// at the time that the message itself states.
func (b *Bundle) Verify(role Role, message []byte, s Signature, at time.Time) error {
	c, err := b.Check(s.Cert, role, ForVerdict, at)
	if err != nil {
		return err
	}
	if !ed25519.Verify(c.PublicKey, message, s.Value) {
		return fault.New(fault.BadSignature, "not signed by the %s's verdict key", role)
	}
	return nil
}

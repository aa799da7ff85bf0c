package seal

import (
	"crypto/ed25519"
	"slices"

	"nod/fault"
)

// VerifyIdentity checks that message was signed by a version of role's identity
// key itself: fault.BadSignature otherwise, and fault.UnknownKey for a version that
// the bundle does not list.
func (b *Bundle) VerifyIdentity(role Role, version uint32, message, signature []byte) error {
	i := slices.IndexFunc(b.identities[role], func(id Identity) bool { return id.Version == version })
	if i < 0 {
		return fault.New(fault.UnknownKey, "bundle %d has no version %d of the %s's identity key", b.serial, version, role)
	}
	if !ed25519.Verify(b.identities[role][i].Key, message, signature) {
		return fault.New(fault.BadSignature, "not signed by version %d of the %s's identity key", version, role)
	}
	return nil
}

// Identities lists the versions of a role's identity key, oldest first.
func (b *Bundle) Identities(role Role) []Identity { return slices.Clone(b.identities[role]) }

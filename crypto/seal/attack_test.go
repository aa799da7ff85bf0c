package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"testing"

	"github.com/cloudflare/circl/hpke"

	"nod/crypto/canon"
	"nod/fault"
)

// The attackers that docs/spec/sealing.md names. Each plays against Nod and
// loses; its twin lacks that one defence, and there it must win.

// A corrupt matcher ships a bundle of its own, in which the custodian's identity
// is the matcher's too. Signed by all roles but one, it would be one party that
// plays two.
func TestAttackBundleByFewerThanEveryone(t *testing.T) {
	old := testBundle(t)
	ids := testIdentities()
	ids[Custodian] = []Identity{{Version: 2, Key: public(keyFor("the matcher's second key"))}}
	evil, err := old.Next(ids, public(keyFor("the matcher's third key")))
	if err != nil {
		t.Fatal(err)
	}
	// It even has the dealer and its own operator's machine; but not the
	// custodian's key, nor the offline one.
	for _, name := range []string{"matcher", "dealer"} {
		if evil, err = evil.WithSignature(public(keyFor(name)), ed25519.Sign(keyFor(name), evil.SignedBytes())); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := old.Update(evil); !fault.Is(err, fault.BadBundle) {
		t.Fatalf("the attacker's bundle: %v", err)
	}
	// The operators of all three servers together lack the offline key.
	if evil, err = evil.WithSignature(public(keyFor("custodian")), ed25519.Sign(keyFor("custodian"), evil.SignedBytes())); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Update(evil); !fault.Is(err, fault.BadBundle) {
		t.Fatalf("the attackers' bundle: %v", err)
	}
	if !updateByAnyKnownKey(old, evil) {
		t.Fatal("the twin that accepts any identity key's signature must be taken over")
	}
}

// updateByAnyKnownKey is Update without the demand for every signature.
func updateByAnyKnownKey(old, next *Bundle) bool {
	return next.serial == old.serial+1 && slices.ContainsFunc(next.signatures, func(s bundleSignature) bool {
		for _, ids := range old.identities {
			for _, id := range ids {
				if bytes.Equal(id.Key, s.Key) {
					return ed25519.Verify(s.Key, next.SignedBytes(), s.Value)
				}
			}
		}
		return false
	})
}

// A corrupt matcher certifies a recipient key of its own as the custodian's, to
// get the seed beside its share.
func TestAttackCertificateUnderAnotherRolesIdentity(t *testing.T) {
	b := testBundle(t)
	forged := issue(t, identity(Matcher), Custodian, ForVerdict)
	if _, err := b.Check(forged, Custodian, ForVerdict, now); !fault.Is(err, fault.BadCertificate) {
		t.Fatalf("the attacker's certificate: %v", err)
	}
	c, err := ParseCert(forged)
	if err != nil {
		t.Fatal(err)
	}
	if !signedByAnyIdentity(b, c) {
		t.Fatal("the twin that accepts any role's identity key must be fooled")
	}
}

// signedByAnyIdentity is Check without the tie between role and identity.
func signedByAnyIdentity(b *Bundle, c *Cert) bool {
	for _, ids := range b.identities {
		for _, id := range ids {
			if ed25519.Verify(id.Key, c.body(), c.signature[:]) {
				return true
			}
		}
	}
	return false
}

// A corrupt party has a victim's sealed probe, and hands it to the honest server
// as an enrolment, to make the victim's face of today somebody else's template.
// Everything that it can choose, it chooses to fit.
func TestAttackProbeAsEnrolment(t *testing.T) {
	r := newRecipients(t, Matcher)
	key := recipientKey(t, r, now)
	plain := []byte("share of a probe")
	sealed, err := Seal(key, testContext(), plain)
	if err != nil {
		t.Fatal(err)
	}
	enrolment := testContext()
	enrolment.Kind = Enrolment
	if _, err := r.Open(enrolment, sealed, len(plain), now); !fault.Is(err, fault.BadCiphertext) {
		t.Fatalf("the attacker's enrolment: %v", err)
	}

	// The twin has one label for both kinds.
	label := canon.Encode("seal")
	c := testContext()
	sender, err := suite().NewSender(key.public, label)
	if err != nil {
		t.Fatal(err)
	}
	enc, sealer, err := sender.Setup(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ct, err := sealer.Seal(plain, c.associated(Matcher, key.id))
	if err != nil {
		t.Fatal(err)
	}
	if got := openWithOneLabel(t, r, label, enrolment, enc, ct); !bytes.Equal(got, plain) {
		t.Fatal("the twin without kinds must take the probe as an enrolment")
	}
}

func openWithOneLabel(t *testing.T, r *Recipients, label []byte, c Context, enc, ct []byte) []byte {
	t.Helper()
	receiver, err := hpke.NewSuite(hpke.KEM_XWING, hpke.KDF_HKDF_SHA256, hpke.AEAD_AES128GCM).NewReceiver(r.keys.keys[0].key, label)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := receiver.Setup(enc)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := opener.Open(ct, c.associated(Matcher, r.keys.keys[0].id))
	if err != nil {
		return nil
	}
	return plain
}

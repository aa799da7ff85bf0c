package seal

import (
	"crypto/ed25519"
	"testing"

	"nod/crypto/canon"
	"nod/fault"
)

// Only the role's own identity key, in the version named, over exactly the message.
func TestVerifyIdentity(t *testing.T) {
	b := testBundle(t)
	message := canon.Encode("list", []byte("a dealer's statement"))
	signature := ed25519.Sign(keyFor(string(Dealer)), message)
	if err := b.VerifyIdentity(Dealer, 1, message, signature); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		err  error
		want fault.Code
	}{
		"another role":      {b.VerifyIdentity(Matcher, 1, message, signature), fault.BadSignature},
		"another version":   {b.VerifyIdentity(Dealer, 2, message, signature), fault.UnknownKey},
		"no version":        {b.VerifyIdentity(Dealer, 0, message, signature), fault.UnknownKey},
		"no such role":      {b.VerifyIdentity("auditor", 1, message, signature), fault.UnknownKey},
		"another message":   {b.VerifyIdentity(Dealer, 1, append(message, 0), signature), fault.BadSignature},
		"a short signature": {b.VerifyIdentity(Dealer, 1, message, signature[1:]), fault.BadSignature},
		"no signature":      {b.VerifyIdentity(Dealer, 1, message, nil), fault.BadSignature},
	} {
		if !fault.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %s", name, c.err, c.want)
		}
	}
	flips(signature, func(changed []byte, at int) {
		if err := b.VerifyIdentity(Dealer, 1, message, changed); !fault.Is(err, fault.BadSignature) {
			t.Errorf("byte %d of the signature changed: %v", at, err)
		}
	})
}

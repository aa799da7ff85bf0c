package orders

import (
	"crypto"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"

	"nod/fault"
)

func TestEd25519KeysServeBesideJWS(t *testing.T) {
	key := fixedKey(t, "caller")
	public, ok := key.Public().Ed25519()
	signer, can := key.Signer()
	if !ok || !can || !public.Equal(signer.Public()) {
		t.Fatalf("%v, %v", ok, can)
	}
	signature, err := signer.Sign(nil, []byte("message"), crypto.Hash(0))
	if err != nil || !ed25519.Verify(public, []byte("message"), signature) {
		t.Errorf("the signature does not verify: %v", err)
	}
	if _, err := signer.Sign(nil, []byte("message"), crypto.SHA256); err == nil {
		t.Error("a hash of the wrong length was signed")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if text := fmt.Sprintf(verb, signer); text != "orders.Signer(secret)" {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	public[0]++ // the caller's own copy
	if again, _ := key.Public().Ed25519(); again.Equal(public) {
		t.Error("a reader changed the key")
	}
	key.Wipe()
	if _, err := signer.Sign(nil, []byte("message"), crypto.Hash(0)); !fault.Is(err, fault.BadKey) {
		t.Errorf("after Wipe: %v", err)
	}
}

func TestP256KeysDoNotServeBesideJWS(t *testing.T) {
	key, err := NewPrivateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := key.Public().Ed25519(); ok {
		t.Error("a P-256 key is an Ed25519 key")
	}
	if s, ok := key.Signer(); ok || s != nil || strings.Contains(fmt.Sprint(s), "secret") {
		t.Error("a P-256 key signs as Ed25519")
	}
}

package orders

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"nod/fault"
)

func TestKeysReadAsWritten(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA"} {
		k := newKey(t, algorithm)
		secret, err := k.MarshalSecret()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePrivateKey(secret)
		if err != nil {
			t.Fatal(err)
		}
		public, err := ParsePublicKey(k.Public().JWK())
		if err != nil {
			t.Fatal(err)
		}
		if !public.Equal(k.Public()) || !again.Public().Equal(public) || public.Algorithm() != algorithm || len(public.ID()) != 43 {
			t.Fatalf("%s: another key was read than written", algorithm)
		}
		signature, err := again.sign([]byte("message"))
		if err != nil {
			t.Fatal(err)
		}
		if err := public.verify([]byte("message"), signature); err != nil {
			t.Fatal(err)
		}
		if err := public.verify([]byte("massage"), signature); !fault.Is(err, fault.BadSignature) {
			t.Fatalf("%s: another message: %v", algorithm, err)
		}
		named := strings.Replace(string(public.JWK()), "{", fmt.Sprintf(`{"alg":"%s","kid":"%s",`, algorithm, public.ID()), 1)
		if _, err := ParsePublicKey([]byte(named)); err != nil {
			t.Errorf("%s with alg and kid: %v", algorithm, err)
		}
	}
	if _, err := NewPrivateKey("RS256"); !fault.Is(err, fault.BadAlgorithm) {
		t.Errorf("RS256: %v", err)
	}
}

// The example of RFC 7638 is RSA; this is RFC 8037, appendix A.3.
func TestThumbprint(t *testing.T) {
	k, err := ParsePublicKey([]byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	if err != nil {
		t.Fatal(err)
	}
	if k.ID() != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Fatalf("thumbprint %s", k.ID())
	}
}

func TestKeysRefused(t *testing.T) {
	ec, ed := newKey(t, "ES256").Public(), newKey(t, "EdDSA").Public()
	other := newKey(t, "ES256").Public()
	good := string(ec.JWK())
	field := func(k *PublicKey, name string) string {
		text := string(k.JWK())
		i := strings.Index(text, `"`+name+`":"`) + len(name) + 4
		return text[i : i+43]
	}
	for name, c := range map[string]struct {
		jwk  string
		code fault.Code
	}{
		"P-384":             {strings.Replace(good, "P-256", "P-384", 1), fault.BadKey},
		"secp256k1":         {strings.Replace(good, "P-256", "secp256k1", 1), fault.BadKey},
		"X25519":            {strings.Replace(string(ed.JWK()), "Ed25519", "X25519", 1), fault.BadKey},
		"RSA":               {`{"kty":"RSA","n":"AQAB","e":"AQAB"}`, fault.UnknownField},
		"symmetric":         {`{"kty":"oct","k":"AQAB"}`, fault.UnknownField},
		"Ed25519 as EC":     {strings.Replace(string(ed.JWK()), "OKP", "EC", 1), fault.BadKey},
		"Ed25519 with y":    {strings.Replace(string(ed.JWK()), "{", `{"y":"`+field(ec, "y")+`",`, 1), fault.BadKey},
		"no y":              {strings.Replace(good, `,"y":"`+field(ec, "y")+`"`, "", 1), fault.BadKey},
		"off the curve":     {strings.Replace(good, field(ec, "y"), field(other, "y"), 1), fault.BadKey},
		"short x":           {strings.Replace(good, field(ec, "x"), field(ec, "x")[:42], 1), fault.BadEncoding},
		"padded x":          {strings.Replace(good, field(ec, "x"), field(ec, "x")+"=", 1), fault.BadEncoding},
		"private":           {strings.Replace(good, "{", `{"d":"`+field(ec, "x")+`",`, 1), fault.UnknownField},
		"unknown member":    {strings.Replace(good, "{", `{"use":"sig",`, 1), fault.UnknownField},
		"member twice":      {strings.Replace(good, "{", `{"kty":"EC",`, 1), fault.BadEncoding},
		"another's kid":     {strings.Replace(good, "{", `{"kid":"`+other.ID()+`",`, 1), fault.BadKey},
		"another algorithm": {strings.Replace(good, "{", `{"alg":"EdDSA",`, 1), fault.BadAlgorithm},
		"a key set":         {`{"keys":[` + good + `]}`, fault.UnknownField},
		"empty":             {"", fault.BadEncoding},
		"too long":          {good + strings.Repeat(" ", MaxJWK), fault.Oversize},
	} {
		if _, err := ParsePublicKey([]byte(c.jwk)); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func TestPrivateKeysRefused(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA"} {
		k, other := newKey(t, algorithm), newKey(t, algorithm)
		secret, err := k.MarshalSecret()
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(secret, []byte(`"d":"`)) + 5
		d := string(secret[at : at+43])
		mixed := append(bytes.TrimSuffix(other.Public().JWK(), []byte("}")), `,"d":"`+d+`"}`...)
		if _, err := ParsePrivateKey(mixed); !fault.Is(err, fault.BadKey) {
			t.Errorf("%s: another key's public half: %v", algorithm, err)
		}
		if _, err := ParsePrivateKey(k.Public().JWK()); !fault.Is(err, fault.BadEncoding) {
			t.Errorf("%s without d: %v", algorithm, err)
		}
		short := strings.Replace(string(secret), d, d[:42], 1)
		if _, err := ParsePrivateKey([]byte(short)); !fault.Is(err, fault.BadEncoding) {
			t.Errorf("%s with a short d: %v", algorithm, err)
		} else if strings.Contains(err.Error(), d[:20]) {
			t.Errorf("%s: the secret is in the error", algorithm)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
			if text := fmt.Sprintf(verb, k); text != "orders.PrivateKey(secret)" {
				t.Errorf("%s: %s", verb, text)
			}
		}
		ed := k.ed
		k.Wipe()
		if k.ec != nil || k.ed != nil || !bytes.Equal(ed, make([]byte, len(ed))) {
			t.Errorf("%s: not wiped", algorithm)
		}
	}
	zero := strings.Repeat("A", 43)
	k := newKey(t, "ES256")
	if _, err := ParsePrivateKey(append(bytes.TrimSuffix(k.Public().JWK(), []byte("}")), `,"d":"`+zero+`"}`...)); !fault.Is(err, fault.BadKey) {
		t.Errorf("d = 0: %v", err)
	}
}

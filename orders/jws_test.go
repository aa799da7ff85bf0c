package orders

import (
	"bytes"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"nod/fault"
)

// compactOf is a compact JWS of any header and payload, rightly signed.
func compactOf(t testing.TB, key *PrivateKey, header, payload string) []byte {
	t.Helper()
	input := encodeBase64([]byte(header)) + "." + encodeBase64([]byte(payload))
	signature, err := key.sign([]byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(input + "." + encodeBase64(signature))
}

// headerOf is the right header for a key and typ.
func headerOf(key *PrivateKey, typ string) string {
	return fmt.Sprintf(`{"alg":"%s","kid":"%s","typ":"%s"}`, key.public.Algorithm(), key.public.ID(), typ)
}

// payloadOf is the payload of a compact JWS.
func payloadOf(t testing.TB, compact []byte) string {
	t.Helper()
	parsed, err := parseCompact("test", compact)
	if err != nil {
		t.Fatal(err)
	}
	return string(parsed.payload)
}

// A header refused for a request is refused for an order and an attestation:
// they share the code. Each JWS here carries a signature that verifies, so only
// the header can be the reason.
func TestHeadersRefused(t *testing.T) {
	w := newWorld(t)
	good := headerOf(w.rp, RequestType)
	payload := payloadOf(t, w.signedRequest(t, w.request(t)))
	id := w.rp.public.ID()
	if _, err := VerifyRequest(compactOf(t, w.rp, good, payload), w.parties, now); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		header string
		code   fault.Code
	}{
		"alg none":            {strings.Replace(good, "ES256", "none", 1), fault.BadAlgorithm},
		"alg of another key":  {strings.Replace(good, "ES256", "EdDSA", 1), fault.BadAlgorithm},
		"alg ES384":           {strings.Replace(good, "ES256", "ES384", 1), fault.BadAlgorithm},
		"alg of a MAC":        {strings.Replace(good, "ES256", "HS256", 1), fault.BadAlgorithm},
		"alg in another case": {strings.Replace(good, "ES256", "es256", 1), fault.BadAlgorithm},
		"alg not a string":    {strings.Replace(good, `"ES256"`, `256`, 1), fault.BadEncoding},
		"no alg":              {`{"kid":"` + id + `","typ":"` + RequestType + `"}`, fault.BadEncoding},
		"no typ":              {`{"alg":"ES256","kid":"` + id + `"}`, fault.BadEncoding},
		"typ JWT":             {strings.Replace(good, RequestType, "JWT", 1), fault.BadType},
		"typ of an order":     {strings.Replace(good, RequestType, OrderType, 1), fault.BadType},
		"typ of a verdict":    {strings.Replace(good, RequestType, VerdictType, 1), fault.BadType},
		"no kid":              {`{"alg":"ES256","typ":"` + RequestType + `"}`, fault.BadEncoding},
		"another kid":         {strings.Replace(good, id, w.client.public.ID(), 1), fault.UnknownKey},
		"embedded jwk":        {strings.Replace(good, "{", `{"jwk":`+string(w.rp.public.JWK())+`,`, 1), fault.UnknownField},
		"embedded x5c":        {strings.Replace(good, "{", `{"x5c":["MIIB"],`, 1), fault.UnknownField},
		"a URL of keys":       {strings.Replace(good, "{", `{"jku":"https://x.example",`, 1), fault.UnknownField},
		"critical extension":  {strings.Replace(good, "{", `{"crit":["b64"],"b64":true,`, 1), fault.UnknownField},
		"alg twice":           {strings.Replace(good, "{", `{"alg":"none",`, 1), fault.BadEncoding},
		"Alg beside alg":      {strings.Replace(good, "{", `{"Alg":"none",`, 1), fault.UnknownField},
		"not an object":       {`["ES256"]`, fault.BadEncoding},
		"not JSON":            {`alg=ES256`, fault.BadEncoding},
		"bytes after":         {good + `{}`, fault.BadEncoding},
	} {
		if _, err := VerifyRequest(compactOf(t, w.rp, c.header, payload), w.parties, now); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func TestNoSignatureIsNoSignature(t *testing.T) {
	w := newWorld(t)
	request := w.signedRequest(t, w.request(t))
	parts := strings.Split(string(request), ".")
	none := encodeBase64([]byte(strings.Replace(headerOf(w.rp, RequestType), "ES256", "none", 1)))
	mac := hmac.New(sha256.New, w.rp.public.JWK())
	mac.Write([]byte(parts[0] + "." + parts[1]))
	for name, compact := range map[string]string{
		"alg none, empty":    none + "." + parts[1] + ".",
		"signature left out": parts[0] + "." + parts[1] + ".",
		"of zeros":           parts[0] + "." + parts[1] + "." + encodeBase64(make([]byte, 64)),
		"a MAC":              parts[0] + "." + parts[1] + "." + encodeBase64(mac.Sum(nil)),
		"of 65 bytes":        parts[0] + "." + parts[1] + "." + encodeBase64(make([]byte, 65)),
	} {
		if _, err := VerifyRequest([]byte(compact), w.parties, now); !fault.Is(err, fault.BadSignature) && !fault.Is(err, fault.BadEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A compact JWS has one spelling: any other would be another q for the same
// signature.
func TestCompactHasOneSpelling(t *testing.T) {
	w := newWorld(t)
	request := string(w.signedRequest(t, w.request(t)))
	parts := strings.Split(request, ".")
	last := request[len(request)-1]
	// 64 bytes leave 4 spare bits in the last character.
	spare := request[:len(request)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte(
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", last)|1])
	for name, compact := range map[string]string{
		"padding":         request + "==",
		"spare bits set":  spare,
		"a line break":    request[:40] + "\n" + request[40:],
		"one at the end":  request + "\n",
		"a space before":  " " + request,
		"standard base64": strings.Replace(request, parts[2], "+"+parts[2][1:], 1),
		"two parts":       parts[0] + "." + parts[1],
		"four parts":      request + "." + parts[2],
		"no payload":      parts[0] + ".." + parts[2],
		"empty":           "",
		"JSON":            `{"payload":"` + parts[1] + `"}`,
	} {
		if _, err := VerifyRequest([]byte(compact), w.parties, now); !fault.Is(err, fault.BadEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := VerifyRequest(bytes.Repeat([]byte("A"), MaxJWS+1), w.parties, now); !fault.Is(err, fault.Oversize) {
		t.Errorf("oversize: %v", err)
	}
}

// withHighS is the other signature that ECDSA allows for the same message.
func withHighS(signature []byte) []byte {
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s)
	return append(bytes.Clone(signature[:32]), s.FillBytes(make([]byte, 32))...)
}

func TestHighSIsRefused(t *testing.T) {
	w := newWorld(t)
	for range 8 { // signing itself gives a high s half of the time
		request := w.signedRequest(t, w.request(t))
		at := bytes.LastIndexByte(request, '.') + 1
		signature, err := decodeBase64(request[at:])
		if err != nil {
			t.Fatal(err)
		}
		other := append(bytes.Clone(request[:at]), encodeBase64(withHighS(signature))...)
		if _, err := VerifyRequest(other, w.parties, now); !fault.Is(err, fault.BadSignature) {
			t.Fatalf("a second signature made out of the first: %v", err)
		}
	}
	p := Probe{Request: hash("q"), Session: hash("s")}
	signature, err := SignProbe(w.client, &p)
	if err != nil {
		t.Fatal(err)
	}
	message := signedProbe(p.Request, p.Session, hash(""), hash(""), nil)
	if err := w.client.public.verify(message, signature); err != nil {
		t.Fatal(err)
	}
	if err := w.client.public.verify(message, withHighS(signature)); !fault.Is(err, fault.BadSignature) {
		t.Fatalf("a probe's second signature: %v", err)
	}
}

func TestEveryByteOfARequestCounts(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA"} {
		w := newWorld(t)
		w.rp = newKey(t, algorithm)
		request := w.signedRequest(t, w.request(t))
		flips(request, func(changed []byte, at int) {
			if _, err := VerifyRequest(changed, w.parties, now); err == nil {
				t.Fatalf("%s: byte %d changed was accepted", algorithm, at)
			}
		})
		for n := range request {
			if _, err := VerifyRequest(request[:n], w.parties, now); err == nil {
				t.Fatalf("%s: %d bytes were accepted", algorithm, n)
			}
		}
	}
}

package orders

import (
	"bytes"
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
)

func TestAnswersRefused(t *testing.T) {
	w := newWorld(t)
	request := w.signedRequest(t, w.request(t))
	second := w.request(t)
	second.JTI = "fedcba9876543210"
	other := w.signedRequest(t, second)

	for name, c := range map[string]struct {
		make func(a *Answer) []byte
		code fault.Code
	}{
		"to another request": {func(a *Answer) []byte { a.Request = HashRequest(other); return w.signedAnswer(t, a) }, fault.WrongRequest},
		"another model":      {func(a *Answer) []byte { a.Model = hash("x"); return w.signedAnswer(t, a) }, fault.WrongPolicy},
		"another policy":     {func(a *Answer) []byte { a.Policy = hash("x"); return w.signedAnswer(t, a) }, fault.WrongPolicy},
		"over":               {func(a *Answer) []byte { a.Expiry = now.Add(-Skew - time.Second); return w.signedAnswer(t, a) }, fault.Expired},
		"too long": {func(a *Answer) []byte {
			a.Expiry = now.Add(MaxSession + Skew + time.Second)
			return w.signedAnswer(t, a)
		},
			fault.OutOfRange},
		"recipients swapped": {func(a *Answer) []byte {
			a.Recipients[0], a.Recipients[1] = a.Recipients[1], a.Recipients[0]
			return w.signedAnswer(t, a)
		}, fault.BadCertificate},
		"one recipient for both": {func(a *Answer) []byte { a.Recipients[1] = a.Recipients[0]; return w.signedAnswer(t, a) }, fault.BadCertificate},
		"a verdict key to seal to": {func(a *Answer) []byte {
			a.Recipients[0] = w.sign(t, 0, nil).Cert
			return w.signedAnswer(t, a)
		}, fault.BadCertificate},
		"one signature": {func(a *Answer) []byte {
			return CombineAnswer(a, w.sign(t, 0, a.Bytes()), seal.Signature{})
		}, fault.NotCosigned},
		"two by the matcher": {func(a *Answer) []byte {
			return CombineAnswer(a, w.sign(t, 0, a.Bytes()), w.sign(t, 0, a.Bytes()))
		}, fault.NotCosigned},
		"signatures swapped": {func(a *Answer) []byte {
			return CombineAnswer(a, w.sign(t, 1, a.Bytes()), w.sign(t, 0, a.Bytes()))
		}, fault.NotCosigned},
		"signed as something else": {func(a *Answer) []byte {
			return CombineAnswer(a, w.sign(t, 0, a.Bytes()), w.sign(t, 1, canon.Encode("statement", a.Bytes())))
		}, fault.BadSignature},
		"unsigned": {func(a *Answer) []byte { return a.Bytes() }, fault.BadEncoding},
	} {
		if _, err := VerifyAnswer(c.make(w.answer(t, request)), request, w.bundle, now); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}

	good := w.signedAnswer(t, w.answer(t, request))
	if _, err := VerifyAnswer(good, request, w.bundle, now.Add(2*time.Hour)); !fault.Is(err, fault.KeyExpired) {
		t.Errorf("with keys of two hours ago: %v", err)
	}
	if _, err := VerifyAnswer(good, other, w.bundle, now); !fault.Is(err, fault.WrongRequest) {
		t.Errorf("for another request: %v", err)
	}
	if _, err := VerifyAnswer(good, request[:20], w.bundle, now); err == nil {
		t.Error("without a request")
	}
}

func TestEveryByteOfAnAnswerCounts(t *testing.T) {
	w := newWorld(t)
	request := w.signedRequest(t, w.request(t))
	answer := w.signedAnswer(t, w.answer(t, request))
	flips(answer, func(changed []byte, at int) {
		if _, err := VerifyAnswer(changed, request, w.bundle, now); err == nil {
			t.Fatalf("byte %d changed was accepted", at)
		}
	})
	for _, n := range []int{0, 3, 40, len(answer) / 2, len(answer) - 1} {
		if _, err := VerifyAnswer(answer[:n], request, w.bundle, now); err == nil {
			t.Fatalf("%d bytes were accepted", n)
		}
	}
}

func TestParseAnswerChecksTheSession(t *testing.T) {
	w := newWorld(t)
	a := w.answer(t, w.signedRequest(t, w.request(t)))
	data := a.Bytes()
	if got, err := ParseAnswer(data); err != nil || !bytes.Equal(got.Bytes(), data) {
		t.Fatal(err)
	}
	session := a.Session()
	at := bytes.Index(data, session[:])
	data[at] ^= 1
	if _, err := ParseAnswer(data); !fault.Is(err, fault.WrongRequest) {
		t.Fatalf("a session of other nonces: %v", err)
	}
}

func TestProbeSignatureCoversEverything(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA"} {
		w := newWorld(t)
		w.client = newKey(t, algorithm)
		r, err := ParseRequest(w.signedRequest(t, w.request(t)))
		if err != nil {
			t.Fatal(err)
		}
		session := canon.SessionID(hash("session"))
		p := Probe{r.Hash(), session, []byte("sealed 0"), []byte("sealed 1"), []byte("attestation")}
		signature, err := SignProbe(w.client, &p)
		if err != nil {
			t.Fatal(err)
		}
		h0, h1 := hash("sealed 0"), hash("sealed 1")
		verify := func(r *Request, s canon.SessionID, h0, h1 canon.Digest, attestation string) error {
			return VerifyProbe(r, s, h0, h1, []byte(attestation), signature)
		}
		if err := verify(r, session, h0, h1, "attestation"); err != nil {
			t.Fatal(err)
		}
		otherRequest := *r
		otherRequest.hash = hash("another request")
		otherClient := *r
		otherClient.Client = newKey(t, algorithm).Public()
		for name, err := range map[string]error{
			"another request":     verify(&otherRequest, session, h0, h1, "attestation"),
			"another client":      verify(&otherClient, session, h0, h1, "attestation"),
			"another session":     verify(r, hash("x"), h0, h1, "attestation"),
			"another half 0":      verify(r, session, hash("x"), h1, "attestation"),
			"another half 1":      verify(r, session, h0, hash("x"), "attestation"),
			"halves swapped":      verify(r, session, h1, h0, "attestation"),
			"no attestation":      verify(r, session, h0, h1, ""),
			"another attestation": verify(r, session, h0, h1, "attestations"),
		} {
			if !fault.Is(err, fault.BadSignature) {
				t.Errorf("%s: %v", name, err)
			}
		}
		flips(signature, func([]byte, int) {
			if verify(r, session, h0, h1, "attestation") == nil {
				t.Fatal("a changed signature was accepted")
			}
		})
	}
}

package orders

import (
	"bytes"
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
)

// Nothing that a fuzzer makes of these verifies; what only parses is held to its
// one encoding. Keys and seeds are the same in every process.

func FuzzVerifyRequest(f *testing.F) {
	w := &world{rp: fixedKey(f, "rp"), client: fixedKey(f, "client")}
	request := w.signedRequest(f, w.request(f))
	f.Add(request)
	f.Add([]byte(readVectors(f).Request))
	f.Add(compactOf(f, w.client, headerOf(w.client, RequestType), payloadOf(f, request)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := VerifyRequest(data, w.parties, now); err == nil && !bytes.Equal(data, request) {
			t.Fatal("forged")
		}
		if r, err := ParseRequest(data); err == nil {
			again, err := SignRequest(w.rp, r)
			if err != nil {
				t.Fatalf("read, but would not be signed: %v", err)
			}
			if back, err := ParseRequest(again); err != nil || !back.Citizen.Equal(r.Citizen) || back.JTI != r.JTI || !back.Client.Equal(r.Client) {
				t.Fatal("read otherwise than signed")
			}
		}
	})
}

// FuzzPayloads gets behind the base64 and the signature.
func FuzzPayloads(f *testing.F) {
	w := &world{rp: fixedKey(f, "rp"), client: fixedKey(f, "client")}
	keys := []*PublicKey{w.rp.Public()}
	attestation, err := SignAttestation(w.rp, hash("binding"), now, now.Add(time.Minute))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(headerOf(w.rp, RequestType)), []byte(payloadOf(f, w.signedRequest(f, w.request(f)))))
	f.Add([]byte(headerOf(w.rp, OrderType)), []byte(payloadOf(f, signOrder(f, w.rp, testOrder(f, Lock)))))
	f.Add([]byte(headerOf(w.rp, AttestationType)), []byte(payloadOf(f, attestation)))
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		if len(header)+len(payload) > MaxJWS/2 || len(header) == 0 || len(payload) == 0 {
			return
		}
		compact := compactOf(t, w.rp, string(header), string(payload))
		accepted := 0
		if r, err := VerifyRequest(compact, w.parties, now); err == nil {
			accepted++
			if r.RP != testRP || r.Hash() != HashRequest(compact) {
				t.Fatal("another party's request")
			}
		}
		if o, err := VerifyOrder(compact, keys, now); err == nil {
			accepted++
			if _, err := SignOrder(w.rp, o); err != nil {
				t.Fatalf("read, but would not be signed: %v", err)
			}
		}
		if VerifyAttestation(compact, keys, hash("binding"), now) == nil {
			accepted++
		}
		if accepted > 1 {
			t.Fatal("one JWS is of two kinds")
		}
	})
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(fixedKey(f, "key").Public().JWK())
	f.Add([]byte(readVectors(f).ClientKey))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParsePublicKey(data)
		if err != nil {
			return
		}
		again, err := ParsePublicKey(k.JWK())
		if err != nil || !again.Equal(k) || !bytes.Equal(again.JWK(), k.JWK()) {
			t.Fatal("does not encode to the same key")
		}
	})
}

func FuzzParsePrivateKey(f *testing.F) {
	secret, err := fixedKey(f, "key").MarshalSecret()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(secret)
	// The example of RFC 7515, appendix A.3.
	f.Add([]byte(`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",` +
		`"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParsePrivateKey(data)
		if err != nil {
			return
		}
		secret, err := k.MarshalSecret()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParsePrivateKey(secret); err != nil || !again.Public().Equal(k.Public()) {
			t.Fatal("does not encode to the same key")
		}
	})
}

// vectorBundle is the vectors' trust bundle and moment.
func vectorBundle(t testing.TB, v *vectors) (*seal.Bundle, time.Time) {
	t.Helper()
	bundle, err := seal.ParseBundle([]byte(v.Bundle))
	if err != nil {
		t.Fatal(err)
	}
	return bundle, time.Unix(v.Now, 0)
}

func FuzzParseAnswer(f *testing.F) {
	v := readVectors(f)
	bundle, at := vectorBundle(f, v)
	signed, err := parseCosigned(v.Answer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(v.Answer))
	f.Add(signed.body)
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := ParseAnswer(data); err == nil && !bytes.Equal(a.Bytes(), data) {
			t.Fatal("does not encode to the same bytes")
		}
		if c, err := parseCosigned(data); err == nil && !bytes.Equal(c.encode(), data) {
			t.Fatal("does not encode to the same bytes")
		}
		if _, err := VerifyAnswer(data, []byte(v.Request), bundle, at); err == nil && !bytes.Equal(data, v.Answer) {
			t.Fatal("forged")
		}
	})
}

func FuzzParseEnrolment(f *testing.F) {
	f.Add(enrol(f, fixedKey(f, "station"), testEnrolment(f)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseEnrolment(data)
		if err != nil {
			return
		}
		body := canon.Encode("enrolment-signature", append(s.fields(), canon.Uint64(uint64(s.IssuedAt.UnixMilli())), s.hashes[0][:], s.hashes[1][:])...)
		if !bytes.Equal(canon.Encode("enrolment-order", body, []byte(s.kid), s.signature), data) {
			t.Fatal("does not encode to the same bytes")
		}
	})
}

func FuzzVerdict(f *testing.F) {
	v := readVectors(f)
	bundle, at := vectorBundle(f, v)
	want := expected()
	for _, verdict := range []string{v.Yes, v.No} {
		signed, err := parseVerdict([]byte(verdict))
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(verdict))
		f.Add(signed.payload)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if parsed, err := ParsePayload(data); err == nil {
			if again, err := parsed.Payload(); err != nil || !bytes.Equal(again, data) {
				t.Fatal("does not encode to the same bytes")
			}
		}
		if _, err := VerifyVerdict([]byte(v.Request), data, bundle, at, want); err == nil && string(data) != v.Yes && string(data) != v.No {
			t.Fatal("forged")
		}
	})
}

func FuzzParseStatement(f *testing.F) {
	v := readVectors(f)
	bundle, _ := vectorBundle(f, v)
	s := Statement{Kind: Erased, Role: "matcher", Order: hash("order"), Time: now, KeyVersion: 1, Removed: []canon.RowID{hash("a")}}
	f.Add(s.bytes())
	f.Add([]byte(v.Receipt))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseStatement(data); err == nil && !bytes.Equal(s.bytes(), data) {
			t.Fatal("does not encode to the same bytes")
		}
		if _, err := VerifyReceipt(data, bundle, Enrolled, v.Row); err == nil && !bytes.Equal(data, v.Receipt) {
			t.Fatal("forged")
		}
	})
}

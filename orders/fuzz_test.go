package orders

import (
	"bytes"
	"testing"

	"nod/crypto/canon"
)

// Nothing that a fuzzer makes of these verifies; what only parses is held to its
// one encoding.

func FuzzVerifyRequest(f *testing.F) {
	w := newWorld(f)
	request := w.signedRequest(f, w.request(f))
	f.Add(request)
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
	w := newWorld(f)
	f.Add([]byte(headerOf(w.rp, RequestType)), []byte(payloadOf(f, w.signedRequest(f, w.request(f)))))
	f.Add([]byte(headerOf(w.rp, OrderType)), []byte(payloadOf(f, signOrder(f, w.rp, testOrder(f, Lock)))))
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		if len(header)+len(payload) > MaxJWS/2 || len(header) == 0 || len(payload) == 0 {
			return
		}
		compact := compactOf(t, w.rp, string(header), string(payload))
		if r, err := VerifyRequest(compact, w.parties, now); err == nil && (r.RP != testRP || r.Hash() != HashRequest(compact)) {
			t.Fatal("another party's request")
		}
		if o, err := VerifyOrder(compact, []*PublicKey{w.rp.Public()}, now); err == nil {
			if _, err := SignOrder(w.rp, o); err != nil {
				t.Fatalf("read, but would not be signed: %v", err)
			}
		}
	})
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(newKey(f, "ES256").Public().JWK())
	f.Add(newKey(f, "EdDSA").Public().JWK())
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
	for _, algorithm := range []string{"ES256", "EdDSA"} {
		secret, err := newKey(f, algorithm).MarshalSecret()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(secret)
	}
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

func FuzzParseAnswer(f *testing.F) {
	w := newWorld(f)
	request := w.signedRequest(f, w.request(f))
	a := w.answer(f, request)
	signed := w.signedAnswer(f, a)
	f.Add(a.Bytes())
	f.Add(signed)
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := ParseAnswer(data); err == nil && !bytes.Equal(a.Bytes(), data) {
			t.Fatal("does not encode to the same bytes")
		}
		if c, err := parseCosigned("signed-answer", data); err == nil && !bytes.Equal(c.encode("signed-answer"), data) {
			t.Fatal("does not encode to the same bytes")
		}
		if _, err := VerifyAnswer(data, request, w.bundle, now); err == nil && !bytes.Equal(data, signed) {
			t.Fatal("forged")
		}
	})
}

func FuzzParseEnrolment(f *testing.F) {
	station := newKey(f, "EdDSA")
	f.Add(enrol(f, station, testEnrolment(f)))
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
	w := newWorld(f)
	request := w.signedRequest(f, w.request(f))
	verdict := w.signedVerdict(f, w.verdict(request, true))
	payload, err := w.verdict(request, false).Payload()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(verdict)
	f.Add(payload)
	f.Fuzz(func(t *testing.T, data []byte) {
		if v, err := ParsePayload(data); err == nil {
			if again, err := v.Payload(); err != nil || !bytes.Equal(again, data) {
				t.Fatal("does not encode to the same bytes")
			}
		}
		if _, err := VerifyVerdict(request, data, w.bundle, now, expected()); err == nil && !bytes.Equal(data, verdict) {
			t.Fatal("forged")
		}
	})
}

func FuzzParseStatement(f *testing.F) {
	w := newWorld(f)
	s := Statement{Kind: Erased, Role: "matcher", Order: hash("order"), Time: now, KeyVersion: 1, Removed: []canon.RowID{hash("a")}}
	f.Add(s.bytes())
	f.Add(w.receipt(f, s))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseStatement(data); err == nil && !bytes.Equal(s.bytes(), data) {
			t.Fatal("does not encode to the same bytes")
		}
		_, _ = VerifyReceipt(data, w.bundle, Erased, hash("order"))
	})
}

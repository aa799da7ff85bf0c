package orders

import (
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
)

// The attackers that docs/spec/orders.md names. Each plays against Nod and
// loses; its twin lacks that one defence, and there it must win.

// A corrupt matcher swaps two sessions of one relying party: the victim's request
// gets the verdict of an accomplice, who really is who he says.
func TestAttackSwappedSessions(t *testing.T) {
	w := newWorld(t)
	victim := w.signedRequest(t, w.request(t))
	r := w.request(t)
	r.Citizen, r.JTI = citizen(t, "accomplice"), "fedcba9876543210"
	accomplice := w.signedRequest(t, r)
	yes := w.signedVerdict(t, w.verdict(accomplice, true))
	if _, err := VerifyVerdict(victim, yes, w.bundle, now, expected()); !fault.Is(err, fault.WrongRequest) {
		t.Fatalf("the accomplice's verdict for the victim: %v", err)
	}

	// Without q, everything else about the two is the same.
	signed, err := parseVerdict(yes)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParsePayload(signed.payload)
	if err != nil {
		t.Fatal(err)
	}
	if !acceptWithoutQ(t, w, signed, v) || !v.Match {
		t.Fatal("the twin that does not compare q must take it")
	}
}

// acceptWithoutQ is VerifyVerdict without the request.
func acceptWithoutQ(t *testing.T, w *world, signed *signedVerdict, v *Verdict) bool {
	t.Helper()
	for i, role := range servers() {
		if err := signed.parts[i].verify(w.bundle, role, v.IssuedAt); err != nil {
			t.Fatal(err)
		}
	}
	want := expected()
	return v.RP == want.RP && v.Purpose == want.Purpose && v.Model == want.Model && v.Policy == want.Policy &&
		checkTimes("verdict", v.IssuedAt, v.Expiry, now, VerdictWindow) == nil
}

// A corrupt matcher hands the client an answer to another request, so that the
// probe is bound to a session of its choice.
func TestAttackAnswerToAnotherRequest(t *testing.T) {
	w := newWorld(t)
	mine := w.signedRequest(t, w.request(t))
	r := w.request(t)
	r.JTI = "fedcba9876543210"
	other := w.signedRequest(t, r)
	answer := w.signedAnswer(t, w.answer(t, other))
	if _, err := VerifyAnswer(answer, mine, w.bundle, now); !fault.Is(err, fault.WrongRequest) {
		t.Fatalf("the answer to another request: %v", err)
	}
	// The twin takes q from the answer instead of computing it.
	signed, err := parseCosigned(answer)
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseAnswer(signed.body)
	if err != nil {
		t.Fatal(err)
	}
	if signed.verify(w.bundle, now) != nil || a.Request != HashRequest(other) {
		t.Fatal("the twin that takes q from the answer must seal to the attacker's session")
	}
}

// A corrupt matcher says yes alone: it signs twice, and names itself custodian.
func TestAttackOneServerSignsTwice(t *testing.T) {
	w := newWorld(t)
	request := w.signedRequest(t, w.request(t))
	payload, err := w.verdict(request, true).Payload()
	if err != nil {
		t.Fatal(err)
	}
	second := seal.NewSigners(seal.Matcher)
	if err := second.Rotate(t.Context(), now, signAs(seal.Matcher)); err != nil {
		t.Fatal(err)
	}
	again, err := SignVerdict(second, payload, now)
	if err != nil {
		t.Fatal(err)
	}
	data, err := CombineVerdict(payload, w.signVerdict(t, 0, payload), again)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyVerdict(request, data, w.bundle, now, expected()); !fault.Is(err, fault.NotCosigned) {
		t.Fatalf("two signatures by the matcher: %v", err)
	}
	// The twin counts signatures that verify, whoever's they are.
	signed, err := parseVerdict(data)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, part := range signed.parts {
		for _, role := range seal.Roles() {
			if part.verify(w.bundle, role, now) == nil {
				count++
			}
		}
	}
	if count != 2 {
		t.Fatal("the twin that only counts signatures must be fooled")
	}
}

// A thief has the victim's photo, and shows a live capture of his own face to an
// honest capture component: then he sends the photo's code with his attestation.
func TestAttackAttestationOfAnotherFace(t *testing.T) {
	capture := newKey(t, "EdDSA")
	keys := []*PublicKey{capture.Public()}
	q, session := canon.RequestHash(hash("the victim's request")), canon.SessionID(hash("session"))
	own0, own1 := canon.Digest(hash("own face, half 0")), canon.Digest(hash("own face, half 1"))
	photo0, photo1 := canon.Digest(hash("photo, half 0")), canon.Digest(hash("photo, half 1"))

	attested, err := SignAttestation(capture, CaptureBinding(q, session, own0, own1), now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyAttestation(attested, keys, CaptureBinding(q, session, photo0, photo1), now); !fault.Is(err, fault.WrongRequest) {
		t.Fatalf("the thief's attestation with the photo: %v", err)
	}
	if err := VerifyAttestation(attested, keys, CaptureBinding(q, session, own0, photo1), now); !fault.Is(err, fault.WrongRequest) {
		t.Fatalf("one half exchanged: %v", err)
	}

	// The twin's attestation is bound to the request alone.
	toRequest := func(q canon.RequestHash) canon.Digest { return canon.Digest(canon.Sum("capture", q[:])) }
	attested, err = SignAttestation(capture, toRequest(q), now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyAttestation(attested, keys, toRequest(q), now); err != nil {
		t.Fatal("the twin bound to the request alone must take the photo")
	}
}

// Somebody on the way holds back an unlock, and delivers it after the citizen
// has locked again.
func TestAttackWithheldUnlock(t *testing.T) {
	bureau := newKey(t, "EdDSA")
	keys := []*PublicKey{bureau.Public()}
	unlock, lock := testOrder(t, Unlock), testOrder(t, Lock)
	lock.IssuedAt, lock.JTI = unlock.IssuedAt.Add(time.Millisecond), "fedcba9876543210"

	deliver := func(check bool) (locked bool) {
		var newest time.Time
		for _, compact := range [][]byte{signOrder(t, bureau, lock), signOrder(t, bureau, unlock)} {
			o, err := VerifyOrder(compact, keys, now.Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if err := Follows(o.IssuedAt, newest); check && err != nil {
				if !fault.Is(err, fault.StaleOrder) {
					t.Fatal(err)
				}
				continue
			}
			locked, newest = o.Kind == Lock, o.IssuedAt
		}
		return locked
	}
	if !deliver(true) {
		t.Fatal("the withheld unlock was applied")
	}
	if deliver(false) {
		t.Fatal("the twin that does not compare times must unlock")
	}
}

// A corrupt server takes the victim's probe and hands its halves in as an
// enrolment: it needs the station's signature over an enrolment, and what the
// client or a relying party signed never is one.
func TestAttackSignatureOfAnotherKind(t *testing.T) {
	w := newWorld(t)
	// The worst case: one key is the client's, the station's and the bureau's.
	key := newKey(t, "EdDSA")
	w.client, w.rp = key, key
	request := w.signedRequest(t, w.request(t))
	p := Probe{HashRequest(request), hash("session"), []byte("sealed 0"), []byte("sealed 1"), nil}
	signature, err := SignProbe(key, &p)
	if err != nil {
		t.Fatal(err)
	}
	e := testEnrolment(t)
	forged := canon.Encode("enrolment-order", e.signed(p.Sealed0, p.Sealed1), []byte(key.public.ID()), signature)
	if _, err := VerifyEnrolment(forged, hash("sealed 0"), hash("sealed 1"), stationOf(key), now); !fault.Is(err, fault.BadSignature) {
		t.Errorf("a probe's signature under an enrolment: %v", err)
	}
	body := signedProbe(p.Request, p.Session, hash("sealed 0"), hash("sealed 1"), nil)
	forged = canon.Encode("enrolment-order", body, []byte(key.public.ID()), signature)
	if _, err := VerifyEnrolment(forged, hash("sealed 0"), hash("sealed 1"), stationOf(key), now); !fault.Is(err, fault.BadEncoding) {
		t.Errorf("a probe as an enrolment: %v", err)
	}
	if _, err := VerifyOrder(request, []*PublicKey{key.Public()}, now); !fault.Is(err, fault.BadType) {
		t.Errorf("a request as an order: %v", err)
	}
	// The twin's signatures do not say what they are for: both are over the
	// halves alone.
	halves := canon.Encode("halves", p.Sealed0, p.Sealed1)
	signature, err = key.sign(halves)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.public.verify(halves, signature); err != nil {
		t.Fatal("the twin without kinds must take the probe's signature for the station's")
	}
}

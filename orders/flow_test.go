package orders

import (
	"bytes"
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
)

// One verification, from the request to the verdict, by everyone's own checks.
func TestVerificationFromRequestToVerdict(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA"} {
		w := newWorld(t)
		w.rp, w.client = newKey(t, algorithm), newKey(t, algorithm)
		request := w.signedRequest(t, w.request(t))

		r, err := VerifyRequest(request, w.parties, now)
		if err != nil {
			t.Fatal(err)
		}
		if want := w.request(t); r.RP != want.RP || !r.Citizen.Equal(want.Citizen) || r.Purpose != want.Purpose ||
			r.Consent != want.Consent || r.Model != want.Model || r.Policy != want.Policy || !r.Client.Equal(want.Client) ||
			r.JTI != want.JTI || !r.IssuedAt.Equal(want.IssuedAt) || !r.Expiry.Equal(want.Expiry) {
			t.Fatalf("read %+v, signed %+v", r, want)
		}

		opened, err := VerifyAnswer(w.signedAnswer(t, w.answer(t, request)), request, w.bundle, now)
		if err != nil {
			t.Fatal(err)
		}
		if opened.Matcher.Role() != seal.Matcher || opened.Custodian.Role() != seal.Custodian {
			t.Fatal("keys of the wrong roles")
		}

		p := Probe{r.Hash(), opened.Session(), []byte("sealed 0"), []byte("sealed 1"), nil}
		signature, err := SignProbe(w.client, &p)
		if err != nil {
			t.Fatal(err)
		}
		if err := VerifyProbe(r, opened.Session(), hash("sealed 0"), hash("sealed 1"), nil, signature); err != nil {
			t.Fatal(err)
		}

		for _, match := range []bool{true, false} {
			want := w.verdict(request, match)
			got, err := VerifyVerdict(request, w.signedVerdict(t, want), w.bundle, now, expected())
			if err != nil {
				t.Fatal(err)
			}
			if *got != *want {
				t.Fatalf("read %+v, signed %+v", got, want)
			}
		}
	}
}

func TestEnrolmentFromOrderToReceipt(t *testing.T) {
	w := newWorld(t)
	station := newKey(t, "EdDSA")
	e := testEnrolment(t)
	order, err := SignEnrolment(station, e, []byte("sealed 0"), []byte("sealed 1"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := VerifyEnrolment(order, hash("sealed 0"), hash("sealed 1"), stationOf(station), now)
	if err != nil {
		t.Fatal(err)
	}
	if got.RowID() != e.RowID() || !got.IssuedAt.Equal(e.IssuedAt) || !got.Citizen.Equal(e.Citizen) || got.Slot != e.Slot {
		t.Fatalf("read %+v, signed %+v", got, e)
	}
	old := canon.RowID(hash("old row"))
	receipt := w.receipt(t, Statement{Kind: Enrolled, Order: e.RowID(), KeyVersion: 3, Removed: []canon.RowID{old}})
	statements, err := VerifyReceipt(receipt, w.bundle, Enrolled, e.RowID())
	if err != nil {
		t.Fatal(err)
	}
	for i, role := range servers() {
		if s := statements[i]; s.Role != role || s.KeyVersion != 3 || len(s.Removed) != 1 || s.Removed[0] != old || !s.Time.Equal(now) {
			t.Fatalf("read %+v", s)
		}
	}
}

func TestOrders(t *testing.T) {
	bureau := newKey(t, "ES256")
	for _, kind := range []OrderKind{Erase, Lock, Unlock, Lift} {
		o := &Order{Kind: kind, Citizen: citizen(t, "1234567(8)"), JTI: "0123456789abcdef",
			IssuedAt: now.Add(7 * time.Millisecond), Expiry: now.Add(time.Hour)}
		compact, err := SignOrder(bureau, o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := VerifyOrder(compact, []*PublicKey{bureau.Public()}, now)
		if err != nil {
			t.Fatal(err)
		}
		if got.Kind != kind || !got.Citizen.Equal(o.Citizen) || !got.IssuedAt.Equal(o.IssuedAt) || !got.Expiry.Equal(o.Expiry) || got.Hash().IsZero() {
			t.Fatalf("read %+v, signed %+v", got, o)
		}
	}
}

func TestYesAndNoHaveTheSameLength(t *testing.T) {
	w := newWorld(t)
	request := w.signedRequest(t, w.request(t))
	yes, no := w.signedVerdict(t, w.verdict(request, true)), w.signedVerdict(t, w.verdict(request, false))
	if len(yes) != len(no) || bytes.Equal(yes, no) {
		t.Fatalf("a yes has %d bytes, a no %d", len(yes), len(no))
	}
}

func testEnrolment(t testing.TB) *Enrolment {
	t.Helper()
	return &Enrolment{Station: "station-1", Citizen: citizen(t, "1234567(8)"), Slot: 1, Model: hash("model"),
		JTI: "0123456789abcdef", IssuedAt: now.Add(7 * time.Millisecond), Expiry: now.Add(EnrolmentWindow)}
}

func stationOf(key *PrivateKey) Stations {
	return func(id string) ([]*PublicKey, bool) { return []*PublicKey{key.Public()}, id == "station-1" }
}

// receipt is s, said by both servers.
func (w *world) receipt(t testing.TB, s Statement) []byte {
	t.Helper()
	var halves [2][]byte
	for i, signers := range w.signers {
		var err error
		if halves[i], err = SignStatement(signers, s, now); err != nil {
			t.Fatal(err)
		}
	}
	return CombineReceipt(halves[0], halves[1])
}

package orders

import (
	"strings"
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/fault"
)

func enrol(t testing.TB, key *PrivateKey, e *Enrolment) []byte {
	t.Helper()
	order, err := SignEnrolment(key, e, []byte("sealed 0"), []byte("sealed 1"))
	if err != nil {
		t.Fatal(err)
	}
	return order
}

func TestEnrolmentsRefused(t *testing.T) {
	station, stranger := newKey(t, "ES256"), newKey(t, "ES256")
	good := enrol(t, station, testEnrolment(t))
	unknown := testEnrolment(t)
	unknown.Station = "station-2"
	long := testEnrolment(t)
	long.Expiry = long.IssuedAt.Add(EnrolmentWindow + time.Second)
	h0, h1 := canon.Digest(hash("sealed 0")), canon.Digest(hash("sealed 1"))
	for name, c := range map[string]struct {
		order  []byte
		h0, h1 canon.Digest
		at     time.Time
		code   fault.Code
	}{
		"halves swapped":       {good, h1, h0, now, fault.BadSignature},
		"another half 0":       {good, hash("x"), h1, now, fault.BadSignature},
		"another half 1":       {good, h0, hash("x"), now, fault.BadSignature},
		"an unknown station":   {enrol(t, station, unknown), h0, h1, now, fault.UnknownParty},
		"a stranger's key":     {enrol(t, stranger, testEnrolment(t)), h0, h1, now, fault.UnknownKey},
		"too early":            {good, h0, h1, now.Add(-Skew - time.Second), fault.NotYetValid},
		"too late":             {good, h0, h1, now.Add(EnrolmentWindow + Skew + time.Second), fault.Expired},
		"too long":             {enrol(t, station, long), h0, h1, now, fault.OutOfRange},
		"oversize":             {make([]byte, maxOrderBytes+1), h0, h1, now, fault.Oversize},
		"empty":                {nil, h0, h1, now, fault.Truncated},
		"the bare signed text": {testEnrolment(t).signed(nil, nil), h0, h1, now, fault.BadEncoding},
	} {
		if _, err := VerifyEnrolment(c.order, c.h0, c.h1, stationOf(station), c.at); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		} else if strings.Contains(err.Error(), "1234567") {
			t.Errorf("%s: the citizen's reference is in the error", name)
		}
	}
}

func TestEveryByteOfAnEnrolmentCounts(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA"} {
		station := newKey(t, algorithm)
		order := enrol(t, station, testEnrolment(t))
		flips(order, func(changed []byte, at int) {
			if _, err := VerifyEnrolment(changed, hash("sealed 0"), hash("sealed 1"), stationOf(station), now); err == nil {
				t.Fatalf("%s: byte %d changed was accepted", algorithm, at)
			}
		})
		for n := range order {
			if _, err := VerifyEnrolment(order[:n], hash("sealed 0"), hash("sealed 1"), stationOf(station), now); err == nil {
				t.Fatalf("%s: %d bytes were accepted", algorithm, n)
			}
		}
	}
}

func TestSignEnrolmentRefusesWhatAServerWould(t *testing.T) {
	for name, change := range map[string]func(*Enrolment){
		"no station": func(e *Enrolment) { e.Station = "" },
		"no citizen": func(e *Enrolment) { e.Citizen = Citizen{} },
		"short jti":  func(e *Enrolment) { e.JTI = "short" },
		"before 1970": func(e *Enrolment) {
			e.IssuedAt = time.Unix(-1, 0)
		},
	} {
		e := testEnrolment(t)
		change(e)
		if _, err := SignEnrolment(newKey(t, "EdDSA"), e, nil, nil); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

// The row is named by everything that makes it another template; the time of the
// order is signed but not in the name.
func TestRowIDNamesTheTemplate(t *testing.T) {
	base := testEnrolment(t).RowID()
	seen := map[canon.RowID]string{base: "itself"}
	for name, change := range map[string]func(*Enrolment){
		"station": func(e *Enrolment) { e.Station += "x" },
		"citizen": func(e *Enrolment) { e.Citizen = citizen(t, "1234567(9)") },
		"slot":    func(e *Enrolment) { e.Slot++ },
		"model":   func(e *Enrolment) { e.Model = hash("x") },
		"jti":     func(e *Enrolment) { e.JTI += "x" },
		"expiry":  func(e *Enrolment) { e.Expiry = e.Expiry.Add(time.Second) },
	} {
		e := testEnrolment(t)
		change(e)
		if same, ok := seen[e.RowID()]; ok {
			t.Errorf("another %s gives the row of %s", name, same)
		}
		seen[e.RowID()] = name
	}
	c := testEnrolment(t).Context()
	if c.Place != base || c.Request != canon.RequestHash(base) || c.Party != "station-1" || c.Kind != "enrolment" {
		t.Errorf("sealed under %+v", c)
	}
}

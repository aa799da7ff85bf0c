package orders

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"nod/crypto/seal"
	"nod/fault"
)

func TestVerdictsRefused(t *testing.T) {
	w := newWorld(t)
	request := w.signedRequest(t, w.request(t))
	second := w.request(t)
	second.JTI = "fedcba9876543210"
	other := w.signedRequest(t, second)
	foreign := w.request(t)
	foreign.RP = "https://other.example"
	foreignRequest := w.signedRequest(t, foreign)
	late := w.request(t)
	late.IssuedAt, late.Expiry = now.Add(2*time.Minute), now.Add(3*time.Minute)
	lateRequest := w.signedRequest(t, late)
	good := w.verdict(request, true)
	payload, err := good.Payload()
	if err != nil {
		t.Fatal(err)
	}
	matcher, custodian := w.signVerdict(t, 0, payload), w.signVerdict(t, 1, payload)
	combine := func(first, second []byte) []byte {
		t.Helper()
		out, err := CombineVerdict(payload, first, second)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	changed := func(change func(*Verdict)) []byte {
		v := *good
		change(&v)
		return w.signedVerdict(t, &v)
	}
	one := func(signatures ...[]byte) []byte {
		var jws generalJWS
		if err := json.Unmarshal(combine(matcher, custodian), &jws); err != nil {
			t.Fatal(err)
		}
		jws.Signatures = jws.Signatures[:0]
		for _, s := range signatures {
			protected, value, _ := strings.Cut(string(s), "..")
			jws.Signatures = append(jws.Signatures, generalSignature{protected, value})
		}
		data, err := json.Marshal(jws)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}

	for name, c := range map[string]struct {
		request, verdict []byte
		want             Expected
		code             fault.Code
	}{
		"good":                    {request, combine(matcher, custodian), expected(), ""},
		"one signature":           {request, one(matcher), expected(), fault.NotCosigned},
		"no signature":            {request, one(), expected(), fault.NotCosigned},
		"three signatures":        {request, one(matcher, custodian, custodian), expected(), fault.NotCosigned},
		"two by the matcher":      {request, combine(matcher, matcher), expected(), fault.NotCosigned},
		"two by the custodian":    {request, combine(custodian, custodian), expected(), fault.NotCosigned},
		"in the other order":      {request, combine(custodian, matcher), expected(), fault.NotCosigned},
		"another request's":       {request, w.signedVerdict(t, w.verdict(other, true)), expected(), fault.WrongRequest},
		"from before the request": {lateRequest, w.signedVerdict(t, w.verdict(lateRequest, true)), expected(), fault.WrongRequest},
		"another party's":         {request, changed(func(v *Verdict) { v.RP = "https://other.example" }), expected(), fault.WrongParty},
		"another party's, asked":  {foreignRequest, w.signedVerdict(t, w.verdict(foreignRequest, true)), expected(), fault.WrongParty},
		"another purpose":         {request, changed(func(v *Verdict) { v.Purpose = "voting" }), expected(), fault.WrongPolicy},
		"another model":           {request, changed(func(v *Verdict) { v.Model = hash("x") }), expected(), fault.WrongPolicy},
		"another policy":          {request, changed(func(v *Verdict) { v.Policy = hash("x") }), expected(), fault.WrongPolicy},
		"expected of another rp": {request, combine(matcher, custodian), Expected{RP: "x", Purpose: "account-opening",
			Model: hash("model"), Policy: hash("policy")}, fault.WrongParty},
		"expected for another use": {request, combine(matcher, custodian), Expected{RP: testRP, Purpose: "x",
			Model: hash("model"), Policy: hash("policy")}, fault.WrongPolicy},
		"expected under another policy": {request, combine(matcher, custodian), Expected{RP: testRP, Purpose: "account-opening",
			Model: hash("model"), Policy: hash("x")}, fault.WrongPolicy},
		"lasting too long": {request, changed(func(v *Verdict) { v.Expiry = v.IssuedAt.Add(VerdictWindow + time.Second) }), expected(),
			fault.OutOfRange},
		"no class":             {request, changed(func(v *Verdict) { v.FMR = "1e-9" }), expected(), fault.OutOfRange},
		"cut":                  {request, combine(matcher, custodian)[:100], expected(), fault.BadEncoding},
		"white space":          {request, append(combine(matcher, custodian), '\n'), expected(), fault.BadEncoding},
		"unknown field":        {request, bytes.Replace(combine(matcher, custodian), []byte("{"), []byte(`{"header":{},`), 1), expected(), fault.UnknownField},
		"oversize":             {request, make([]byte, MaxVerdict+1), expected(), fault.Oversize},
		"no request":           {nil, combine(matcher, custodian), expected(), fault.BadEncoding},
		"a request as verdict": {request, request, expected(), fault.BadEncoding},
	} {
		if _, err := VerifyVerdict(c.request, c.verdict, w.bundle, now, c.want); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
}

func TestVerdictTimes(t *testing.T) {
	w := newWorld(t)
	request := w.signedRequest(t, w.request(t))
	v := w.verdict(request, false)
	data := w.signedVerdict(t, v)
	for _, c := range []struct {
		at   time.Time
		code fault.Code
	}{
		{v.IssuedAt.Add(-Skew - time.Second), fault.NotYetValid}, {v.IssuedAt, ""}, {v.Expiry.Add(Skew), ""},
		{v.Expiry.Add(Skew + time.Second), fault.Expired},
		// The certificates are over; it is the verdict that is too old.
		{now.Add(24 * time.Hour), fault.Expired},
	} {
		if _, err := VerifyVerdict(request, data, w.bundle, c.at, expected()); fault.CodeOf(err) != c.code {
			t.Errorf("at %s: %v, want %q", c.at, err, c.code)
		}
	}
	// A verdict key that was over when the verdict says it was made.
	v.IssuedAt, v.Expiry = now.Add(2*time.Hour), now.Add(2*time.Hour+time.Minute)
	if _, err := VerifyVerdict(request, w.signedVerdict(t, v), w.bundle, v.IssuedAt, expected()); !fault.Is(err, fault.KeyExpired) {
		t.Errorf("by an old key: %v", err)
	}
}

func TestVerdictByTheWrongIdentity(t *testing.T) {
	w := newWorld(t)
	request := w.signedRequest(t, w.request(t))
	payload, err := w.verdict(request, true).Payload()
	if err != nil {
		t.Fatal(err)
	}
	// The matcher's identity key certifies a verdict key "of the custodian".
	forger := seal.NewSigners(seal.Custodian)
	if err := forger.Rotate(t.Context(), now, signAs(seal.Matcher)); err != nil {
		t.Fatal(err)
	}
	forged, err := SignVerdict(forger, payload, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckVerdict(payload, forged, seal.Custodian, w.bundle, now); !fault.Is(err, fault.BadCertificate) {
		t.Errorf("checked by a server: %v", err)
	}
	data, err := CombineVerdict(payload, w.signVerdict(t, 0, payload), forged)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyVerdict(request, data, w.bundle, now, expected()); !fault.Is(err, fault.BadCertificate) {
		t.Errorf("checked by the relying party: %v", err)
	}
	if err := CheckVerdict(payload, w.signVerdict(t, 1, payload), seal.Custodian, w.bundle, now); err != nil {
		t.Errorf("the honest signature: %v", err)
	}
	other, err := w.verdict(request, false).Payload()
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckVerdict(other, w.signVerdict(t, 1, payload), seal.Custodian, w.bundle, now); !fault.Is(err, fault.BadSignature) {
		t.Errorf("over the other outcome: %v", err)
	}
	for _, bad := range []string{"", "a.b.c", "..", "e30..AAAA"} {
		if err := CheckVerdict(payload, []byte(bad), seal.Custodian, w.bundle, now); err == nil {
			t.Errorf("%q is a signature", bad)
		}
		if _, err := CombineVerdict(payload, []byte(bad), w.signVerdict(t, 1, payload)); err == nil {
			t.Errorf("%q was combined", bad)
		}
	}
}

func TestEveryByteOfAVerdictCounts(t *testing.T) {
	w := newWorld(t)
	request := w.signedRequest(t, w.request(t))
	for _, match := range []bool{true, false} {
		flips(w.signedVerdict(t, w.verdict(request, match)), func(changed []byte, at int) {
			if _, err := VerifyVerdict(request, changed, w.bundle, now, expected()); err == nil {
				t.Fatalf("byte %d changed was accepted", at)
			}
		})
	}
}

func TestPayloadHasOneForm(t *testing.T) {
	w := newWorld(t)
	request := w.signedRequest(t, w.request(t))
	yes, err := w.verdict(request, true).Payload()
	if err != nil {
		t.Fatal(err)
	}
	no, err := w.verdict(request, false).Payload()
	if err != nil {
		t.Fatal(err)
	}
	for name, payload := range map[string]string{
		"yes without its space": strings.Replace(string(yes), "true }", "true}", 1),
		"yes with two":          strings.Replace(string(yes), "true }", "true  }", 1),
		"no with a space":       strings.Replace(string(no), "false}", "false }", 1),
		"a score":               strings.Replace(string(yes), `"match"`, `"score":1,"match"`, 1),
		"match twice":           strings.Replace(string(yes), `"match":true`, `"match":false,"match":true`, 1),
		"no match":              strings.Replace(string(yes), `,"match":true `, ``, 1),
		"match a string":        strings.Replace(string(yes), `true`, `"true"`, 1),
		"fields in other order": `{"match":true,` + strings.Replace(string(yes[1:]), `,"match":true `, "", 1),
		"three leaves":          strings.Replace(string(yes), `"leaves":[`, `"leaves":["`+strings.Repeat("0", 64)+`",`, 1),
		"rp with a space":       strings.Replace(string(yes), testRP, "a b", 1),
		"exponent":              strings.Replace(string(yes), `"exp":1772366590`, `"exp":177236659e1`, 1),
	} {
		if payload == string(yes) || payload == string(no) {
			t.Fatalf("%s: nothing changed", name)
		}
		if _, err := ParsePayload([]byte(payload)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := ParsePayload(make([]byte, MaxVerdict+1)); !fault.Is(err, fault.Oversize) {
		t.Errorf("oversize: %v", err)
	}
	for _, payload := range [][]byte{yes, no} {
		var any map[string]any
		if err := json.Unmarshal(payload, &any); err != nil {
			t.Errorf("an ordinary JSON reader can not read it: %v", err)
		}
	}
}

func TestPseudonymIsOfBothParts(t *testing.T) {
	a := Pseudonym(hash("0"), hash("1"))
	if a == Pseudonym(hash("1"), hash("0")) || a == Pseudonym(hash("0"), hash("2")) || a == Pseudonym(hash("2"), hash("1")) {
		t.Fatal("two citizens have one pseudonym")
	}
}

package orders

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"nod/fault"
)

func TestClaimsRefused(t *testing.T) {
	w := newWorld(t)
	good := payloadOf(t, w.signedRequest(t, w.request(t)))
	swap := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("no %s in the payload", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	cases := map[string]struct {
		payload string
		code    fault.Code
	}{
		"unknown claim":           {swap("{", `{"score":1,`), fault.UnknownField},
		"claim in another case":   {swap(`"rp"`, `"RP"`), fault.UnknownField},
		"not an object":           {"[" + good + "]", fault.BadEncoding},
		"not JSON":                {good[1:], fault.BadEncoding},
		"cut":                     {good[:len(good)-1], fault.BadEncoding},
		"bytes after":             {good + "{}", fault.BadEncoding},
		"not UTF-8":               {swap("account", "acc\xff"), fault.BadEncoding},
		"rp null":                 {swap(`"`+testRP+`"`, "null"), fault.BadEncoding},
		"rp empty":                {swap(testRP, ""), fault.Truncated},
		"rp a number":             {swap(`"`+testRP+`"`, "7"), fault.BadEncoding},
		"rp too long":             {swap(testRP, strings.Repeat("r", 129)), fault.Oversize},
		"citizen empty":           {swap("1234567(8)", ""), fault.Truncated},
		"citizen too long":        {swap("1234567(8)", strings.Repeat("1", 129)), fault.Oversize},
		"citizen with a space":    {swap("1234567(8)", "1234567 (8)"), fault.BadEncoding},
		"citizen with a control":  {swap("1234567(8)", `1234567\u0000`), fault.BadEncoding},
		"citizen not ASCII":       {swap("1234567(8)", "12３4567"), fault.BadEncoding},
		"citizen, lone surrogate": {swap("1234567(8)", `\ud800`), fault.BadEncoding},
		"jti too short":           {swap("0123456789abcdef", "0123456789abcde"), fault.Truncated},
		"jti too long":            {swap("0123456789abcdef", strings.Repeat("j", 65)), fault.Oversize},
		"model too short":         {swap(w.request(t).Model.String(), "00"), fault.Truncated},
		"model in upper case":     {swap(w.request(t).Model.String(), strings.ToUpper(w.request(t).Model.String())), fault.BadEncoding},
		"iat with a fraction":     {swap(`"iat":1772366400`, `"iat":1772366400.5`), fault.BadEncoding},
		"iat with an exponent":    {swap(`"iat":1772366400`, `"iat":1.7723664e9`), fault.BadEncoding},
		"iat a string":            {swap(`"iat":1772366400`, `"iat":"1772366400"`), fault.BadEncoding},
		"iat negative":            {swap(`"iat":1772366400`, `"iat":-1`), fault.BadEncoding},
		"iat huge":                {swap(`"iat":1772366400`, `"iat":99999999999999999999`), fault.BadEncoding},
		"exp at iat":              {swap(`"exp":1772366460`, `"exp":1772366400`), fault.OutOfRange},
		"exp before iat":          {swap(`"exp":1772366460`, `"exp":1772366399`), fault.OutOfRange},
		"61 seconds":              {swap(`"exp":1772366460`, `"exp":1772366461`), fault.OutOfRange},
		"cnf with more":           {swap(`"cnf":{`, `"cnf":{"kid":"x",`), fault.UnknownField},
		"cnf without jwk":         {swap(`"jwk":`, `"jku":`), fault.UnknownField},
		"cnf with a private key":  {swap(`"crv":"P-256"`, `"crv":"P-256","d":"AA"`), fault.UnknownField},
		"cnf on another curve":    {swap(`"crv":"P-256"`, `"crv":"P-384"`), fault.BadKey},
		"another purpose":         {swap("account-opening", "advertising"), fault.PurposeRefused},
		"an unknown rp":           {swap(testRP, "https://other.example"), fault.UnknownParty},
	}
	for _, claim := range []string{"rp", "citizen", "purpose", "consent", "model", "policy", "cnf", "jti", "iat", "exp"} {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(good), &fields); err != nil {
			t.Fatal(err)
		}
		doubled := fmt.Sprintf(`{"%s":%s,%s`, claim, fields[claim], good[1:])
		cases[claim+" twice"] = struct {
			payload string
			code    fault.Code
		}{doubled, fault.BadEncoding}
		delete(fields, claim)
		without, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		cases["no "+claim] = struct {
			payload string
			code    fault.Code
		}{string(without), fault.BadEncoding}
	}
	for name, c := range cases {
		compact := compactOf(t, w.rp, headerOf(w.rp, RequestType), c.payload)
		if _, err := VerifyRequest(compact, w.parties, now); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		} else if strings.Contains(err.Error(), "1234567") {
			t.Errorf("%s: the citizen's reference is in the error", name)
		}
	}
}

// The order of claims and the white space are the relying party's own.
func TestClaimsInAnyOrder(t *testing.T) {
	w := newWorld(t)
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(payloadOf(t, w.signedRequest(t, w.request(t)))), &fields); err != nil {
		t.Fatal(err)
	}
	sorted, err := json.MarshalIndent(fields, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyRequest(compactOf(t, w.rp, headerOf(w.rp, RequestType), string(sorted)), w.parties, now); err != nil {
		t.Fatal(err)
	}
}

func TestRequestTimes(t *testing.T) {
	w := newWorld(t)
	request := w.signedRequest(t, w.request(t))
	for _, c := range []struct {
		at   time.Duration
		code fault.Code
	}{
		{-Skew - time.Second, fault.NotYetValid}, {-Skew, ""}, {0, ""}, {RequestWindow + Skew, ""},
		{RequestWindow + Skew + time.Second, fault.Expired},
	} {
		if _, err := VerifyRequest(request, w.parties, now.Add(c.at)); fault.CodeOf(err) != c.code {
			t.Errorf("at %s: %v, want %q", c.at, err, c.code)
		}
	}
}

// A relying party that is registered, with a key that is registered, but for
// another one.
func TestRequestUnderAnotherPartysKey(t *testing.T) {
	w := newWorld(t)
	other := newKey(t, "EdDSA")
	parties := func(id string) (Party, bool) {
		switch id {
		case testRP:
			return w.parties(id)
		case "https://other.example":
			return Party{Keys: []*PublicKey{other.Public()}, Purposes: []string{"account-opening"}}, true
		}
		return Party{}, false
	}
	forged, err := SignRequest(other, w.request(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyRequest(forged, parties, now); !fault.Is(err, fault.UnknownKey) {
		t.Fatalf("another relying party's signature: %v", err)
	}
}

func TestSignRequestRefusesWhatAServerWould(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*Request){
		"no client":  func(r *Request) { r.Client = nil },
		"no citizen": func(r *Request) { r.Citizen = Citizen{} },
		"no jti":     func(r *Request) { r.JTI = "" },
	} {
		r := w.request(t)
		change(r)
		if _, err := SignRequest(w.rp, r); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestCitizenPrintsOnlyItsKind(t *testing.T) {
	c := citizen(t, "1234567(8)")
	r := &Request{Citizen: c}
	nested := struct{ inner Citizen }{c}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{c, &c, r, *r, nested, []Citizen{c}, map[string]Citizen{"c": c}} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "1234567") || strings.Contains(text, "31323334") {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
	}
	for _, v := range []any{c, &c, nested, r} {
		if data, err := json.Marshal(v); err == nil && strings.Contains(string(data), "1234567") {
			t.Errorf("%T marshalled: %s", v, data)
		}
	}
	if (Citizen{}).Reveal() != "" || c.Equal(Citizen{}) || !c.Equal(citizen(t, "1234567(8)")) {
		t.Error("Equal does not compare references")
	}
	for _, bad := range []string{"", " ", "a b", "\x7f", strings.Repeat("1", MaxCitizen+1)} {
		if _, err := NewCitizen(bad); err == nil {
			t.Errorf("%q is a citizen", bad)
		}
	}
}

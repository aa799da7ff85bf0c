package orders

import (
	"strings"
	"testing"
	"time"

	"nod/fault"
)

func testOrder(t testing.TB, kind OrderKind) *Order {
	t.Helper()
	return &Order{Kind: kind, Citizen: citizen(t, "1234567(8)"), JTI: "0123456789abcdef", IssuedAt: now, Expiry: now.Add(time.Hour)}
}

func signOrder(t testing.TB, key *PrivateKey, o *Order) []byte {
	t.Helper()
	compact, err := SignOrder(key, o)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestOrdersRefused(t *testing.T) {
	bureau := newKey(t, "EdDSA")
	keys := []*PublicKey{newKey(t, "ES256").Public(), bureau.Public()}
	good := payloadOf(t, signOrder(t, bureau, testOrder(t, Lock)))
	swap := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("no %s in the payload", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, c := range map[string]struct {
		payload string
		code    fault.Code
	}{
		"good":                {good, ""},
		"another kind":        {swap(`"lock"`, `"promote"`), fault.OutOfRange},
		"no kind":             {swap(`"order":"lock",`, ""), fault.BadEncoding},
		"unknown claim":       {swap("{", `{"why":"x",`), fault.UnknownField},
		"kind twice":          {swap("{", `{"order":"unlock",`), fault.BadEncoding},
		"iat without decimal": {swap(`1772366400.000`, `1772366400`), fault.BadEncoding},
		"iat with four":       {swap(`1772366400.000`, `1772366400.0000`), fault.BadEncoding},
		"iat with a sign":     {swap(`1772366400.000`, `-1772366400.000`), fault.BadEncoding},
		"iat with exponent":   {swap(`1772366400.000`, `1772366.4e3`), fault.BadEncoding},
		"iat a string":        {swap(`1772366400.000`, `"1772366400.000"`), fault.BadEncoding},
		"exp with decimals":   {swap(`"exp":1772370000`, `"exp":1772370000.000`), fault.BadEncoding},
		"exp before iat":      {swap(`"exp":1772370000`, `"exp":1772366399`), fault.OutOfRange},
		"more than a week":    {swap(`"exp":1772370000`, `"exp":1772971201`), fault.OutOfRange},
		"citizen empty":       {swap("1234567(8)", ""), fault.Truncated},
		"short jti":           {swap("0123456789abcdef", "0"), fault.Truncated},
	} {
		_, err := VerifyOrder(compactOf(t, bureau, headerOf(bureau, OrderType), c.payload), keys, now)
		if fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
	order := signOrder(t, bureau, testOrder(t, Erase))
	for name, c := range map[string]struct {
		order []byte
		keys  []*PublicKey
		at    time.Time
		code  fault.Code
	}{
		"too early":           {order, keys, now.Add(-Skew - time.Second), fault.NotYetValid},
		"too late":            {order, keys, now.Add(time.Hour + Skew + time.Second), fault.Expired},
		"not the bureau's":    {order, keys[:1], now, fault.UnknownKey},
		"no keys":             {order, nil, now, fault.UnknownKey},
		"typ of a request":    {compactOf(t, bureau, headerOf(bureau, RequestType), good), keys, now, fault.BadType},
		"a request as order":  {signedBy(t, bureau), keys, now, fault.BadType},
		"half of an order":    {order[:len(order)/2], keys, now, fault.BadEncoding},
		"more than an order":  {append(order[:len(order):len(order)], '='), keys, now, fault.BadEncoding},
		"longer than allowed": {make([]byte, MaxJWS+1), keys, now, fault.Oversize},
	} {
		if _, err := VerifyOrder(c.order, c.keys, c.at); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

// signedBy is a request that the bureau's key signed, for whatever reason.
func signedBy(t testing.TB, key *PrivateKey) []byte {
	t.Helper()
	w := newWorld(t)
	compact, err := SignRequest(key, w.request(t))
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestEveryByteOfAnOrderCounts(t *testing.T) {
	for _, algorithm := range []string{"ES256", "EdDSA"} {
		bureau := newKey(t, algorithm)
		flips(signOrder(t, bureau, testOrder(t, Unlock)), func(changed []byte, at int) {
			if _, err := VerifyOrder(changed, []*PublicKey{bureau.Public()}, now); err == nil {
				t.Fatalf("%s: byte %d changed was accepted", algorithm, at)
			}
		})
	}
}

func TestFollows(t *testing.T) {
	for _, c := range []struct {
		newer time.Duration
		ok    bool
	}{{time.Millisecond, true}, {0, false}, {-time.Millisecond, false}} {
		if err := Follows(now.Add(c.newer), now); (err == nil) != c.ok || (err != nil && !fault.Is(err, fault.StaleOrder)) {
			t.Errorf("%s newer: %v", c.newer, err)
		}
	}
}

func TestAttestationsRefused(t *testing.T) {
	capture := newKey(t, "ES256")
	keys := []*PublicKey{capture.Public()}
	binding := CaptureBinding(hash("q"), hash("session"), hash("0"), hash("1"))
	sign := func(key *PrivateKey, exp time.Duration) []byte {
		a, err := SignAttestation(key, binding, now, now.Add(exp))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	good := sign(capture, time.Minute)
	payload := payloadOf(t, good)
	if err := VerifyAttestation(good, keys, binding, now); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		attestation []byte
		at          time.Duration
		code        fault.Code
	}{
		"none":             {nil, 0, fault.BadEncoding},
		"by a stranger":    {sign(newKey(t, "ES256"), time.Minute), 0, fault.UnknownKey},
		"too long":         {sign(capture, AttestationWindow+time.Second), 0, fault.OutOfRange},
		"over":             {good, time.Minute + Skew + time.Second, fault.Expired},
		"from the future":  {good, -Skew - time.Second, fault.NotYetValid},
		"another typ":      {compactOf(t, capture, headerOf(capture, OrderType), payload), 0, fault.BadType},
		"another binding":  {compactOf(t, capture, headerOf(capture, AttestationType), strings.Replace(payload, binding.String(), CaptureBinding(hash("q"), hash("session"), hash("1"), hash("0")).String(), 1)), 0, fault.WrongRequest},
		"an unknown claim": {compactOf(t, capture, headerOf(capture, AttestationType), strings.Replace(payload, "{", `{"device":"x",`, 1)), 0, fault.UnknownField},
	} {
		if err := VerifyAttestation(c.attestation, keys, binding, now.Add(c.at)); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	flips(good, func(changed []byte, at int) {
		if VerifyAttestation(changed, keys, binding, now) == nil {
			t.Fatalf("byte %d changed was accepted", at)
		}
	})
}

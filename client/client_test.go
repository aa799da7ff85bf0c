package client_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nod/client"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

func TestProbeOpensToTheCodesOfThePhotos(t *testing.T) {
	w := newWorld(t)
	d := w.device(t, nil)
	request := w.request(t, d)
	if asked, err := d.Asks(request); err != nil || asked != (client.Consent{RP: origin, Purpose: "account-opening"}) {
		t.Fatalf("the citizen is shown %+v, %v", asked, err)
	}
	answer := w.answer(t, request)
	features, want := w.photos(t)
	probe, err := d.Probe(request, answer, w.plan, features, now)
	if err != nil {
		t.Fatal(err)
	}

	// As the servers do it, each by itself.
	r, err := orders.VerifyRequest(request, func(id string) (orders.Party, bool) {
		return orders.Party{Keys: []*orders.PublicKey{w.rp.Key.Public()}, Purposes: []string{"account-opening"}}, id == origin
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := orders.VerifyProbe(r, probe.Session, sha256.Sum256(probe.Sealed0), sha256.Sum256(probe.Sealed1), probe.Attestation,
		probe.Signature); err != nil {
		t.Fatal(err)
	}
	opened, err := orders.VerifyAnswer(answer, request, w.bundle, now)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range w.join(t, opened.Context(), probe.Sealed0, probe.Sealed1, w.models) {
		if !x.Equal(want[i]) {
			t.Errorf("code %d is not that of the photos", i)
		}
	}

	for _, v := range features[w.models[0].Network()] {
		for _, f := range v {
			if f != 0 {
				t.Fatal("the features are not wiped")
			}
		}
	}
	features, _ = w.photos(t)
	if _, err := d.Probe(request, answer, w.plan, features, now); !fault.Is(err, fault.KeyExpired) {
		t.Errorf("a second probe with the one-time key: %v", err)
	}
	// A probe never opens as an enrolment, whatever else is made to fit.
	c := opened.Context()
	c.Kind = seal.Enrolment
	if _, err := w.matcher.Open(c, probe.Sealed0, w.plan.TotalBytes(), now); !fault.Is(err, fault.BadCiphertext) {
		t.Errorf("a probe opened as an enrolment: %v", err)
	}
}

func TestDeviceRefuses(t *testing.T) {
	w := newWorld(t)
	other := newWorld(t)
	other.rp.ID = "https://phish.example"
	mine := w.device(t, nil)
	stale := codetest.Plan(code.FMR1e2, w.models...)

	for name, c := range map[string]struct {
		request []byte
		answer  func(request []byte) []byte
		plan    *code.Plan
		change  func(client.Features)
		code    fault.Code
	}{
		"another relying party than the origin": {request: other.request(t, mine), code: fault.WrongParty},
		"another device's request":              {request: w.request(t, w.device(t, nil)), code: fault.WrongRequest},
		"the answer to another request": {answer: func([]byte) []byte { return w.answer(t, w.request(t, mine)) },
			code: fault.WrongRequest},
		"an answer cut short": {answer: func(r []byte) []byte { a := w.answer(t, r); return a[:len(a)-1] }, code: fault.Truncated},
		"another policy":      {plan: stale, code: fault.UnknownModel},
		"no photo":            {change: func(f client.Features) { clear(f) }, code: fault.BadDimension},
		"wrong dimension": {change: func(f client.Features) { f[w.models[0].Network()][1] = make([]float32, 3) },
			code: fault.BadDimension},
		"a NaN":             {change: func(f client.Features) { f[w.models[0].Network()][1][2] = float32(math.NaN()) }, code: fault.NotFinite},
		"an infinity":       {change: func(f client.Features) { f[w.models[0].Network()][0][2] = float32(math.Inf(-1)) }, code: fault.NotFinite},
		"a zero vector":     {change: func(f client.Features) { clear(f[w.models[0].Network()][2]) }, code: fault.ZeroVector},
		"somebody else too": {change: func(f client.Features) { opposite(f[w.models[0].Network()][2]) }, code: fault.FaceInconsistent},
	} {
		t.Run(name, func(t *testing.T) {
			request, plan := c.request, w.plan
			if request == nil {
				request = w.request(t, mine)
			}
			if c.plan != nil {
				plan = c.plan
			}
			answer := w.answer(t, request)
			if c.answer != nil {
				answer = c.answer(request)
			}
			features, _ := w.photos(t)
			vectors := features[w.models[0].Network()]
			if c.change != nil {
				c.change(features)
			}
			if _, err := mine.Probe(request, answer, plan, features, now); !fault.Is(err, c.code) {
				t.Fatalf("%v, want %s", err, c.code)
			}
			if c.change == nil && vectors[0][0] != 0 {
				t.Fatal("the features are not wiped after a refusal")
			}
		})
	}
	if asked, err := mine.Asks(other.request(t, mine)); !fault.Is(err, fault.WrongParty) || asked != (client.Consent{}) {
		t.Errorf("the citizen is shown a request of another relying party: %v", err)
	}
	if _, err := mine.Asks(nil); err == nil {
		t.Error("an empty request was shown")
	}
}

func opposite(v []float32) {
	for i := range v {
		v[i] = -v[i]
	}
}

func TestDeviceAttestsWhatItSealed(t *testing.T) {
	w := newWorld(t)
	capture, err := orders.NewPrivateKey("EdDSA")
	if err != nil {
		t.Fatal(err)
	}
	d := w.device(t, func(binding canon.Digest) ([]byte, error) {
		return orders.SignAttestation(capture, binding, now, now.Add(time.Minute))
	})
	request := w.request(t, d)
	features, _ := w.photos(t)
	p, err := d.Probe(request, w.answer(t, request), w.plan, features, now)
	if err != nil {
		t.Fatal(err)
	}
	binding := orders.CaptureBinding(orders.HashRequest(request), p.Session, sha256.Sum256(p.Sealed0), sha256.Sum256(p.Sealed1))
	if err := orders.VerifyAttestation(p.Attestation, []*orders.PublicKey{capture.Public()}, binding, now); err != nil {
		t.Fatal(err)
	}

	failing := w.device(t, func(canon.Digest) ([]byte, error) { return nil, fault.New(fault.NotAllowed, "no camera") })
	request = w.request(t, failing)
	features, _ = w.photos(t)
	if _, err := failing.Probe(request, w.answer(t, request), w.plan, features, now); !fault.Is(err, fault.NotAllowed) {
		t.Errorf("a probe without its attestation: %v", err)
	}
}

func TestEnrolmentOpensToTheCodeOfThePhotos(t *testing.T) {
	w := newWorld(t)
	station, err := orders.NewPrivateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	citizen, err := orders.NewCitizen("1234567(8)")
	if err != nil {
		t.Fatal(err)
	}
	certs := new(wire.KeysAnswer)
	if certs.Matcher, err = w.matcher.Certificate(now); err != nil {
		t.Fatal(err)
	}
	if certs.Custodian, err = w.custodian.Certificate(now); err != nil {
		t.Fatal(err)
	}
	keys, err := client.VerifyKeys(certs, w.bundle, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.VerifyKeys(&wire.KeysAnswer{Matcher: certs.Custodian, Custodian: certs.Matcher}, w.bundle, now); !fault.Is(err, fault.BadCertificate) {
		t.Errorf("certificates of the other roles: %v", err)
	}

	e := &orders.Enrolment{Station: "station-1", Citizen: citizen, Model: w.models[1].ID(), JTI: "0123456789abcdef",
		IssuedAt: now, Expiry: now.Add(orders.EnrolmentWindow)}
	features, want := w.photos(t)
	out, err := client.Enrol(station, e, keys, w.models[1], features)
	if err != nil {
		t.Fatal(err)
	}
	got, err := orders.VerifyEnrolment(out.Order, sha256.Sum256(out.Sealed0), sha256.Sum256(out.Sealed1),
		func(string) ([]*orders.PublicKey, bool) { return []*orders.PublicKey{station.Public()}, true }, now)
	if err != nil {
		t.Fatal(err)
	}
	if x := w.join(t, got.Context(), out.Sealed0, out.Sealed1, w.models[1:]); !x[0].Equal(want[1]) {
		t.Fatal("the template is not the code of the photos")
	}

	features, _ = w.photos(t)
	if _, err := client.Enrol(station, e, keys, w.models[0], features); !fault.Is(err, fault.UnknownModel) {
		t.Errorf("another model than the order's: %v", err)
	}
}

func TestRelyingPartyChecksItsVerdict(t *testing.T) {
	w := newWorld(t)
	request := w.request(t, w.device(t, nil))
	q := orders.HashRequest(request)
	v := &orders.Verdict{Request: q, Session: orders.Session(q, orders.NewNonce(), orders.NewNonce()), RP: origin,
		Purpose: "account-opening", Model: w.rp.Model, Policy: w.rp.Policy, FMR: code.FMR1e3,
		IssuedAt: now, Expiry: now.Add(time.Minute), Match: true}
	payload, err := v.Payload()
	if err != nil {
		t.Fatal(err)
	}
	var halves [2][]byte
	for i, s := range w.signers {
		if halves[i], err = orders.SignVerdict(s, payload, now); err != nil {
			t.Fatal(err)
		}
	}
	verdict, err := orders.CombineVerdict(payload, halves[0], halves[1])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.rp.Verdict(request, verdict, now); err != nil || !got.Match {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := w.rp.Verdict(w.request(t, w.device(t, nil)), verdict, now); !fault.Is(err, fault.WrongRequest) {
		t.Errorf("for another request: %v", err)
	}
}

func TestFeaturesPrintOnlyTheirKind(t *testing.T) {
	f := client.Features{canon.Digest{}: {{0.123456}}}
	text := fmt.Sprintf("%v %+v %#v %d", f, f, f, f)
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text+string(data), "123") {
		t.Fatalf("%s %s", text, data)
	}
}

// The browser's build. It compiles the standard library the first time.
func TestBuildsForTheBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for js/wasm")
	}
	build := exec.Command("go", "build", "nod/client")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

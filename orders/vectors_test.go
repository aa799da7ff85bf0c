package orders

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
)

var update = flag.Bool("update", false, "write testdata anew")

type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }
func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vectors is testdata/vectors.json: one of each, signed once and kept. Another
// implementation must verify them all and compute the same names.
type vectors struct {
	Comment string `json:"comment"`
	Now     int64  `json:"now"` // everything is valid then
	Bundle  string `json:"trust_bundle"`

	RPKey     string            `json:"rp_key"`
	ClientKey string            `json:"client_key"`
	Request   string            `json:"request"`
	Q         canon.RequestHash `json:"q"`

	Nonces  [2]canon.Digest `json:"nonces"`
	Session canon.SessionID `json:"session"`
	Answer  hexBytes        `json:"answer"`

	Sealed      [2]hexBytes  `json:"sealed"` // any bytes
	CaptureKey  string       `json:"capture_key"`
	Capture     canon.Digest `json:"capture"`
	Attestation string       `json:"attestation"`
	ProbeSigned hexBytes     `json:"probe_signed_bytes"`
	Probe       hexBytes     `json:"probe_signature"`

	Parts     [2]canon.Digest `json:"pseudonym_parts"`
	Pseudonym canon.Digest    `json:"pseudonym"`
	Yes       string          `json:"verdict_yes"`
	No        string          `json:"verdict_no"`

	StationKey string      `json:"station_key"`
	Enrolment  hexBytes    `json:"enrolment"`
	Row        canon.RowID `json:"row"`
	Receipt    hexBytes    `json:"enrolment_receipt"`

	BureauKey string          `json:"bureau_key"`
	Order     string          `json:"order"`
	OrderHash canon.OrderHash `json:"order_hash"`
}

func makeVectors(t *testing.T) *vectors {
	t.Helper()
	w := newWorld(t)
	station, bureau, capture := newKey(t, "ES256"), newKey(t, "EdDSA"), newKey(t, "EdDSA")
	bundle, err := w.bundle.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	request := w.signedRequest(t, w.request(t))
	a := w.answer(t, request)
	sealed := [2]hexBytes{[]byte("sealed 0"), []byte("sealed 1")}
	hash0, hash1 := sha256.Sum256(sealed[0]), sha256.Sum256(sealed[1])
	binding := CaptureBinding(a.Request, a.Session(), hash0, hash1)
	attestation, err := SignAttestation(capture, binding, now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	probe, err := SignProbe(w.client, &Probe{a.Request, a.Session(), sealed[0], sealed[1], attestation})
	if err != nil {
		t.Fatal(err)
	}
	row := testEnrolment(t).RowID()
	order := signOrder(t, bureau, testOrder(t, Erase))
	return &vectors{
		Comment:     "docs/spec/orders.md. Public test keys only.",
		Now:         now.Unix(),
		Bundle:      string(bundle),
		RPKey:       string(w.rp.public.JWK()),
		ClientKey:   string(w.client.public.JWK()),
		Request:     string(request),
		Q:           a.Request,
		Nonces:      [2]canon.Digest{canon.Digest(a.Nonces[0]), canon.Digest(a.Nonces[1])},
		Session:     a.Session(),
		Answer:      w.signedAnswer(t, a),
		Sealed:      sealed,
		CaptureKey:  string(capture.public.JWK()),
		Capture:     binding,
		Attestation: string(attestation),
		ProbeSigned: signedProbe(a.Request, a.Session(), hash0, hash1, attestation),
		Probe:       probe,
		Parts:       [2]canon.Digest{hash("p0"), hash("p1")},
		Pseudonym:   Pseudonym(hash("p0"), hash("p1")),
		Yes:         string(w.signedVerdict(t, w.verdict(request, true))),
		No:          string(w.signedVerdict(t, w.verdict(request, false))),
		StationKey:  string(station.public.JWK()),
		Enrolment:   enrol(t, station, testEnrolment(t)),
		Row:         row,
		Receipt:     w.receipt(t, Statement{Kind: Enrolled, Order: row, KeyVersion: 1, Removed: []canon.RowID{hash("old row")}}),
		BureauKey:   string(bureau.public.JWK()),
		Order:       string(order),
		OrderHash:   sha256.Sum256(order),
	}
}

const vectorsFile = "testdata/vectors.json"

func readVectors(t testing.TB) *vectors {
	t.Helper()
	if test, ok := t.(*testing.T); ok && *update {
		data, err := json.MarshalIndent(makeVectors(test), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorsFile, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	v := new(vectors)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		t.Fatal(err)
	}
	return v
}

func mustKey(t testing.TB, jwk string) *PublicKey {
	t.Helper()
	k, err := ParsePublicKey([]byte(jwk))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestVectors(t *testing.T) {
	v := readVectors(t)
	at := time.Unix(v.Now, 0)
	bundle, err := seal.ParseBundle([]byte(v.Bundle))
	if err != nil {
		t.Fatal(err)
	}
	r, err := VerifyRequest([]byte(v.Request), func(string) (Party, bool) {
		return Party{Keys: []*PublicKey{mustKey(t, v.RPKey)}, Purposes: []string{"account-opening"}}, true
	}, at)
	if err != nil {
		t.Fatal(err)
	}
	if r.Hash() != v.Q || !r.Client.Equal(mustKey(t, v.ClientKey)) {
		t.Error("q or the client's key is another")
	}
	opened, err := VerifyAnswer(v.Answer, []byte(v.Request), bundle, at)
	if err != nil {
		t.Fatal(err)
	}
	if opened.Session() != v.Session || Session(v.Q, Nonce(v.Nonces[0]), Nonce(v.Nonces[1])) != v.Session {
		t.Error("the session is another")
	}
	verifyProbeVectors(t, v, r, at)
	if Pseudonym(v.Parts[0], v.Parts[1]) != v.Pseudonym {
		t.Error("the pseudonym is another")
	}
	for match, verdict := range map[bool]string{true: v.Yes, false: v.No} {
		got, err := VerifyVerdict([]byte(v.Request), []byte(verdict), bundle, at, Expected{r.RP, r.Purpose, r.Model, r.Policy})
		if err != nil || got.Match != match || got.Pseudonym != v.Pseudonym || got.Session != v.Session {
			t.Errorf("verdict %t: %+v, %v", match, got, err)
		}
	}
	verifyOrderVectors(t, v, bundle, at)
}

func verifyProbeVectors(t *testing.T, v *vectors, r *Request, at time.Time) {
	t.Helper()
	hash0, hash1 := sha256.Sum256(v.Sealed[0]), sha256.Sum256(v.Sealed[1])
	if !bytes.Equal(signedProbe(v.Q, v.Session, hash0, hash1, []byte(v.Attestation)), v.ProbeSigned) {
		t.Error("the probe's signed bytes are others")
	}
	if err := VerifyProbe(r, v.Session, hash0, hash1, []byte(v.Attestation), v.Probe); err != nil {
		t.Error(err)
	}
	if CaptureBinding(v.Q, v.Session, hash0, hash1) != v.Capture {
		t.Error("the capture's binding is another")
	}
	if err := VerifyAttestation([]byte(v.Attestation), []*PublicKey{mustKey(t, v.CaptureKey)}, v.Capture, at); err != nil {
		t.Error(err)
	}
}

func verifyOrderVectors(t *testing.T, v *vectors, bundle *seal.Bundle, at time.Time) {
	t.Helper()
	hash0, hash1 := sha256.Sum256(v.Sealed[0]), sha256.Sum256(v.Sealed[1])
	e, err := VerifyEnrolment(v.Enrolment, hash0, hash1, func(string) ([]*PublicKey, bool) {
		return []*PublicKey{mustKey(t, v.StationKey)}, true
	}, at)
	if err != nil || e.RowID() != v.Row {
		t.Errorf("enrolment: %+v, %v", e, err)
	}
	if _, err := VerifyReceipt(v.Receipt, bundle, Enrolled, v.Row); err != nil {
		t.Error(err)
	}
	o, err := VerifyOrder([]byte(v.Order), []*PublicKey{mustKey(t, v.BureauKey)}, at)
	if err != nil || o.Hash() != v.OrderHash || o.Kind != Erase {
		t.Errorf("order: %+v, %v", o, err)
	}
}

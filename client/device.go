// Package client is what runs beside the face and beside the relying party:
// features to a sealed probe or template, requests, and the check of verdicts.
// It trusts only a pinned bundle; nothing that a server says about keys counts
// without it. It builds for js/wasm.
package client

import (
	"crypto/sha256"
	"time"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/crypto/share"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// Attest asks a capture component to attest what was captured, under a binding
// (orders.CaptureBinding) that names the sealed halves.
type Attest func(binding canon.Digest) (attestation []byte, err error)

// Device is a citizen's device for one verification. It holds a one-time key,
// and makes one probe.
type Device struct {
	origin string
	bundle *seal.Bundle
	attest Attest
	key    *orders.PrivateKey // nil once it has signed
	public *orders.PublicKey
}

// NewDevice makes a device with a fresh one-time key. origin is the relying party
// that the device really serves, as the platform says (the page's origin, the
// app's own configuration), never as a message says. attest may be nil, where no
// capture component attests.
func NewDevice(origin string, bundle *seal.Bundle, attest Attest) (*Device, error) {
	key, err := orders.NewPrivateKey("ES256")
	if err != nil {
		return nil, err
	}
	return &Device{origin: origin, bundle: bundle, attest: attest, key: key, public: key.Public()}, nil
}

// PublicKey is the one-time key, for the relying party to put in its request.
func (d *Device) PublicKey() *orders.PublicKey { return d.public }

// Consent is what the citizen is shown and agrees to.
type Consent struct {
	RP      string
	Purpose string
}

// Asks is what a request asks the citizen for. Faults: those of a request's
// form; WrongParty if it is another relying party's than the origin's, and
// WrongRequest if it is for another device.
func (d *Device) Asks(request []byte) (Consent, error) {
	r, err := orders.ParseRequest(request)
	if err != nil {
		return Consent{}, err
	}
	if err := d.serves(r); err != nil {
		return Consent{}, err
	}
	return Consent{r.RP, r.Purpose}, nil
}

func (d *Device) serves(r *orders.Request) error {
	if r.RP != d.origin {
		return fault.New(fault.WrongParty, "the request is not of the origin that this device serves")
	}
	if !r.Client.Equal(d.public) {
		return fault.New(fault.WrongRequest, "the request names another device's key")
	}
	return nil
}

// Probe makes the sealed probe for an opened session: it checks request and
// answer, turns features into the codes of plan, splits them, seals one half to
// each server, and signs both with the one-time key. The features are wiped,
// whatever happens. A device makes one probe; a lost one is sent again as it is.
//
// plan is worked out from policy and model files that the client was shipped
// with, which the request must name. Faults: those of Asks and
// orders.VerifyAnswer; UnknownModel for another plan than the request's; those of
// code.Model.Encode, and FaceInconsistent; KeyExpired for a second probe.
func (d *Device) Probe(request, answer []byte, plan *code.Plan, features Features, now time.Time) (*wire.ProbeRequest, error) {
	defer features.Wipe()
	if d.key == nil {
		return nil, fault.New(fault.KeyExpired, "the device's one-time key has signed its probe")
	}
	opened, err := orders.VerifyAnswer(answer, request, d.bundle, now)
	if err != nil {
		return nil, err
	}
	if err := d.serves(opened.Asked); err != nil {
		return nil, err
	}
	if plan.Policy != opened.Policy || plan.Codes[0].ID() != opened.Model {
		return nil, fault.New(fault.UnknownModel, "the request's policy or model is none that this client was given")
	}
	sealed0, sealed1, err := sealCodes(opened.Context(), opened.Matcher, opened.Custodian, plan.Codes, features)
	if err != nil {
		return nil, err
	}
	return d.sign(opened, sealed0, sealed1)
}

// sign attests and signs both halves, and ends the one-time key.
func (d *Device) sign(opened *orders.Opened, sealed0, sealed1 []byte) (*wire.ProbeRequest, error) {
	p := &orders.Probe{Request: opened.Request, Session: opened.Session(), Sealed0: sealed0, Sealed1: sealed1}
	if d.attest != nil {
		binding := orders.CaptureBinding(p.Request, p.Session, sha256.Sum256(sealed0), sha256.Sum256(sealed1))
		var err error
		if p.Attestation, err = d.attest(binding); err != nil {
			return nil, err
		}
	}
	signature, err := orders.SignProbe(d.key, p)
	if err != nil {
		return nil, err
	}
	d.key.Wipe()
	d.key = nil
	return &wire.ProbeRequest{
		Session:     p.Session,
		Sealed0:     sealed0,
		Sealed1:     sealed1,
		Attestation: p.Attestation,
		Signature:   signature,
	}, nil
}

// sealCodes makes one code a model, splits them together (docs/spec/protocol.md,
// section 4) and seals x_0 to the matcher and the seed of x_1 to the custodian.
// Codes, shares and seed are wiped.
func sealCodes(c seal.Context, matcher, custodian *seal.RecipientKey, models []*code.Model, features Features) (sealed0, sealed1 []byte, err error) {
	codes := make([]code.Code, 0, len(models))
	defer func() { wipe(codes) }()
	for _, m := range models {
		x, err := features.encode(m)
		if err != nil {
			return nil, nil, err
		}
		codes = append(codes, x)
	}
	x0, seed := share.Split(codes...)
	defer wipe(x0)
	defer seed.Wipe()
	half := joined(x0)
	defer clear(half)
	if sealed0, err = seal.Seal(matcher, c, half); err != nil {
		return nil, nil, err
	}
	sealed1, err = seal.Seal(custodian, c, seed[:prg.Size])
	return sealed0, sealed1, err
}

// joined is the codes' bytes, one after the other.
func joined(codes []code.Code) []byte {
	total := 0
	for _, x := range codes {
		total += x.Bits() / 8
	}
	out := make([]byte, 0, total) // never grows: no copy is left behind
	for _, x := range codes {
		b := x.Bytes()
		out = append(out, b...)
		clear(b)
	}
	return out
}

func wipe(codes []code.Code) {
	for _, x := range codes {
		x.Wipe()
	}
}

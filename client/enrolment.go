package client

import (
	"time"

	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// Keys are both servers' recipient keys, verified, for enrolments.
type Keys struct {
	Matcher, Custodian *seal.RecipientKey
}

// VerifyKeys checks the certificates that a server handed out, each under its
// own role's pinned identity key. Faults: as seal.Bundle.Recipient.
func VerifyKeys(a *wire.KeysAnswer, bundle *seal.Bundle, now time.Time) (Keys, error) {
	matcher, err := bundle.Recipient(a.Matcher, seal.Matcher, now)
	if err != nil {
		return Keys{}, err
	}
	custodian, err := bundle.Recipient(a.Custodian, seal.Custodian, now)
	return Keys{matcher, custodian}, err
}

// Enrol makes the sealed template that a station's order is about, and signs the
// order with the station's key. The features are wiped, whatever happens.
// Faults: UnknownModel if model is not e's; those of code.Model.Encode, and
// FaceInconsistent.
func Enrol(station *orders.PrivateKey, e *orders.Enrolment, keys Keys, model *code.Model, features Features) (*wire.EnrolRequest, error) {
	defer features.Wipe()
	if model.ID() != e.Model {
		return nil, fault.New(fault.UnknownModel, "the enrolment is for another model")
	}
	sealed0, sealed1, err := sealCodes(e.Context(), keys.Matcher, keys.Custodian, []*code.Model{model}, features)
	if err != nil {
		return nil, err
	}
	order, err := orders.SignEnrolment(station, e, sealed0, sealed1)
	if err != nil {
		return nil, err
	}
	return &wire.EnrolRequest{Order: order, Sealed0: sealed0, Sealed1: sealed1}, nil
}

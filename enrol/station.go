package enrol

import (
	"context"
	"crypto/rand"
	"time"

	"nod/client"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/orders"
	"nod/wire"
)

// Station enrols citizens. It holds a station key of the bureau and no long-term
// biometric key.
type Station struct {
	ID      string
	Key     *orders.PrivateKey
	Bundle  *seal.Bundle // pinned
	Matcher wire.Matcher
	Now     func() time.Time
}

// Enrolled is a template that both servers hold.
type Enrolled struct {
	Row        canon.RowID
	Statements [2]*orders.Statement // the matcher's and the custodian's
	Receipt    []byte               // both, signed; to keep
}

// Enrol seals the features of one person as the template of a slot, and has both
// servers store it. It replaces what the slot held. The features are wiped,
// whatever happens. After an error the order is dead: calling again makes a new
// one, with new randomness.
func (s *Station) Enrol(ctx context.Context, citizen orders.Citizen, slot uint8, model *code.Model, features client.Features) (*Enrolled, error) {
	defer features.Wipe()
	answer, err := s.Matcher.Keys(ctx, &wire.KeysRequest{})
	if err != nil {
		return nil, err
	}
	now := s.Now()
	keys, err := client.VerifyKeys(answer, s.Bundle, now)
	if err != nil {
		return nil, err
	}
	e := &orders.Enrolment{
		Station:  s.ID,
		Citizen:  citizen,
		Slot:     slot,
		Model:    model.ID(),
		JTI:      rand.Text(),
		IssuedAt: now.Truncate(time.Millisecond),
		Expiry:   now.Add(orders.EnrolmentWindow / 3).Truncate(time.Second),
	}
	order, err := client.Enrol(s.Key, e, keys, model, features)
	if err != nil {
		return nil, err
	}
	done, err := s.Matcher.Enrol(ctx, order)
	if err != nil {
		return nil, err
	}
	row := e.RowID()
	statements, err := orders.VerifyReceipt(done.Receipt, s.Bundle, orders.Enrolled, row)
	if err != nil {
		return nil, err
	}
	return &Enrolled{Row: row, Statements: statements, Receipt: done.Receipt}, nil
}

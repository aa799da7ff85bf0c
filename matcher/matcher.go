// Package matcher is the role that relying parties, stations and the bureau call,
// and that holds the masked templates. It implements wire.Matcher:
// docs/spec/protocol.md, sections 4 and 6.
//
// It works with one custodian, which it trusts as little as the custodian trusts
// it: what the custodian says of a citizen is never taken over, and every message
// of a comparison is checked.
package matcher

import (
	"context"
	"time"

	"nod/admit"
	"nod/audit"
	"nod/channel"
	"nod/crypto/seal"
	"nod/keyring"
	"nod/orders"
	"nod/store"
	"nod/wire"
)

// Config is what a Matcher works with, all of it its own operator's.
type Config struct {
	Desk         *admit.Desk
	Store        store.Store
	Keyring      keyring.Signer
	Custodian    wire.Custodian
	Bundle       *seal.Bundle
	Recipients   *seal.Recipients
	Signers      *seal.Signers
	Correlations *channel.Source
	Audit        audit.Log
	Verdicts     time.Duration // how long a finished verdict is repeated
	Opening      time.Duration // how long a session may take to open
	MaxSessions  int
	Clock        func() time.Time
}

// Matcher is one instance of the role. Safe for concurrent use.
type Matcher struct {
	Config
	audit.Recorder
	sessions *admit.Sessions[*session]
	rows     stripes
}

var _ wire.Matcher = (*Matcher)(nil)

// New makes a Matcher; Maintain must have succeeded once before it serves.
func New(c Config) *Matcher {
	return &Matcher{Config: c, Recorder: audit.Recorder{Log: c.Audit, Now: c.Clock}, sessions: admit.NewSessions(c.MaxSessions, (*session).wipe)}
}

// Maintain renews what is short-lived: recipient and verdict keys, rows that
// expired. Call it at start and every minute.
func (m *Matcher) Maintain(ctx context.Context) error {
	now := m.Now()
	sign := func(ctx context.Context, message []byte) ([]byte, uint32, error) {
		return m.Keyring.Sign(ctx, keyring.Identity, message)
	}
	if err := m.Recipients.Rotate(ctx, now, sign); err != nil {
		return err
	}
	if err := m.Signers.Rotate(ctx, now, sign); err != nil {
		return err
	}
	if err := store.SweepAll(ctx, m.Store, tableVerdict, now); err != nil {
		return err
	}
	return m.Desk.Sweep(ctx)
}

// Stop wipes what is in memory. No call may be under way.
func (m *Matcher) Stop() {
	m.sessions.Close()
	m.Recipients.Wipe()
	m.Signers.Wipe()
}

// Keys gives both servers' recipient certificates.
func (m *Matcher) Keys(ctx context.Context, _ *wire.KeysRequest) (*wire.KeysAnswer, error) {
	own, err := m.Recipients.Certificate(m.Now())
	if err != nil {
		return nil, err
	}
	theirs, err := m.Custodian.Keys(ctx, &wire.KeysRequest{})
	if err != nil {
		return nil, err
	}
	return &wire.KeysAnswer{Matcher: own, Custodian: theirs.Certificate}, nil
}

// receipt joins this server's statement with the custodian's, which it checks
// first: a receipt that fails at the station helps nobody.
func (m *Matcher) receipt(s orders.Statement, theirs []byte) (*wire.ReceiptAnswer, error) {
	if _, err := orders.VerifyStatement(theirs, seal.Custodian, m.Bundle, s.Kind, s.Order); err != nil {
		return nil, err
	}
	own, err := orders.SignStatement(m.Signers, s, m.Now())
	if err != nil {
		return nil, err
	}
	return &wire.ReceiptAnswer{Receipt: orders.CombineReceipt(own, theirs)}, nil
}

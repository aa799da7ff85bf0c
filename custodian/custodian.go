// Package custodian is the role that holds the pads of templates, through its own
// keyring. It implements wire.Custodian: docs/spec/protocol.md, sections 4 and 6.
//
// It trusts nothing that a matcher says of a citizen: it verifies what relying
// parties, clients, stations and the bureau signed, finds its own rows by its own
// handle, and keeps its own budget. Pads and shares exist in memory only, for the
// length of a session.
package custodian

import (
	"context"
	"sync/atomic"
	"time"

	"nod/admit"
	"nod/audit"
	"nod/channel"
	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring"
	"nod/orders"
	"nod/store"
	"nod/wire"
)

// Config is what a Custodian works with, all of it its own operator's.
type Config struct {
	Desk         *admit.Desk
	Store        store.Store
	Keyring      keyring.Keyring
	Bundle       *seal.Bundle
	Recipients   *seal.Recipients
	Signers      *seal.Signers
	Correlations *channel.Server
	Audit        audit.Log
	Session      time.Duration // how long a session lives
	MaxSessions  int
	Clock        func() time.Time
}

// Custodian is one instance of the role. Safe for concurrent use.
type Custodian struct {
	Config
	audit.Recorder
	sessions *admit.Sessions[*session]
	running  *running
	latest   atomic.Uint32 // version of the pad key
	oldest   atomic.Uint32 // version of the pad key that still works
}

var _ wire.Custodian = (*Custodian)(nil)

// New makes a Custodian; Maintain must have succeeded once before it serves.
func New(c Config) *Custodian {
	return &Custodian{
		Config:   c,
		Recorder: audit.Recorder{Log: c.Audit, Now: c.Clock},
		sessions: admit.NewSessions(c.MaxSessions, (*session).wipe),
		running:  newRunning(),
	}
}

// Maintain renews what is short-lived: recipient and verdict keys, the known
// version of the pad key, sessions that were left in the middle, enrolments that
// were not reported in time, rows that expired. Call it at start and every minute.
func (c *Custodian) Maintain(ctx context.Context) error {
	now := c.Now()
	sign := func(ctx context.Context, message []byte) ([]byte, uint32, error) {
		return c.Keyring.Sign(ctx, keyring.Identity, message)
	}
	if err := c.Recipients.Rotate(ctx, now, sign); err != nil {
		return err
	}
	if err := c.Signers.Rotate(ctx, now, sign); err != nil {
		return err
	}
	pad, err := c.Keyring.Describe(ctx, keyring.Pad)
	if err != nil {
		return err
	}
	c.latest.Store(pad.Latest)
	c.oldest.Store(max(pad.MinUse, pad.MinAvailable))
	for _, s := range c.running.expired(now) {
		if err := c.abandon(ctx, s); err != nil {
			return err
		}
	}
	if err := c.settleAll(ctx); err != nil {
		return err
	}
	return c.Desk.Sweep(ctx)
}

// Stop wipes what is in memory. No call may be under way.
func (c *Custodian) Stop() {
	c.sessions.Close()
	c.running.close()
	c.Recipients.Wipe()
	c.Signers.Wipe()
}

// Keys gives the recipient certificate.
func (c *Custodian) Keys(context.Context, *wire.KeysRequest) (*wire.CustodianKeys, error) {
	cert, err := c.Recipients.Certificate(c.Now())
	return &wire.CustodianKeys{Certificate: cert}, err
}

// OpenChannel, Toss, Reveal and Sacrifice are the correlations' business.

// OpenChannel agrees on a channel.
func (c *Custodian) OpenChannel(ctx context.Context, m *wire.ChannelOpen) (*wire.ChannelOpened, error) {
	return c.Correlations.OpenChannel(ctx, m)
}

// Toss commits to a coin.
func (c *Custodian) Toss(ctx context.Context, m *wire.BatchToss) (*wire.BatchTossed, error) {
	return c.Correlations.Toss(ctx, m)
}

// Reveal opens the coin.
func (c *Custodian) Reveal(ctx context.Context, m *wire.BatchReveal) (*wire.BatchRevealed, error) {
	return c.Correlations.Reveal(ctx, m)
}

// Sacrifice swaps the seeds of opened correlations.
func (c *Custodian) Sacrifice(ctx context.Context, m *wire.BatchSacrifice) (*wire.BatchSacrificed, error) {
	return c.Correlations.Sacrifice(ctx, m)
}

// matcherOnly refuses callers other than a matcher instance.
func matcherOnly(ctx context.Context) (wire.Peer, error) {
	p := wire.PeerOf(ctx)
	if p.Role != seal.Matcher {
		return p, fault.New(fault.NotAllowed, "the caller is not a matcher")
	}
	return p, nil
}

// statement signs this server's half of a receipt.
func (c *Custodian) statement(s orders.Statement) ([]byte, error) {
	return orders.SignStatement(c.Signers, s, c.Now())
}

package dev

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"time"

	"nod/client"
	"nod/config"
	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/enrol"
	"nod/fault"
	"nod/rpc"
	"nod/wire"
)

// Connection is the outside of a matcher in another process. The caller closes it.
type Connection struct {
	Outside
	client *rpc.Client
}

// Connect reaches the matcher that a configuration names, and checks that it is the one
// that the trust bundle pins.
func Connect(ctx context.Context, c *config.Client) (*Connection, error) {
	trusted, err := c.Trust.Load()
	if err != nil {
		return nil, err
	}
	key, err := c.Caller.Load()
	if err != nil {
		return nil, err
	}
	pins, err := rpc.NewPins(trusted.Bundle, nil)
	if err != nil {
		return nil, err
	}
	leaves := rpc.NewLeaves(c.Caller.Name, wire.NewInstance(), keySigner{key}, time.Now)
	if err := leaves.Rotate(ctx); err != nil {
		return nil, err
	}
	reached, err := rpc.Dial(rpc.ClientConfig{Address: c.Matcher, Role: seal.Matcher, Leaves: leaves, Pins: pins})
	if err != nil {
		return nil, err
	}
	out := &Connection{client: reached}
	err = reached.Hello(ctx)
	if err == nil {
		err = out.fill(c, trusted)
	}
	if err != nil {
		return nil, errors.Join(err, reached.Close())
	}
	return out, nil
}

// fill loads the keys of the parties that the configuration names.
func (o *Connection) fill(c *config.Client, t *config.Trusted) (err error) {
	o.Outside = Outside{Bundle: t.Bundle, Plan: t.Plans[0], Matcher: wire.MatcherClient{Caller: o.client}, now: time.Now}
	if p := c.RelyingParty; p != nil {
		o.RP = relyingParty(p.ID, p.Purpose, o.Plan, t.Bundle)
		if o.RP.Key, err = p.Load(); err != nil {
			return err
		}
	}
	if s := c.Station; s != nil {
		o.Station = &enrol.Station{ID: s.ID, Bundle: t.Bundle, Matcher: o.Matcher, Now: o.now}
		if o.Station.Key, err = s.Load(); err != nil {
			return err
		}
	}
	if c.Bureau != nil {
		o.Bureau, err = c.Bureau.Load()
	}
	return err
}

// Close ends the connection.
func (o *Connection) Close() error { return o.client.Close() }

func relyingParty(id, purpose string, plan *code.Plan, bundle *seal.Bundle) *client.RelyingParty {
	return &client.RelyingParty{ID: id, Purpose: purpose, Model: plan.Codes[0].ID(), Policy: plan.Policy, Bundle: bundle}
}

// keySigner certifies with a key that this process holds.
type keySigner struct{ key crypto.Signer }

func (s keySigner) Public(context.Context) (ed25519.PublicKey, error) {
	public, ok := s.key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, fault.New(fault.BadKey, "the caller's key is not Ed25519")
	}
	return public, nil
}

func (s keySigner) Sign(_ context.Context, message []byte) ([]byte, error) {
	return s.key.Sign(rand.Reader, message, crypto.Hash(0))
}

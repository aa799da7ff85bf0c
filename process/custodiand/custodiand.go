// Package custodiand builds a custodian out of a process's parts.
package custodiand

import (
	"context"

	"nod/channel"
	"nod/crypto/seal"
	"nod/custodian"
	"nod/process/rows"
	"nod/wire"
)

// Options are what a custodian is built with, beside the parts.
type Options struct {
	Rules  rows.Rules
	Bundle *seal.Bundle
	Dealer wire.Dealer
	// Correlations has sizes and times only; Build adds the rest.
	Correlations channel.ServerConfig
	Sessions     int // open at a time
	Alarm        func(channel.Alarm)
}

// Role is a custodian that works, and its stock of correlations.
type Role struct {
	*custodian.Custodian
	Server *channel.Server
}

// Build starts a custodian. It stops when the parts close.
func Build(ctx context.Context, r *rows.Rows, o Options) (*Role, error) {
	desk, err := r.Desk(o.Rules)
	if err != nil {
		return nil, err
	}
	c := o.Correlations
	c.Instance, c.Checks, c.Dealer, c.Bundle = r.Instance, o.Rules.Checks(), o.Dealer, o.Bundle
	c.Store, c.Audit, c.Clock, c.Alarm = r.Store, r.Audit, r.Now, o.Alarm
	c.Report = func(err error) { r.Log.Warn("correlations", "role", r.Role, "error", err) }
	server, err := channel.NewServer(c)
	if err != nil {
		return nil, err
	}
	r.Closes(func() error { server.Close(); return nil })
	k := custodian.New(custodian.Config{
		Desk: desk, Store: r.Store, Keyring: r.Ring, Bundle: o.Bundle,
		Recipients: seal.NewRecipients(seal.Custodian), Signers: seal.NewSigners(seal.Custodian),
		Correlations: server, Audit: r.Audit, Session: o.Rules.Limits.Session, MaxSessions: o.Sessions, Clock: r.Now,
	})
	r.Closes(func() error { k.Stop(); return nil })
	return &Role{k, server}, k.Maintain(ctx)
}

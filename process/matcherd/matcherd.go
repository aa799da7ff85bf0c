// Package matcherd builds a matcher out of a process's parts.
package matcherd

import (
	"context"
	"time"

	"nod/channel"
	"nod/crypto/seal"
	"nod/matcher"
	"nod/process/rows"
	"nod/wire"
)

// Options are what a matcher is built with, beside the parts.
type Options struct {
	Rules     rows.Rules
	Bundle    *seal.Bundle
	Custodian wire.Custodian
	Dealer    wire.Dealer
	Reaches   func() wire.Instance // as channel.SourceConfig has it; may be nil
	// Correlations has sizes and times only; Build adds the rest.
	Correlations channel.SourceConfig
	Sessions     int // open at a time
	Alarm        func(channel.Alarm)
}

// opening is how long a session may take to open.
const opening = 30 * time.Second

// Role is a matcher that works, and its stock of correlations.
type Role struct {
	*matcher.Matcher
	Source *channel.Source
}

// Build starts a matcher. It stops when the parts close.
func Build(ctx context.Context, r *rows.Rows, o Options) (*Role, error) {
	desk, err := r.Desk(o.Rules)
	if err != nil {
		return nil, err
	}
	c := o.Correlations
	c.Instance, c.Checks, c.Dealer, c.Bundle = r.Instance, o.Rules.Checks(), o.Dealer, o.Bundle
	c.Store, c.Audit, c.Clock, c.Alarm, c.Custodian = r.Store, r.Audit, r.Now, o.Alarm, o.Custodian
	c.Reaches = o.Reaches
	c.Report = func(err error) { r.Log.Warn("correlations", "role", r.Role, "error", err) }
	source, err := channel.NewSource(c)
	if err != nil {
		return nil, err
	}
	r.Closes(func() error { source.Close(); return nil })
	m := matcher.New(matcher.Config{
		Desk: desk, Store: r.Store, Keyring: r.Ring, Custodian: o.Custodian, Bundle: o.Bundle,
		Recipients: seal.NewRecipients(seal.Matcher), Signers: seal.NewSigners(seal.Matcher),
		Correlations: source, Audit: r.Audit, Verdicts: o.Rules.Limits.Session, Opening: opening,
		MaxSessions: o.Sessions, Clock: r.Now,
	})
	r.Closes(func() error { m.Stop(); return nil })
	return &Role{m, source}, m.Maintain(ctx)
}

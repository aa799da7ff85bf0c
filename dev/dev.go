// Package dev runs all of Nod in one process on embedded parts, for a first look
// and for tests: three roles, each with a keyring, a store and an audit log of its
// own, that talk to each other only in encoded messages.
//
// It is not a deployment. One operator holds all three roles here, so nothing that
// docs/spec/threat-model.md claims against that operator is true; and the keys are
// in files.
package dev

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"nod/admit"
	"nod/channel"
	"nod/client"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare/cut"
	"nod/crypto/seal"
	"nod/custodian"
	"nod/dealer"
	"nod/enrol"
	"nod/fault"
	"nod/keyring"
	"nod/matcher"
	"nod/orders"
	"nod/store"
	"nod/wire"
)

// Small is the batch of the embedded deployment: quick to deal, and with as many
// correlations sacrificed as the protocol's 4,096.
var Small = cut.Params{Batch: 256, Sacrifice: 64}

// Options of an embedded deployment. The zero value of a field is its default.
type Options struct {
	// Folder keeps everything; it is made with mode 0700.
	Folder string
	Policy *code.Policy
	Models []*code.Model
	Params cut.Params   // Small
	Limits admit.Limits // admit.Defaults()
	Log    *slog.Logger // none
	Now    func() time.Time
	Alarm  func(channel.Alarm)

	// For tests: what stands between the roles, and around their parts.
	Caller func(from, to seal.Role, c wire.Caller) wire.Caller
	Store  func(seal.Role, store.Store) store.Store
	// RawStore is below the encryption of rows.
	RawStore func(seal.Role, store.Store) store.Store
	Keyring  func(seal.Role, keyring.Keyring) keyring.Keyring
	// Parties is what both servers' operators registered, given the one that Open makes.
	Parties func(orders.Parties) orders.Parties
}

func (o *Options) defaults() {
	if o.Params == (cut.Params{}) {
		o.Params = Small
	}
	if o.Limits == (admit.Limits{}) {
		o.Limits = admit.Defaults()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Alarm == nil {
		o.Alarm = func(a channel.Alarm) { o.Log.Error("tamper alarm", "code", a.Code, "accused", a.Accused) }
	}
	if o.Caller == nil {
		o.Caller = func(_, _ seal.Role, c wire.Caller) wire.Caller { return c }
	}
	if o.Store == nil {
		o.Store = func(_ seal.Role, s store.Store) store.Store { return s }
	}
	if o.RawStore == nil {
		o.RawStore = func(_ seal.Role, s store.Store) store.Store { return s }
	}
	if o.Keyring == nil {
		o.Keyring = func(_ seal.Role, k keyring.Keyring) keyring.Keyring { return k }
	}
	if o.Parties == nil {
		o.Parties = func(p orders.Parties) orders.Parties { return p }
	}
}

// Deployment is a running Nod, with the parties that would be outside it: a
// relying party, a station and the bureau.
type Deployment struct {
	Bundle  *seal.Bundle
	Plan    *code.Plan
	Matcher wire.Matcher // as relying parties and stations reach it
	RP      *client.RelyingParty
	Station *enrol.Station
	Bureau  *orders.PrivateKey

	MatcherRole   *matcher.Matcher
	CustodianRole *custodian.Custodian
	DealerRole    *dealer.Dealer
	Source        *channel.Source

	now      func() time.Time
	padKeys  keyring.Keyring
	padAdmin keyring.Admin
	closers  []func() error
}

// Open starts a deployment, and makes what is missing: keys, stores, the trust
// bundle, and the keys of relying party, station and bureau.
func Open(ctx context.Context, options Options) (*Deployment, error) {
	options.defaults()
	d := &Deployment{now: options.Now}
	if err := d.open(ctx, &options); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Deployment) open(ctx context.Context, o *Options) (err error) {
	if err := privateFolder(o.Folder); err != nil {
		return err
	}
	models := map[canon.ModelID]*code.Model{}
	for _, m := range o.Models {
		models[m.ID()] = m
	}
	if d.Plan, err = code.NewPlan(o.Policy, models); err != nil {
		return err
	}
	roles := map[seal.Role]*role{}
	for _, name := range seal.Roles() {
		if roles[name], err = openRole(ctx, o, name); err != nil {
			return err
		}
		d.closers = append(d.closers, roles[name].close)
	}
	if d.Bundle, err = openBundle(ctx, o, roles); err != nil {
		return err
	}
	parties, err := openParties(o)
	if err != nil {
		return err
	}
	if err := d.wire(ctx, o, roles, parties); err != nil {
		return err
	}
	d.outside(parties)
	return nil
}

// wire builds the three roles and connects them.
func (d *Deployment) wire(ctx context.Context, o *Options, roles map[seal.Role]*role, parties *parties) (err error) {
	m, c, deal := roles[seal.Matcher], roles[seal.Custodian], roles[seal.Dealer]
	if d.DealerRole, err = dealer.New(dealer.Config{
		Keyring: deal.ring, Models: o.Models, Audit: deal.log, Clock: o.Now, MaxBatch: o.Params.Batch,
	}); err != nil {
		return err
	}
	dealerHandler := wire.ServeDealer(d.DealerRole, report(o, seal.Dealer))
	toDealer := func(from *role) wire.Dealer {
		return wire.DealerClient{Caller: o.Caller(from.name, seal.Dealer, wire.InProcess(dealerHandler, from.peer()))}
	}
	correlations := func(r *role) channel.Config {
		return channel.Config{
			Instance: r.instance, Checks: checks(d.Plan), Params: o.Params, Dealer: toDealer(r), Bundle: d.Bundle,
			Store: r.store, Audit: r.log, Clock: o.Now, Alarm: o.Alarm,
			Report: func(err error) { o.Log.Warn("correlations", "role", r.name, "error", err) },
		}
	}
	if err := d.startCustodian(ctx, o, c, parties, correlations(c)); err != nil {
		return err
	}
	custodianHandler := wire.ServeCustodian(d.CustodianRole, report(o, seal.Custodian))
	toCustodian := wire.CustodianClient{Caller: o.Caller(seal.Matcher, seal.Custodian, wire.InProcess(custodianHandler, m.peer()))}
	if err := d.startMatcher(ctx, o, m, parties, correlations(m), toCustodian); err != nil {
		return err
	}
	matcherHandler := wire.ServeMatcher(d.MatcherRole, report(o, seal.Matcher))
	d.Matcher = wire.MatcherClient{Caller: o.Caller("", seal.Matcher, wire.InProcess(matcherHandler, wire.Peer{}))}
	return nil
}

func (d *Deployment) startCustodian(ctx context.Context, o *Options, r *role, parties *parties, correlations channel.Config) error {
	desk, err := newDesk(ctx, o, r, parties, d.Plan)
	if err != nil {
		return err
	}
	server, err := channel.NewServer(channel.ServerConfig{Config: correlations})
	if err != nil {
		return err
	}
	d.closers = append(d.closers, func() error { server.Close(); return nil })
	d.padKeys, d.padAdmin = r.keys, r.keys
	d.CustodianRole = custodian.New(custodian.Config{
		Desk: desk, Store: r.store, Keyring: r.ring, Bundle: d.Bundle,
		Recipients: seal.NewRecipients(seal.Custodian), Signers: seal.NewSigners(seal.Custodian),
		Correlations: server, Audit: r.log, Session: o.Limits.Session, MaxSessions: maxSessions, Clock: o.Now,
	})
	d.closers = append(d.closers, func() error { d.CustodianRole.Stop(); return nil })
	return d.CustodianRole.Maintain(ctx)
}

func (d *Deployment) startMatcher(ctx context.Context, o *Options, r *role, parties *parties, correlations channel.Config, to wire.Custodian) error {
	desk, err := newDesk(ctx, o, r, parties, d.Plan)
	if err != nil {
		return err
	}
	if d.Source, err = channel.NewSource(channel.SourceConfig{Config: correlations, Custodian: to}); err != nil {
		return err
	}
	d.closers = append(d.closers, func() error { d.Source.Close(); return nil })
	d.MatcherRole = matcher.New(matcher.Config{
		Desk: desk, Store: r.store, Keyring: r.ring, Custodian: to, Bundle: d.Bundle,
		Recipients: seal.NewRecipients(seal.Matcher), Signers: seal.NewSigners(seal.Matcher),
		Correlations: d.Source, Audit: r.log, Verdicts: o.Limits.Session, Opening: opening, MaxSessions: maxSessions, Clock: o.Now,
	})
	d.closers = append(d.closers, func() error { d.MatcherRole.Stop(); return nil })
	return d.MatcherRole.Maintain(ctx)
}

const (
	maxSessions = 10_000
	opening     = 30 * time.Second
)

func newDesk(ctx context.Context, o *Options, r *role, parties *parties, plan *code.Plan) (*admit.Desk, error) {
	names, err := r.names(ctx)
	if err != nil {
		return nil, err
	}
	return admit.New(admit.Config{
		Store: r.store, Names: names, Plans: []*code.Plan{plan}, Limits: o.Limits, Now: o.Now,
		Parties: o.Parties(parties.party), Stations: parties.stationKeys, Bureau: []*orders.PublicKey{parties.bureau.Public()},
	})
}

func checks(p *code.Plan) (out []*code.Check) {
	for _, s := range p.Steps {
		out = append(out, s.Check)
	}
	return out
}

// report logs the faults that a role answers with. Faults hold no personal data.
func report(o *Options, name seal.Role) wire.Report {
	return func(_ context.Context, method wire.Method, err error) {
		o.Log.Info("refused", "role", name, "method", method, "code", fault.CodeOf(err), "error", err)
	}
}

// Maintain does the roles' hourly and minutely work once.
func (d *Deployment) Maintain(ctx context.Context) error {
	return errors.Join(d.CustodianRole.Maintain(ctx), d.MatcherRole.Maintain(ctx))
}

// Close stops everything and releases the folder.
func (d *Deployment) Close() (err error) {
	for i := len(d.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, d.closers[i]())
	}
	d.closers = nil
	return err
}

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
	"path/filepath"
	"slices"
	"time"

	"nod/admit"
	"nod/channel"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare/cut"
	"nod/crypto/seal"
	"nod/custodian"
	"nod/dealer"
	"nod/fault"
	"nod/keyring"
	"nod/matcher"
	"nod/orders"
	"nod/process"
	"nod/process/custodiand"
	"nod/process/dealerd"
	"nod/process/matcherd"
	"nod/process/rows"
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
	// Wait is how long a verification waits for correlations. Half a minute: the first
	// one may be asked for as soon as everything is started.
	Wait time.Duration

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
	if o.Wait == 0 {
		o.Wait = 30 * time.Second
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

// Deployment is a running Nod, with the parties that would be outside it.
type Deployment struct {
	Outside

	MatcherRole   *matcher.Matcher
	CustodianRole *custodian.Custodian
	DealerRole    *dealer.Dealer
	Source        *channel.Source

	padKeys  keyring.Keyring
	padAdmin keyring.Admin
	closers  []func() error
}

// Open starts a deployment, and makes what is missing: keys, stores, the trust
// bundle, and the keys of relying party, station and bureau.
func Open(ctx context.Context, options Options) (*Deployment, error) {
	options.defaults()
	d := &Deployment{Outside: Outside{now: options.Now}}
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
	parts := map[seal.Role]*process.Parts{}
	// The matcher closes first: it calls the others.
	for _, role := range slices.Backward(seal.Roles()) {
		if parts[role], err = d.parts(ctx, o, role); err != nil {
			return err
		}
	}
	if d.Bundle, err = openBundle(ctx, o, parts); err != nil {
		return err
	}
	parties, err := openParties(o)
	if err != nil {
		return err
	}
	if err := d.wire(ctx, o, parts, parties); err != nil {
		return err
	}
	d.outside(parties)
	return nil
}

// parts opens or makes what one role has of its own.
func (d *Deployment) parts(ctx context.Context, o *Options, role seal.Role) (*process.Parts, error) {
	p, err := process.Open(ctx, process.Options{
		Role: role, Folder: filepath.Join(o.Folder, string(role)), Log: o.Log, Now: o.Now, Make: true,
		Hooks: process.Hooks{Keyring: func(k keyring.Keyring) keyring.Keyring { return o.Keyring(role, k) }},
	})
	if err == nil {
		d.closers = append(d.closers, p.Close)
	}
	return p, err
}

// wire builds the three roles and connects them.
func (d *Deployment) wire(ctx context.Context, o *Options, parts map[seal.Role]*process.Parts, parties *parties) (err error) {
	if d.DealerRole, err = dealerd.Build(parts[seal.Dealer], dealerd.Options{Models: o.Models, MaxBatch: o.Params.Batch}); err != nil {
		return err
	}
	toDealer := d.caller(o, parts, seal.Dealer, wire.ServeDealer(d.DealerRole, report(o, seal.Dealer)))
	rules := rows.Rules{
		Plans: []*code.Plan{d.Plan}, Parties: o.Parties(parties.party), Stations: parties.stationKeys,
		Bureau: []*orders.PublicKey{parties.bureau.Public()}, Limits: o.Limits,
	}
	sizes := channel.Config{Params: o.Params}

	r, err := openRows(ctx, o, parts[seal.Custodian])
	if err != nil {
		return err
	}
	custodian, err := custodiand.Build(ctx, r, custodiand.Options{
		Rules: rules, Bundle: d.Bundle, Dealer: wire.DealerClient{Caller: toDealer(seal.Custodian)},
		Correlations: channel.ServerConfig{Config: sizes}, Sessions: maxSessions, Alarm: o.Alarm,
	})
	if err != nil {
		return err
	}
	d.CustodianRole, d.padKeys, d.padAdmin = custodian.Custodian, r.Keys, r.Keys
	toCustodian := d.caller(o, parts, seal.Custodian, wire.ServeCustodian(d.CustodianRole, report(o, seal.Custodian)))

	if r, err = openRows(ctx, o, parts[seal.Matcher]); err != nil {
		return err
	}
	matcher, err := matcherd.Build(ctx, r, matcherd.Options{
		Rules: rules, Bundle: d.Bundle, Custodian: wire.CustodianClient{Caller: toCustodian(seal.Matcher)},
		Dealer:       wire.DealerClient{Caller: toDealer(seal.Matcher)},
		Correlations: channel.SourceConfig{Config: sizes, Wait: o.Wait}, Sessions: maxSessions, Alarm: o.Alarm,
	})
	if err != nil {
		return err
	}
	d.MatcherRole, d.Source = matcher.Matcher, matcher.Source
	toMatcher := d.caller(o, parts, seal.Matcher, wire.ServeMatcher(d.MatcherRole, report(o, seal.Matcher)))
	d.Matcher = wire.MatcherClient{Caller: toMatcher("")}
	return nil
}

// caller gives each role its way to a handler in this process.
func (d *Deployment) caller(o *Options, parts map[seal.Role]*process.Parts, to seal.Role, h wire.Handler) func(from seal.Role) wire.Caller {
	return func(from seal.Role) wire.Caller {
		var peer wire.Peer
		if p := parts[from]; p != nil {
			peer = p.Peer()
		}
		return o.Caller(from, to, wire.InProcess(h, peer))
	}
}

func openRows(ctx context.Context, o *Options, p *process.Parts) (*rows.Rows, error) {
	return rows.Open(ctx, p, rows.Hooks{
		Store:    func(s store.Store) store.Store { return o.Store(p.Role, s) },
		RawStore: func(s store.Store) store.Store { return o.RawStore(p.Role, s) },
	})
}

const maxSessions = 10_000

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

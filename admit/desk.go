// Package admit is what either server checks for itself before and around a
// comparison: the relying party's request, its replay, the citizen's lock and
// budget, and the orders that change them. It implements docs/spec/protocol.md,
// sections 4 and 6. Each server has a Desk of its own over its own store and its
// own keys; neither takes a handle, a citizen or a decision from the other.
//
// After admission nothing says why a citizen may not be verified: an Admission
// is usable or not, and both kinds make the same reads and writes.
package admit

import (
	"bytes"
	"context"
	"time"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring/keysets"
	"nod/orders"
	"nod/store"
)

// Names are the PRFs under which a server names citizens. They have keys of their
// own: a handle key may be replaced without changing what relying parties see.
type Names struct {
	Handles    *keysets.PRF
	Subjects   *keysets.PRF // of audit records
	Pseudonyms *keysets.PRF // this server's part
}

// Config is what a Desk works with. All of it comes from the server's own
// operator.
type Config struct {
	Store    store.Store
	Names    Names
	Parties  orders.Parties
	Stations orders.Stations
	Bureau   []*orders.PublicKey
	Plans    []*code.Plan // one a policy
	Limits   Limits
	Now      func() time.Time
}

// Desk admits. Safe for concurrent use.
type Desk struct {
	config Config
	store  store.Store
	limits Limits
	now    func() time.Time
	plans  map[canon.PolicyID]*code.Plan
	models map[canon.ModelID]*code.Model
}

// New makes a Desk.
func New(c Config) (*Desk, error) {
	if err := c.Limits.Valid(); err != nil {
		return nil, err
	}
	if c.Store == nil || c.Names.Handles == nil || c.Names.Subjects == nil || c.Names.Pseudonyms == nil || c.Parties == nil || c.Stations == nil || c.Now == nil {
		return nil, fault.New(fault.OutOfRange, "admission desk lacks a part")
	}
	d := &Desk{
		config: c, store: c.Store, limits: c.Limits, now: c.Now,
		plans:  map[canon.PolicyID]*code.Plan{},
		models: map[canon.ModelID]*code.Model{},
	}
	for _, p := range c.Plans {
		d.plans[p.Policy] = p
		for _, m := range p.Codes {
			d.models[m.ID()] = m
		}
	}
	return d, nil
}

// Model is a model that some policy of this server names.
func (d *Desk) Model(id canon.ModelID) (*code.Model, error) {
	if m := d.models[id]; m != nil {
		return m, nil
	}
	return nil, fault.New(fault.UnknownModel, "no policy of this server uses the model")
}

// Admission is a request that this server verified.
type Admission struct {
	Request *orders.Request
	Q       canon.RequestHash
	Handle  Handle
	Subject canon.Digest // of audit leaves
	Plan    *code.Plan
	// Usable is false where the citizen is locked or over budget. It says no more
	// than "go on with random bits".
	Usable bool
	// Again is true if the request was admitted before: only the answer that it
	// got then may be given again.
	Again bool

	newest time.Time // order that the admission saw
}

// Admit verifies a request and finds out whether its citizen may be verified. The
// same request may be admitted again (its answer was lost); another one with its
// jti is fault.Replayed. Faults: those of orders.VerifyRequest, UnknownPolicy,
// WrongPolicy, Replayed, and the store's.
func (d *Desk) Admit(ctx context.Context, request []byte) (*Admission, error) {
	now := d.now()
	r, err := orders.VerifyRequest(request, d.config.Parties, now)
	if err != nil {
		return nil, err
	}
	plan := d.plans[r.Policy]
	if plan == nil {
		return nil, fault.New(fault.UnknownPolicy, "policy %s is none of this server's", r.Policy)
	}
	if plan.Codes[0].ID() != r.Model {
		return nil, fault.New(fault.WrongPolicy, "the policy's first model is another than the request's")
	}
	a := &Admission{Request: r, Q: r.Hash(), Plan: plan, Handle: d.Handle(r.Citizen), Subject: d.Subject(r.Citizen)}
	if a.Again, err = d.remember(ctx, r, now); err != nil {
		return nil, err
	}
	standing, _, err := d.standing(ctx, a.Handle)
	if err != nil {
		return nil, err
	}
	b, _, err := d.budget(ctx, a.Handle)
	if err != nil {
		return nil, err
	}
	b.turn(now)
	a.newest = standing.newest
	a.Usable = !standing.locked && !b.spent(&d.limits, now)
	return a, nil
}

// remember binds (rp, jti) to q, for good, and reports whether it was bound before.
func (d *Desk) remember(ctx context.Context, r *orders.Request, now time.Time) (again bool, err error) {
	q := r.Hash()
	key := canon.Sum("replay", []byte(r.RP), []byte(r.JTI))
	row := store.Row{Table: tableReplay, Partition: key[:], Key: []byte("q")}
	err = d.store.Apply(ctx, store.Write{Row: row, If: store.Absent, Value: q[:], Expires: now.Add(d.limits.Replay)})
	if !fault.Is(err, fault.Conflict) {
		return false, err
	}
	known, err := d.store.Get(ctx, row)
	if err != nil {
		return false, err
	}
	if !bytes.Equal(known.Value, q[:]) {
		return false, fault.New(fault.Replayed, "the jti was used for another request")
	}
	return true, nil
}

// Handle is this server's own name for a citizen.
func (d *Desk) Handle(c orders.Citizen) Handle {
	return d.config.Names.Handles.Primary(name("handle", c))
}

// Subject is how this server's audit records name a citizen: unlinkable to the
// handle without the key.
func (d *Desk) Subject(c orders.Citizen) canon.Digest {
	return d.config.Names.Subjects.Primary(name("subject", c))
}

// Pseudonym is P_i, this server's part in the name under which a relying party
// sees a citizen.
func (d *Desk) Pseudonym(rp string, c orders.Citizen) canon.Digest {
	return d.config.Names.Pseudonyms.Primary(name("pseudonym-part", c, rp))
}

func name(kind canon.Kind, c orders.Citizen, more ...string) []byte {
	fields := [][]byte{[]byte(c.Reveal())}
	for _, m := range more {
		fields = append(fields, []byte(m))
	}
	return canon.Encode(kind, fields...)
}

// Context is what a probe of an admitted request is sealed under.
func (a *Admission) Context(session canon.SessionID, expiry time.Time) seal.Context {
	return seal.Context{
		Kind:    seal.Probe,
		Request: a.Q,
		Place:   session,
		Party:   a.Request.RP,
		Model:   a.Request.Model,
		Expiry:  expiry,
	}
}

// Verdict is what a comparison of an admitted request ends with.
func (a *Admission) Verdict(session canon.SessionID, p0, p1 canon.Digest, leaves [2]canon.Digest, match bool, now time.Time) *orders.Verdict {
	issued := now.UTC().Truncate(time.Second)
	return &orders.Verdict{
		Request:   a.Q,
		Session:   session,
		RP:        a.Request.RP,
		Pseudonym: orders.Pseudonym(p0, p1),
		Purpose:   a.Request.Purpose,
		Model:     a.Request.Model,
		Policy:    a.Request.Policy,
		FMR:       a.Plan.FMR,
		IssuedAt:  issued,
		Expiry:    issued.Add(verdictLife),
		Leaves:    leaves,
		Match:     match,
	}
}

// verdictLife is how long a relying party may rely on a verdict.
const verdictLife = 5 * time.Minute

// Sweep removes rows that expired.
func (d *Desk) Sweep(ctx context.Context) error {
	for _, table := range []store.Table{tableReplay, tableSession, tableOrder} {
		if err := store.SweepAll(ctx, d.store, table, d.now()); err != nil {
			return err
		}
	}
	return nil
}

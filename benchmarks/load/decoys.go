package load

import (
	"context"
	"crypto/rand"
	mrand "math/rand/v2"
	"time"

	"nod/dev"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// The kinds of citizens that nobody may tell apart, and a control: enrolled citizens
// whose calls are held up a little, so that one sees what difference would be seen.
const (
	Enrolled = "enrolled, somebody else's face"
	Unknown  = "unknown"
	Locked   = "locked"
	Spent    = "over budget"
	Control  = "control: enrolled, held up"
)

// Sample is what a relying party sees of one kind of citizen.
type Sample struct {
	Kind   string
	Answer []time.Duration // of the opening
	Result []time.Duration // of the comparison
}

// visits is how often one citizen is verified at most; perCitizen is the no-matches in
// a row after which one is over budget, which is more.
const (
	visits     = 50
	perCitizen = visits + 2
)

// DecoyLimits are the limits under which Decoys puts citizens over their budget.
func DecoyLimits() []string {
	return []string{"consecutive = 52", `pause = "24h"`, "no_matches = 65535", "answers = 65535", "sessions = 200000"}
}

// Decoys verifies n times a citizen of every kind, one after the other over one
// connection, with somebody else's face: every answer is no. Each round has one of
// every kind, in an order drawn from the seed, so that what comes and goes on the
// machine meets all kinds alike. held is by what part of the usual time the control is
// held up.
func (d *Deployment) Decoys(ctx context.Context, n int, seed uint64, held float64) ([]Sample, error) {
	byKind, impostor, err := d.cast(ctx, (n+visits-1)/visits)
	if err != nil {
		return nil, err
	}
	usual := Sample{}
	for i := range 20 {
		v, err := d.Ask(ctx, byKind[Unknown][i%len(byKind[Unknown])], impostor, false)
		if err != nil {
			return nil, err
		}
		usual.Answer, usual.Result = append(usual.Answer, v.Open), append(usual.Result, v.Compare)
	}
	slow := d.Outside
	slow.Matcher = &delayed{Matcher: d.Matcher,
		open:   time.Duration(held * float64(median(usual.Answer))),
		verify: time.Duration(held * float64(median(usual.Result)))}
	samples := []Sample{{Kind: Enrolled}, {Kind: Unknown}, {Kind: Locked}, {Kind: Spent}, {Kind: Control}}
	rng := mrand.New(mrand.NewPCG(seed, 0))
	for i := range n {
		for _, k := range rng.Perm(len(samples)) {
			s := &samples[k]
			by := &d.Outside
			if s.Kind == Control {
				by = &slow
			}
			who := byKind[s.Kind][i%len(byKind[s.Kind])]
			v, err := by.Verify(ctx, who.Name, d.Photo(impostor))
			if err != nil {
				return nil, err
			}
			if v.Verdict.Match {
				return nil, fault.New(fault.Unexpected, "an impostor is matched")
			}
			s.Answer, s.Result = append(s.Answer, v.Open), append(s.Result, v.Compare)
		}
	}
	return samples, nil
}

// cast makes citizens of every kind, so many of each, and somebody who is none of them.
func (d *Deployment) cast(ctx context.Context, each int) (byKind map[string][]Person, impostor Person, err error) {
	byKind = map[string][]Person{}
	var all []Person
	for _, kind := range []string{Enrolled, Unknown, Locked, Spent, Control} {
		for range each {
			p, err := d.Person()
			if err == nil && kind != Unknown {
				err = d.Enrol(ctx, p)
			}
			if err != nil {
				return nil, impostor, err
			}
			byKind[kind] = append(byKind[kind], p)
			all = append(all, p)
		}
	}
	if impostor, err = d.Stranger(all); err != nil {
		return nil, impostor, err
	}
	for _, p := range byKind[Locked] {
		if err := d.lock(ctx, p); err != nil {
			return nil, impostor, err
		}
	}
	spent := byKind[Spent]
	run, err := d.Closed(ctx, 8, perCitizen*len(spent), func(ctx context.Context, n int) (*dev.Verified, error) {
		return d.Ask(ctx, spent[n%len(spent)], impostor, false)
	})
	if err == nil && len(run.Failed) > 0 {
		err = fault.New(fault.Unexpected, "spending budgets: %v", run.Failed)
	}
	if err != nil {
		return nil, impostor, err
	}
	// They are over budget: not even their own face is matched.
	for _, p := range append(append([]Person{}, spent...), byKind[Locked]...) {
		if _, err := d.Ask(ctx, p, p, false); err != nil {
			return nil, impostor, err
		}
	}
	return byKind, impostor, nil
}

// lock has the bureau lock a citizen.
func (d *Deployment) lock(ctx context.Context, p Person) error {
	now := time.Now()
	order, err := orders.SignOrder(d.Bureau, &orders.Order{
		Kind: orders.Lock, Citizen: p.Name, JTI: rand.Text(), IssuedAt: now.Truncate(time.Millisecond), Expiry: now.Add(time.Hour).Truncate(time.Second),
	})
	if err != nil {
		return err
	}
	_, err = d.Matcher.Order(ctx, &wire.OrderRequest{Order: order})
	return err
}

// delayed is a matcher whose answers come later.
type delayed struct {
	wire.Matcher
	open, verify time.Duration
}

func (d *delayed) Open(ctx context.Context, m *wire.OpenRequest) (*wire.OpenAnswer, error) {
	spin(d.open)
	return d.Matcher.Open(ctx, m)
}

func (d *delayed) Verify(ctx context.Context, m *wire.ProbeRequest) (*wire.VerdictAnswer, error) {
	spin(d.verify)
	return d.Matcher.Verify(ctx, m)
}

// spin waits exactly: a timer would be late by as much as the control is held up.
func spin(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		continue
	}
}

// Comparison is one kind's timings beside those of enrolled citizens.
type Comparison struct {
	Kind, Call string
	Median     time.Duration
	Ratio      float64 // of the medians
	D, P       float64 // of the two samples
}

// Against compares every other sample with the first.
func Against(samples []Sample) (out []Comparison) {
	add := func(kind, call string, base, other []time.Duration) {
		d, p := KolmogorovSmirnov(base, other)
		m := median(other)
		out = append(out, Comparison{kind, call, m, float64(m) / float64(median(base)), d, p})
	}
	for _, s := range samples[1:] {
		add(s.Kind, "Open", samples[0].Answer, s.Answer)
		add(s.Kind, "Verify", samples[0].Result, s.Result)
	}
	return out
}

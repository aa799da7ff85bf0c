package storetest

import (
	"context"
	"sync"
	"time"

	"nod/fault"
	"nod/store"
)

// Op is one of a store's calls.
type Op int

// The calls.
const (
	Get Op = iota
	Apply
	Partition
	Scan
	Sweep
	ops
)

// Failure is how a call fails. Every failing call answers
// fault.StoreUnavailable.
type Failure int

// The failures.
const (
	// Pass lets the call through.
	Pass Failure = iota
	// NotPersisted fails the call without making it.
	NotPersisted
	// ReplyLost makes the call and then says that it failed. A call that
	// changes nothing, and one that is refused, fails all the same.
	ReplyLost
)

// Step is what happens to one call.
type Step struct {
	Failure Failure
	// Hold delays the call until the channel is closed or its context ends;
	// nil does not delay.
	Hold <-chan struct{}
}

// Plan says what happens to the n-th call of a kind, from 1. It must be a pure
// function, so that a failing test fails again; it is called from any
// goroutine. writes are those of an Apply.
type Plan func(op Op, n int, writes []store.Write) Step

// Nth fails the n-th call of a kind, once.
func Nth(op Op, n int, f Failure) Plan {
	return func(o Op, i int, _ []store.Write) Step {
		if o == op && i == n {
			return Step{Failure: f}
		}
		return Step{}
	}
}

// From fails the n-th call of a kind and all after it.
func From(op Op, n int, f Failure) Plan {
	return func(o Op, i int, _ []store.Write) Step {
		if o == op && i >= n {
			return Step{Failure: f}
		}
		return Step{}
	}
}

// Counts are a store's calls so far, held and failed ones too. Two equal Counts
// mean that an observer of the store's traffic saw the same amount of work.
type Counts struct {
	Gets, Applies, Partitions, Scans, Sweeps int
	Puts, Deletes                            int // writes of the applies
	BytesGiven                               int // names and values of the puts and deletes
	BytesRead                                int // values that reads returned
}

// Faulty is a store that counts its calls and fails as planned.
type Faulty struct {
	inner store.Store

	mu     sync.Mutex
	plan   Plan
	calls  [ops]int
	counts Counts
}

// NewFaulty wraps a store. A nil plan lets everything through.
func NewFaulty(inner store.Store, plan Plan) *Faulty { return &Faulty{inner: inner, plan: plan} }

// SetPlan replaces the plan and starts its numbering of calls at 1 again.
func (f *Faulty) SetPlan(plan Plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan, f.calls = plan, [ops]int{}
}

// Counts gives the calls since the start or the last Reset.
func (f *Faulty) Counts() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}

// Reset sets the counts to zero.
func (f *Faulty) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts = Counts{}
}

// begin numbers and counts a call, and asks the plan about it.
func (f *Faulty) begin(op Op, writes []store.Write) Step {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	switch op {
	case Get:
		f.counts.Gets++
	case Apply:
		f.counts.Applies++
	case Partition:
		f.counts.Partitions++
	case Scan:
		f.counts.Scans++
	case Sweep:
		f.counts.Sweeps++
	}
	for _, w := range writes {
		f.counts.BytesGiven += len(w.Table) + len(w.Partition) + len(w.Key)
		if w.Delete {
			f.counts.Deletes++
		} else {
			f.counts.Puts++
			f.counts.BytesGiven += len(w.Value)
		}
	}
	if f.plan == nil {
		return Step{}
	}
	return f.plan(op, f.calls[op], writes)
}

func (f *Faulty) read(entries ...store.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range entries {
		f.counts.BytesRead += len(e.Value)
	}
}

// do runs one call as its step says.
func (f *Faulty) do(ctx context.Context, op Op, writes []store.Write, call func() error) error {
	step := f.begin(op, writes)
	if step.Hold != nil {
		select {
		case <-step.Hold:
		case <-ctx.Done():
			return fault.New(fault.Cancelled, "held: %w", ctx.Err())
		}
	}
	switch step.Failure {
	case NotPersisted:
		return fault.New(fault.StoreUnavailable, "planned, not persisted")
	case ReplyLost:
		_ = call() // whatever it said is lost
		return fault.New(fault.StoreUnavailable, "planned, reply lost")
	}
	return call()
}

// Get implements store.Store.
func (f *Faulty) Get(ctx context.Context, row store.Row) (r store.Record, err error) {
	err = f.do(ctx, Get, nil, func() (err error) {
		r, err = f.inner.Get(ctx, row)
		return err
	})
	if err != nil {
		return store.Record{}, err
	}
	f.read(store.Entry{Record: r})
	return r, nil
}

// Apply implements store.Store.
func (f *Faulty) Apply(ctx context.Context, writes ...store.Write) error {
	return f.do(ctx, Apply, writes, func() error { return f.inner.Apply(ctx, writes...) })
}

// Partition implements store.Store.
func (f *Faulty) Partition(ctx context.Context, table store.Table, partition, after []byte, limit int) ([]store.Entry, error) {
	return f.list(ctx, Partition, func() ([]store.Entry, error) {
		return f.inner.Partition(ctx, table, partition, after, limit)
	})
}

// Scan implements store.Store.
func (f *Faulty) Scan(ctx context.Context, table store.Table, after store.Row, limit int) ([]store.Entry, error) {
	return f.list(ctx, Scan, func() ([]store.Entry, error) { return f.inner.Scan(ctx, table, after, limit) })
}

func (f *Faulty) list(ctx context.Context, op Op, call func() ([]store.Entry, error)) (entries []store.Entry, err error) {
	err = f.do(ctx, op, nil, func() (err error) {
		entries, err = call()
		return err
	})
	if err != nil {
		return nil, err
	}
	f.read(entries...)
	return entries, nil
}

// Sweep implements store.Store.
func (f *Faulty) Sweep(ctx context.Context, table store.Table, now time.Time, limit int) (n int, err error) {
	err = f.do(ctx, Sweep, nil, func() (err error) {
		n, err = f.inner.Sweep(ctx, table, now, limit)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Close implements store.Store. It is not counted and never fails on purpose.
func (f *Faulty) Close() error { return f.inner.Close() }

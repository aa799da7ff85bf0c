package audittest

import (
	"context"
	"maps"
	"sync"

	"nod/audit"
	"nod/fault"
)

// Failure is how an Append fails, always with fault.AuditUnavailable.
type Failure int

// The failures.
const (
	Pass       Failure = iota // it does not
	NotWritten                // and the leaf is not in the log
	ReplyLost                 // and the leaf is in the log all the same
)

// Faulty is a log that counts its leaves and fails as planned. Unlike a real one
// it works again when the plan says so.
type Faulty struct {
	inner audit.Log

	mu     sync.Mutex
	plan   func(n int, leaf audit.Leaf) Failure
	calls  int
	counts map[audit.Operation]int
}

var _ audit.Log = (*Faulty)(nil)

// NewFaulty wraps a log. plan says how the n-th Append fails, from 1; it is a
// pure function, called from any goroutine. A nil plan lets all through.
func NewFaulty(inner audit.Log, plan func(n int, leaf audit.Leaf) Failure) *Faulty {
	return &Faulty{inner: inner, plan: plan, counts: map[audit.Operation]int{}}
}

// SetPlan replaces the plan and starts its numbering at 1 again.
func (f *Faulty) SetPlan(plan func(n int, leaf audit.Leaf) Failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan, f.calls = plan, 0
}

// Counts gives the Appends by operation, failed ones too, since the start or the
// last Reset.
func (f *Faulty) Counts() map[audit.Operation]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.counts)
}

// Reset sets the counts to zero.
func (f *Faulty) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.counts)
}

func (f *Faulty) begin(leaf audit.Leaf) Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[leaf.Operation]++
	f.calls++
	if f.plan == nil {
		return Pass
	}
	return f.plan(f.calls, leaf)
}

// Append implements audit.Log.
func (f *Faulty) Append(ctx context.Context, leaf audit.Leaf) (audit.Receipt, error) {
	switch f.begin(leaf) {
	case NotWritten:
		return audit.Receipt{}, fault.New(fault.AuditUnavailable, "planned, not written")
	case ReplyLost:
		_, _ = f.inner.Append(ctx, leaf) // whatever it said is lost
		return audit.Receipt{}, fault.New(fault.AuditUnavailable, "planned, reply lost")
	}
	return f.inner.Append(ctx, leaf)
}

// Read implements audit.Log.
func (f *Faulty) Read(ctx context.Context, from uint64, limit int) ([]audit.Leaf, error) {
	return f.inner.Read(ctx, from, limit)
}

// Close implements audit.Log.
func (f *Faulty) Close() error { return f.inner.Close() }

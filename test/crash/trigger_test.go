package crash_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"nod/audit"
	"nod/channel"
	"nod/store"
)

// layer is where a durable write is seen.
type layer string

const (
	disk  layer = "disk"  // below the encryption of rows, and the audit record
	roles layer = "roles" // as the role itself makes it
)

// moment is a point at which a process kills itself.
type moment struct {
	Layer layer
	At    int // the n-th write of the layer, from 1; 0: never
	After bool
	// Correlations counts the writes of fetching correlations alone, which are in
	// the background and otherwise not counted at all.
	Correlations bool
}

// trigger counts the durable writes of its own process, and kills it at the moment it
// was told. It writes no answer and closes nothing: SIGKILL, as by the kernel.
type trigger struct {
	mu     sync.Mutex
	moment moment
	counts map[layer]int
	writes []string // of the layer disk

	rows store.Store // decrypted, to look at
}

func (g *trigger) arm(m moment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moment, g.counts, g.writes = m, map[layer]int{}, nil
}

func (g *trigger) seen() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.writes)
}

// around makes one write of a layer, or dies.
func (g *trigger) around(l layer, name string, background bool, write func() error) error {
	before, after := g.count(l, name, background)
	if before {
		die()
	}
	err := write()
	if after {
		die()
	}
	return err
}

func (g *trigger) count(l layer, name string, background bool) (before, after bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.counts == nil || background != g.moment.Correlations {
		return false, false
	}
	g.counts[l]++
	if l == disk {
		g.writes = append(g.writes, name)
	}
	here := g.moment.Layer == l && g.moment.At == g.counts[l]
	return here && !g.moment.After, here && g.moment.After
}

func die() {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {} // until the signal is there
}

// watchedStore is a store whose writes are counted.
type watchedStore struct {
	store.Store
	trigger *trigger
	layer   layer
}

func (s *watchedStore) Apply(ctx context.Context, writes ...store.Write) error {
	var names []string
	for _, w := range writes {
		verb := ""
		if w.Delete {
			verb = "-"
		}
		names = append(names, verb+string(w.Table))
	}
	background := len(writes) == 1 && writes[0].Table == channel.Table
	return s.trigger.around(s.layer, strings.Join(names, " "), background, func() error {
		return s.Store.Apply(ctx, writes...)
	})
}

// Sweep is maintenance by the minute: it is no write of an operation.
func (s *watchedStore) Sweep(ctx context.Context, table store.Table, now time.Time, limit int) (int, error) {
	return s.Store.Sweep(ctx, table, now, limit)
}

// watchedAudit is an audit record whose leaves are counted. It has one layer only, and
// is counted in both, so that a write has the same number in either.
type watchedAudit struct {
	audit.Log
	trigger *trigger
}

func (a *watchedAudit) Append(ctx context.Context, leaf audit.Leaf) (r audit.Receipt, err error) {
	background := leaf.Operation == audit.OpChannel || leaf.Operation == audit.OpDeal
	if leaf.Operation == audit.OpStart {
		return a.Log.Append(ctx, leaf)
	}
	err = a.trigger.around(roles, "", background, func() error {
		return a.trigger.around(disk, "audit: "+string(leaf.Operation), background, func() (err error) {
			r, err = a.Log.Append(ctx, leaf)
			return err
		})
	})
	return r, err
}

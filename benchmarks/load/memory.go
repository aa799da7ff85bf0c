package load

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nod/crypto/compare"
	"nod/crypto/seal"
	"nod/fault"
)

// State is what a process holds at one moment.
type State struct {
	Resident   float64 // bytes, of the whole process
	Live       float64 // bytes of Go's heap that are reachable: after a collection
	Stock      float64 // of Live: correlations that wait, bounded by the configuration
	Cache      float64 // of Live: blocks of the store, bounded by its options
	Tables     float64 // of Live: rows of the store not yet in files, bounded by its options
	Goroutines float64
	Files      int // open file descriptors, but for the store's
	StoreFiles int // of the store, bounded by its options
}

// Held is what is reachable and not bounded by an option of its own: what leaks is here.
func (s State) Held() float64 { return s.Live - s.Stock - s.Cache - s.Tables }

// Moment is the state of the three processes after so many verifications.
type Moment struct {
	Done  int
	State map[seal.Role]State
}

// MemoryOptions are those of a deployment whose memory is looked at: sessions that end
// soon, so that what is remembered of them is soon forgotten, and the smallest batches.
func MemoryOptions() Options {
	return Options{Batch: 256, Limits: append(loose(), fmt.Sprintf("session = %q", remembered.String()))}
}

// remembered is how long a session is remembered there.
const remembered = 10 * time.Second

// Rest lets the deployment forget what it remembers for a while, and fill its stock.
func (d *Deployment) Rest(ctx context.Context, someone Person) error {
	// One second for the rounding of times, and one for the sweep.
	if !until(ctx, time.Now().Add(remembered+2*time.Second)) {
		return fault.New(fault.Cancelled, "%w", ctx.Err())
	}
	// Sessions are swept when another begins.
	if _, err := d.Ask(ctx, someone, someone, true); err != nil {
		return err
	}
	// A flush or a compaction of the store ends, and a batch under way comes in.
	if !until(ctx, time.Now().Add(time.Second)) {
		return fault.New(fault.Cancelled, "%w", ctx.Err())
	}
	return nil
}

// Moment looks at the three processes now. Each collects its garbage first, so that
// what is counted is what it holds on to.
func (d *Deployment) Moment(ctx context.Context, done int) (m Moment, err error) {
	m = Moment{Done: done, State: map[seal.Role]State{}}
	for _, role := range seal.Roles() {
		if m.State[role], err = d.state(ctx, role); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (d *Deployment) state(ctx context.Context, role seal.Role) (s State, err error) {
	if _, err := d.operations(ctx, role, "/debug/pprof/heap?gc=1"); err != nil {
		return s, err
	}
	v, err := d.Metrics(ctx, role)
	if err != nil {
		return s, err
	}
	s = State{
		Resident: v["process_resident_memory_bytes"], Live: v["go_memstats_heap_alloc_bytes"],
		Stock: v["nod_correlations_stock"] * d.correlation(role),
		Cache: v["nod_store_cache_bytes"], Tables: v["nod_store_tables_bytes"],
		Goroutines: v["go_goroutines"],
	}
	if s.Resident == 0 || s.Live == 0 || s.Goroutines == 0 {
		return s, fault.New(fault.BadEncoding, "metrics of the %s lack a value: %+v", role, s)
	}
	s.Files, s.StoreFiles, err = d.files(role)
	return s, err
}

// correlation is the memory of one half of a correlation, on average over the checks.
func (d *Deployment) correlation(role seal.Role) float64 {
	party := compare.Matcher
	if role == seal.Custodian {
		party = compare.Custodian
	}
	sum := 0
	for _, step := range d.Plan.Steps {
		sum += compare.CorrectionsSize(step.Check, party)
	}
	return float64(sum) / float64(len(d.Plan.Steps))
}

// files counts a process's open file descriptors.
func (d *Deployment) files(role seal.Role) (others, store int, err error) {
	folder := fmt.Sprintf("/proc/%d/fd", d.Processes.Process(role).Pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return 0, 0, fault.New(fault.NotFound, "%w", err)
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(folder, e.Name()))
		switch {
		case err != nil: // closed meanwhile
		case strings.HasPrefix(target, filepath.Join(d.Layout.Role(role), "data", "store")):
			store++
		default:
			others++
		}
	}
	return others, store, nil
}

// Soak plays verifications up to each of the counts, and looks at the processes, at
// rest, before the first and after each.
func (d *Deployment) Soak(ctx context.Context, people []Person, clients int, counts ...int) ([]Moment, error) {
	var moments []Moment
	done := 0
	for _, count := range append([]int{0}, counts...) {
		run, err := d.Closed(ctx, clients, count-done, d.Matches(people))
		if err != nil {
			return nil, err
		}
		if len(run.Failed) > 0 || run.Done != count-done {
			return nil, fault.New(fault.Unexpected, "of %d verifications %d were done, failed: %v", count-done, run.Done, run.Failed)
		}
		done = count
		if err := d.Rest(ctx, people[0]); err != nil {
			return nil, err
		}
		m, err := d.Moment(ctx, done)
		if err != nil {
			return nil, err
		}
		moments = append(moments, m)
	}
	return moments, nil
}

// Bounds of Flat. A table of the store that was written to a file is kept for the next
// one, and not counted among its tables: hence their size once more.
const (
	base  = 1e6 // bytes: whatever a process first meets
	leak  = 512 // bytes for each verification, over thousands: a tenth of a session
	slack = 4   // goroutines, and files: a request for metrics, a flush, a batch
)

// Flat says what of a process grew between two moments at rest, or nothing.
func Flat(from, to Moment) (grown []string) {
	for _, role := range seal.Roles() {
		a, b := from.State[role], to.State[role]
		if more, most := b.Held()-a.Held(), base+float64(leak*(to.Done-from.Done))+b.Tables; more > most {
			grown = append(grown, fmt.Sprintf("the %s holds %.0f bytes more after %d verifications, at most %.0f are expected", role, more, to.Done-from.Done, most))
		}
		if b.Goroutines > a.Goroutines+slack {
			grown = append(grown, fmt.Sprintf("the %s has %.0f goroutines, and had %.0f", role, b.Goroutines, a.Goroutines))
		}
		if b.Files > a.Files+slack {
			grown = append(grown, fmt.Sprintf("the %s has %d files open, and had %d", role, b.Files, a.Files))
		}
	}
	return grown
}

// Growth is how many bytes a role holds more for each verification, between two
// moments: what leaks adds up here, what is bounded does not.
func Growth(from, to Moment, role seal.Role) float64 {
	return (to.State[role].Held() - from.State[role].Held()) / float64(to.Done-from.Done)
}

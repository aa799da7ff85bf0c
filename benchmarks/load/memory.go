package load

import (
	"context"

	"nod/crypto/seal"
	"nod/fault"
)

// State is what a process holds at one moment.
type State struct {
	Resident   float64 // bytes, of the whole process
	Live       float64 // bytes of Go's heap that are reachable: after a collection
	Goroutines float64
	Files      float64 // open file descriptors
}

// Moment is the state of the three processes after so many verifications.
type Moment struct {
	Done  int
	State map[seal.Role]State
}

// Moment looks at the three processes now. Each collects its garbage first, so that
// what is counted is what it holds on to.
func (d *Deployment) Moment(ctx context.Context, done int) (m Moment, err error) {
	m = Moment{Done: done, State: map[seal.Role]State{}}
	for _, role := range seal.Roles() {
		if _, err := d.operations(ctx, role, "/debug/pprof/heap?gc=1"); err != nil {
			return m, err
		}
		v, err := d.Metrics(ctx, role)
		if err != nil {
			return m, err
		}
		s := State{
			Resident: v["process_resident_memory_bytes"], Live: v["go_memstats_heap_alloc_bytes"],
			Goroutines: v["go_goroutines"], Files: v["process_open_fds"],
		}
		if s.Resident == 0 || s.Live == 0 || s.Goroutines == 0 || s.Files == 0 {
			return m, fault.New(fault.BadEncoding, "metrics of the %s lack a value: %+v", role, s)
		}
		m.State[role] = s
	}
	return m, nil
}

// Soak plays n verifications in so many parts, and looks at the processes before the
// first and after each.
func (d *Deployment) Soak(ctx context.Context, people []Person, clients, n, parts int) ([]Moment, error) {
	start, err := d.Moment(ctx, 0)
	if err != nil {
		return nil, err
	}
	moments, done := []Moment{start}, 0
	for i := range parts {
		run, err := d.Closed(ctx, clients, n*(i+1)/parts-n*i/parts, d.Matches(people))
		if err != nil {
			return nil, err
		}
		if len(run.Failed) > 0 {
			return nil, fault.New(fault.Unexpected, "verifications failed: %v", run.Failed)
		}
		done += run.Done
		m, err := d.Moment(ctx, done)
		if err != nil {
			return nil, err
		}
		moments = append(moments, m)
	}
	return moments, nil
}

// Growth is how many bytes a role holds more for each verification, between two
// moments: what leaks adds up here, what is bounded does not.
func Growth(from, to Moment, role seal.Role) float64 {
	return (to.State[role].Live - from.State[role].Live) / float64(to.Done-from.Done)
}

package load

import (
	"context"
	"errors"
	"time"

	"nod/crypto/seal"
)

// Size says how much load there is.
type Size struct {
	People  int           // enrolled
	Clients int           // of the closed loop
	Warm    int           // verifications before anything is measured
	Count   int           // verifications that are measured
	Profile time.Duration // of which so much is profiled, in a run of its own; 0: none
	Steady  time.Duration // of the open loop; 0: none
	Part    float64       // of the rate at saturation, for the open loop
	Floor   time.Duration // CPU time for each operation of the floor, twice
}

// Saturation is what a closed loop comes to, beside the floor in the same run.
type Saturation struct {
	Closed *Run
	Steady *Run    // at a part of the closed loop's rate, or nil
	Rate   float64 // that was asked for
	Floor  Floor   // mean of before and after
	Tops   map[seal.Role][]Line
}

// Saturate measures a deployment that was started.
func (d *Deployment) Saturate(ctx context.Context, o Options, s Size) (out *Saturation, err error) {
	people, err := d.Population(ctx, s.People)
	if err != nil {
		return nil, err
	}
	job := d.Matches(people)
	if _, err := d.Closed(ctx, s.Clients, s.Warm, job); err != nil {
		return nil, err
	}
	floor := func() (Floor, error) { return MeasureFloor(ctx, d.Plan, 4096, 64, s.Floor) }
	before, err := floor()
	if err != nil {
		return nil, err
	}
	out = new(Saturation)
	if out.Closed, err = d.Closed(ctx, s.Clients, s.Count, job); err != nil {
		return nil, err
	}
	after, err := floor()
	if err != nil {
		return nil, err
	}
	out.Floor = before.Mean(after)
	if s.Steady > 0 {
		out.Rate = s.Part * out.Closed.Rate()
		if out.Steady, err = d.Steady(ctx, out.Rate, s.Steady, job); err != nil {
			return nil, err
		}
	}
	if s.Profile > 0 {
		out.Tops, err = d.profiled(ctx, o, s, job)
	}
	return out, err
}

// profiled takes profiles while the closed loop runs, apart from what is measured.
func (d *Deployment) profiled(ctx context.Context, o Options, s Size, job Job) (map[seal.Role][]Line, error) {
	busy, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		const endless = 1 << 30
		_, err := d.Closed(busy, s.Clients, endless, job)
		done <- err
	}()
	files, err := d.Profiles(ctx, o.Folder, s.Profile)
	stop()
	if err := errors.Join(err, <-done); err != nil {
		return nil, err
	}
	tops := map[seal.Role][]Line{}
	for role, file := range files {
		if tops[role], err = Top(ctx, o.Programs, role, file); err != nil {
			return nil, err
		}
	}
	return tops, nil
}

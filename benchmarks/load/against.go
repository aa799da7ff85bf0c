package load

import (
	"context"
	"os"

	"nod/crypto/seal"
	"nod/fault"
)

// Beside measures two builds of the programs in one run: a deployment of each, loaded in
// turn, so that what else the machine does meets both alike.
type Beside struct {
	Done int // verifications of each
	CPU  [2]CPU
}

// Ratio is the CPU of the second build, as a part of the first's.
func (b *Beside) Ratio(role seal.Role) float64 {
	return float64(b.CPU[1][role]) / float64(b.CPU[0][role])
}

// Total is Ratio of all three roles.
func (b *Beside) Total() float64 { return float64(b.CPU[1].Total()) / float64(b.CPU[0].Total()) }

// Compare measures two builds, in folders of programs: rounds of n verifications of each.
func Compare(ctx context.Context, programs [2]string, clients, rounds, n int) (b *Beside, err error) {
	var deployments [2]*Deployment
	var jobs [2]Job
	b = &Beside{CPU: [2]CPU{{}, {}}}
	for i := range deployments {
		folder, err := os.MkdirTemp("", "nod-load-")
		if err != nil {
			return nil, fault.New(fault.StoreUnavailable, "%w", err)
		}
		defer os.RemoveAll(folder) //nolint:errcheck // temporary
		d, err := Start(ctx, Options{Folder: folder, Programs: programs[i]})
		if err != nil {
			return nil, err
		}
		defer d.Stop() //nolint:errcheck // what matters was measured
		people, err := d.Population(ctx, 100)
		if err != nil {
			return nil, err
		}
		deployments[i], jobs[i] = d, d.Matches(people)
	}
	for round := -1; round < rounds; round++ { // the first is not counted
		for i, d := range deployments {
			run, err := d.Closed(ctx, clients, n, jobs[i])
			if err != nil {
				return nil, err
			}
			if run.Done != n {
				return nil, fault.New(fault.Unexpected, "failed: %v", run.Failed)
			}
			for role, used := range run.CPU {
				if round >= 0 {
					b.CPU[i][role] += used
				}
			}
		}
	}
	b.Done = rounds * n
	return b, nil
}

package load

import (
	"context"
	"errors"
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

// side is one of the two.
type side struct {
	*Deployment
	folder string
	job    Job
}

func startSide(ctx context.Context, programs string) (s *side, err error) {
	s = new(side)
	if s.folder, err = os.MkdirTemp("", "nod-load-"); err != nil {
		return nil, fault.New(fault.StoreUnavailable, "%w", err)
	}
	if s.Deployment, err = Start(ctx, Options{Folder: s.folder, Programs: programs}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.folder))
	}
	people, err := s.Population(ctx, 100)
	if err != nil {
		return nil, errors.Join(err, s.end())
	}
	s.job = s.Matches(people)
	return s, nil
}

func (s *side) end() error { return errors.Join(s.Stop(), os.RemoveAll(s.folder)) }

// Compare measures two builds, in folders of programs: rounds of n verifications of each.
func Compare(ctx context.Context, programs [2]string, clients, rounds, n int) (b *Beside, err error) {
	first, err := startSide(ctx, programs[0])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, first.end()) }()
	second, err := startSide(ctx, programs[1])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, second.end()) }()
	b = &Beside{Done: rounds * n, CPU: [2]CPU{{}, {}}}
	for round := -1; round < rounds; round++ { // the first is not counted
		for i, s := range []*side{first, second} {
			run, err := s.Closed(ctx, clients, n, s.job)
			if err != nil {
				return nil, err
			}
			if run.Done != n {
				return nil, fault.New(fault.Unexpected, "failed: %v", run.Failed)
			}
			if round < 0 {
				continue
			}
			for role, used := range run.CPU {
				b.CPU[i][role] += used
			}
		}
	}
	return b, nil
}

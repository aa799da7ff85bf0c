package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"nod/dev"
	"nod/fault"
)

// Job is one verification, the n-th of a run. Safe for concurrent use.
type Job func(ctx context.Context, n int) (*dev.Verified, error)

// Latencies are counts of durations, in microseconds, to three figures.
type Latencies struct{ *hdrhistogram.Histogram }

func newLatencies() Latencies {
	return Latencies{hdrhistogram.New(1, int64(5*time.Minute/time.Microsecond), 3)}
}

func (l Latencies) add(d time.Duration) {
	_ = l.RecordValue(max(1, min(d.Microseconds(), l.HighestTrackableValue()))) // within its range
}

// At is the duration below which a part of all lies, in percent.
func (l Latencies) At(percent float64) time.Duration {
	return time.Duration(l.ValueAtPercentile(percent)) * time.Microsecond
}

// Run is what a load came to.
type Run struct {
	Done   int
	Failed map[fault.Code]int
	Took   time.Duration
	CPU    CPU           // of the three roles
	Own    time.Duration // CPU of the load generator

	Whole, Open, Seal, Compare Latencies // of those that were done
	Refused                    Latencies // until a failure was told
}

// Rate is verifications per second.
func (r *Run) Rate() float64 { return float64(r.Done) / r.Took.Seconds() }

// Each is the CPU per verification of a sum.
func (r *Run) Each(used time.Duration) time.Duration { return used / time.Duration(max(1, r.Done)) }

type recorder struct {
	mu  sync.Mutex
	run *Run
}

func newRecorder() *recorder {
	return &recorder{run: &Run{
		Failed: map[fault.Code]int{},
		Whole:  newLatencies(), Open: newLatencies(), Seal: newLatencies(), Compare: newLatencies(), Refused: newLatencies(),
	}}
}

// one plays a job that was meant to start at a time, and records it.
func (r *recorder) one(ctx context.Context, job Job, n int, start time.Time) {
	v, err := job(ctx, n)
	took := time.Since(start)
	if err != nil && ctx.Err() != nil {
		return // the load was ended
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.run.Failed[fault.CodeOf(err)]++
		r.run.Refused.add(took)
		return
	}
	r.run.Done++
	r.run.Whole.add(took)
	r.run.Open.add(v.Open)
	r.run.Seal.add(v.Seal)
	r.run.Compare.add(v.Compare)
}

// measured plays a load, with what the roles and the generator use meanwhile.
func (d *Deployment) measured(play func(*recorder)) (*Run, error) {
	before, err := d.CPU()
	if err != nil {
		return nil, err
	}
	mine, start := own(), time.Now()
	r := newRecorder()
	play(r)
	r.run.Took, r.run.Own = time.Since(start), own()-mine
	after, err := d.CPU()
	if err != nil {
		return nil, err
	}
	r.run.CPU = after.Since(before)
	return r.run, nil
}

// Closed plays n jobs from a number of clients, each starting its next when its last
// has ended: as much as the deployment takes.
func (d *Deployment) Closed(ctx context.Context, clients, n int, job Job) (*Run, error) {
	return d.measured(func(r *recorder) {
		var next atomic.Int64
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				for i := int(next.Add(1)); i <= n && ctx.Err() == nil; i = int(next.Add(1)) {
					r.one(ctx, job, i, time.Now())
				}
			})
		}
		all.Wait()
	})
}

// inFlight bounds the jobs under way in an open loop: the matcher takes 256 calls of a
// caller. One that finds no place waits, and its wait counts.
const inFlight = 200

// Steady plays jobs at a constant rate for a time, however long each takes. A job's
// latency counts from the moment at which it was meant to start, so that a deployment
// that stands still is not asked less often.
func (d *Deployment) Steady(ctx context.Context, rate float64, length time.Duration, job Job) (*Run, error) {
	return d.measured(func(r *recorder) {
		var all sync.WaitGroup
		places := make(chan struct{}, inFlight)
		gap := time.Duration(float64(time.Second) / rate)
		start := time.Now()
		for i := 0; ; i++ {
			meant := start.Add(time.Duration(i) * gap)
			if meant.Sub(start) >= length || !until(ctx, meant) {
				break
			}
			places <- struct{}{}
			all.Go(func() {
				defer func() { <-places }()
				r.one(ctx, job, i, meant)
			})
		}
		all.Wait()
	})
}

// until waits for a time, and reports whether it came before ctx ended.
func until(ctx context.Context, at time.Time) bool {
	wait := time.NewTimer(time.Until(at))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return true
	}
}

// Matches are verifications of people who are who they say: the dearest kind, for
// both servers write twice.
func (d *Deployment) Matches(people []Person) Job {
	return func(ctx context.Context, n int) (*dev.Verified, error) {
		p := people[n%len(people)]
		return d.Ask(ctx, p, p, true)
	}
}

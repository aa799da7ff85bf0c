package load

import (
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"time"

	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
)

// How the dealer goes away.
type How string

// The ways.
const (
	Crash How = "killed, then started again" // connections are refused meanwhile
	Still How = "stopped, then continued"    // connections stay open, and nothing answers
)

// Outage is what a load sees while the dealer is away.
type Outage struct {
	How       How
	Rate      float64 // verifications asked for in a second
	Away      time.Duration
	Stock     int           // correlations of one check when the dealer went
	Carried   int           // verifications done after that until the first refusal
	Lasted    time.Duration // until the first refusal; Away if there was none
	Refused   map[fault.Code]int
	Told      Latencies     // how long a refusal took
	Recovered time.Duration // from the dealer's return to the first verification done
	Clean     time.Duration // from the dealer's return to the last refusal
	After     int           // verifications done since then, none refused
}

// event is one verification of an outage's load.
type event struct {
	start, end time.Time
	code       fault.Code // "" when it was done
}

// DealerAway keeps a constant rate of verifications up while the dealer goes away, at
// the worst moment: when the stock is at its lowest. after is how long the load goes
// on once the dealer is back.
func (d *Deployment) DealerAway(ctx context.Context, people []Person, how How, rate float64, away, after time.Duration, low int) (*Outage, error) {
	var mu sync.Mutex
	var events []event
	job := func(ctx context.Context, n int) (*dev.Verified, error) {
		p := people[n%len(people)]
		e := event{start: time.Now()}
		v, err := d.Ask(ctx, p, p, true)
		e.end, e.code = time.Now(), fault.CodeOf(err)
		mu.Lock()
		defer mu.Unlock()
		events = append(events, e)
		return v, err
	}
	load, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() {
		_, err := d.Steady(load, rate, time.Hour, job)
		done <- err
	}()
	o := &Outage{How: how, Rate: rate}
	down, up, err := d.absence(ctx, o, low, away)
	if err == nil && !until(ctx, up.Add(after)) {
		err = fault.New(fault.Cancelled, "%w", ctx.Err())
	}
	finished := time.Now()
	stop()
	if err := errors.Join(err, <-done); err != nil {
		return nil, err
	}
	// What was under way when the load ended was ended with it.
	events = slices.DeleteFunc(events, func(e event) bool { return e.end.After(finished) })
	o.read(events, down, up)
	return o, nil
}

// absence sends the dealer away when the stock is near its low mark, and has it back.
func (d *Deployment) absence(ctx context.Context, o *Outage, low int, away time.Duration) (down, up time.Time, err error) {
	for o.Stock = 1 << 30; o.Stock > low+low/10; {
		if !until(ctx, time.Now().Add(50*time.Millisecond)) {
			return down, up, fault.New(fault.Cancelled, "%w", ctx.Err())
		}
		m, err := d.Metrics(ctx, seal.Matcher)
		if err != nil {
			return down, up, err
		}
		o.Stock = int(m["nod_correlations_stock"]) / len(d.Plan.Steps)
	}
	if o.How == Crash {
		err = d.Processes.Kill(seal.Dealer)
	} else {
		err = d.Processes.Process(seal.Dealer).Signal(syscall.SIGSTOP)
	}
	down = time.Now()
	if err != nil {
		return down, up, err
	}
	until(ctx, down.Add(away))
	up = time.Now()
	if o.How == Crash {
		err = d.Processes.Start(seal.Dealer)
	} else {
		err = d.Processes.Process(seal.Dealer).Signal(syscall.SIGCONT)
	}
	o.Away = up.Sub(down)
	return down, up, err
}

// read works out what happened.
func (o *Outage) read(events []event, down, up time.Time) {
	slices.SortFunc(events, func(a, b event) int { return a.end.Compare(b.end) })
	o.Refused, o.Told = map[fault.Code]int{}, newLatencies()
	first, last := time.Time{}, up
	for _, e := range events {
		if e.code == "" || e.end.Before(down) {
			continue
		}
		o.Refused[e.code]++
		o.Told.add(e.end.Sub(e.start))
		if first.IsZero() {
			first = e.end
		}
		if e.end.After(last) {
			last = e.end
		}
	}
	if first.IsZero() {
		first = up
	}
	o.Lasted, o.Clean = first.Sub(down), last.Sub(up)
	for _, e := range events {
		switch {
		case e.code != "":
		case e.end.After(down) && e.end.Before(first):
			o.Carried++
		case e.end.After(up):
			if o.Recovered == 0 {
				o.Recovered = e.end.Sub(up)
			}
			if e.end.After(last) {
				o.After++
			}
		}
	}
}

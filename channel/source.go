package channel

import (
	"context"
	"errors"
	"sync"
	"time"

	"nod/crypto/canon"
	"nod/crypto/compare"
	"nod/fault"
	"nod/wire"
)

// Custodian is the part of wire.Custodian that a Source calls.
type Custodian interface {
	OpenChannel(ctx context.Context, m *wire.ChannelOpen) (*wire.ChannelOpened, error)
	Toss(ctx context.Context, m *wire.BatchToss) (*wire.BatchTossed, error)
	Reveal(ctx context.Context, m *wire.BatchReveal) (*wire.BatchRevealed, error)
	Sacrifice(ctx context.Context, m *wire.BatchSacrifice) (*wire.BatchSacrificed, error)
}

// SourceConfig is what the matcher's side needs.
type SourceConfig struct {
	Config
	Custodian Custodian
	// Reaches is the custodian's process that calls reach now, as the transport found.
	// If it is another than the one that a channel was opened with, the channel is lost:
	// that is noticed before a correlation is handed out, and not by a comparison that
	// fails. nil: not known.
	Reaches func() wire.Instance

	// Low and High bound the stock of each check, in correlations: batches are
	// fetched when it is below Low, for as long as it stays within High. High is at
	// least Low and one batch. 0: half a batch, and that and a batch.
	Low, High int
	// Ready is how many correlations of each check are kept expanded. 0: 64.
	Ready int
	// Retry is the pause after a failed batch; it doubles up to 16 times that. 0:
	// 250 ms.
	Retry time.Duration
	// Wait bounds how long Take waits. Who asks is better told soon, and asks again,
	// than kept until its deadline with a place of its caller's taken. 0: 2 s.
	Wait time.Duration
}

func (c *SourceConfig) defaults() error {
	if err := c.Config.defaults(); err != nil {
		return err
	}
	if c.Custodian == nil {
		panic("channel: a source without a custodian")
	}
	if c.Reaches == nil {
		c.Reaches = func() (none wire.Instance) { return none }
	}
	c.Low = or(c.Low, (c.usable()+1)/2)
	c.High = or(c.High, c.Low+c.usable())
	c.Ready = or(c.Ready, 64)
	c.Retry = or(c.Retry, 250*time.Millisecond)
	c.Wait = or(c.Wait, 2*time.Second)
	if c.Low < 1 || c.High < c.Low+c.usable() || c.Ready < 1 || c.Retry < 0 || c.Wait < 0 {
		return fault.New(fault.OutOfRange, "stock of %d to %d, %d ready, with batches of %d", c.Low, c.High, c.Ready, c.usable())
	}
	return nil
}

// Source is the matcher's side: one channel a check, correlations fetched ahead of
// need and handed out once. Safe for concurrent use.
type Source struct {
	side
	cfg     SourceConfig
	streams map[canon.CheckID]*stream
	cancel  context.CancelFunc
	loops   sync.WaitGroup

	mu      sync.Mutex
	alarms  uint64
	stopped bool
}

// NewSource starts to fetch correlations for every check of the configuration.
// The caller closes it. Sizes that do not fit are fault.OutOfRange.
func NewSource(cfg SourceConfig) (*Source, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, streams: map[canon.CheckID]*stream{}}
	s.side = side{&s.cfg.Config, compare.Matcher}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, check := range s.Checks {
		if s.streams[check.ID] == nil {
			s.streams[check.ID] = newStream(s, check)
		}
	}
	for _, st := range s.streams {
		s.loops.Go(func() { st.fill(ctx) })
		s.loops.Go(func() { st.expand(ctx) })
	}
	s.loops.Go(func() { s.purge(ctx) })
	s.loops.Go(func() { s.sweepRows(ctx) })
	return s, nil
}

// Take hands out one correlation for each check, in order; a check may be named
// more than once. It waits until there are enough, but not for long, and fails as a
// whole: fault.CorrelationsExhausted when ctx or the wait ends first,
// fault.ChannelStopped after an alarm, fault.UnknownModel for a check that was not
// configured.
func (s *Source) Take(ctx context.Context, checks ...canon.CheckID) ([]*Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Wait)
	defer cancel()
	leases := make([]*Lease, 0, len(checks))
	for _, id := range checks {
		st := s.streams[id]
		if st == nil {
			Release(leases)
			return nil, fault.New(fault.UnknownModel, "no correlations are made for check %v", id)
		}
		l, err := st.take(ctx)
		if err != nil {
			Release(leases)
			return nil, err
		}
		leases = append(leases, l)
	}
	return leases, nil
}

// Lost says that the custodian does not hold a channel (fault.UnknownChannel): it
// was restarted, or dropped it. What is left of it is thrown away, and another is
// opened.
func (s *Source) Lost(id canon.ChannelID) {
	for _, st := range s.streams {
		st.lost(id)
	}
}

// Stats sums up all checks.
func (s *Source) Stats() Stats {
	s.mu.Lock()
	out := Stats{Alarms: s.alarms, Stopped: s.stopped}
	s.mu.Unlock()
	for _, st := range s.streams {
		out.add(st.count())
	}
	return out
}

// Health says why no correlation is handed out: for good, or none of some check at the
// moment. It is nil if there is stock of every check.
func (s *Source) Health() error {
	for _, st := range s.streams {
		if err := st.health(); err != nil {
			return err
		}
	}
	return nil
}

// Close stops fetching, wipes the stock and waits for what is under way. Leases
// stay their holders'.
func (s *Source) Close() {
	s.halt(fault.New(fault.Cancelled, "correlations: closed"))
	s.loops.Wait()
}

// halt ends all handing out with err.
func (s *Source) halt(err error) {
	s.cancel()
	for _, st := range s.streams {
		st.halt(err)
	}
}

// alarm stops everything for good: the matcher has one custodian and one dealer.
func (s *Source) alarm(ctx context.Context, a *accusation) {
	s.mu.Lock()
	s.alarms++
	s.stopped = true
	s.mu.Unlock()
	s.halt(a.stop())
	s.raise(ctx, a)
}

// failed deals with an error of a background loop.
func (s *Source) failed(ctx context.Context, err error) {
	var a *accusation
	if errors.As(err, &a) {
		s.alarm(ctx, a)
		return
	}
	if ctx.Err() == nil {
		s.Report(err)
	}
}

// purge throws away what is too old, also where nothing is taken.
func (s *Source) purge(ctx context.Context) {
	tick := time.NewTicker(max(s.MaxAge/16, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, st := range s.streams {
				st.discardOld()
			}
		}
	}
}

package channel

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// ServerConfig is what the custodian's side needs. It holds at most Channels *
// Batches batches, each of Params.Batch halves of compare.CorrectionsSize bytes and
// a seed (13 KB for 1,024 bits).
type ServerConfig struct {
	Config
	Channels int           // open at a time, over all matcher instances. 0: 16
	Batches  int           // kept a channel, the oldest being dropped for a new one. 0: 4
	Idle     time.Duration // a channel unused for so long is dropped, or sooner if its place is needed. 0: 1 hour
	Ready    int           // kept expanded a channel, of those that come next. 0: 64
}

func (c *ServerConfig) defaults() error {
	if err := c.Config.defaults(); err != nil {
		return err
	}
	c.Channels = or(c.Channels, 16)
	c.Batches = or(c.Batches, 4)
	c.Idle = or(c.Idle, time.Hour)
	c.Ready = or(c.Ready, 64)
	if c.Channels < 1 || c.Batches < 1 || c.Idle < 0 || c.Ready < 1 {
		return fault.New(fault.OutOfRange, "%d channels of %d batches, %d ready, dropped after %v", c.Channels, c.Batches, c.Ready, c.Idle)
	}
	return nil
}

// Server is the custodian's side: it answers the four calls of a Source, and gives
// out its half of each index once. Safe for concurrent use.
type Server struct {
	side
	cfg    ServerConfig
	checks map[canon.CheckID]*code.Check
	cancel context.CancelFunc
	loops  sync.WaitGroup

	mu       sync.Mutex
	cond     *sync.Cond // there may be something to expand, or nothing more
	channels map[canon.ChannelID]*served
	stopped  map[wire.Instance]canon.ChannelID // instances that lied, each with the channel it lied on
	ended    error                             // set once: nothing is served any more
	stats    Stats
}

// served is one open channel. All of it is guarded by Server.mu.
type served struct {
	*conduit
	next    uint64            // batches below were tossed for, whatever came of them
	current *toss             // the batch between toss and sacrifice, or nil
	batches []*dealt          // finished, oldest first
	ready   map[uint64]*Lease // expanded ahead, by index
	used    time.Time         // last call
}

// dealt is a batch that passed cut and choose. A half that was sacrificed, expanded or
// handed out has left its place.
type dealt struct {
	number uint64
	halves []compare.Half
	order  []int // places to expand ahead, in the order of the coin
	left   int   // not handed out yet
	born   time.Time
}

// NewServer serves every check of the configuration. The caller closes it.
func NewServer(cfg ServerConfig) (*Server, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, checks: map[canon.CheckID]*code.Check{}, channels: map[canon.ChannelID]*served{},
		stopped: map[wire.Instance]canon.ChannelID{},
	}
	s.side = side{&s.cfg.Config, compare.Custodian}
	for _, check := range s.Checks {
		s.checks[check.ID] = check
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.cond = cancel, sync.NewCond(&s.mu)
	s.loops.Go(func() { s.sweeps(ctx) })
	s.loops.Go(s.expandAhead)
	s.loops.Go(func() { s.sweepRows(ctx) })
	return s, nil
}

// matcher is the matcher instance that calls.
func matcher(ctx context.Context) (wire.Instance, error) {
	peer := wire.PeerOf(ctx)
	if peer.Role != seal.Matcher {
		return wire.Instance{}, fault.New(fault.NotAllowed, "correlations are between a matcher and a custodian")
	}
	return peer.Instance, nil
}

// OpenChannel agrees on a channel for one check with the matcher instance that
// calls. It takes the place of that instance's earlier channel for the check.
func (s *Server) OpenChannel(ctx context.Context, m *wire.ChannelOpen) (*wire.ChannelOpened, error) {
	instance, err := matcher(ctx)
	if err != nil {
		return nil, err
	}
	if instance != m.Instance {
		return nil, fault.New(fault.NotAllowed, "a matcher opens a channel under another instance's name")
	}
	check := s.checks[m.Check]
	if check == nil {
		return nil, fault.New(fault.UnknownModel, "no check %v", m.Check)
	}
	if int64(m.Batch) != int64(s.Params.Batch) || int64(m.Sacrifice) != int64(s.Params.Sacrifice) {
		return nil, fault.New(fault.OutOfRange, "the matcher opens %d of %d, this custodian %d of %d",
			m.Sacrifice, m.Batch, s.Params.Sacrifice, s.Params.Batch)
	}
	n := names{matcher: instance, custodian: s.Instance, nonce0: m.Nonce, check: m.Check}
	_, _ = rand.Read(n.nonce1[:])
	id := n.id()
	if err := s.admit(instance, m.Check); err != nil {
		return nil, err
	}
	if err := s.record(ctx, audit.Leaf{Operation: audit.OpChannel, Session: canon.Digest(id)}); err != nil {
		return nil, err
	}
	c := newConduit(n, compare.NewChannel(id, check), compare.Custodian)
	s.mu.Lock()
	defer s.mu.Unlock()
	// Others may have opened channels since admit.
	if err := s.room(instance, m.Check); err != nil {
		return nil, err
	}
	s.channels[id] = &served{conduit: c, used: s.Clock(), ready: map[uint64]*Lease{}}
	return &wire.ChannelOpened{Instance: s.Instance, Nonce: n.nonce1}, nil
}

// admit makes room for a channel.
func (s *Server) admit(instance wire.Instance, check canon.CheckID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	return s.room(instance, check)
}

// room drops the channel that a new one replaces, and says whether there is a place.
func (s *Server) room(instance wire.Instance, check canon.CheckID) error {
	if s.ended != nil {
		return s.ended
	}
	if id, ok := s.stopped[instance]; ok {
		return fault.New(fault.ChannelStopped, "an alarm stopped channel %v of this instance", id)
	}
	for _, ch := range s.channels {
		if ch.names.matcher == instance && ch.names.check == check {
			s.drop(ch)
		}
	}
	if len(s.channels) >= s.cfg.Channels && !s.evict() {
		return fault.New(fault.ChannelLimit, "%d channels are open", len(s.channels))
	}
	return nil
}

// quiet is how long a channel is unused before another may have its place, if there is
// no other place.
const quiet = time.Minute

// evict drops the channel that was unused the longest, if it is quiet, and reports
// whether there was one. Each start of a matcher leaves the channels of the start before
// without an owner: a matcher that crashes now and then would fill every place, and be
// refused until the first of them is idle. An owner that is alive after all opens
// another. A stopped channel stays: it keeps its instance out.
func (s *Server) evict() bool {
	var oldest *served
	for _, ch := range s.channels {
		if oldest == nil || ch.used.Before(oldest.used) {
			oldest = ch
		}
	}
	if oldest == nil || s.Clock().Sub(oldest.used) < quiet {
		return false
	}
	s.drop(oldest)
	return true
}

// find is the caller's own channel.
func (s *Server) find(ctx context.Context, id canon.ChannelID) (*served, error) {
	instance, err := matcher(ctx)
	if err != nil {
		return nil, err
	}
	ch := s.channels[id]
	switch {
	case s.ended != nil:
		return nil, s.ended
	case s.stopped[instance] == id && id != canon.ChannelID{}:
		return nil, fault.New(fault.ChannelStopped, "channel %v", id)
	case ch == nil:
		return nil, fault.New(fault.UnknownChannel, "channel %v", id)
	case ch.names.matcher != instance:
		return nil, fault.New(fault.NotAllowed, "channel %v belongs to another matcher instance", id)
	}
	ch.used = s.Clock()
	return ch, nil
}

// Claim hands out this side's half of an index that the calling matcher instance
// names, for a step with the given check. Once: fault.IndexUsed for one that was
// used, sacrificed, dropped or never dealt. Also fault.UnknownChannel,
// fault.NotAllowed for another instance's channel, fault.WrongCheck, and
// fault.ChannelStopped.
func (s *Server) Claim(ctx context.Context, id canon.ChannelID, index uint64, check canon.CheckID) (*Lease, error) {
	ch, l, err := s.claim(ctx, id, index, check)
	if err != nil && ch != nil {
		return nil, s.failed(ctx, ch, err)
	}
	return l, err
}

// claim also gives the channel if its half does not expand.
func (s *Server) claim(ctx context.Context, id canon.ChannelID, index uint64, check canon.CheckID) (*served, *Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.find(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if ch.names.check != check {
		return nil, nil, fault.New(fault.WrongCheck, "channel %v is for check %v, not %v", id, ch.names.check, check)
	}
	size := uint64(s.Params.Batch)
	for i, b := range ch.batches {
		if b.number != index/size || s.tooOld(b) {
			continue
		}
		l := ch.ready[index]
		if l == nil {
			// A matcher that does not go by the coin's order, or faster than expandAhead.
			if l, err = ch.expand(b, int(index%size)); err != nil {
				return ch, nil, err
			}
		}
		if l == nil {
			break
		}
		delete(ch.ready, index)
		s.cond.Signal()
		s.stats.Used++
		if b.left--; b.left == 0 {
			ch.batches = append(ch.batches[:i], ch.batches[i+1:]...)
		}
		return nil, l, nil
	}
	return nil, nil, fault.New(fault.IndexUsed, "correlation %d of channel %v", index, id)
}

// Stats sums up all channels.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	for _, ch := range s.channels {
		out.Channels++
		for _, b := range ch.batches {
			out.Stock += b.left
		}
	}
	return out
}

// Health says why no correlation is handed out any more, or nil.
func (s *Server) Health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Close drops every channel. Leases stay their holders'.
func (s *Server) Close() {
	s.halt(fault.New(fault.Cancelled, "correlations: closed"))
	s.cancel()
	s.loops.Wait()
}

// halt ends all serving with err.
func (s *Server) halt(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = err
	}
	for _, ch := range s.channels {
		s.drop(ch)
	}
	s.cond.Broadcast()
}

// failed turns an accusation into an alarm. A cheating dealer stops everything, a
// lying matcher its channel, and its instance from opening another as long as this
// process runs.
func (s *Server) failed(ctx context.Context, ch *served, err error) error {
	var a *accusation
	if !errors.As(err, &a) {
		return err
	}
	s.mu.Lock()
	s.stats.Alarms++
	s.stats.Stopped = s.stats.Stopped || a.alarm.Accused == seal.Dealer
	s.mu.Unlock()
	if a.alarm.Accused == seal.Dealer {
		s.halt(a.stop())
	} else {
		s.mu.Lock()
		s.drop(ch)
		s.stopped[ch.names.matcher] = ch.ID
		s.mu.Unlock()
	}
	s.raise(ctx, a)
	return err
}

// drop wipes a channel and forgets it.
func (s *Server) drop(ch *served) {
	if ch.current != nil {
		s.abandon(ch.current)
		ch.current = nil
	}
	for _, b := range ch.batches {
		s.discard(ch, b)
	}
	ch.batches = nil
	delete(s.channels, ch.ID)
}

// discard wipes what is left of a batch.
func (s *Server) discard(ch *served, b *dealt) {
	for index, l := range ch.ready {
		if index/uint64(s.Params.Batch) == b.number {
			l.Done()
			delete(ch.ready, index)
		}
	}
	wipe(b.halves)
	s.stats.Discarded += uint64(b.left)
}

// grace is how much longer than the matcher this side keeps a correlation: longer
// than a session, so that what the matcher takes in time is still here.
const grace = 10 * time.Minute

func (s *Server) tooOld(b *dealt) bool { return s.Clock().Sub(b.born) > s.MaxAge+grace }

// sweep drops what is idle, too old or unfinished for too long.
func (s *Server) sweep() {
	now := s.Clock()
	for _, ch := range s.channels {
		if now.Sub(ch.used) > s.cfg.Idle {
			s.drop(ch)
			continue
		}
		if ch.current != nil && now.Sub(ch.current.begun) > s.Timeout {
			s.abandon(ch.current)
			ch.current = nil
		}
		for len(ch.batches) > 0 && s.tooOld(ch.batches[0]) {
			s.discard(ch, ch.batches[0])
			ch.batches = ch.batches[1:]
		}
	}
}

func (s *Server) sweeps(ctx context.Context) {
	tick := time.NewTicker(max(min(s.cfg.Idle, s.Timeout)/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.mu.Lock()
			s.sweep()
			s.mu.Unlock()
		}
	}
}

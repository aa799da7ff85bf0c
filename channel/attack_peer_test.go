package channel

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"nod/audit"
	"nod/audit/audittest"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

func TestOpenChannelRefuses(t *testing.T) {
	w := newWorld(t)
	w.server.Channels = 2
	s := w.startServer(t)
	peer := newPeer(seal.Matcher)
	for name, c := range map[string]struct {
		peer   wire.Peer
		change func(m *wire.ChannelOpen)
		want   fault.Code
	}{
		"nobody":                     {wire.Peer{}, nil, fault.NotAllowed},
		"a client":                   {wire.Peer{Instance: peer.Instance}, nil, fault.NotAllowed},
		"a custodian":                {wire.Peer{Role: seal.Custodian, Instance: peer.Instance}, nil, fault.NotAllowed},
		"another instance's name":    {peer, func(m *wire.ChannelOpen) { m.Instance[0]++ }, fault.NotAllowed},
		"unknown check":              {peer, func(m *wire.ChannelOpen) { m.Check[0]++ }, fault.UnknownModel},
		"another batch":              {peer, func(m *wire.ChannelOpen) { m.Batch++ }, fault.OutOfRange},
		"fewer opened":               {peer, func(m *wire.ChannelOpen) { m.Sacrifice-- }, fault.OutOfRange},
		"more opened than there are": {peer, func(m *wire.ChannelOpen) { m.Sacrifice = 1<<32 - 1 }, fault.OutOfRange},
	} {
		m := w.opening(peer)
		if c.change != nil {
			c.change(m)
		}
		if _, err := s.OpenChannel(wire.WithPeer(t.Context(), c.peer), m); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	w.custodian.log.SetPlan(func(int, audit.Leaf) audittest.Failure { return audittest.NotWritten })
	if _, err := s.OpenChannel(wire.WithPeer(t.Context(), peer), w.opening(peer)); !fault.Is(err, fault.AuditUnavailable) {
		t.Errorf("without a record: %v", err)
	}
	if n := s.Stats().Channels; n != 0 {
		t.Errorf("%d channels are open", n)
	}
	w.custodian.log.SetPlan(nil)
	for range 3 { // one instance has one channel a check: the newest
		if _, err := s.OpenChannel(wire.WithPeer(t.Context(), peer), w.opening(peer)); err != nil {
			t.Fatal(err)
		}
	}
	second := newPeer(seal.Matcher)
	if _, err := s.OpenChannel(wire.WithPeer(t.Context(), second), w.opening(second)); err != nil {
		t.Fatal(err)
	}
	third := newPeer(seal.Matcher)
	if _, err := s.OpenChannel(wire.WithPeer(t.Context(), third), w.opening(third)); !fault.Is(err, fault.ChannelLimit) {
		t.Errorf("beyond the limit: %v", err)
	}
	w.clock.forward(2 * time.Hour)
	if _, err := s.OpenChannel(wire.WithPeer(t.Context(), third), w.opening(third)); err != nil {
		t.Errorf("idle channels keep their place: %v", err)
	}
	if n := s.Stats().Channels; n != 1 {
		t.Errorf("%d channels are open", n)
	}
}

// Only an index of a finished batch, of the caller's own channel, for the channel's
// check, neither sacrificed nor used: everything else is refused.
func TestClaimRefuses(t *testing.T) {
	w := newWorld(t)
	s := w.startServer(t)
	p := w.player(t, s)
	claim := func(peer wire.Peer, id canon.ChannelID, index uint64, check canon.CheckID) error {
		l, err := s.Claim(wire.WithPeer(t.Context(), peer), id, index, check)
		if err == nil {
			l.Done()
		}
		return err
	}
	refused := func(what string, err error, want fault.Code) {
		t.Helper()
		if !fault.Is(err, want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	p.open()
	own := func(index uint64) error { return claim(p.peer, p.c.ID, index, w.check.ID) }
	refused("never dealt", own(0), fault.IndexUsed)
	p.fetch(0)
	p.toss()
	refused("before the coin", own(0), fault.IndexUsed)
	p.reveal()
	refused("before the sacrifice", own(p.index(0)), fault.IndexUsed)
	p.sacrifice()
	for _, i := range p.order[:w.params.Sacrifice] {
		refused("sacrificed", own(uint64(i)), fault.IndexUsed)
	}
	refused("another channel", claim(p.peer, canon.ChannelID{1}, p.index(0), w.check.ID), fault.UnknownChannel)
	refused("another check", claim(p.peer, p.c.ID, p.index(0), w.other.ID), fault.WrongCheck)
	refused("another instance", claim(newPeer(seal.Matcher), p.c.ID, p.index(0), w.check.ID), fault.NotAllowed)
	refused("another role", claim(wire.Peer{Role: seal.Dealer, Instance: p.peer.Instance}, p.c.ID, p.index(0), w.check.ID), fault.NotAllowed)
	refused("the next batch", own(p.index(0)+uint64(w.params.Batch)), fault.IndexUsed)
	refused("far away", own(1<<64-1), fault.IndexUsed)
	if err := own(p.index(0)); err != nil {
		t.Errorf("after all that, the index itself: %v", err)
	}
	refused("used", own(p.index(0)), fault.IndexUsed)
	for k := 1; k < w.params.Batch-w.params.Sacrifice; k++ {
		if err := own(p.index(k)); err != nil {
			t.Fatal(err)
		}
	}
	refused("used, of a batch that is used up", own(p.index(5)), fault.IndexUsed)
	balanced(t, s.Stats())
}

// Messages out of order, again, or of another batch do nothing.
func TestBatchStepsInOrder(t *testing.T) {
	w := newWorld(t)
	s := w.startServer(t)
	p := w.player(t, s)
	p.open()
	ctx := p.as()
	refused := func(what string, err error, want fault.Code) {
		t.Helper()
		if !fault.Is(err, want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	p.fetch(3)
	reveal := func() error { _, err := s.Reveal(ctx, p.revealMessage()); return err }
	sacrifice := func() error {
		_, err := s.Sacrifice(ctx, &wire.BatchSacrifice{Channel: p.c.ID, Batch: p.h.request.Batch})
		return err
	}
	refused("coin before the toss", reveal(), fault.WrongStep)
	refused("seeds before the toss", sacrifice(), fault.WrongStep)
	rootless := p.tossMessage()
	rootless.Root = 0
	_, err := s.Toss(ctx, rootless)
	refused("toss without a root", err, fault.OutOfRange)
	far := p.tossMessage()
	far.Batch = wire.MaxBatches
	_, err = s.Toss(ctx, far)
	refused("toss for a batch that no channel has", err, fault.IndexUsed)
	p.toss()
	_, err = s.Toss(ctx, p.tossMessage())
	refused("toss again", err, fault.IndexUsed)
	refused("seeds before the coin", sacrifice(), fault.WrongStep)
	other := p.revealMessage()
	other.Batch++
	_, err = s.Reveal(ctx, other)
	refused("coin of another batch", err, fault.WrongStep)
	p.reveal()
	refused("coin again", reveal(), fault.WrongStep)
	p.sacrifice()
	refused("seeds again", sacrifice(), fault.WrongStep)

	// A new toss gives up the batch before; its number is gone for good.
	p.fetch(5)
	p.toss()
	first := p.revealMessage()
	p.fetch(6)
	p.toss()
	_, err = s.Reveal(ctx, first)
	refused("coin of a batch that was given up", err, fault.WrongStep)
	p.fetch(4)
	_, err = s.Toss(ctx, p.tossMessage())
	refused("toss for an earlier batch", err, fault.IndexUsed)
	if got := s.Stats(); got.Batches != 1 || got.Failed != 1 || got.Alarms != 0 {
		t.Errorf("%+v", got)
	}
	// A statement that the dealer did not sign proves nothing, and opens nothing.
	p.fetch(7)
	forged := p.tossMessage()
	forged.Digests[0]++
	_, err = s.Toss(ctx, forged)
	refused("toss over a list that nobody signed", err, fault.BadSignature)
	balanced(t, s.Stats())
}

// A matcher that lies is accused, its channel stopped, and its instance may not open
// another. Other instances go on.
func TestLyingMatcher(t *testing.T) {
	for name, lie := range map[string]struct {
		tell func(p *player) error
		want fault.Code
	}{
		"another coin than committed": {func(p *player) error {
			m := p.revealMessage()
			m.Coin[0]++
			_, err := p.to.Reveal(p.t.Context(), m)
			return err
		}, fault.Tampered},
		"another seed": {func(p *player) error {
			p.reveal()
			m := p.sacrificeMessage()
			m.Seeds[len(m.Seeds)-1][31] ^= 1
			_, err := p.to.Sacrifice(p.t.Context(), m)
			return err
		}, fault.PeerSeed},
		"seeds in another order": {func(p *player) error {
			p.reveal()
			m := p.sacrificeMessage()
			m.Seeds[0], m.Seeds[1] = m.Seeds[1], m.Seeds[0]
			_, err := p.to.Sacrifice(p.t.Context(), m)
			return err
		}, fault.PeerSeed},
		"a seed too few": {func(p *player) error {
			p.reveal()
			m := p.sacrificeMessage()
			m.Seeds = m.Seeds[1:]
			_, err := p.to.Sacrifice(p.t.Context(), m)
			return err
		}, fault.PeerSeed},
		"no seeds": {func(p *player) error {
			p.reveal()
			m := p.sacrificeMessage()
			m.Seeds = nil
			_, err := p.to.Sacrifice(p.t.Context(), m)
			return err
		}, fault.PeerSeed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.startServer(t)
			p, honest := w.player(t, s), w.player(t, s)
			honest.whole(0)
			p.whole(0)
			p.fetch(1)
			p.toss()
			if err := lie.tell(p); !fault.Is(err, lie.want) {
				t.Errorf("got %v, want %s", err, lie.want)
			}
			alarm := w.custodian.alarm(t)
			if alarm.Accused != seal.Matcher || alarm.Code != lie.want || alarm.Channel != p.c.ID || alarm.Evidence != nil {
				t.Errorf("alarm %+v", alarm)
			}
			if w.custodian.log.Counts()[audit.OpAlarm] != 1 {
				t.Error("the alarm is not recorded")
			}
			if _, err := s.Claim(p.as(), p.c.ID, p.index(0), w.check.ID); !fault.Is(err, fault.ChannelStopped) {
				t.Errorf("the channel goes on: %v", err)
			}
			if _, err := p.to.OpenChannel(t.Context(), w.opening(p.peer)); !fault.Is(err, fault.ChannelStopped) {
				t.Errorf("the instance may open another: %v", err)
			}
			l, err := s.Claim(honest.as(), honest.c.ID, honest.index(0), w.check.ID)
			if err != nil {
				t.Fatalf("another instance cannot go on: %v", err)
			}
			l.Done()
			balanced(t, s.Stats())
		})
	}
}

// between lets a test change what the custodian answers.
type between struct {
	Custodian
	opened     func(*wire.ChannelOpened)
	tossed     func(*wire.BatchTossed) error
	revealed   func(*wire.BatchRevealed) error
	sacrificed func(*wire.BatchSacrificed) error
}

func (b *between) OpenChannel(ctx context.Context, m *wire.ChannelOpen) (*wire.ChannelOpened, error) {
	a, err := b.Custodian.OpenChannel(ctx, m)
	if err == nil && b.opened != nil {
		b.opened(a)
	}
	return a, err
}

func (b *between) Toss(ctx context.Context, m *wire.BatchToss) (*wire.BatchTossed, error) {
	a, err := b.Custodian.Toss(ctx, m)
	if err == nil && b.tossed != nil {
		err = b.tossed(a)
	}
	return a, err
}

func (b *between) Reveal(ctx context.Context, m *wire.BatchReveal) (*wire.BatchRevealed, error) {
	a, err := b.Custodian.Reveal(ctx, m)
	if err == nil && b.revealed != nil {
		err = b.revealed(a)
	}
	return a, err
}

func (b *between) Sacrifice(ctx context.Context, m *wire.BatchSacrifice) (*wire.BatchSacrificed, error) {
	a, err := b.Custodian.Sacrifice(ctx, m)
	if err == nil && b.sacrificed != nil {
		err = b.sacrificed(a)
	}
	return a, err
}

// line leads to a custodian that can be replaced.
type line struct {
	mu sync.Mutex
	to Custodian
}

func (l *line) swap(to Custodian) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
}

func (l *line) custodian() Custodian {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to
}

func (l *line) OpenChannel(ctx context.Context, m *wire.ChannelOpen) (*wire.ChannelOpened, error) {
	return l.custodian().OpenChannel(ctx, m)
}

func (l *line) Toss(ctx context.Context, m *wire.BatchToss) (*wire.BatchTossed, error) {
	return l.custodian().Toss(ctx, m)
}

func (l *line) Reveal(ctx context.Context, m *wire.BatchReveal) (*wire.BatchRevealed, error) {
	return l.custodian().Reveal(ctx, m)
}

func (l *line) Sacrifice(ctx context.Context, m *wire.BatchSacrifice) (*wire.BatchSacrificed, error) {
	return l.custodian().Sacrifice(ctx, m)
}

// A custodian that lies is accused, and the matcher's side stops for good.
func TestLyingCustodian(t *testing.T) {
	for name, lie := range map[string]struct {
		b    between
		want fault.Code
	}{
		"another coin than committed": {between{revealed: func(m *wire.BatchRevealed) error { m.Coin[0]++; return nil }}, fault.Tampered},
		"another commitment":          {between{tossed: func(m *wire.BatchTossed) error { m.Commitment[0]++; return nil }}, fault.Tampered},
		"another seed":                {between{sacrificed: func(m *wire.BatchSacrificed) error { m.Seeds[3][9] ^= 8; return nil }}, fault.PeerSeed},
		"a seed too few":              {between{sacrificed: func(m *wire.BatchSacrificed) error { m.Seeds = m.Seeds[1:]; return nil }}, fault.PeerSeed},
		"a seed too many":             {between{sacrificed: func(m *wire.BatchSacrificed) error { m.Seeds = append(m.Seeds, m.Seeds[0]); return nil }}, fault.PeerSeed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.between = func(c Custodian) Custodian { lie.b.Custodian = c; return &lie.b }
			source, _, _ := w.start(t)
			if _, err := source.Take(soon(t), w.check.ID); !fault.Is(err, fault.ChannelStopped) {
				t.Fatalf("got %v", err)
			}
			if a := w.matcher.alarm(t); a.Accused != seal.Custodian || a.Code != lie.want {
				t.Errorf("alarm %+v", a)
			}
			if s := source.Stats(); s.Batches != 0 || !s.Stopped {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A toss that is aborted at any step discards the batch: its number is not used
// again, and nothing of it is handed out.
func TestAbortedTossDiscardsTheBatch(t *testing.T) {
	lost := fault.New(fault.Cancelled, "the answer is lost")
	for name, step := range map[string]func(b *between, f func() error){
		"toss":      func(b *between, f func() error) { b.tossed = func(*wire.BatchTossed) error { return f() } },
		"reveal":    func(b *between, f func() error) { b.revealed = func(*wire.BatchRevealed) error { return f() } },
		"sacrifice": func(b *between, f func() error) { b.sacrificed = func(*wire.BatchSacrificed) error { return f() } },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.checks = []*code.Check{w.check}
			n := 0
			w.between = func(c Custodian) Custodian {
				b := &between{Custodian: c}
				step(b, func() error {
					if n++; n <= 2 {
						return lost
					}
					return nil
				})
				return b
			}
			source, server, peer := w.start(t)
			for range 30 { // more than a batch
				l := w.takeOne(t, source)
				if batch := l.Index / uint64(w.params.Batch); batch < 2 {
					t.Errorf("index %d of aborted batch %d is handed out", l.Index, batch)
				}
				theirs, err := server.Claim(wire.WithPeer(t.Context(), peer), l.Channel, l.Index, w.check.ID)
				if err != nil {
					t.Fatal(err)
				}
				theirs.Done()
				l.Done()
			}
			if s := source.Stats(); s.Failed != 2 || s.Alarms != 0 {
				t.Errorf("%+v", s)
			}
			balanced(t, source.Stats())
			balanced(t, server.Stats())
		})
	}
}

// A custodian that answers as it did in an earlier channel does not bring that
// channel back: the matcher's nonce is new each time.
func TestReplayedOpening(t *testing.T) {
	w := newWorld(t)
	w.checks = []*code.Check{w.check}
	ids := map[canon.ChannelID]bool{}
	w.between = func(c Custodian) Custodian {
		return &between{Custodian: c, opened: func(m *wire.ChannelOpened) { *m = wire.ChannelOpened{} }}
	}
	w.source.Retry = time.Microsecond
	source, _, _ := w.start(t)
	// The custodian holds another channel than the matcher computes, so every toss
	// fails and a channel is opened anew.
	eventually(t, "several channels", func() bool {
		st := source.streams[w.check.ID]
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.channel != nil {
			ids[st.channel.ID] = true
		}
		return len(ids) >= 3
	})
	if s := source.Stats(); s.Dealt != 0 {
		t.Errorf("%+v", s)
	}
}

// [A] An index used twice shows the matcher the difference of the custodian's two
// shares, and with it of two probes. Claim gives it once; the twin is the same half
// loaded twice.
func TestIndexReuseIsRefused(t *testing.T) {
	w := newWorld(t)
	s := w.startServer(t)
	p := w.player(t, s)
	p.whole(0)
	secret := [2]code.Code{{0x1111111111111111}, {0x7531fdb97531fdb9}}
	want := secret[0].Clone()
	want.Xor(secret[1])

	// answers gives the custodian's masked shares of both secrets, as a matcher sees
	// them, under the half that claim hands out.
	attack := func(claim func() (*compare.Ready, error)) (code.Code, error) {
		got := code.NewCode(64)
		for _, u1 := range secret {
			ready, err := claim()
			if err != nil {
				return nil, err
			}
			m1, m2 := compare.M1{C: code.NewCode(64)}, compare.M2{C: code.NewCode(64)}
			if err := ready.Answer(u1, w.check.MinT, &m1, &m2); err != nil {
				t.Fatal(err)
			}
			got.Xor(m2.C)
		}
		return got, nil
	}

	_, err := attack(func() (*compare.Ready, error) {
		l, err := s.Claim(p.as(), p.c.ID, p.index(0), w.check.ID)
		if err != nil {
			return nil, err
		}
		return l.Ready, nil
	})
	if !fault.Is(err, fault.IndexUsed) {
		t.Errorf("an index can be used twice: %v", err)
	}
	s.mu.Lock()
	half := s.channels[p.c.ID].batches[0].halves[p.index(1)]
	s.mu.Unlock()
	got, err := attack(func() (*compare.Ready, error) {
		ready := compare.NewReady(p.c.Channel, compare.Custodian)
		return ready, ready.Load(p.index(1), &half)
	})
	if err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("twin: the attacker must win: got %v, %v", got, err)
	}
}

// The custodian's memory is bounded: what is idle, unfinished for too long, or one
// batch too many is wiped.
func TestServerForgets(t *testing.T) {
	w := newWorld(t)
	w.server.Batches = 2
	s := w.startServer(t)
	p := w.player(t, s)
	p.whole(0)
	oldest := p.index(0)
	s.mu.Lock()
	kept := s.channels[p.c.ID].batches[0].halves[oldest]
	s.mu.Unlock()
	p.whole(1)
	p.whole(2)
	if _, err := s.Claim(p.as(), p.c.ID, oldest, w.check.ID); !fault.Is(err, fault.IndexUsed) {
		t.Errorf("a batch too many is kept: %v", err)
	}
	if !bytes.Equal(kept.Corrections, make([]byte, len(kept.Corrections))) {
		t.Error("a dropped half is not wiped")
	}
	p.fetch(3)
	p.toss()
	w.clock.forward(3 * time.Minute)
	sweep := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sweep()
	}
	sweep()
	if _, err := s.Reveal(p.as(), p.revealMessage()); !fault.Is(err, fault.WrongStep) {
		t.Errorf("an unfinished batch is kept: %v", err)
	}
	if l, err := s.Claim(p.as(), p.c.ID, p.h.list.First()-uint64(w.params.Batch)+uint64(p.order[w.params.Sacrifice]), w.check.ID); err != nil {
		t.Errorf("a finished one is not: %v", err)
	} else {
		l.Done()
	}
	w.clock.forward(time.Hour + time.Second)
	sweep()
	if _, err := s.Claim(p.as(), p.c.ID, p.index(1), w.check.ID); !fault.Is(err, fault.UnknownChannel) {
		t.Errorf("an idle channel is kept: %v", err)
	}
	if got := s.Stats(); got.Channels != 0 || got.Stock != 0 || got.Failed != 1 {
		t.Errorf("%+v", got)
	}
	balanced(t, s.Stats())
}

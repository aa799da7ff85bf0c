package channel

import (
	"sync/atomic"
	"testing"
	"time"

	"nod/audit"
	"nod/audit/audittest"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/seal"
	"nod/fault"
	"nod/store/storetest"
	"nod/wire"
)

// A custodian that was restarted over its store knows no old channel. The matcher
// opens a new one, and goes on.
func TestCustodianRestarts(t *testing.T) {
	w := newWorld(t)
	w.checks = []*code.Check{w.check}
	first := w.startServer(t)
	second := w.startServer(t)
	peer := newPeer(seal.Matcher)
	current := &line{to: connect(first, peer)}
	cfg := w.source
	cfg.Config = w.config(w.matcher, peer)
	cfg.Custodian = current
	source, err := NewSource(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	old := w.takeOne(t, source)
	unused := w.takeOne(t, source)

	first.Close()
	current.swap(connect(second, peer))
	ctx := wire.WithPeer(t.Context(), peer)
	if _, err := second.Claim(ctx, old.Channel, old.Index, w.check.ID); !fault.Is(err, fault.UnknownChannel) {
		t.Errorf("an old channel after a restart: %v", err)
	}
	source.Lost(old.Channel)
	source.Lost(old.Channel) // of no effect
	fresh := w.takeOne(t, source)
	if fresh.Channel == old.Channel {
		t.Error("the old channel is handed out")
	}
	if l, err := second.Claim(ctx, fresh.Channel, fresh.Index, w.check.ID); err != nil {
		t.Error(err)
	} else {
		l.Done()
	}
	Release([]*Lease{old, unused, fresh})
	balanced(t, source.Stats())
	if s := source.Stats(); s.Discarded == 0 || s.Channels != 1 {
		t.Errorf("%+v", s)
	}
}

// A matcher whose transport tells that it reaches another custodian throws the old
// channel away before anything of it is handed out.
func TestCustodianIsAnotherProcess(t *testing.T) {
	w := newWorld(t)
	w.checks = []*code.Check{w.check}
	first, second := w.startServer(t), w.startServer(t)
	peer := newPeer(seal.Matcher)
	current := &line{to: connect(first, peer)}
	var reached atomic.Pointer[wire.Instance]
	reached.Store(&wire.Instance{1})
	cfg := w.source
	cfg.Config = w.config(w.matcher, peer)
	cfg.Custodian, cfg.Reaches = current, func() wire.Instance { return *reached.Load() }
	source, err := NewSource(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	old := w.takeOne(t, source)
	first.Close()
	current.swap(connect(second, peer))
	reached.Store(&wire.Instance{2})
	fresh := w.takeOne(t, source)
	if fresh.Channel == old.Channel {
		t.Error("a correlation of a custodian that is gone is handed out")
	}
	l, err := second.Claim(wire.WithPeer(t.Context(), peer), fresh.Channel, fresh.Index, w.check.ID)
	if err != nil {
		t.Fatal(err)
	}
	Release([]*Lease{old, fresh, l})
	balanced(t, source.Stats())
}

// A matcher that was restarted is another instance: it cannot go on with the old
// one's channel, and nothing is left of it there.
func TestMatcherRestarts(t *testing.T) {
	w := newWorld(t)
	server := w.startServer(t)
	first, _ := w.startSource(t, server)
	old := w.takeOne(t, first)
	index, id := old.Index, old.Channel
	old.Done()
	first.Close()
	second, peer := w.startSource(t, server)
	fresh := w.takeOne(t, second)
	defer fresh.Done()
	if fresh.Channel == id {
		t.Error("the old channel is handed out")
	}
	if _, err := server.Claim(wire.WithPeer(t.Context(), peer), id, index, w.check.ID); !fault.Is(err, fault.NotAllowed) {
		t.Errorf("the old instance's channel: %v", err)
	}
}

// A batch is fetched once ever by each party: a process that comes back with the
// same names and nonces, as after a restored memory image, is stopped by the row in
// its store. The twin has lost that row, and gets the same halves again.
func TestBatchIsFetchedOnceEver(t *testing.T) {
	w := newWorld(t)
	server := w.startServer(t)
	p := w.player(t, server)
	p.open()
	p.fetch(0)
	before := p.h.halves[5].Seed
	again, err := p.side.fetch(t.Context(), p.c, 0, 0)
	if !fault.Is(err, fault.IndexUsed) || again != nil {
		t.Errorf("a batch is fetched twice: %v", err)
	}
	forgetful := p.side
	cfg := *p.side.Config
	cfg.Store = newRole(t).store
	forgetful.Config = &cfg
	twin, err := forgetful.fetch(t.Context(), p.c, 0, 0)
	if err != nil || !twin.halves[5].Seed.Equal(&before) {
		t.Errorf("twin: without the row the same halves must come again: %v", err)
	}

	// The custodian's side, whose matcher asks for a batch again.
	custodian := side{server.Config, compare.Custodian}
	custodianCfg := *server.Config
	peer := wire.Peer{Role: seal.Custodian, Instance: server.Instance}
	custodianCfg.Dealer = wire.DealerClient{Caller: wire.InProcess(wire.ServeDealer(w.dealer, nil), peer)}
	custodian.Config = &custodianCfg
	c := newConduit(p.c.names, p.c.Channel, compare.Custodian)
	if _, err := custodian.fetch(t.Context(), c, 0, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := custodian.fetch(t.Context(), c, 0, 1); !fault.Is(err, fault.IndexUsed) {
		t.Errorf("a batch is fetched twice: %v", err)
	}
}

// If the row cannot be written, or may have been, the batch is not fetched, and its
// number is given up.
func TestNoRowNoFetch(t *testing.T) {
	for name, failure := range map[string]storetest.Failure{"not persisted": storetest.NotPersisted, "reply lost": storetest.ReplyLost} {
		for victim, pick := range map[string]func(w *world) *role{
			"matcher":   func(w *world) *role { return w.matcher },
			"custodian": func(w *world) *role { return w.custodian },
		} {
			t.Run(name+", "+victim, func(t *testing.T) {
				w := newWorld(t)
				w.checks = []*code.Check{w.check}
				pick(w).store.SetPlan(storetest.Nth(storetest.Apply, 1, failure))
				source, server, peer := w.start(t)
				l := w.takeOne(t, source)
				defer l.Done()
				if batch := l.Index / uint64(w.params.Batch); batch != 1 {
					t.Errorf("batch %d is used; the number of the first is to be given up", batch)
				}
				theirs, err := server.Claim(wire.WithPeer(t.Context(), peer), l.Channel, l.Index, w.check.ID)
				if err != nil {
					t.Fatal(err)
				}
				theirs.Done()
				if s := source.Stats(); s.Failed != 1 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

// A channel that cannot be recorded is not used.
func TestNoRecordNoChannel(t *testing.T) {
	w := newWorld(t)
	w.checks = []*code.Check{w.check}
	w.matcher.log.SetPlan(func(n int, _ audit.Leaf) audittest.Failure {
		if n <= 2 {
			return audittest.ReplyLost
		}
		return audittest.Pass
	})
	source, _, _ := w.start(t)
	w.takeOne(t, source).Done()
	if s := source.Stats(); s.Failed != 2 || s.Channels != 1 {
		t.Errorf("%+v", s)
	}
	if n := w.matcher.log.Counts()[audit.OpChannel]; n != 3 {
		t.Errorf("%d channels are recorded, 2 of them not answered for", n)
	}
}

// An alarm that cannot be recorded is told all the same, and stops everything.
func TestAlarmWithoutRecord(t *testing.T) {
	w := newWorld(t)
	newCrooked(w).spoil = spoilAll
	w.matcher.log.SetPlan(func(_ int, leaf audit.Leaf) audittest.Failure {
		if leaf.Operation == audit.OpAlarm {
			return audittest.NotWritten
		}
		return audittest.Pass
	})
	source, _, _ := w.start(t)
	if _, err := source.Take(soon(t), w.check.ID); !fault.Is(err, fault.ChannelStopped) {
		t.Fatal(err)
	}
	if a := w.matcher.alarm(t); a.Accused != seal.Dealer {
		t.Errorf("alarm %+v", a)
	}
	if !w.matcher.reported(fault.AuditUnavailable) {
		t.Error("that it is not recorded is not told")
	}
}

// Rows go when they have expired, and not before.
func TestRowsExpire(t *testing.T) {
	w := newWorld(t)
	p := w.player(t, w.startServer(t))
	p.open()
	p.fetch(0)
	w.clock.forward(RowLife - time.Minute)
	p.fetch(1)
	rows := func() int {
		t.Helper()
		p.side.sweepOnce(t.Context())
		entries, err := w.matcher.store.Partition(t.Context(), Table, p.c.ID[:], nil, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if n := rows(); n != 2 {
		t.Errorf("%d rows before the first expires", n)
	}
	w.clock.forward(2 * time.Minute)
	if n := rows(); n != 1 {
		t.Errorf("%d rows after the first expired", n)
	}
	if _, err := p.side.fetch(t.Context(), p.c, 1, 0); !fault.Is(err, fault.IndexUsed) {
		t.Errorf("a batch is fetched twice: %v", err)
	}
}

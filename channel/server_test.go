package channel

import (
	"bytes"
	"testing"
	"time"

	"nod/audit"
	"nod/audit/audittest"
	"nod/crypto/canon"
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
	// A matcher that was restarted needs the place of what it was before.
	w.clock.forward(2 * time.Minute)
	if _, err := s.OpenChannel(wire.WithPeer(t.Context(), third), w.opening(third)); err != nil {
		t.Errorf("quiet channels keep their place though there is no other: %v", err)
	}
	if n := s.Stats().Channels; n != 2 {
		t.Errorf("%d channels are open: more than one was dropped for one place", n)
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

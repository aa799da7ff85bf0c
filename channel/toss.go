package channel

import (
	"context"
	"time"

	"nod/crypto/canon"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/fault"
	"nod/wire"
)

// step is how far a batch is on the custodian's side.
type step int

const (
	fetching step = iota
	tossed        // both have committed
	revealed      // both coins are open
	finished
)

// toss is a batch between the custodian's commitment and its sacrifice. While a call
// works on it (busy), only that call touches it.
type toss struct {
	number     uint64
	begun      time.Time
	step       step
	busy       bool
	hand       *hand
	coin       cut.Coin
	commitment canon.Digest // the matcher's
	order      []int
}

// abandon gives up a batch that did not come to its end.
func (s *Server) abandon(t *toss) {
	s.stats.Failed++
	if !t.busy && t.hand != nil {
		t.hand.wipe()
	}
}

// enter takes the channel's current batch for one call, which must be at a step.
func (s *Server) enter(ctx context.Context, m *wire.BatchReveal, at step) (*served, *toss, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.find(ctx, m.Channel)
	if err != nil {
		return nil, nil, err
	}
	t := ch.current
	if t == nil || t.busy || t.number != m.Batch || t.step != at {
		return nil, nil, fault.New(fault.WrongStep, "batch %d of channel %v is not at this step", m.Batch, m.Channel)
	}
	t.busy = true
	return ch, t, nil
}

// leave ends a call's work on a batch. A failed batch comes to nothing, and so does
// one that was given up meanwhile.
func (s *Server) leave(ctx context.Context, ch *served, t *toss, next step, err error) error {
	s.settle(ch, t, next, &err)
	return s.failed(ctx, ch, err)
}

func (s *Server) settle(ch *served, t *toss, next step, err *error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.busy, t.step = false, next
	if ch.current != t { // given up, and counted as such
		if t.hand != nil {
			t.hand.wipe()
		}
		if *err == nil {
			*err = fault.New(fault.WrongStep, "batch %d of channel %v was given up", t.number, ch.ID)
		}
		return
	}
	if *err != nil {
		s.abandon(t)
	}
	if *err != nil || next == finished {
		ch.current = nil
	}
	if *err == nil && next == finished {
		s.activate(ch, t)
	}
}

// activate makes a batch that passed usable, and drops the oldest if there are too
// many.
func (s *Server) activate(ch *served, t *toss) {
	s.stats.finished(s.Params.Batch, s.Params.Sacrifice)
	ch.batches = append(ch.batches, &dealt{
		number: t.number, halves: t.hand.halves, order: t.order[s.Params.Sacrifice:], left: s.usable(), born: t.hand.born,
	})
	if len(ch.batches) > s.cfg.Batches {
		s.discard(ch, ch.batches[0])
		ch.batches = ch.batches[1:]
	}
	s.cond.Signal()
}

// Toss fetches this side's halves of the batch that the matcher names, and commits
// to a coin. A batch of the channel that is not finished is given up.
func (s *Server) Toss(ctx context.Context, m *wire.BatchToss) (*wire.BatchTossed, error) {
	ch, t, err := s.begin(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := s.leave(ctx, ch, t, tossed, s.toss(ctx, ch, t, m)); err != nil {
		return nil, err
	}
	return &wire.BatchTossed{Commitment: t.coin.Commit(compare.Custodian, t.hand.hash)}, nil
}

func (s *Server) begin(ctx context.Context, m *wire.BatchToss) (*served, *toss, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.find(ctx, m.Channel)
	if err != nil {
		return nil, nil, err
	}
	if m.Batch < ch.next || m.Batch >= wire.MaxBatches {
		return nil, nil, fault.New(fault.IndexUsed, "batch %d of channel %v, the next is %d", m.Batch, m.Channel, ch.next)
	}
	if m.Root == 0 {
		return nil, nil, fault.New(fault.OutOfRange, "a toss that names no version of the dealer's root key")
	}
	if ch.current != nil {
		s.abandon(ch.current)
	}
	ch.next = m.Batch + 1
	ch.current = &toss{number: m.Batch, begun: s.Clock(), step: fetching, busy: true, coin: cut.NewCoin(), commitment: m.Commitment}
	return ch, ch.current, nil
}

func (s *Server) toss(ctx context.Context, ch *served, t *toss, m *wire.BatchToss) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	theirs := SignedList{
		Statement: cut.Statement{Root: m.Root, Channel: m.Channel, Batch: m.Batch, Size: uint32(s.Params.Batch), Digests: m.Digests},
		Identity:  m.Identity, Signature: m.Signature,
	}
	if err := theirs.Verify(s.Bundle); err != nil {
		return err
	}
	h, err := s.fetch(ctx, ch.conduit, m.Batch, m.Root)
	if err != nil {
		return err
	}
	t.hand = h
	if h.signed.Statement.Contradicts(&theirs.Statement) {
		return ch.accuseDealer(h.list.First(), fault.New(fault.DealerCheated, "two lists for batch %d", m.Batch),
			&Evidence{Request: h.request, Lists: []SignedList{theirs, h.signed}, Index: h.list.First()})
	}
	return nil
}

// Reveal checks the matcher's coin against its commitment and opens this side's.
func (s *Server) Reveal(ctx context.Context, m *wire.BatchReveal) (*wire.BatchRevealed, error) {
	ch, t, err := s.enter(ctx, m, tossed)
	if err != nil {
		return nil, err
	}
	theirs := cut.Coin(m.Coin)
	err = cut.CheckOpening(compare.Matcher, t.hand.hash, t.commitment, &theirs)
	if err != nil {
		err = ch.accusePeer(t.hand.list.First(), err)
	} else {
		sigma := cut.Sigma(t.hand.hash, &theirs, &t.coin)
		t.order = cut.Order(&sigma, s.Params.Batch)
	}
	if err := s.leave(ctx, ch, t, revealed, err); err != nil {
		return nil, err
	}
	return &wire.BatchRevealed{Coin: t.coin}, nil
}

// Sacrifice swaps the seeds of the correlations that the coin chose, and judges
// them. If it is the dealer that cheated, the matcher still gets this side's seeds,
// so that it sees the same; nothing of the batch is used.
func (s *Server) Sacrifice(ctx context.Context, m *wire.BatchSacrifice) (*wire.BatchSacrificed, error) {
	ch, t, err := s.enter(ctx, &wire.BatchReveal{Channel: m.Channel, Batch: m.Batch}, revealed)
	if err != nil {
		return nil, err
	}
	chosen := t.order[:s.Params.Sacrifice]
	own := t.hand.open(chosen)
	err = s.leave(ctx, ch, t, finished, t.hand.judge(ch.conduit, chosen, own, m.Seeds))
	if err != nil && !fault.Is(err, fault.DealerCheated) {
		return nil, err
	}
	return &wire.BatchSacrificed{Seeds: own}, nil
}

package channel

import (
	"context"
	"sync"
	"time"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/fault"
)

// stream is the matcher's correlations for one check. One goroutine fetches
// batches, one expands halves; takers wait on cond.
type stream struct {
	src   *Source
	check *code.Check

	mu      sync.Mutex
	cond    *sync.Cond
	channel *conduit // nil until it is opened, and after it is lost
	next    uint64   // number of the channel's next batch
	batches []*batch // compact halves, oldest first
	left    int      // of those, not expanded yet
	ready   []*Lease // expanded, oldest first
	filling bool     // between the marks, on the way up
	ended   error    // set once: nothing is handed out any more
	last    error    // of the last batch, nil if it succeeded
	stats   Stats
}

// batch is what is left of one that passed cut and choose.
type batch struct {
	channel *conduit
	first   uint64 // index of its first correlation
	halves  []compare.Half
	order   []int // places still to use, in the order of the coin
	born    time.Time
}

func newStream(s *Source, check *code.Check) *stream {
	st := &stream{src: s, check: check}
	st.cond = sync.NewCond(&st.mu)
	return st
}

func (st *stream) stock() int { return st.left + len(st.ready) }

// wait blocks until reached holds, with st.mu held by the caller. It reports false
// when the stream has ended or ctx has.
func (st *stream) wait(ctx context.Context, reached func() bool) bool {
	if st.ended == nil && reached() {
		return true
	}
	defer context.AfterFunc(ctx, func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.cond.Broadcast()
	})()
	for {
		switch {
		case st.ended != nil || ctx.Err() != nil:
			return false
		case reached():
			return true
		}
		st.cond.Wait()
	}
}

// take hands out the oldest expanded correlation.
func (st *stream) take(ctx context.Context) (*Lease, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for st.wait(ctx, func() bool { st.look(); return len(st.ready) > 0 }) {
		l := st.ready[0]
		st.ready[0] = nil // no reference stays behind
		st.ready = st.ready[1:]
		st.cond.Broadcast()
		if st.tooOld(l.born) {
			l.Done()
			st.stats.Discarded++
			continue
		}
		st.stats.Used++
		return l, nil
	}
	return nil, st.exhausted()
}

// exhausted is why nothing can be handed out, with st.mu held.
func (st *stream) exhausted() error {
	switch {
	case st.ended != nil:
		return st.ended
	case st.last != nil:
		return fault.New(fault.CorrelationsExhausted, "none for check %v; the last batch failed: %w", st.check.ID, st.last)
	}
	return fault.New(fault.CorrelationsExhausted, "none for check %v", st.check.ID)
}

func (st *stream) health() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.look()
	if st.ended == nil && st.stock() > 0 {
		return nil
	}
	return st.exhausted()
}

// fill fetches batches until ctx ends.
func (st *stream) fill(ctx context.Context) {
	pause := st.src.cfg.Retry
	for {
		st.mu.Lock()
		want := st.wait(ctx, st.short)
		st.mu.Unlock()
		if !want {
			return
		}
		b, err := st.exchange(ctx)
		if err == nil {
			st.add(b)
			pause = st.src.cfg.Retry
			continue
		}
		st.mu.Lock()
		st.stats.Failed++
		st.last = err
		st.mu.Unlock()
		st.src.failed(ctx, err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, 16*st.src.cfg.Retry)
		}
	}
}

// short reports whether a batch should be fetched.
func (st *stream) short() bool {
	if st.stock() < st.src.cfg.Low {
		st.filling = true
	}
	if st.stock()+st.src.usable() > st.src.cfg.High {
		st.filling = false
	}
	return st.filling
}

func (st *stream) add(b *batch) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.last = nil
	st.stats.finished(len(b.halves), len(b.halves)-len(b.order))
	if st.ended != nil || st.channel != b.channel {
		st.discard(b)
		return
	}
	st.batches = append(st.batches, b)
	st.left += len(b.order)
	st.cond.Broadcast()
}

// expand keeps a bounded number of correlations expanded, off anybody's path.
func (st *stream) expand(ctx context.Context) {
	for {
		b, place, half, ok := st.pop(ctx)
		if !ok {
			return
		}
		l, err := b.channel.lease(b.first+uint64(place), &half, b.born)
		if err != nil {
			st.mu.Lock()
			st.left--
			st.stats.Discarded++
			st.mu.Unlock()
			st.src.failed(ctx, err)
			continue
		}
		st.offer(l)
	}
}

// pop takes the next compact half out of the stock. It stays counted as left until
// it is expanded.
func (st *stream) pop(ctx context.Context) (b *batch, place int, half compare.Half, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.wait(ctx, func() bool { return len(st.batches) > 0 && len(st.ready) < st.src.cfg.Ready }) {
		return nil, 0, half, false
	}
	b = st.batches[0]
	place, b.order = b.order[0], b.order[1:]
	half, b.halves[place] = b.halves[place], compare.Half{}
	if len(b.order) == 0 {
		st.batches = st.batches[1:]
	}
	return b, place, half, true
}

func (st *stream) offer(l *Lease) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.left--
	if st.ended != nil || st.channel != l.from {
		l.Done()
		st.stats.Discarded++
		return
	}
	st.ready = append(st.ready, l)
	st.cond.Broadcast()
}

// lost throws away a channel that the custodian does not hold.
func (st *stream) lost(id canon.ChannelID) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.channel != nil && st.channel.ID == id {
		st.channel = nil
		st.empty()
	}
}

// look throws away a channel whose custodian is another process by now, with st.mu held.
func (st *stream) look() {
	if st.channel != nil && st.channel.reached != st.src.cfg.Reaches() {
		st.channel = nil
		st.empty()
	}
}

func (st *stream) halt(err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ended == nil {
		st.ended = err
	}
	st.channel = nil
	st.empty()
}

// empty wipes the stock.
func (st *stream) empty() {
	for _, b := range st.batches {
		st.left -= len(b.order)
		st.discard(b)
	}
	for _, l := range st.ready {
		l.Done()
		st.stats.Discarded++
	}
	st.batches, st.ready = nil, nil
	st.cond.Broadcast()
}

func (st *stream) discard(b *batch) {
	wipe(b.halves)
	st.stats.Discarded += uint64(len(b.order))
	b.order = nil
}

func (st *stream) tooOld(born time.Time) bool { return st.src.Clock().Sub(born) > st.src.MaxAge }

// discardOld wipes what was fetched more than MaxAge ago.
func (st *stream) discardOld() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for len(st.ready) > 0 && st.tooOld(st.ready[0].born) {
		st.ready[0].Done()
		st.ready = st.ready[1:]
		st.stats.Discarded++
	}
	for len(st.batches) > 0 && st.tooOld(st.batches[0].born) {
		st.left -= len(st.batches[0].order)
		st.discard(st.batches[0])
		st.batches = st.batches[1:]
	}
	st.cond.Broadcast()
}

func (st *stream) count() Stats {
	st.mu.Lock()
	defer st.mu.Unlock()
	out := st.stats
	out.Stock = st.stock()
	if st.channel != nil {
		out.Channels = 1
	}
	return out
}

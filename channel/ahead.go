package channel

import (
	"context"

	"nod/crypto/compare"
)

// expand takes the half at a place of a batch and expands it; nil if it has left its
// place. Server.mu is held: the few microseconds keep a half from being between its
// place and its lease where somebody may look for it.
func (ch *served) expand(b *dealt, place int) (*Lease, error) {
	half := b.halves[place]
	if half.Corrections == nil {
		return nil, nil
	}
	b.halves[place] = compare.Half{}
	return ch.lease(b.number*uint64(len(b.halves))+uint64(place), &half, b.born)
}

// expandAhead keeps the next correlations of every channel expanded, off anybody's
// path, until the server halts. The matcher uses them in the order of the coin, which
// both sides know.
func (s *Server) expandAhead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.ended == nil {
		ch, err := s.expandOne()
		switch {
		case err != nil:
			s.mu.Unlock()
			_ = s.failed(context.Background(), ch, err) // it becomes an alarm
			s.mu.Lock()
		case ch == nil:
			s.cond.Wait()
		}
	}
}

// expandOne expands the next correlation of some channel that has too few; nil if none
// has. mu is held.
func (s *Server) expandOne() (*served, error) {
	for _, ch := range s.channels {
		if len(ch.ready) >= s.cfg.Ready {
			continue
		}
		for _, b := range ch.batches {
			for len(b.order) > 0 {
				place := b.order[0]
				b.order = b.order[1:]
				l, err := ch.expand(b, place)
				if err != nil {
					return ch, err
				}
				if l != nil {
					ch.ready[l.Index] = l
					return ch, nil
				}
			}
		}
	}
	return nil, nil
}

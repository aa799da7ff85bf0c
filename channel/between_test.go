package channel

import (
	"context"
	"sync"

	"nod/wire"
)

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

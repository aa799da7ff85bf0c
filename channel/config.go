package channel

import (
	"context"
	"time"

	"nod/audit"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/crypto/seal"
	"nod/fault"
	"nod/store"
	"nod/wire"
)

// Table holds one row a batch that was fetched: partition channel id, key batch
// number (8 bytes, big endian). Rows expire after RowLife.
const Table store.Table = "batch"

// RowLife is how long a row is kept. The dealer's root version that dealt the batch
// must be destroyed by then, and every process that opened the channel be gone or
// past the batch.
const RowLife = 30 * 24 * time.Hour

// Config is what both sides need.
type Config struct {
	Instance wire.Instance // this process, as its transport names it
	Checks   []*code.Check // all that this side's operator trusts
	Params   cut.Params    // the same on both sides; zero: cut.Default
	Dealer   wire.Dealer
	Bundle   *seal.Bundle // whose dealer signs the lists
	Store    store.Store  // this role's own
	Audit    audit.Log    // this role's own

	// MaxAge is how long a correlation is kept before it is thrown away unused; the
	// dealer's root versions are destroyed on that basis. 0: 24 hours.
	MaxAge time.Duration
	// Timeout bounds one batch, from its fetch to its sacrifice. 0: 2 minutes.
	Timeout time.Duration

	Clock  func() time.Time // nil: time.Now
	Alarm  func(Alarm)      // called for every alarm once it is recorded; nil: none
	Report func(error)      // failures that are no alarm, for the role's log; nil: none
}

func (c *Config) defaults() error {
	if c.Params == (cut.Params{}) {
		c.Params = cut.Default
	}
	if err := c.Params.Valid(); err != nil {
		return err
	}
	if c.Params.Batch > wire.MaxBatch {
		return fault.New(fault.OutOfRange, "batch of %d, at most %d", c.Params.Batch, wire.MaxBatch)
	}
	if c.Dealer == nil || c.Bundle == nil || c.Store == nil || c.Audit == nil {
		panic("channel: a configuration without dealer, bundle, store or audit log")
	}
	c.MaxAge = or(c.MaxAge, 24*time.Hour)
	c.Timeout = or(c.Timeout, 2*time.Minute)
	if c.MaxAge < 0 || c.MaxAge > RowLife || c.Timeout < 0 {
		return fault.New(fault.OutOfRange, "correlations kept for %v, fetched in %v", c.MaxAge, c.Timeout)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Alarm == nil {
		c.Alarm = func(Alarm) {}
	}
	if c.Report == nil {
		c.Report = func(error) {}
	}
	return nil
}

// usable is how many correlations of a batch are left after the sacrifice.
func (c *Config) usable() int { return c.Params.Batch - c.Params.Sacrifice }

func or[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// side is one party with its configuration.
type side struct {
	*Config
	party compare.Party
}

// sweepRows removes rows that have expired, from time to time.
func (s *side) sweepRows(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sweepOnce(ctx)
		}
	}
}

func (s *side) sweepOnce(ctx context.Context) {
	const limit = 1024
	for ctx.Err() == nil {
		n, err := s.Store.Sweep(ctx, Table, s.Clock(), limit)
		if err != nil && ctx.Err() == nil {
			s.Report(err)
		}
		if err != nil || n < limit {
			return
		}
	}
}

// record appends a leaf; nothing is answered before it is durable.
func (s *side) record(ctx context.Context, leaf audit.Leaf) error {
	leaf.Time = s.Clock()
	leaf.Correlation = wire.Chain(ctx)
	_, err := s.Audit.Append(ctx, leaf)
	return err
}

package pebble

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"nod/fault"
	"nod/store"
)

// reading runs f on the database between begin and end, with the partition's
// lock held against its writers. A caller whose context ends goes on; the lock
// is released when f has ended.
func reading[T any](ctx context.Context, s *Store, partition []byte, f func() (T, error)) (T, error) {
	var none T
	end, err := s.begin(ctx)
	if err != nil {
		return none, err
	}
	stripe := s.locks.of(partition)
	if err := s.locks.acquire(ctx, stripe, 1); err != nil {
		end()
		return none, err
	}
	release := func() {
		s.locks.release(stripe, 1)
		end()
	}
	return held(ctx, s, release, f)
}

// held runs f under the locks that the caller holds, and releases them when f
// has ended or the store has failed, but not before, even if ctx ends.
func held[T any](ctx context.Context, s *Store, release func(), f func() (T, error)) (T, error) {
	var none T
	// A write may have failed while we waited for its lock.
	if err := s.health.check(); err != nil {
		release()
		return none, err
	}
	c := guard(s.health, f)
	value, err := c.await(ctx, s.health)
	over := func() {
		select {
		case <-c.ended:
		case <-s.health.failed:
		}
		release()
	}
	if fault.Is(err, fault.Cancelled) {
		go over() // the call goes on without its caller
	} else {
		over()
	}
	return value, err
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, row store.Row) (store.Record, error) {
	if err := row.Check(); err != nil {
		return store.Record{}, err
	}
	key := rowKey(row)
	return reading(ctx, s, row.Partition, func() (store.Record, error) {
		data, closer, err := s.db.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			return store.Record{}, fault.New(fault.NotFound, "table %s", row.Table)
		}
		if err != nil {
			return store.Record{}, readFault(err)
		}
		r, err := record(data)
		if err := closer.Close(); err != nil {
			return store.Record{}, readFault(err)
		}
		return r, err
	})
}

// Partition implements store.Store.
func (s *Store) Partition(ctx context.Context, table store.Table, partition, after []byte, limit int) ([]store.Entry, error) {
	from := store.Row{Table: table, Partition: partition, Key: after}
	if err := errors.Join(from.Check(), store.CheckLimit(limit)); err != nil {
		return nil, err
	}
	lower, upper := rowKey(from), afterPrefix(appendName(tablePrefix(kindRow, table), partition))
	if after != nil {
		lower = append(lower, 0) // the next key there can be
	}
	return reading(ctx, s, partition, func() ([]store.Entry, error) { return s.list(ctx, lower, upper, limit) })
}

// Scan implements store.Store. It takes no partition's lock; instead it waits
// for a sync when writes are under way that it may have seen.
func (s *Store) Scan(ctx context.Context, table store.Table, after store.Row, limit int) ([]store.Entry, error) {
	given, err := store.CheckAfter(table, after)
	if err := errors.Join(err, table.Check(), store.CheckLimit(limit)); err != nil {
		return nil, err
	}
	prefix := tablePrefix(kindRow, table)
	lower, upper := prefix, afterPrefix(prefix)
	if given {
		lower = append(rowKey(after), 0)
	}
	end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	return held(ctx, s, end, func() ([]store.Entry, error) {
		entries, err := s.list(ctx, lower, upper, limit)
		if err != nil {
			return nil, err
		}
		return entries, s.barrier()
	})
}

// barrier returns when everything that was readable before is durable.
func (s *Store) barrier() error {
	if s.inFlight.Load() == 0 {
		return s.health.check() // a write that failed is not in flight
	}
	// An empty record of the write-ahead log is synced after all before it.
	b := s.db.NewBatch()
	if err := b.LogData(nil, nil); err != nil {
		return s.health.fail("a barrier", err)
	}
	return s.commit(b)
}

func (s *Store) list(ctx context.Context, lower, upper []byte, limit int) (entries []store.Entry, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, readFault(err)
	}
	defer func() {
		if closing := it.Close(); err == nil && closing != nil {
			entries, err = nil, readFault(closing)
		}
	}()
	for ok := it.First(); ok && len(entries) < limit; ok = it.Next() {
		if ctx.Err() != nil {
			return nil, cancelled(ctx)
		}
		row, err := parseRowKey(it.Key())
		if err != nil {
			return nil, err
		}
		data, err := it.ValueAndErr()
		if err != nil {
			return nil, readFault(err)
		}
		r, err := record(data)
		if err != nil {
			return nil, err
		}
		entries = append(entries, store.Entry{Row: row, Record: r})
	}
	if err := it.Error(); err != nil {
		return nil, readFault(err)
	}
	return entries, nil
}

// readFault leaves the store working: another read may succeed. Damage has
// reached the listener as well, which stops it.
func readFault(err error) error { return fault.New(codeOf(err), "reading: %w", err) }

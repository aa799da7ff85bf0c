package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"nod/fault"
	"nod/store"
)

// change is a store.Write as the database sees it. It holds none of the caller's
// slices, since a caller whose context ends leaves while its write goes on.
type change struct {
	row     store.Row // only for the expiry's key; slices are our own
	cond    store.Condition
	key     []byte
	value   []byte // with a header whose version is still to be set; nil deletes
	expires int64
}

func prepare(w store.Write) (change, error) {
	key := rowKey(w.Row)
	row, err := parseRowKey(key)
	if err != nil {
		return change{}, err
	}
	c := change{row: row, cond: w.If, key: key}
	if !w.Delete {
		c.expires = store.Milliseconds(w.Expires)
		c.value = appendRecord(make([]byte, 0, headerSize+len(w.Value)), 0, c.expires, w.Value)
	}
	return c, nil
}

// Apply implements store.Store. When it fails with fault.Cancelled before its
// turn has come, nothing was or will be written.
func (s *Store) Apply(ctx context.Context, writes ...store.Write) error {
	if err := store.CheckWrites(writes); err != nil {
		return err
	}
	end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	if len(writes) == 0 {
		end()
		return nil
	}
	changes := make([]change, len(writes))
	for i, w := range writes {
		if changes[i], err = prepare(w); err != nil {
			end()
			return err
		}
	}
	stripe := s.locks.of(writes[0].Partition)
	if err := s.locks.acquire(ctx, stripe, writer); err != nil {
		end()
		return err
	}
	release := func() {
		s.locks.release(stripe, writer)
		end()
	}
	_, err = held(ctx, s, release, func() (struct{}, error) { return struct{}{}, s.apply(changes) })
	return err
}

// apply checks all conditions and then commits, with the partition's lock held.
func (s *Store) apply(changes []change) error {
	b := s.db.NewBatch()
	for _, c := range changes {
		version, expires, err := s.header(c.key)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return errors.Join(err, b.Close())
		}
		if !c.cond.Holds(err == nil, version) {
			return errors.Join(fault.New(fault.Conflict, "table %s", c.row.Table), b.Close())
		}
		if err := c.addTo(b, version, expires); err != nil {
			return s.health.fail("a batch", err)
		}
	}
	return s.commitVisible(b)
}

// addTo puts a change into a batch, given what the row has now: a version, 0 if
// there is no row, and an expiry.
func (c change) addTo(b *pebble.Batch, version uint64, expires int64) error {
	if expires != 0 && expires != c.expires {
		if err := b.Delete(expiryKey(c.row, expires), nil); err != nil {
			return err
		}
	}
	if c.value == nil {
		return b.Delete(c.key, nil)
	}
	if c.expires != 0 && expires != c.expires {
		if err := b.Set(expiryKey(c.row, c.expires), nil, nil); err != nil {
			return err
		}
	}
	binary.BigEndian.PutUint64(c.value[1:], version+1)
	return b.Set(c.key, c.value, nil)
}

// header reads what is known of a row without its value, or fails with
// fault.NotFound.
func (s *Store) header(key []byte) (version uint64, expires int64, err error) {
	data, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, 0, fault.New(fault.NotFound, "")
	}
	if err != nil {
		return 0, 0, readFault(err)
	}
	version, expires, _, err = parseRecord(data)
	if closing := closer.Close(); err == nil && closing != nil {
		err = readFault(closing)
	}
	return version, expires, err
}

// commitVisible is commit for a batch that has rows. Scans must know of it: its
// rows can be read before it returns.
func (s *Store) commitVisible(b *pebble.Batch) error {
	s.inFlight.Add(1)
	err := s.commit(b)
	// Not deferred: after a panic the rows stay readable and not durable.
	s.inFlight.Add(-1)
	return err
}

// commit writes a batch and returns when it is durable. A batch that was not
// committed for certain fails the store.
func (s *Store) commit(b *pebble.Batch) error {
	if err := s.db.Apply(b, pebble.Sync); err != nil {
		return s.health.fail("a write", err)
	}
	if err := b.Close(); err != nil {
		return s.health.fail("a batch", err)
	}
	return nil
}

// sweepBatch is how many rows share one sync of a sweep. Their partitions are
// locked together.
const sweepBatch = 64

// Sweep implements store.Store. Rows go in batches, each as a whole: a sweep
// that fails may have deleted some. It deletes the rows that expired first.
func (s *Store) Sweep(ctx context.Context, table store.Table, now time.Time, limit int) (int, error) {
	if err := errors.Join(table.Check(), store.CheckLimit(limit)); err != nil {
		return 0, err
	}
	swept := 0
	for swept < limit {
		found, n, err := s.sweepSome(ctx, table, now.UnixMilli(), min(limit-swept, sweepBatch))
		swept += n
		if err != nil || found == 0 {
			return swept, err
		}
	}
	return swept, nil
}

// expired is a row in the index of expiries.
type expired struct {
	row store.Row
	at  int64
}

// sweepSome finds expired rows and deletes those that still are. None found
// means that there is nothing left to do.
func (s *Store) sweepSome(ctx context.Context, table store.Table, now int64, limit int) (found, swept int, err error) {
	end, err := s.begin(ctx)
	if err != nil {
		return 0, 0, err
	}
	rows, err := held(ctx, s, end, func() ([]expired, error) { return s.expired(table, now, limit) })
	if err != nil || len(rows) == 0 {
		return 0, 0, err
	}
	if end, err = s.begin(ctx); err != nil {
		return 0, 0, err
	}
	partitions := make([][]byte, len(rows))
	for i, r := range rows {
		partitions[i] = r.row.Partition
	}
	stripes, err := s.locks.acquireAll(ctx, partitions)
	if err != nil {
		end()
		return 0, 0, err
	}
	release := func() {
		s.locks.releaseAll(stripes)
		end()
	}
	swept, err = held(ctx, s, release, func() (int, error) { return s.remove(rows) })
	return len(rows), swept, err
}

// expired lists rows of the index that expired before now, the first first.
func (s *Store) expired(table store.Table, now int64, limit int) (rows []expired, err error) {
	prefix := tablePrefix(kindExpiry, table)
	upper := binary.BigEndian.AppendUint64(append([]byte{}, prefix...), uint64(max(now, 0)))
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upper})
	if err != nil {
		return nil, readFault(err)
	}
	defer func() {
		if closing := it.Close(); err == nil && closing != nil {
			rows, err = nil, readFault(closing)
		}
	}()
	for ok := it.First(); ok && len(rows) < limit; ok = it.Next() {
		row, at, err := parseExpiryKey(it.Key())
		if err != nil {
			return nil, err
		}
		rows = append(rows, expired{row, at})
	}
	if err := it.Error(); err != nil {
		return nil, readFault(err)
	}
	return rows, nil
}

// remove deletes the rows that still expire when the index said, with their
// partitions locked, and returns how many. A row that was rewritten since has
// another place in the index, so deleting the old one is right in any case, and
// every round of a sweep makes progress.
func (s *Store) remove(rows []expired) (int, error) {
	b, n := s.db.NewBatch(), 0
	for _, r := range rows {
		key := rowKey(r.row)
		_, at, err := s.header(key)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return 0, errors.Join(err, b.Close())
		}
		if err == nil && at == r.at {
			if err := b.Delete(key, nil); err != nil {
				return 0, s.health.fail("a batch", err)
			}
			n++
		}
		if err := b.Delete(expiryKey(r.row, r.at), nil); err != nil {
			return 0, s.health.fail("a batch", err)
		}
	}
	return n, s.commitVisible(b)
}

package postgres

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"
	"sync"

	"nod/fault"
	"nod/store"
)

// Conditions as the database sees them: a version from 1 on, or one of these.
const (
	condAny    = -1
	condAbsent = 0
)

// write is a store.Write with slices of its own, since a caller whose context ends
// leaves while its write goes on.
type write struct {
	row     store.Row
	cond    int64
	delete  bool
	value   []byte
	expires int64 // milliseconds, 0 for never
}

// when is expires as a column: NULL for never.
func (w *write) when() *int64 {
	if w.expires == 0 {
		return nil
	}
	return &w.expires
}

// change is one Apply: writes in order of (table, key), so that transactions which
// meet lock their rows in the same order.
type change struct{ writes []write }

// newChange refuses with fault.Conflict what cannot hold of any row.
func newChange(writes []store.Write) (c *change, bytesGiven int, err error) {
	c = &change{make([]write, len(writes))}
	for i, w := range writes {
		to := write{row: ownRow(w.Row), delete: w.Delete, value: []byte{}}
		switch version := w.If.Version(); {
		case w.If == store.Any:
			to.cond = condAny
		case w.If == store.Absent:
			to.cond = condAbsent
		case version > math.MaxInt64:
			return nil, 0, conflict(w.Table)
		default:
			to.cond = int64(version)
		}
		if !w.Delete {
			to.value = notNil(bytes.Clone(w.Value))
			to.expires = store.Milliseconds(w.Expires)
		}
		bytesGiven += len(to.value) + len(to.row.Partition) + len(to.row.Key)
		c.writes[i] = to
	}
	slices.SortFunc(c.writes, func(a, b write) int {
		return cmp.Or(cmp.Compare(a.row.Table, b.row.Table), bytes.Compare(a.row.Key, b.row.Key))
	})
	return c, bytesGiven, nil
}

// Apply implements store.Store. When it fails with fault.Cancelled before its turn
// has come, nothing was or will be written.
//
// Why READ COMMITTED is enough: every row that an Apply names, there or not, is
// locked until its transaction ends, by the statement that writes it, and that
// statement checks the condition on the row as it is under the lock. A row that is
// absent is locked by inserting it: the primary key has others wait. So Applies
// that share a row follow one another, and all Applies are serialisable.
func (s *Store) Apply(ctx context.Context, writes ...store.Write) error {
	if err := store.CheckWrites(writes); err != nil {
		return err
	}
	c, size, err := newChange(writes)
	if err != nil {
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
	j := &job[*change, struct{}]{ask: c, lock: "p" + string(writes[0].Partition), weight: len(writes), bytes: size}
	_, err = s.applies.do(ctx, j, end)
	return err
}

// few is from how many changes on one statement for all is faster than elementary
// ones for each, on connections side by side. Claims gain from two on.
const few = 5

// runApplies writes a group of changes to different partitions.
func (s *Store) runApplies(group []*job[*change, struct{}]) {
	if len(group) == 1 || len(group) < few && !columnsOf(group).onlyNew {
		var wg sync.WaitGroup
		for _, j := range group[1:] {
			wg.Go(func() { j.err = s.alone(j.ask) })
		}
		group[0].err = s.alone(group[0].ask)
		wg.Wait()
		return
	}
	slices.SortFunc(group, func(a, b *job[*change, struct{}]) int {
		return bytes.Compare(a.ask.writes[0].row.Partition, b.ask.writes[0].row.Partition)
	})
	outcomes, err := s.together(group)
	for i, j := range group {
		switch {
		case err != nil:
			j.err = err
		case outcomes[i] == refused:
			j.err = conflict(j.ask.writes[0].row.Table)
		case outcomes[i] == apart:
			j.err = s.alone(j.ask)
		}
	}
}

// failedWrite is failed, with the advice that counts.
func (s *Store) failedWrite(err error) error {
	err = s.failed("writing", err)
	if fault.Is(err, fault.StoreUnavailable) {
		return fault.Within(err, "it may have happened")
	}
	return err
}

package store

import (
	"bytes"
	"context"

	"nod/fault"
)

// MaxLoad is how many rows one Load may write.
const MaxLoad = 1 << 16

// Bulk is what a store may offer beyond the contract: filling it with many rows
// of many partitions, at several times the rate of Apply.
type Bulk interface {
	// Load writes rows that do not exist yet, at most MaxLoad, each at version 1
	// whatever its entry says. If one exists, or is given twice, the error is
	// fault.Conflict. After an error any of the rows may have been written.
	Load(ctx context.Context, entries []Entry) error
}

// Load is s's own Load if it is a Bulk, and otherwise does the same by Apply.
func Load(ctx context.Context, s Store, entries []Entry) error {
	if bulk, ok := s.(Bulk); ok {
		return bulk.Load(ctx, entries)
	}
	if err := CheckEntries(entries); err != nil {
		return err
	}
	for len(entries) > 0 {
		n := 0
		var writes []Write
		for n < len(entries) && n < MaxWrites && bytes.Equal(entries[n].Partition, entries[0].Partition) {
			e := entries[n]
			writes = append(writes, Write{Row: e.Row, If: Absent, Value: e.Value, Expires: e.Expires})
			n++
		}
		if err := s.Apply(ctx, writes...); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

// CheckEntries holds the limits of one Load.
func CheckEntries(entries []Entry) error {
	if len(entries) > MaxLoad {
		return fault.New(fault.Oversize, "%d rows, at most %d", len(entries), MaxLoad)
	}
	for _, e := range entries {
		if err := CheckWrites([]Write{{Row: e.Row, Value: e.Value, Expires: e.Expires}}); err != nil {
			return err
		}
	}
	return nil
}

// Load implements Bulk, whatever the inner store is.
func (s *encrypted) Load(ctx context.Context, entries []Entry) error {
	sealed := make([]Entry, len(entries))
	for i, e := range entries {
		value, err := s.seal(e.Row, e.Value)
		if err != nil {
			return err
		}
		sealed[i] = e
		sealed[i].Value = value
	}
	return Load(ctx, s.inner, sealed)
}

package store

import (
	"bytes"
	"time"

	"nod/fault"
)

// Check holds the limits of a row's name: fault.Oversize, or fault.OutOfRange
// for a table without a name.
func (r Row) Check() error {
	if err := r.Table.Check(); err != nil {
		return err
	}
	if len(r.Partition) > MaxName || len(r.Key) > MaxName {
		return fault.New(fault.Oversize, "row of table %s: partition of %d bytes, key of %d, at most %d",
			r.Table, len(r.Partition), len(r.Key), MaxName)
	}
	return nil
}

// Check holds the limits of a table's name.
func (t Table) Check() error {
	switch {
	case t == "":
		return fault.New(fault.OutOfRange, "table without a name")
	case len(t) > MaxTable:
		return fault.New(fault.Oversize, "table name of %d bytes, at most %d", len(t), MaxTable)
	}
	return nil
}

// CheckWrites holds the limits of one Apply.
func CheckWrites(writes []Write) error {
	if len(writes) > MaxWrites {
		return fault.New(fault.Oversize, "%d writes, at most %d", len(writes), MaxWrites)
	}
	type name struct {
		table Table
		key   string
	}
	seen := make(map[name]bool, len(writes))
	for _, w := range writes {
		if err := w.Row.Check(); err != nil {
			return err
		}
		if !bytes.Equal(w.Partition, writes[0].Partition) {
			return fault.New(fault.OutOfRange, "one Apply over two partitions")
		}
		n := name{w.Table, string(w.Key)}
		if seen[n] {
			return fault.New(fault.OutOfRange, "one Apply writes a row of table %s twice", w.Table)
		}
		seen[n] = true
		if len(w.Value) > MaxValue {
			return fault.New(fault.Oversize, "value of %d bytes, at most %d", len(w.Value), MaxValue)
		}
		if !w.Expires.IsZero() && w.Expires.UnixMilli() <= 0 {
			return fault.New(fault.OutOfRange, "a row of table %s expires before 1970", w.Table)
		}
	}
	return nil
}

// CheckAfter holds that a scan of table goes on after a row of the same table,
// and reports whether there is such a row.
func CheckAfter(table Table, after Row) (given bool, err error) {
	if after.Table == "" && after.Partition == nil && after.Key == nil {
		return false, nil
	}
	if after.Table != table {
		return false, fault.New(fault.OutOfRange, "a scan of table %s after a row of table %q", table, after.Table)
	}
	return true, after.Check()
}

// CheckLimit holds that a call asks for something.
func CheckLimit(limit int) error {
	if limit < 1 {
		return fault.New(fault.OutOfRange, "limit %d, at least 1", limit)
	}
	return nil
}

// Milliseconds is what a store keeps of a Record's Expires: since 1970, or 0
// for never.
func Milliseconds(expires time.Time) int64 {
	if expires.IsZero() {
		return 0
	}
	return expires.UnixMilli()
}

// FromMilliseconds is Milliseconds' inverse, in UTC.
func FromMilliseconds(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

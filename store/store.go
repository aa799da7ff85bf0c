// Package store is the contract for a role's durable rows.
//
// A store belongs to one role of one trust domain. It is not trusted with
// contents: Encrypted binds every value to its table, partition and key with an
// AEAD, so a changed or moved row is refused. It is trusted for durability and
// for not returning an old version of a row: nothing here detects a rollback
// (docs/spec/threat-model.md says what follows from one).
//
// What is durable when: when Apply returns nil, all of its writes survive a
// crash of the process and of the machine. When it returns an error other than
// fault.Conflict, the writes may or may not have happened, all together; the
// caller must read before it tries again. A row that a call returns is durable:
// nobody acts on a write that a crash can take back.
package store

import (
	"context"
	"time"
)

// Table is one kind of row. Tables are fixed by the software, not by data. A
// name has 1 to MaxTable bytes.
type Table string

// Row names one row. Partition is the unit of atomicity and of distribution
// (a handle, nearly always); Key orders rows inside it. Both are visible to the
// store, so they are never a citizen's reference. Either is at most MaxName
// bytes, and may be empty.
type Row struct {
	Table     Table
	Partition []byte
	Key       []byte
}

// Record is the contents of a row. Version is the store's own count of writes to
// the row, from 1, and never repeats while the row exists. A zero Expires means
// never; a row past its Expires may still be returned, and is removed by Sweep.
// Expires is after 1970, and whole milliseconds of it are kept.
type Record struct {
	Value   []byte
	Version uint64
	Expires time.Time
}

// Entry is a row with its contents, from a scan.
type Entry struct {
	Row
	Record
}

// Condition is what must hold of a row for a write to happen.
type Condition struct{ version uint64 }

// Conditions. Absent means that no such row exists (expired or not).
var (
	Any    = Condition{^uint64(0)}
	Absent = Condition{0}
)

// At is the condition that the row has exactly this version.
func At(version uint64) Condition { return Condition{version} }

// Holds reports whether the condition holds of a row; exists false means none.
func (c Condition) Holds(exists bool, version uint64) bool {
	switch c {
	case Any:
		return true
	case Absent:
		return !exists
	}
	return exists && version == c.version
}

// Version is what At was given, and 0 for Any and Absent: for an implementation
// that has its database compare.
func (c Condition) Version() uint64 {
	if c == Any {
		return 0
	}
	return c.version
}

// Write puts or deletes one row if a condition holds. Deleting a row that does
// not exist succeeds where the condition holds.
type Write struct {
	Row
	If      Condition
	Delete  bool
	Value   []byte
	Expires time.Time
}

// Limits. Implementations hold them with Row.Check, CheckWrites, CheckAfter and
// CheckLimit.
const (
	MaxTable  = 64      // bytes of a table's name
	MaxName   = 128     // bytes of a partition, and of a key
	MaxValue  = 1 << 20 // bytes of a value
	MaxWrites = 1024    // writes in one Apply

	// Overhead is how many bytes fewer than MaxValue a caller may use, so that
	// Encrypted has room for its own.
	Overhead = 64
)

// Store holds rows. Implementations are safe for concurrent use, and pass
// store/storetest. Slices given are not kept, and slices returned are the
// caller's. Every call may fail with fault.StoreUnavailable, fault.StoreDamaged,
// or fault.Cancelled when ctx ends first, and with fault.Oversize or
// fault.OutOfRange for arguments outside the limits.
type Store interface {
	// Get reads a row, or fails with fault.NotFound.
	Get(ctx context.Context, row Row) (Record, error)
	// Apply does all writes or none, durably. All rows of one call have the same
	// partition, and no row appears twice. If a condition does not hold
	// nothing is written and the error is fault.Conflict. No writes at all
	// succeed.
	Apply(ctx context.Context, writes ...Write) error
	// Partition lists the rows of one partition in order of key, at most limit,
	// starting after the given key (nil: from the first; an empty key that is
	// not nil is a key).
	Partition(ctx context.Context, table Table, partition, after []byte, limit int) ([]Entry, error)
	// Scan lists rows of a whole table in order of (partition, key), at most
	// limit, starting after the given row (zero: from the first). It is for
	// maintenance: rows written meanwhile may be missed.
	Scan(ctx context.Context, table Table, after Row, limit int) ([]Entry, error)
	// Sweep deletes rows of a table that expired before now, at most limit, and
	// returns how many.
	Sweep(ctx context.Context, table Table, now time.Time, limit int) (int, error)
	// Close waits for calls under way and releases the store.
	Close() error
}

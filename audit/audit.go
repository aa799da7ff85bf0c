// Package audit is a role's own append-only record of what it did, written and
// durable before any answer leaves: no record, no answer.
//
// The contract is that of a log with leaves, indices and leaf hashes, so that a
// Merkle log can take the place of the hash-chained file without touching a
// caller.
package audit

import (
	"context"
	"time"

	"nod/crypto/canon"
)

// Operation is what was done. The list is fixed; an operation never names an
// outcome.
type Operation string

// The operations.
const (
	OpOpen    Operation = "open"    // a session was opened
	OpVerify  Operation = "verify"  // a comparison was run to its end
	OpAbort   Operation = "abort"   // a comparison was stopped
	OpEnrol   Operation = "enrol"   // a template was stored
	OpRenew   Operation = "renew"   // a template moved to a new pad
	OpErase   Operation = "erase"   // a citizen's templates were deleted
	OpLock    Operation = "lock"    // verification was locked
	OpUnlock  Operation = "unlock"  // and unlocked
	OpLift    Operation = "lift"    // a spent budget was lifted
	OpDeal    Operation = "deal"    // a batch of correlations was dealt
	OpChannel Operation = "channel" // a channel was opened
	OpAlarm   Operation = "alarm"   // the other party was caught
	OpStart   Operation = "start"   // the role started
)

// Leaf is one record. It never joins an outcome with an identity: Subject is
// blinded (a PRF output under the role's own key), and no field says yes or no.
// Check holds its fields to their limits.
type Leaf struct {
	Serial      uint64       // set by the log: 0, 1, 2, ...
	Time        time.Time    // set by the caller, whole milliseconds are kept
	Operation   Operation    //
	Subject     canon.Digest // blinded; zero where no citizen is concerned
	Party       string       // the RP's or station's id; "" where none is
	Key         string       // the key used, as name; "" where none was
	KeyVersion  uint32       //
	Correlation canon.Digest // random per call chain; joins the roles' records
	Session     canon.Digest // session, row, channel or order; zero where none is
	Count       uint32       // uses of Key, or correlations, in this operation
}

// Receipt says where a leaf stands. Hash is what a verdict carries.
type Receipt struct {
	Serial uint64
	Hash   canon.Digest
}

// Log is one role's record.
type Log interface {
	// Append adds a leaf and returns when it is durable. After an error the
	// caller must not answer; the leaf may or may not be in the log, unless the
	// error is that of Leaf.Check. fault.AuditUnavailable means that nothing can
	// be appended until the log is opened again.
	Append(ctx context.Context, leaf Leaf) (Receipt, error)
	// Read gives durable leaves from a serial on, at most limit. It fails with
	// fault.AuditBroken where the log is not as it was written.
	Read(ctx context.Context, from uint64, limit int) ([]Leaf, error)
	// Close makes everything durable and releases the log.
	Close() error
}

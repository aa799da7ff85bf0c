package audit

import (
	"context"
	"time"

	"nod/crypto/canon"
	"nod/fault"
	"nod/wire"
)

// Recorder writes a role's leaves: it dates them and names the chain of calls that
// they belong to.
type Recorder struct {
	Log Log
	Now func() time.Time
}

// Record appends a leaf and returns its hash when it is durable. Without it there
// is no answer.
func (r Recorder) Record(ctx context.Context, leaf Leaf) (canon.Digest, error) {
	leaf.Time = r.Now()
	leaf.Correlation = wire.Chain(ctx)
	receipt, err := r.Log.Append(ctx, leaf)
	if err != nil {
		return canon.Digest{}, err
	}
	return receipt.Hash, nil
}

// failureTimeout bounds the record of a failure whose caller may be gone.
const failureTimeout = 10 * time.Second

// Failure records that what the leaf describes ended with cause: as an abort, or as
// an alarm where the other side did wrong. It returns cause, or the fault that kept
// it from being recorded.
func (r Recorder) Failure(ctx context.Context, leaf Leaf, cause error) error {
	leaf.Operation = OpAbort
	if fault.CodeOf(cause).Class() == fault.Tamper {
		leaf.Operation = OpAlarm
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), failureTimeout)
	defer cancel()
	if _, err := r.Record(ctx, leaf); err != nil {
		return err
	}
	return cause
}

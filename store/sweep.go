package store

import (
	"context"
	"time"
)

// Bounds of SweepAll: what a thousand verifications a second leave in a minute.
const (
	sweepRows   = 1_000
	sweepRounds = 60
)

// SweepAll removes the rows of a table that have expired, a thousand at a time, so that
// nobody waits long behind it, and 60,000 at most. Called every minute, it keeps up with
// a thousand rows a second.
func SweepAll(ctx context.Context, s Store, table Table, now time.Time) error {
	for range sweepRounds {
		n, err := s.Sweep(ctx, table, now, sweepRows)
		if err != nil || n < sweepRows {
			return err
		}
	}
	return nil
}

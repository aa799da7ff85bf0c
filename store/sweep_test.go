package store_test

import (
	"context"
	"testing"
	"time"

	"nod/fault"
	"nod/store"
)

// sweeper is a store of which only the expired rows are counted.
type sweeper struct {
	store.Store
	left, calls int
	err         error
}

func (s *sweeper) Sweep(_ context.Context, _ store.Table, _ time.Time, limit int) (int, error) {
	s.calls++
	n := min(limit, s.left)
	s.left -= n
	return n, s.err
}

// A sweep goes on until nothing is left, within a bound, and ends at an error.
func TestSweepAll(t *testing.T) {
	for rows, left := range map[int]int{0: 0, 1: 0, 25_000: 0, 60_000: 0, 60_001: 1, 100_000: 40_000} {
		s := &sweeper{left: rows}
		if err := store.SweepAll(t.Context(), s, "t", time.Now()); err != nil || s.left != left {
			t.Errorf("of %d rows %d are left, %v, want %d", rows, s.left, err, left)
		}
	}
	s := &sweeper{left: 5000, err: fault.New(fault.StoreUnavailable, "full")}
	if err := store.SweepAll(t.Context(), s, "t", time.Now()); !fault.Is(err, fault.StoreUnavailable) || s.calls != 1 {
		t.Errorf("a failing sweep: %v after %d calls", err, s.calls)
	}
}

package storetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nod/fault"
	"nod/store"
)

const (
	workers = 8
	rounds  = 25
)

// parallel runs f on every worker and waits. f reports through t.Errorf.
func parallel(f func(worker int)) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { f(w) })
	}
	wg.Wait()
}

// testCounters has all workers increment the same counters by compare and set;
// not one increment may be lost or doubled.
func testCounters(t *testing.T, s store.Store) {
	ctx := context.Background()
	counters := []store.Row{row(tableA, "counters-1", "n"), row(tableA, "counters-2", "n")}
	increment := func(r store.Row) error {
		for {
			now, cond := 0, store.Absent
			switch got, err := s.Get(ctx, r); {
			case err == nil:
				if now, err = strconv.Atoi(string(got.Value)); err != nil {
					return err
				}
				cond = store.At(got.Version)
			case !fault.Is(err, fault.NotFound):
				return err
			}
			err := s.Apply(ctx, put(r, cond, strconv.Itoa(now+1)))
			if !fault.Is(err, fault.Conflict) {
				return err
			}
		}
	}
	parallel(func(int) {
		for range rounds {
			for _, r := range counters {
				if err := increment(r); err != nil {
					t.Errorf("increment: %v", err)
					return
				}
			}
		}
	})
	for _, r := range counters {
		holds(t, s, r, strconv.Itoa(workers*rounds), workers*rounds)
	}
}

// testClaims has all workers claim the same keys; each has one winner, and rows
// claimed together are never split between two winners.
func testClaims(t *testing.T, s store.Store) {
	ctx := context.Background()
	var wins [rounds]atomic.Int32
	parallel(func(worker int) {
		for i := range rounds {
			partition := fmt.Sprintf("claim-%d", i)
			owner := fmt.Sprint(worker)
			a, b := row(tableA, partition, "a"), row(tableB, partition, "b")
			err := s.Apply(ctx, put(a, store.Absent, owner), put(b, store.Any, owner))
			switch {
			case err == nil:
				wins[i].Add(1)
			case !fault.Is(err, fault.Conflict):
				t.Errorf("claim: %v", err)
			}
		}
	})
	for i := range rounds {
		partition := fmt.Sprintf("claim-%d", i)
		if n := wins[i].Load(); n != 1 {
			t.Errorf("%s has %d winners", partition, n)
		}
		a, err := s.Get(ctx, row(tableA, partition, "a"))
		if err != nil {
			t.Fatal(err)
		}
		holds(t, s, row(tableB, partition, "b"), string(a.Value), 1)
	}
}

func testExpiry(t *testing.T, s store.Store) {
	ctx := context.Background()
	now := time.UnixMilli(1_800_000_000_000).UTC()
	expiring := func(key string, at time.Time) store.Write {
		w := put(row(tableA, "expiry", key), store.Any, key)
		w.Expires = at
		return w
	}
	sweep := func(table store.Table, limit, want int) {
		t.Helper()
		if n, err := s.Sweep(ctx, table, now, limit); err != nil || n != want {
			t.Fatalf("Sweep(%s, %d) = %d, %v, want %d", table, limit, n, err, want)
		}
	}
	kept := func(key string, at time.Time) {
		t.Helper()
		if got := holds(t, s, row(tableA, "expiry", key), key, 1); !got.Expires.Equal(at) {
			t.Fatalf("%s expires %v, want %v", key, got.Expires, at)
		}
	}
	later := now.Add(time.Hour)
	apply(t, s,
		expiring("past-1", now.Add(-time.Millisecond)), expiring("past-2", now.Add(-time.Hour)),
		expiring("past-3", time.UnixMilli(1)), expiring("now", now), expiring("later", later),
		expiring("never", time.Time{}), expiring("precise", later.Add(1_234_567)))
	other := put(row(tableB, "expiry", "past"), store.Absent, "past")
	other.Expires = now.Add(-time.Hour)
	apply(t, s, other)

	// A row past its time is a row until it is swept.
	refuse(t, s, fault.Conflict, put(row(tableA, "expiry", "past-1"), store.Absent, "x"))
	sweep(tableA, 2, 2)
	sweep(tableA, 2, 1)
	sweep(tableA, 2, 0)
	for _, key := range []string{"past-1", "past-2", "past-3"} {
		absent(t, s, row(tableA, "expiry", key))
	}
	holds(t, s, other.Row, "past", 1)
	kept("now", now)
	kept("later", later)
	kept("never", time.Time{})
	kept("precise", later.Add(time.Millisecond))

	// The last write's expiry counts, and no other.
	apply(t, s, expiring("moved", now.Add(-time.Hour)))
	apply(t, s, expiring("moved", later))
	apply(t, s, expiring("forever", now.Add(-time.Hour)))
	apply(t, s, expiring("forever", time.Time{}))
	apply(t, s, expiring("same", later))
	apply(t, s, expiring("same", later))
	apply(t, s, expiring("again", now.Add(-time.Hour)))
	apply(t, s, remove(row(tableA, "expiry", "again"), store.Any))
	apply(t, s, expiring("again", later))
	sweep(tableA, 100, 0)
	apply(t, s, expiring("later", now.Add(-time.Hour)))
	sweep(tableA, 100, 1)
	absent(t, s, row(tableA, "expiry", "later"))
	sweep(tableB, 100, 1)
}

// testSweepWhileWritten sweeps while other workers push expiries into the
// future: a sweep must not take a row that was renewed before it came to it.
func testSweepWhileWritten(t *testing.T, s store.Store) {
	ctx := context.Background()
	now := time.UnixMilli(1_800_000_000_000)
	var done atomic.Bool
	var swept sync.WaitGroup
	swept.Go(func() {
		for !done.Load() {
			if _, err := s.Sweep(ctx, tableA, now, 3); err != nil {
				t.Errorf("Sweep: %v", err)
				return
			}
		}
	})
	parallel(func(worker int) {
		for i := range rounds {
			r := row(tableA, fmt.Sprintf("swept-%d", worker), fmt.Sprint(i))
			old, renewed := put(r, store.Absent, "old"), put(r, store.Any, "renewed")
			old.Expires, renewed.Expires = now.Add(-time.Second), now.Add(time.Second)
			for _, w := range []store.Write{old, renewed} {
				if err := s.Apply(ctx, w); err != nil {
					t.Errorf("Apply: %v", err)
					return
				}
			}
			if got, err := s.Get(ctx, r); err != nil || string(got.Value) != "renewed" {
				t.Errorf("a renewed row: %q, %v", got.Value, err)
			}
		}
	})
	done.Store(true)
	swept.Wait()
}

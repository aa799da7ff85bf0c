package pebble

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"nod/fault"
	"nod/store"
)

func inMemory(t *testing.T) *Store {
	t.Helper()
	s, err := Open(Options{Folder: "store", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// TestIndexFitsRows writes and deletes at random. After each step the index has
// an entry for every row that expires, and no other.
func TestIndexFitsRows(t *testing.T) {
	ctx := context.Background()
	s := inMemory(t)
	tables := 0
	rapid.Check(t, func(t *rapid.T) {
		tables++
		table := store.Table(fmt.Sprintf("t%d", tables))
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			w := store.Write{
				Row: store.Row{
					Table:     table,
					Partition: []byte(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "partition")),
					Key:       []byte(rapid.SampledFrom([]string{"c", "d"}).Draw(t, "key")),
				},
				If: store.Any, Delete: rapid.Bool().Draw(t, "delete"),
				Expires: store.FromMilliseconds(rapid.Int64Range(0, 4).Draw(t, "expires")),
			}
			if err := s.Apply(ctx, w); err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 4).Draw(t, "sweep") == 0 {
				if _, err := s.Sweep(ctx, table, time.UnixMilli(3), 2); err != nil {
					t.Fatal(err)
				}
			}
			rows, err := s.Scan(ctx, table, store.Row{}, 100)
			if err != nil {
				t.Fatal(err)
			}
			indexed, err := s.expired(table, 1<<62, 100)
			if err != nil {
				t.Fatal(err)
			}
			at := map[string]int64{}
			for _, e := range indexed {
				at[string(rowKey(e.row))] = e.at
			}
			expiring := 0
			for _, r := range rows {
				ms := store.Milliseconds(r.Expires)
				if ms != 0 {
					expiring++
				}
				if at[string(rowKey(r.Row))] != ms {
					t.Fatalf("a row expires at %d, its index says %d", ms, at[string(rowKey(r.Row))])
				}
			}
			if len(indexed) != expiring {
				t.Fatalf("%d index entries for %d rows that expire", len(indexed), expiring)
			}
		}
	})
}

// TestSweepLooksAgain renews a row between a sweep's finding it and its
// deleting it.
func TestSweepLooksAgain(t *testing.T) {
	ctx := context.Background()
	s := inMemory(t)
	row := func(i int, expires int64) store.Write {
		return store.Write{Row: fillRow(i), If: store.Any, Expires: store.FromMilliseconds(expires)}
	}
	for i := range 3 {
		if err := s.Apply(ctx, row(i, 5)); err != nil {
			t.Fatal(err)
		}
	}
	found, err := s.expired("t", 10, 10)
	if err != nil || len(found) != 3 {
		t.Fatalf("%d rows have expired, %v", len(found), err)
	}
	gone := row(2, 0)
	gone.Delete = true
	for _, w := range []store.Write{row(1, 50), gone} {
		if err := s.Apply(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.remove(found); n != 1 || err != nil {
		t.Errorf("%d rows were deleted, %v, want 1", n, err)
	}
	if _, err := s.Get(ctx, fillRow(1)); err != nil {
		t.Errorf("the renewed row: %v", err)
	}
}

// TestSweepMendsItsIndex plants an index entry without a row. A sweep takes it
// away and ends.
func TestSweepMendsItsIndex(t *testing.T) {
	ctx := context.Background()
	s := inMemory(t)
	stray := expiryKey(store.Row{Table: "t", Partition: []byte("p"), Key: []byte("k")}, 5)
	if err := s.db.Set(stray, nil, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(ctx, "t", time.UnixMilli(10), 10); n != 0 || err != nil {
		t.Errorf("Sweep = %d, %v", n, err)
	}
	if _, _, err := s.db.Get(stray); !errors.Is(err, pebble.ErrNotFound) {
		t.Errorf("the stray entry: %v", err)
	}
	if n, err := s.Sweep(ctx, "t", time.UnixMilli(-1), 10); n != 0 || err != nil {
		t.Errorf("Sweep before 1970 = %d, %v", n, err)
	}
}

// TestNothingAfterFailure has the turn of a waiting call come after the store
// failed: it does not touch the database, which may show rows that are lost.
func TestNothingAfterFailure(t *testing.T) {
	s, err := Open(Options{Folder: "store", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	_ = s.health.fail("a test", errors.New("planned"))
	released, called := false, make(chan struct{})
	_, err = held(context.Background(), s, func() { released = true }, func() (int, error) { close(called); return 1, nil })
	if !fault.Is(err, fault.StoreUnavailable) || !released {
		t.Errorf("%v; released %v", err, released)
	}
	select {
	case <-called:
		t.Error("a failed store was called")
	case <-time.After(50 * time.Millisecond): // a call would have its own goroutine
	}
}

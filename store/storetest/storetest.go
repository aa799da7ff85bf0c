// Package storetest is what every store.Store must pass, and a store that fails
// on purpose.
package storetest

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"nod/fault"
	"nod/store"
)

// Run holds a store to the contract. open gives an empty store, or one whose
// tables named by this package are empty; the suite closes nothing.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"Conditions", testConditions},
		{"Atomicity", testAtomicity},
		{"Versions", testVersions},
		{"Order", testOrder},
		{"Names", testNames},
		{"Counters", testCounters},
		{"Claims", testClaims},
		{"Expiry", testExpiry},
		{"SweepWhileWritten", testSweepWhileWritten},
		{"Limits", testLimits},
		{"Slices", testSlices},
		{"Context", testContext},
		{"History", testHistory},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// RunDurable holds a store to its promise that what was applied survives. open
// makes a place for one store and returns a func that opens it, called again
// only after the store was closed.
func RunDurable(t *testing.T, open func(t *testing.T) (reopen func() store.Store)) {
	t.Run("Reopen", func(t *testing.T) { testReopen(t, open(t)) })
	t.Run("Closed", func(t *testing.T) { testClosed(t, open(t)) })
}

const (
	tableA store.Table = "storetest_a"
	tableB store.Table = "storetest_b"
)

var tables atomic.Uint64

// freshTable is a table that no other run of a property uses.
func freshTable() store.Table {
	return store.Table(fmt.Sprintf("storetest_run_%d", tables.Add(1)))
}

func row(table store.Table, partition, key string) store.Row {
	return store.Row{Table: table, Partition: []byte(partition), Key: []byte(key)}
}

func put(r store.Row, cond store.Condition, value string) store.Write {
	return store.Write{Row: r, If: cond, Value: []byte(value)}
}

func remove(r store.Row, cond store.Condition) store.Write {
	return store.Write{Row: r, If: cond, Delete: true}
}

func apply(t testing.TB, s store.Store, writes ...store.Write) {
	t.Helper()
	if err := s.Apply(context.Background(), writes...); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

func refuse(t testing.TB, s store.Store, code fault.Code, writes ...store.Write) {
	t.Helper()
	if err := s.Apply(context.Background(), writes...); !fault.Is(err, code) {
		t.Fatalf("Apply = %v, want %s", err, code)
	}
}

func holds(t testing.TB, s store.Store, r store.Row, value string, version uint64) store.Record {
	t.Helper()
	got, err := s.Get(context.Background(), r)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if string(got.Value) != value || got.Version != version {
		t.Fatalf("Get = %q at version %d, want %q at %d", got.Value, got.Version, value, version)
	}
	return got
}

func absent(t testing.TB, s store.Store, r store.Row) {
	t.Helper()
	if got, err := s.Get(context.Background(), r); !fault.Is(err, fault.NotFound) {
		t.Fatalf("Get = %v, %v, want %s", got, err, fault.NotFound)
	}
}

func testConditions(t *testing.T, s store.Store) {
	a := row(tableA, "conditions", "a")
	absent(t, s, a)
	refuse(t, s, fault.Conflict, put(a, store.At(1), "x"))
	refuse(t, s, fault.Conflict, remove(a, store.At(1)))
	apply(t, s, remove(a, store.Any))
	apply(t, s, remove(a, store.Absent))
	absent(t, s, a)

	apply(t, s, put(a, store.Absent, "one"))
	holds(t, s, a, "one", 1)
	refuse(t, s, fault.Conflict, put(a, store.Absent, "x"))
	refuse(t, s, fault.Conflict, put(a, store.At(2), "x"))
	refuse(t, s, fault.Conflict, remove(a, store.Absent))
	refuse(t, s, fault.Conflict, remove(a, store.At(2)))
	holds(t, s, a, "one", 1)

	apply(t, s, put(a, store.At(1), "two"))
	apply(t, s, put(a, store.Any, "three"))
	holds(t, s, a, "three", 3)
	apply(t, s, remove(a, store.At(3)))
	absent(t, s, a)
	apply(t, s, put(a, store.Any, ""))
	if got := holds(t, s, a, "", 1); got.Value == nil || !got.Expires.IsZero() {
		t.Errorf("an empty value came back as %v, expiring %v", got.Value, got.Expires)
	}
	apply(t, s)
}

func testAtomicity(t *testing.T, s store.Store) {
	a, b := row(tableA, "atomicity", "a"), row(tableB, "atomicity", "b")
	c, d := row(tableA, "atomicity", "c"), row(tableA, "atomicity", "d")
	apply(t, s, put(a, store.Absent, "a1"), put(b, store.Absent, "b1"))

	// One condition that fails, at any place, stops all of the writes.
	bad := put(d, store.At(7), "d")
	good := []store.Write{put(a, store.At(1), "a2"), remove(b, store.At(1)), put(c, store.Absent, "c1")}
	for place := range len(good) + 1 {
		writes := append([]store.Write{}, good[:place]...)
		writes = append(append(writes, bad), good[place:]...)
		refuse(t, s, fault.Conflict, writes...)
		holds(t, s, a, "a1", 1)
		holds(t, s, b, "b1", 1)
		absent(t, s, c)
		absent(t, s, d)
	}
	apply(t, s, good...)
	holds(t, s, a, "a2", 2)
	absent(t, s, b)
	holds(t, s, c, "c1", 1)
}

func testVersions(t *testing.T, s store.Store) {
	a, b := row(tableA, "versions", "a"), row(tableB, "versions", "a")
	seen := map[uint64]bool{}
	for i := range 20 {
		apply(t, s, put(a, store.Any, fmt.Sprint(i)))
		v := holds(t, s, a, fmt.Sprint(i), uint64(i+1)).Version
		if seen[v] {
			t.Fatalf("version %d came twice", v)
		}
		seen[v] = true
	}
	// The same key of another table is another row.
	absent(t, s, b)
	apply(t, s, put(b, store.Absent, "b"))
	holds(t, s, b, "b", 1)
	holds(t, s, a, "19", 20)
}

func testOrder(t *testing.T, s store.Store) {
	// Names that an encoding without escapes or lengths would confuse.
	names := []string{"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00b", "a\x01", "aa", "b", "\xff", "\xff\x00", "\xff\xff"}
	for i := len(names) - 1; i >= 0; i-- {
		for j := range names {
			apply(t, s, put(row(tableA, names[i], names[j]), store.Absent, fmt.Sprintf("%d,%d", i, j)))
		}
	}
	apply(t, s, put(row(tableB, "a", "a"), store.Absent, "other table"))
	ctx := context.Background()

	for i, partition := range names {
		var after []byte
		for from := 0; from < len(names); {
			entries, err := s.Partition(ctx, tableA, []byte(partition), after, 4)
			if err != nil || len(entries) == 0 || len(entries) > 4 {
				t.Fatalf("Partition(%q, after %q) = %d entries, %v", partition, after, len(entries), err)
			}
			for _, e := range entries {
				checkEntry(t, e, partition, names[from], fmt.Sprintf("%d,%d", i, from))
				from++
			}
			after = entries[len(entries)-1].Key
		}
		if rest, err := s.Partition(ctx, tableA, []byte(partition), after, 4); err != nil || len(rest) != 0 {
			t.Fatalf("after the last key: %d entries, %v", len(rest), err)
		}
	}

	var after store.Row
	for n := 0; n < len(names)*len(names); {
		entries, err := s.Scan(ctx, tableA, after, 7)
		if err != nil || len(entries) == 0 || len(entries) > 7 {
			t.Fatalf("Scan = %d entries, %v", len(entries), err)
		}
		for _, e := range entries {
			i, j := n/len(names), n%len(names)
			checkEntry(t, e, names[i], names[j], fmt.Sprintf("%d,%d", i, j))
			n++
		}
		after = entries[len(entries)-1].Row
	}
	if rest, err := s.Scan(ctx, tableA, after, 7); err != nil || len(rest) != 0 {
		t.Fatalf("after the last row: %d entries, %v", len(rest), err)
	}
	if none, err := s.Partition(ctx, tableA, []byte("no such"), nil, 1); err != nil || len(none) != 0 {
		t.Fatalf("an empty partition: %d entries, %v", len(none), err)
	}
}

func checkEntry(t *testing.T, e store.Entry, partition, key, value string) {
	t.Helper()
	if e.Table != tableA || string(e.Partition) != partition || string(e.Key) != key || string(e.Value) != value || e.Version != 1 {
		t.Fatalf("entry %s %q %q = %q at %d, want %q %q = %q at 1",
			e.Table, e.Partition, e.Key, e.Value, e.Version, partition, key, value)
	}
	if e.Partition == nil || e.Key == nil {
		t.Fatalf("entry %q %q has nil names, which mean 'from the first' when given back", partition, key)
	}
}

// testNames reads every row back under names that differ in how they are cut.
func testNames(t *testing.T, s store.Store) {
	rows := []store.Row{
		row("ab", "c", "d"), row("a", "bc", "d"), row("a", "b", "cd"), row("abc", "d", ""), row("abcd", "", ""),
		row("a", "", "bcd"), row("a", "bcd", ""), row("a\x00", "b", ""), row("a", "\x00b", ""), row("a", "", "\x00b"),
	}
	for i, r := range rows {
		apply(t, s, put(r, store.Absent, fmt.Sprint(i)))
	}
	for i, r := range rows {
		holds(t, s, r, fmt.Sprint(i), 1)
	}
}

func testSlices(t *testing.T, s store.Store) {
	ctx := context.Background()
	given := row(tableA, "slices", "k")
	value := []byte("value")
	apply(t, s, store.Write{Row: given, If: store.Absent, Value: value})
	clear(value)
	clear(given.Partition)
	clear(given.Key)
	r := row(tableA, "slices", "k")
	first := holds(t, s, r, "value", 1)
	clear(first.Value)
	holds(t, s, r, "value", 1)

	for range 2 {
		byPartition, err := s.Partition(ctx, tableA, r.Partition, nil, 2)
		if err != nil || len(byPartition) != 1 {
			t.Fatalf("Partition = %d entries, %v", len(byPartition), err)
		}
		byScan, err := s.Scan(ctx, tableA, store.Row{}, 2)
		if err != nil || len(byScan) != 1 {
			t.Fatalf("Scan = %d entries, %v", len(byScan), err)
		}
		for _, e := range []store.Entry{byPartition[0], byScan[0]} {
			if !bytes.Equal(e.Partition, r.Partition) || !bytes.Equal(e.Key, r.Key) || string(e.Value) != "value" {
				t.Fatalf("an entry aliases one that was overwritten: %q %q %q", e.Partition, e.Key, e.Value)
			}
			clear(e.Partition)
			clear(e.Key)
			clear(e.Value)
		}
	}
}

func testLimits(t *testing.T, s store.Store) {
	ctx := context.Background()
	long := string(bytes.Repeat([]byte{'n'}, store.MaxName))
	longTable := store.Table(bytes.Repeat([]byte{'t'}, store.MaxTable))
	big := string(bytes.Repeat([]byte{'v'}, store.MaxValue-store.Overhead))

	full := row(longTable, long, long)
	apply(t, s, put(full, store.Absent, big))
	holds(t, s, full, big, 1)
	apply(t, s, remove(full, store.Any))

	ok := row(tableA, "limits", "k")
	refuse(t, s, fault.Oversize, put(ok, store.Any, string(make([]byte, store.MaxValue+1))))
	for _, r := range []store.Row{row(tableA, long+"n", "k"), row(tableA, "limits", long+"n"), row(longTable+"t", "limits", "k")} {
		refuse(t, s, fault.Oversize, put(r, store.Any, "v"))
		if _, err := s.Get(ctx, r); !fault.Is(err, fault.Oversize) {
			t.Errorf("Get of an oversize name: %v", err)
		}
		if _, err := s.Partition(ctx, r.Table, r.Partition, r.Key, 1); !fault.Is(err, fault.Oversize) {
			t.Errorf("Partition of an oversize name: %v", err)
		}
		if _, err := s.Scan(ctx, r.Table, r, 1); !fault.Is(err, fault.Oversize) {
			t.Errorf("Scan after an oversize name: %v", err)
		}
	}
	many := make([]store.Write, store.MaxWrites+1)
	for i := range many {
		many[i] = put(row(tableA, "limits", fmt.Sprint(i)), store.Absent, "v")
	}
	refuse(t, s, fault.Oversize, many...)
	apply(t, s, many[:store.MaxWrites]...)

	refuse(t, s, fault.OutOfRange, put(row("", "limits", "k"), store.Any, "v"))
	refuse(t, s, fault.OutOfRange, put(ok, store.Any, "v"), put(ok, store.Any, "w"))
	refuse(t, s, fault.OutOfRange, put(ok, store.Any, "v"), put(row(tableA, "other", "k"), store.Any, "w"))
	early := put(ok, store.Any, "v")
	early.Expires = time.UnixMilli(0)
	refuse(t, s, fault.OutOfRange, early)
	absent(t, s, ok)

	for _, limit := range []int{0, -1} {
		_, err1 := s.Partition(ctx, tableA, nil, nil, limit)
		_, err2 := s.Scan(ctx, tableA, store.Row{}, limit)
		_, err3 := s.Sweep(ctx, tableA, time.Now(), limit)
		for _, err := range []error{err1, err2, err3} {
			if !fault.Is(err, fault.OutOfRange) {
				t.Errorf("limit %d: %v", limit, err)
			}
		}
	}
	if _, err := s.Scan(ctx, tableA, row(tableB, "limits", "k"), 1); !fault.Is(err, fault.OutOfRange) {
		t.Errorf("a scan after a row of another table: %v", err)
	}
}

func testContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := row(tableA, "context", "k")
	apply(t, s, put(r, store.Absent, "v"))

	err1 := s.Apply(ctx, put(r, store.At(1), "w"))
	_, err2 := s.Get(ctx, r)
	_, err3 := s.Partition(ctx, tableA, r.Partition, nil, 1)
	_, err4 := s.Scan(ctx, tableA, store.Row{}, 1)
	_, err5 := s.Sweep(ctx, tableA, time.Now(), 1)
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if !fault.Is(err, fault.Cancelled) {
			t.Errorf("call %d with a cancelled context: %v", i+1, err)
		}
	}
	// Cancelled before it began: nothing was written.
	holds(t, s, r, "v", 1)
}

package storetest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nod/fault"
	"nod/store"
)

// name is a row's place in one table, as a comparable value.
type name struct{ partition, key string }

// model is the plain map that a store must agree with.
type model map[name]store.Record

func (m model) holds(w store.Write) bool {
	r, exists := m[name{string(w.Partition), string(w.Key)}]
	return w.If.Holds(exists, r.Version)
}

func (m model) write(w store.Write) {
	n := name{string(w.Partition), string(w.Key)}
	if w.Delete {
		delete(m, n)
		return
	}
	expires := store.FromMilliseconds(store.Milliseconds(w.Expires))
	m[n] = store.Record{Value: bytes.Clone(w.Value), Version: m[n].Version + 1, Expires: expires}
}

// sorted lists the rows that pass, in the contract's order.
func (m model) sorted(pass func(name) bool) []name {
	names := slices.DeleteFunc(slices.Collect(maps.Keys(m)), func(n name) bool { return !pass(n) })
	slices.SortFunc(names, func(a, b name) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.key, b.key))
	})
	return names
}

// testHistory runs random histories on the store and on a plain map. Names come
// from a small set, so that rows meet. rapid prints the seed of a failure.
func testHistory(t *testing.T, s store.Store) {
	rapid.Check(t, func(t *rapid.T) {
		table, m := freshTable(), model{}
		t.Repeat(map[string]func(*rapid.T){
			"apply":     func(t *rapid.T) { historyApply(t, s, table, m) },
			"get":       func(t *rapid.T) { historyGet(t, s, table, m) },
			"partition": func(t *rapid.T) { historyPartition(t, s, table, m) },
			"scan":      func(t *rapid.T) { historyScan(t, s, table, m) },
			"sweep":     func(t *rapid.T) { historySweep(t, s, table, m) },
		})
	})
}

var (
	anyName    = rapid.SampledFrom([]string{"", "\x00", "\x00\xff", "a", "a\x00", "b", "\xff"})
	anyValue   = rapid.SliceOfN(rapid.Byte(), 0, 40)
	anyExpiry  = rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1, 50))
	anyVersion = rapid.Uint64Range(1, 3)
)

func historyApply(t *rapid.T, s store.Store, table store.Table, m model) {
	partition := anyName.Draw(t, "partition")
	keys := rapid.SliceOfNDistinct(anyName, 1, 4, rapid.ID[string]).Draw(t, "keys")
	writes := make([]store.Write, 0, len(keys))
	want := true
	for _, key := range keys {
		r := row(table, partition, key)
		w := store.Write{
			Row: r, Delete: rapid.IntRange(0, 3).Draw(t, "kind") == 0,
			Value:   anyValue.Draw(t, "value"),
			Expires: store.FromMilliseconds(anyExpiry.Draw(t, "expires")),
		}
		switch rapid.IntRange(0, 3).Draw(t, "condition") {
		case 0:
			w.If = store.Absent
		case 1:
			w.If = store.At(anyVersion.Draw(t, "version"))
		case 2: // the version as it is, so that long chains of writes happen
			w.If = store.Absent
			if now, ok := m[name{partition, key}]; ok {
				w.If = store.At(now.Version)
			}
		case 3:
			w.If = store.Any
		}
		want = want && m.holds(w)
		writes = append(writes, w)
	}
	err := s.Apply(context.Background(), writes...)
	switch {
	case want && err != nil:
		t.Fatalf("Apply: %v", err)
	case !want && !fault.Is(err, fault.Conflict):
		t.Fatalf("Apply = %v, want %s", err, fault.Conflict)
	case want:
		for _, w := range writes {
			m.write(w)
		}
	}
}

func historyGet(t *rapid.T, s store.Store, table store.Table, m model) {
	n := name{anyName.Draw(t, "partition"), anyName.Draw(t, "key")}
	got, err := s.Get(context.Background(), row(table, n.partition, n.key))
	want, exists := m[n]
	if !exists {
		if !fault.Is(err, fault.NotFound) {
			t.Fatalf("Get(%q) = %v, want %s", n, err, fault.NotFound)
		}
		return
	}
	if err != nil || !same(got, want) {
		t.Fatalf("Get(%q) = %v, %v, want %v", n, got, err, want)
	}
}

func historyPartition(t *rapid.T, s store.Store, table store.Table, m model) {
	partition := anyName.Draw(t, "partition")
	limit := rapid.IntRange(1, 6).Draw(t, "limit")
	var after []byte
	if rapid.Bool().Draw(t, "from the first") {
		after = []byte(anyName.Draw(t, "after"))
	}
	got, err := s.Partition(context.Background(), table, []byte(partition), after, limit)
	want := m.sorted(func(n name) bool {
		return n.partition == partition && (after == nil || n.key > string(after))
	})
	compare(t, got, err, table, m, want[:min(limit, len(want))])
}

func historyScan(t *rapid.T, s store.Store, table store.Table, m model) {
	limit := rapid.IntRange(1, 12).Draw(t, "limit")
	var after store.Row
	from := name{anyName.Draw(t, "partition"), anyName.Draw(t, "key")}
	all := rapid.Bool().Draw(t, "from the first")
	if !all {
		after = row(table, from.partition, from.key)
	}
	got, err := s.Scan(context.Background(), table, after, limit)
	want := m.sorted(func(n name) bool {
		return all || cmp.Or(cmp.Compare(n.partition, from.partition), cmp.Compare(n.key, from.key)) > 0
	})
	compare(t, got, err, table, m, want[:min(limit, len(want))])
}

func historySweep(t *rapid.T, s store.Store, table store.Table, m model) {
	now := rapid.Int64Range(1, 60).Draw(t, "now")
	limit := rapid.IntRange(1, 6).Draw(t, "limit")
	expired := m.sorted(func(n name) bool {
		at := store.Milliseconds(m[n].Expires)
		return at != 0 && at < now
	})
	swept, err := s.Sweep(context.Background(), table, time.UnixMilli(now), limit)
	if err != nil || swept != min(limit, len(expired)) {
		t.Fatalf("Sweep = %d, %v, want %d of %d", swept, err, min(limit, len(expired)), len(expired))
	}
	// Which of the expired rows went is the store's choice: ask it.
	for _, n := range expired {
		if _, err := s.Get(context.Background(), row(table, n.partition, n.key)); fault.Is(err, fault.NotFound) {
			delete(m, n)
			swept--
		}
	}
	if swept != 0 {
		t.Fatalf("Sweep counted %d rows more than it took", swept)
	}
}

func compare(t *rapid.T, got []store.Entry, err error, table store.Table, m model, want []name) {
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d entries, %v, want %d", len(got), err, len(want))
	}
	for i, e := range got {
		if e.Table != table || (name{string(e.Partition), string(e.Key)}) != want[i] || !same(e.Record, m[want[i]]) {
			t.Fatalf("entry %d is %q %q %v, want %q %v", i, e.Partition, e.Key, e.Record, want[i], m[want[i]])
		}
	}
}

func same(a, b store.Record) bool {
	return bytes.Equal(a.Value, b.Value) && a.Version == b.Version && a.Expires.Equal(b.Expires)
}

func testReopen(t *testing.T, reopen func() store.Store) {
	ctx := context.Background()
	at := time.UnixMilli(1_800_000_000_000).UTC()
	s := reopen()
	for i := range 10 {
		w := put(row(tableA, "reopen", string(rune('a'+i))), store.Absent, "old")
		w.Expires = at
		apply(t, s, w)
	}
	for round := range 3 {
		apply(t, s, put(row(tableA, "reopen", "a"), store.At(uint64(round+1)), "new"))
		apply(t, s, remove(row(tableA, "reopen", string(rune('b'+round))), store.At(1)))
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		s = reopen()
		if got := holds(t, s, row(tableA, "reopen", "a"), "new", uint64(round+2)); !got.Expires.IsZero() {
			t.Fatalf("a row's expiry came back as %v", got.Expires)
		}
		entries, err := s.Partition(ctx, tableA, []byte("reopen"), []byte("a"), 100)
		if err != nil || len(entries) != 8-round {
			t.Fatalf("after reopening: %d entries, %v, want %d", len(entries), err, 8-round)
		}
		for _, e := range entries {
			if string(e.Value) != "old" || e.Version != 1 || !e.Expires.Equal(at) {
				t.Fatalf("after reopening: %q", e.Value)
			}
		}
	}
	if n, err := s.Sweep(ctx, tableA, at.Add(time.Second), 100); err != nil || n != 6 {
		t.Fatalf("Sweep after reopening = %d, %v, want 6", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func testClosed(t *testing.T, reopen func() store.Store) {
	ctx := context.Background()
	s := reopen()
	r := row(tableA, "closed", "k")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	err1 := s.Apply(ctx, put(r, store.Any, "v"))
	_, err2 := s.Get(ctx, r)
	_, err3 := s.Partition(ctx, tableA, r.Partition, nil, 1)
	_, err4 := s.Scan(ctx, tableA, store.Row{}, 1)
	_, err5 := s.Sweep(ctx, tableA, time.Now(), 1)
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if !fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("call %d on a closed store: %v", i+1, err)
		}
	}
	s = reopen()
	absent(t, s, r)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

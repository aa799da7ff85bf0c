package postgres

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"nod/fault"
	"nod/store"
	"nod/store/pebble"
)

const kind store.Table = "kind"

func row(partition, key string) store.Row {
	return store.Row{Table: kind, Partition: []byte(partition), Key: []byte(key)}
}

func put(partition, key string, cond store.Condition, value string) store.Write {
	return store.Write{Row: row(partition, key), If: cond, Value: []byte(value)}
}

func remove(partition, key string, cond store.Condition) store.Write {
	return store.Write{Row: row(partition, key), If: cond, Delete: true}
}

// instances opens one database several times, the last one without batches.
func instances(t testing.TB, n int) []*Store {
	t.Helper()
	o := newDatabase(t, shared, "matcher")
	out := make([]*Store, n)
	for i := range out {
		o.Batch = 0
		if i == n-1 {
			o.Batch = 1
		}
		out[i] = openStore(t, o)
	}
	return out
}

// read is a row's number and the condition that it has not changed; 0 for none.
func read(s *Store, r store.Row) (n int, unchanged store.Condition, err error) {
	got, err := s.Get(context.Background(), r)
	if fault.Is(err, fault.NotFound) {
		return 0, store.Absent, nil
	}
	if err != nil {
		return 0, store.Absent, err
	}
	n, err = strconv.Atoi(string(got.Value))
	return n, store.At(got.Version), err
}

// Several instances debit the same budgets, and note each debit beside it, as
// sessions are consumed: not one is lost, doubled, or without its note.
func TestNoUpdateIsLostBetweenInstances(t *testing.T) {
	needServer(t)
	ctx := context.Background()
	stores := instances(t, 3)
	const partitions, workers, rounds = 10, 10, 10
	var wg sync.WaitGroup
	for i, s := range stores {
		for w := range workers {
			wg.Go(func() {
				for round := range rounds {
					p := fmt.Sprint((round + w + 3*i) % partitions)
					for {
						n, unchanged, err := read(s, row(p, "budget"))
						if err == nil {
							writes := []store.Write{
								put(p, "budget", unchanged, strconv.Itoa(n+1)),
								put(p, fmt.Sprintf("session %d %d %d", i, w, round), store.Absent, strconv.Itoa(n)),
							}
							if i == 0 {
								err = batched(t, s, writes...)
							} else {
								err = s.Apply(ctx, writes...)
							}
						}
						if fault.Is(err, fault.Conflict) {
							continue
						}
						if err != nil {
							t.Errorf("debit: %v", err)
							return
						}
						break
					}
				}
			})
		}
	}
	wg.Wait()
	const each = 3 * workers * rounds / partitions
	for p := range partitions {
		entries, err := stores[0].Partition(ctx, kind, fmt.Append(nil, p), nil, 1000)
		if err != nil || len(entries) != each+1 {
			t.Fatalf("partition %d has %d rows, %v, want %d", p, len(entries), err, each+1)
		}
		seen := map[string]bool{}
		for _, e := range entries[1:] {
			seen[string(e.Value)] = true
		}
		if string(entries[0].Value) != strconv.Itoa(each) || entries[0].Version != each || len(seen) != each {
			t.Errorf("partition %d: budget %s at version %d, %d different notes, want %d", p, entries[0].Value, entries[0].Version, len(seen), each)
		}
	}
}

// Two instances claim the same rows in batches: each has one winner, and the
// losers of a batch do not take the others down.
func TestClaimsBetweenInstances(t *testing.T) {
	needServer(t)
	stores := instances(t, 3)
	const claims = 150
	var wins [claims]atomic.Int32
	var wg sync.WaitGroup
	for i, s := range stores {
		for c := range claims {
			wg.Go(func() {
				p := fmt.Sprintf("claim %d", c)
				err := s.Apply(context.Background(), put(p, "a", store.Absent, fmt.Sprint(i)), put(p, "b", store.Any, fmt.Sprint(i)))
				switch {
				case err == nil:
					wins[c].Add(1)
				case !fault.Is(err, fault.Conflict):
					t.Errorf("claim: %v", err)
				}
			})
		}
	}
	wg.Wait()
	for c := range claims {
		p := fmt.Sprintf("claim %d", c)
		a, _, err1 := read(stores[0], row(p, "a"))
		b, _, err2 := read(stores[0], row(p, "b"))
		if wins[c].Load() != 1 || err1 != nil || err2 != nil || a != b {
			t.Errorf("claim %d: %d winners, a of %d, b of %d, %v, %v", c, wins[c].Load(), a, b, err1, err2)
		}
	}
}

// A delete of a row that is absent is a condition like any other: of two changes
// that each put a row and want the other's absent, or delete it, not both can go
// first.
func TestAbsentRowsAreLocked(t *testing.T) {
	needServer(t)
	ctx := context.Background()
	stores := instances(t, 2)
	for _, cond := range []store.Condition{store.Absent, store.Any} {
		for round := range 60 {
			p := fmt.Sprintf("skew %v %d", cond == store.Any, round)
			alone := round%2 == 0
			var errs [2]error
			var wg sync.WaitGroup
			for i, names := range [][2]string{{"x", "y"}, {"y", "x"}} {
				wg.Go(func() {
					writes := []store.Write{put(p, names[0], store.Absent, "v"), remove(p, names[1], cond)}
					if alone {
						errs[i] = stores[i].Apply(ctx, writes...)
					} else {
						errs[i] = batched(t, stores[i], writes...)
					}
				})
			}
			wg.Wait()
			for _, err := range errs {
				if err != nil && !fault.Is(err, fault.Conflict) {
					t.Fatalf("Apply: %v", err)
				}
			}
			entries, err := stores[0].Partition(ctx, kind, []byte(p), nil, 3)
			if err != nil || len(entries) != 1 {
				t.Fatalf("%s: %d rows, %v; the calls said %v and %v", p, len(entries), err, errs[0], errs[1])
			}
		}
	}
}

func changeJob(t *testing.T, writes ...store.Write) *job[*change, struct{}] {
	t.Helper()
	c, size, err := newChange(writes)
	if err != nil {
		t.Errorf("newChange: %v", err)
	}
	return &job[*change, struct{}]{ask: c, weight: len(writes), bytes: size}
}

// batched does one change as a batch of many would.
func batched(t *testing.T, s *Store, writes ...store.Write) error {
	j := changeJob(t, writes...)
	outcomes, err := s.together([]*job[*change, struct{}]{j})
	switch {
	case err != nil || outcomes[0] == written:
		return err
	case outcomes[0] == refused:
		return conflict(kind)
	}
	return s.alone(j.ask)
}

// One statement decides each change of a batch by itself.
func TestBatchDecidesEachChange(t *testing.T) {
	needServer(t)
	ctx := context.Background()
	s := instances(t, 2)[0]
	for _, p := range []string{"1", "2", "3", "4"} {
		if err := s.Apply(ctx, put(p, "old", store.Absent, "old")); err != nil {
			t.Fatal(err)
		}
	}
	group := []*job[*change, struct{}]{
		changeJob(t, put("1", "old", store.At(1), "new"), put("1", "new", store.Absent, "new")),
		changeJob(t, put("2", "old", store.Absent, "new"), put("2", "new", store.Any, "new")),
		changeJob(t, remove("3", "old", store.At(1)), put("3", "new", store.Any, "new")),
		changeJob(t, put("4", "old", store.At(2), "new"), remove("4", "none", store.Any)),
		changeJob(t, put("5", "new", store.Absent, "new"), remove("5", "none", store.Any)),
		changeJob(t, remove("6", "none", store.Absent)),
		changeJob(t, remove("7", "none", store.At(1))),
	}
	outcomes, err := s.together(group)
	if want := []outcome{written, refused, written, refused, apart, written, refused}; err != nil || fmt.Sprint(outcomes) != fmt.Sprint(want) {
		t.Fatalf("outcomes %v, %v, want %v", outcomes, err, want)
	}
	s.runApplies(group)
	for i, conflict := range []bool{true, true, true, true, false, false, true} {
		if fault.Is(group[i].err, fault.Conflict) != conflict || !conflict && group[i].err != nil {
			t.Errorf("change %d, done again: %v", i+1, group[i].err)
		}
	}
	for r, want := range map[string]string{"1 old": "new", "1 new": "new", "2 old": "old", "3 new": "new", "4 old": "old", "5 new": "new"} {
		got, err := s.Get(ctx, row(r[:1], r[2:]))
		if err != nil || string(got.Value) != want {
			t.Errorf("row %s: %q, %v, want %q", r, got.Value, err, want)
		}
	}
	if _, err := s.Get(ctx, row("2", "new")); !fault.Is(err, fault.NotFound) {
		t.Errorf("a refused change left half of it: %v", err)
	}
}

// Any history has the outcomes that Pebble gives it, faults included.
func TestHistoriesEqualPebbles(t *testing.T) {
	needServer(t)
	ctx := context.Background()
	stores := instances(t, 2)
	reference, err := pebble.Open(pebble.Options{Folder: "store", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reference.Close() }()
	var run atomic.Int64
	names := rapid.SampledFrom([]string{"", "\x00", "a", "b", "\xff"})
	rapid.Check(t, func(t *rapid.T) {
		partition := fmt.Sprint(run.Add(1))
		for range rapid.IntRange(1, 12).Draw(t, "applies") {
			var writes []store.Write
			for _, key := range rapid.SliceOfNDistinct(names, 1, 4, rapid.ID[string]).Draw(t, "keys") {
				conds := []store.Condition{store.Absent, store.Any, store.Any, store.At(1), store.At(2), store.At(1 << 63)}
				w := put(partition, key, rapid.SampledFrom(conds).Draw(t, "condition"), key)
				w.Delete = rapid.IntRange(0, 2).Draw(t, "delete") == 0
				writes = append(writes, w)
			}
			want, got := reference.Apply(ctx, writes...), rapid.SampledFrom(stores).Draw(t, "store").Apply(ctx, writes...)
			if fault.CodeOf(got) != fault.CodeOf(want) {
				t.Fatalf("Apply = %v, Pebble says %v", got, want)
			}
			a, err1 := reference.Partition(ctx, kind, []byte(partition), nil, 10)
			b, err2 := rapid.SampledFrom(stores).Draw(t, "reader").Partition(ctx, kind, []byte(partition), nil, 10)
			if err1 != nil || err2 != nil || fmt.Sprint(a) != fmt.Sprint(b) {
				t.Fatalf("rows %v, %v, Pebble has %v, %v", b, err2, a, err1)
			}
		}
	})
}

package storetest_test

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"nod/fault"
	"nod/store"
	"nod/store/pebble"
	"nod/store/storetest"
)

func inner(t *testing.T) store.Store {
	t.Helper()
	s, err := pebble.Open(pebble.Options{Folder: "store", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestFaultyWithoutPlanIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return storetest.NewFaulty(inner(t), nil) })
}

func put(key string) store.Write {
	return store.Write{Row: store.Row{Table: "t", Partition: []byte("p"), Key: []byte(key)}, If: store.Absent, Value: []byte("value")}
}

func TestWritesFailBothWays(t *testing.T) {
	ctx := context.Background()
	tests := []struct {
		failure   storetest.Failure
		persisted bool
	}{{storetest.NotPersisted, false}, {storetest.ReplyLost, true}}
	for _, test := range tests {
		f := storetest.NewFaulty(inner(t), storetest.Nth(storetest.Apply, 2, test.failure))
		if err := f.Apply(ctx, put("1")); err != nil {
			t.Fatal(err)
		}
		if err := f.Apply(ctx, put("2")); !fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("the planned failure: %v", err)
		}
		if err := f.Apply(ctx, put("3")); err != nil {
			t.Errorf("the call after it: %v", err)
		}
		if _, err := f.Get(ctx, put("2").Row); fault.Is(err, fault.NotFound) == test.persisted || err != nil && test.persisted {
			t.Errorf("after failure %d: %v", test.failure, err)
		}
	}
}

func TestFaultyReadsAndCounts(t *testing.T) {
	ctx := context.Background()
	f := storetest.NewFaulty(inner(t), storetest.From(storetest.Get, 1, storetest.ReplyLost))
	remove := put("1")
	remove.Delete, remove.If = true, store.Any
	for _, w := range []store.Write{put("1"), put("2"), remove} {
		if err := f.Apply(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if r, err := f.Get(ctx, put("2").Row); !fault.Is(err, fault.StoreUnavailable) || r.Value != nil {
			t.Errorf("a planned Get: %q, %v", r.Value, err)
		}
	}
	if entries, err := f.Partition(ctx, "t", []byte("p"), nil, 10); err != nil || len(entries) != 1 {
		t.Errorf("Partition = %d entries, %v", len(entries), err)
	}
	want := storetest.Counts{Gets: 2, Applies: 3, Partitions: 1, Puts: 2, Deletes: 1, BytesGiven: 3*3 + 2*5, BytesRead: 5}
	if got := f.Counts(); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	f.SetPlan(storetest.Nth(storetest.Get, 1, storetest.NotPersisted))
	f.Reset()
	for i := range 2 {
		if _, err := f.Get(ctx, put("2").Row); (err != nil) != (i == 0) {
			t.Errorf("Get %d of a new plan: %v", i+1, err)
		}
	}
	if got, want := f.Counts(), (storetest.Counts{Gets: 2, BytesRead: 5}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

func TestHold(t *testing.T) {
	hold := make(chan struct{})
	f := storetest.NewFaulty(inner(t), func(op storetest.Op, _ int, writes []store.Write) storetest.Step {
		if op == storetest.Apply && string(writes[0].Key) == "held" {
			return storetest.Step{Hold: hold}
		}
		return storetest.Step{}
	})
	ctx, cancel := context.WithCancel(context.Background())
	held, cancelled := make(chan error, 1), make(chan error, 1)
	go func() { held <- f.Apply(context.Background(), put("held")) }()
	go func() { cancelled <- f.Apply(ctx, put("held")) }()
	if err := f.Apply(context.Background(), put("free")); err != nil {
		t.Errorf("a call that is not held: %v", err)
	}
	cancel()
	if err := <-cancelled; !fault.Is(err, fault.Cancelled) {
		t.Errorf("a held call whose context ended: %v", err)
	}
	select {
	case err := <-held:
		t.Errorf("a held call returned: %v", err)
	default:
	}
	close(hold)
	if err := <-held; err != nil {
		t.Errorf("a held call: %v", err)
	}
}

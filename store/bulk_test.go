package store_test

import (
	"context"
	"fmt"
	"testing"

	"nod/fault"
	"nod/store"
)

// A store that has no Load of its own is filled by Apply.
func TestLoadWithoutBulk(t *testing.T) {
	ctx := context.Background()
	for name, s := range map[string]store.Store{"plain": newInner(t), "encrypted": store.Encrypted(newInner(t), newAEAD(t))} {
		var entries []store.Entry
		for i := range 2*store.MaxWrites + 5 {
			r := store.Row{Table: "t", Partition: fmt.Append(nil, i/(store.MaxWrites+2)), Key: fmt.Append(nil, i)}
			entries = append(entries, store.Entry{Row: r, Record: store.Record{Value: fmt.Append(nil, i)}})
		}
		if err := store.Load(ctx, s, entries); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, e := range entries {
			if got, err := s.Get(ctx, e.Row); err != nil || string(got.Value) != fmt.Sprint(i) || got.Version != 1 {
				t.Fatalf("%s: row %d is %v, %v", name, i, got, err)
			}
		}
		if err := store.Load(ctx, s, entries[:1]); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: a row that exists: %v", name, err)
		}
		if err := store.Load(ctx, s, make([]store.Entry, store.MaxLoad+1)); !fault.Is(err, fault.Oversize) {
			t.Errorf("%s: too many rows: %v", name, err)
		}
	}
}

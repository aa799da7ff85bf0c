package pebble

import (
	"context"
	"testing"

	"nod/fault"
	"nod/store"
)

// What the store says of its memory follows what is written, and ends with it.
func TestMemory(t *testing.T) {
	s, _ := gated(t)
	ctx := context.Background()
	before, err := s.Memory(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 64 {
		if err := s.Apply(ctx, store.Write{Row: fillRow(i), Value: make([]byte, 32<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	after, err := s.Memory(ctx)
	if err != nil || after.Tables <= before.Tables {
		t.Errorf("tables of %d bytes, then %d, %v", before.Tables, after.Tables, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Memory(ctx); !fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("of a closed store: %v", err)
	}
}

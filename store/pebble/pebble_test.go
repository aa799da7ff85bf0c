package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"nod/store"
	"nod/store/pebble"
	"nod/store/storetest"
)

func open(t testing.TB, o pebble.Options) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// inMemory is a store of its own for one test.
func inMemory(t *testing.T) store.Store {
	s := open(t, pebble.Options{Folder: "store", FS: vfs.NewMem()})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestContract(t *testing.T) { storetest.Run(t, inMemory) }

func TestDurable(t *testing.T) {
	storetest.RunDurable(t, func(t *testing.T) func() store.Store {
		folder := t.TempDir() + "/store"
		return func() store.Store { return open(t, pebble.Options{Folder: folder}) }
	})
}

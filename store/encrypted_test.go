package store_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"nod/fault"
	"nod/store"
	"nod/store/pebble"
	"nod/store/storetest"
)

func newAEAD(t *testing.T) tink.AEAD {
	t.Helper()
	handle, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	a, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newInner(t *testing.T) store.Store {
	t.Helper()
	s, err := pebble.Open(pebble.Options{Folder: "store", FS: vfs.NewMem()})
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

func TestEncryptedContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return store.Encrypted(newInner(t), newAEAD(t)) })
}

func TestEncryptedDurable(t *testing.T) {
	storetest.RunDurable(t, func(t *testing.T) func() store.Store {
		a, fs := newAEAD(t), vfs.NewMem()
		return func() store.Store {
			s, err := pebble.Open(pebble.Options{Folder: "store", FS: fs})
			if err != nil {
				t.Fatal(err)
			}
			return store.Encrypted(s, a)
		}
	})
}

var place = store.Row{Table: "template", Partition: []byte("partition"), Key: []byte("key")}

// sealed writes a value through an encrypted store and gives it as it lies in
// the inner one.
func sealed(t *testing.T, inner store.Store, a tink.AEAD, value []byte) []byte {
	t.Helper()
	ctx := context.Background()
	if err := store.Encrypted(inner, a).Apply(ctx, store.Write{Row: place, If: store.Any, Value: value}); err != nil {
		t.Fatal(err)
	}
	r, err := inner.Get(ctx, place)
	if err != nil {
		t.Fatal(err)
	}
	return r.Value
}

func TestInnerStoreSeesLengthsOnly(t *testing.T) {
	inner, a := newInner(t), newAEAD(t)
	overhead := -1
	for _, size := range []int{0, 1, 31, 32, 100, 5000} {
		value := bytes.Repeat([]byte("citizen "), size)
		first, second := sealed(t, inner, a, value), sealed(t, inner, a, value)
		if bytes.Equal(first, second) {
			t.Errorf("%d bytes encrypt to the same ciphertext twice", len(value))
		}
		if bytes.Contains(first, []byte("citi")) || bytes.Contains(first, []byte("zen ")) {
			t.Errorf("%d bytes show in the inner store", len(value))
		}
		for _, ciphertext := range [][]byte{first, second} {
			if overhead < 0 {
				overhead = len(ciphertext) - len(value)
			}
			if got := len(ciphertext) - len(value); got != overhead || got > store.Overhead {
				t.Errorf("%d bytes grow by %d, others by %d; the limit is %d", len(value), got, overhead, store.Overhead)
			}
		}
	}
	t.Logf("an encrypted value takes %d bytes more", overhead)
}

// everywhere reads a row in each of the store's ways.
func everywhere(s store.Store, row store.Row) []error {
	ctx := context.Background()
	_, err1 := s.Get(ctx, row)
	_, err2 := s.Partition(ctx, row.Table, row.Partition, nil, 10)
	_, err3 := s.Scan(ctx, row.Table, store.Row{}, 10)
	return []error{err1, err2, err3}
}

func TestMovedRowIsRefused(t *testing.T) {
	a := newAEAD(t)
	moves := map[string]store.Row{
		"table":          {Table: "pad", Partition: place.Partition, Key: place.Key},
		"partition":      {Table: place.Table, Partition: []byte("partitiom"), Key: place.Key},
		"key":            {Table: place.Table, Partition: place.Partition, Key: []byte("kez")},
		"swapped":        {Table: place.Table, Partition: place.Key, Key: place.Partition},
		"cut elsewhere":  {Table: place.Table, Partition: []byte("partitionk"), Key: []byte("ey")},
		"table boundary": {Table: "templatep", Partition: []byte("artition"), Key: place.Key},
		"no key":         {Table: place.Table, Partition: []byte("partitionkey")},
	}
	for name, to := range moves {
		t.Run(name, func(t *testing.T) {
			inner := newInner(t)
			ciphertext := sealed(t, inner, a, []byte("value"))
			move := []store.Write{{Row: to, If: store.Absent, Value: ciphertext}}
			if err := inner.Apply(context.Background(), move...); err != nil {
				t.Fatal(err)
			}
			s := store.Encrypted(inner, a)
			for i, err := range everywhere(s, to) {
				if !fault.Is(err, fault.RecordForged) {
					t.Errorf("read %d of a moved row: %v", i+1, err)
				}
			}
			if r, err := s.Get(context.Background(), place); err != nil || string(r.Value) != "value" {
				t.Errorf("the row in its own place: %q, %v", r.Value, err)
			}
		})
	}
}

func TestChangedRowIsRefused(t *testing.T) {
	inner, a := newInner(t), newAEAD(t)
	s := store.Encrypted(inner, a)
	good := sealed(t, inner, a, []byte("value"))
	replace := func(value []byte) {
		t.Helper()
		if err := inner.Apply(context.Background(), store.Write{Row: place, If: store.Any, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	for bit := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		replace(bad)
		if _, err := s.Get(context.Background(), place); !fault.Is(err, fault.RecordForged) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
	}
	for size := range len(good) {
		replace(good[:size])
		if _, err := s.Get(context.Background(), place); !fault.Is(err, fault.RecordForged) {
			t.Fatalf("cut to %d bytes: %v", size, err)
		}
	}
	replace(append(bytes.Clone(good), 0))
	for i, err := range everywhere(s, place) {
		if !fault.Is(err, fault.RecordForged) {
			t.Errorf("read %d of a longer value: %v", i+1, err)
		}
	}
	replace(good)
	for i, err := range everywhere(store.Encrypted(inner, newAEAD(t)), place) {
		if !fault.Is(err, fault.RecordForged) {
			t.Errorf("read %d under another key: %v", i+1, err)
		}
	}
	if r, err := s.Get(context.Background(), place); err != nil || string(r.Value) != "value" {
		t.Errorf("the right bytes: %q, %v", r.Value, err)
	}
}

func TestEncryptedLimit(t *testing.T) {
	s := store.Encrypted(newInner(t), newAEAD(t))
	write := store.Write{Row: place, Value: make([]byte, store.MaxValue-store.Overhead+1)}
	if err := s.Apply(context.Background(), write); !fault.Is(err, fault.Oversize) {
		t.Errorf("a value without room for the overhead: %v", err)
	}
}

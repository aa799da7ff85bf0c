package pebble

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"nod/fault"
	"nod/store"
)

// confusable makes names of few letters, so that one is often part of another.
var confusable = rapid.SliceOfN(rapid.SampledFrom([]byte{0x00, 0x01, 0x02, 0xfe, 0xff, 'a'}), 0, 5)

func drawRow(t *rapid.T, label string) store.Row {
	table := append([]byte{'t'}, confusable.Draw(t, label+" table")...)
	return store.Row{
		Table:     store.Table(table),
		Partition: confusable.Draw(t, label+" partition"),
		Key:       confusable.Draw(t, label+" key"),
	}
}

func order(a, b store.Row) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), bytes.Compare(a.Partition, b.Partition), bytes.Compare(a.Key, b.Key))
}

func TestKeysKeepOrderAndAreInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRow(t, "a"), drawRow(t, "b")
		if got, want := bytes.Compare(rowKey(a), rowKey(b)), order(a, b); got != want {
			t.Fatalf("keys of %q and %q compare as %d, rows as %d", a, b, got, want)
		}
		at, bt := rapid.Int64Range(1, 300).Draw(t, "a expires"), rapid.Int64Range(1, 300).Draw(t, "b expires")
		want := cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(at, bt), order(a, b))
		if got := bytes.Compare(expiryKey(a, at), expiryKey(b, bt)); got != want {
			t.Fatalf("expiries of %q at %d and %q at %d compare as %d, want %d", a, at, b, bt, got, want)
		}
	})
}

func TestPrefixesHoldTheirRowsOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRow(t, "a"), drawRow(t, "b")
		prefix := tablePrefix(kindRow, a.Table)
		if in := inside(prefix, rowKey(b)); in != (a.Table == b.Table) {
			t.Fatalf("row of table %q inside table %q: %v", b.Table, a.Table, in)
		}
		prefix = appendName(prefix, a.Partition)
		same := a.Table == b.Table && bytes.Equal(a.Partition, b.Partition)
		if in := inside(prefix, rowKey(b)); in != same {
			t.Fatalf("row %q inside the partition of %q: %v", b, a, in)
		}
	})
}

func inside(prefix, key []byte) bool {
	return bytes.Compare(prefix, key) <= 0 && bytes.Compare(key, afterPrefix(prefix)) < 0
}

func FuzzRowKey(f *testing.F) {
	f.Add(rowKey(store.Row{Table: "t", Partition: []byte("p\x00"), Key: []byte("k")}))
	f.Add([]byte{kindRow, 't', 0, end, 0, end})
	f.Add([]byte{kindRow, 't', 0, zero, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRowKey(data)
		if err != nil {
			if !fault.Is(err, fault.StoreDamaged) {
				t.Fatalf("%v", err)
			}
			return
		}
		if again := rowKey(r); !bytes.Equal(again, data) {
			t.Fatalf("%x decodes and encodes to %x", data, again)
		}
	})
}

func FuzzExpiryKey(f *testing.F) {
	f.Add(expiryKey(store.Row{Table: "t", Partition: []byte("p\x00"), Key: []byte("k")}, 1<<40))
	f.Add(binary.BigEndian.AppendUint64([]byte{kindExpiry, 't', 0, end}, 1<<63))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, at, err := parseExpiryKey(data)
		if err != nil {
			if !fault.Is(err, fault.StoreDamaged) {
				t.Fatalf("%v", err)
			}
			return
		}
		if again := expiryKey(r, at); !bytes.Equal(again, data) {
			t.Fatalf("%x decodes and encodes to %x", data, again)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(appendRecord(nil, 1, 0, []byte("value")))
	f.Add(appendRecord(nil, 1<<63, 1<<62, nil))
	f.Add(appendRecord(nil, 0, -1, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		version, expires, value, err := parseRecord(data)
		if err != nil {
			if !fault.Is(err, fault.StoreDamaged) {
				t.Fatalf("%v", err)
			}
			return
		}
		if again := appendRecord(nil, version, expires, value); !bytes.Equal(again, data) {
			t.Fatalf("%x decodes and encodes to %x", data, again)
		}
	})
}

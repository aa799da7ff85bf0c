package pebble

import (
	"bytes"
	"encoding/binary"

	"nod/fault"
	"nod/store"
)

// The database's keys, in which `name` is escaped (below) and | joins bytes:
//
//	meta      0x00 | "format"
//	row       0x01 | name(table) | name(partition) | key
//	expiry    0x02 | name(table) | expires, 8 bytes big endian | name(partition) | key
//
// name(s) is s with every 0x00 as 0x00 0xff, and then 0x00 0x01. No name is the
// beginning of another, so keys are injective; the end mark is below any byte
// that can follow, so bytewise order of keys is the order of (table, partition,
// key). The last part needs no end.
//
// An expiry key has no value. It is written with its row, so that Sweep reads
// what has expired and nothing else: a table of templates that never expire and
// one of sessions that all do cost a sweep the same. The price is one more
// small key for a row that expires; no more syncs.
const (
	kindMeta   = 0x00
	kindRow    = 0x01
	kindExpiry = 0x02
)

const (
	escape = 0x00
	zero   = 0xff // after escape: a 0x00 of the name
	end    = 0x01 // after escape: the end of the name
)

var formatKey = append([]byte{kindMeta}, "format"...)

func appendName(out, name []byte) []byte {
	for {
		i := bytes.IndexByte(name, escape)
		if i < 0 {
			return append(append(out, name...), escape, end)
		}
		out = append(append(out, name[:i]...), escape, zero)
		name = name[i+1:]
	}
}

// cutName is appendName's inverse: the name and what follows it.
func cutName(data []byte) (name, rest []byte, ok bool) {
	name = []byte{}
	for {
		i := bytes.IndexByte(data, escape)
		if i < 0 || i+1 == len(data) {
			return nil, nil, false
		}
		name = append(name, data[:i]...)
		mark := data[i+1]
		data = data[i+2:]
		switch mark {
		case end:
			return name, data, true
		case zero:
			name = append(name, 0)
		default:
			return nil, nil, false
		}
	}
}

func tablePrefix(kind byte, table store.Table) []byte {
	return appendName([]byte{kind}, []byte(table))
}

func rowKey(r store.Row) []byte {
	return append(appendName(tablePrefix(kindRow, r.Table), r.Partition), r.Key...)
}

// expiryKey is the index entry of a row that expires, ms being its expiry.
func expiryKey(r store.Row, ms int64) []byte {
	out := binary.BigEndian.AppendUint64(tablePrefix(kindExpiry, r.Table), uint64(ms))
	return append(appendName(out, r.Partition), r.Key...)
}

// parseRowKey is rowKey's inverse. The row's slices are new.
func parseRowKey(data []byte) (store.Row, error) {
	if len(data) > 0 && data[0] == kindRow {
		if table, rest, ok := cutName(data[1:]); ok {
			if partition, key, ok := cutName(rest); ok {
				r := store.Row{Table: store.Table(table), Partition: partition, Key: append([]byte{}, key...)}
				return r, checkName(r)
			}
		}
	}
	return store.Row{}, fault.New(fault.StoreDamaged, "a key of %d bytes is not a row's", len(data))
}

// parseExpiryKey is expiryKey's inverse. The row's slices are new.
func parseExpiryKey(data []byte) (r store.Row, ms int64, err error) {
	if len(data) > 0 && data[0] == kindExpiry {
		if table, rest, ok := cutName(data[1:]); ok && len(rest) >= 8 && rest[0] < 0x80 {
			ms = int64(binary.BigEndian.Uint64(rest))
			if partition, key, ok := cutName(rest[8:]); ok && ms != 0 {
				r = store.Row{Table: store.Table(table), Partition: partition, Key: append([]byte{}, key...)}
				return r, ms, checkName(r)
			}
		}
	}
	return store.Row{}, 0, fault.New(fault.StoreDamaged, "a key of %d bytes is not an expiry's", len(data))
}

func checkName(r store.Row) error {
	if err := r.Check(); err != nil {
		return fault.New(fault.StoreDamaged, "a key that was never written: %w", err)
	}
	return nil
}

// afterPrefix is the first key that does not begin with prefix, which is one of
// the above and so never all 0xff.
func afterPrefix(prefix []byte) []byte {
	out := bytes.Clone(prefix)
	out[len(out)-1]++ // the last byte is an end mark, 0x01
	return out
}

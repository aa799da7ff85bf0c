package pebble

import (
	"encoding/binary"

	"nod/fault"
	"nod/store"
)

// A row's value is a header and the caller's bytes:
//
//	1 byte   layout, 0x01
//	8 bytes  version, big endian, from 1
//	8 bytes  expires, milliseconds since 1970, big endian; 0 for never
const (
	layout     = 0x01
	headerSize = 17
)

func appendRecord(out []byte, version uint64, expires int64, value []byte) []byte {
	out = append(out, layout)
	out = binary.BigEndian.AppendUint64(out, version)
	out = binary.BigEndian.AppendUint64(out, uint64(expires))
	return append(out, value...)
}

// parseRecord is appendRecord's inverse; value is part of data.
func parseRecord(data []byte) (version uint64, expires int64, value []byte, err error) {
	if len(data) < headerSize || data[0] != layout {
		return 0, 0, nil, fault.New(fault.StoreDamaged, "a value of %d bytes without a header", len(data))
	}
	version = binary.BigEndian.Uint64(data[1:])
	expires = int64(binary.BigEndian.Uint64(data[9:]))
	value = data[headerSize:]
	if version == 0 || expires < 0 || len(value) > store.MaxValue {
		return 0, 0, nil, fault.New(fault.StoreDamaged, "a value with a header that was never written")
	}
	return version, expires, value, nil
}

// record is parseRecord with a value of its own.
func record(data []byte) (store.Record, error) {
	version, expires, value, err := parseRecord(data)
	if err != nil {
		return store.Record{}, err
	}
	return store.Record{
		Value:   append([]byte{}, value...),
		Version: version,
		Expires: store.FromMilliseconds(expires),
	}, nil
}

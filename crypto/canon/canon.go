// Package canon encodes what is signed, hashed or bound as associated data, and
// names things by digest. It implements docs/spec/protocol.md, section 3.
//
// An encoding is a sequence of fields, each a 4-byte big-endian length and its
// bytes. The first field is "nod/v1/<kind>", so no two kinds of object share an
// encoding, and no field can run into the next.
package canon

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Kind says what an encoding is for. Every use has a kind of its own.
type Kind string

const prefix = "nod/v1/"

// Encode returns the canonical encoding of fields under kind. Fields may be
// empty, but their number is part of the encoding. A field longer than 2^32-1
// bytes is a programmer's error and panics.
func Encode(kind Kind, fields ...[]byte) []byte {
	size := 4 + len(prefix) + len(kind)
	for _, f := range fields {
		size += 4 + len(f)
	}
	out := make([]byte, 0, size)
	out = binary.BigEndian.AppendUint32(out, uint32(len(prefix)+len(kind)))
	out = append(out, prefix...)
	out = append(out, kind...)
	for _, f := range fields {
		if uint64(len(f)) > 1<<32-1 {
			panic("canon: field longer than 32 bits can say")
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(f)))
		out = append(out, f...)
	}
	return out
}

// Sum is SHA-256(Encode(kind, fields...)).
func Sum(kind Kind, fields ...[]byte) [sha256.Size]byte {
	return sha256.Sum256(Encode(kind, fields...))
}

// Uint64 is v as an 8-byte big-endian field.
func Uint64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// Time is t as a field: whole seconds since 1970, UTC.
func Time(t time.Time) []byte { return Uint64(uint64(t.Unix())) }

// Package code turns features into face codes and says how codes are compared.
// It implements docs/spec/protocol.md, section 2.
//
// A model is public data, one strict JSON file: how a feature vector becomes n
// bits, integer weights for the distance of two codes, and bounds by false match
// rate. Codes are secret.
package code

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"

	"nod/fault"
)

// Limits of a code's length, in bits. A length is a multiple of 64.
const (
	MinBits = 64
	MaxBits = 4096
)

// Code is a face code, or an xor share or pad of one: n bits, bit j being bit
// j%64 of word j/64. Secret: it prints only its kind, and is wiped after use.
type Code []uint64

// NewCode returns n zero bits. n must be a valid length.
func NewCode(n int) Code {
	if !validBits(n) {
		panic("code: length is not a multiple of 64 from 64 to 4096")
	}
	return make(Code, n/64)
}

// CodeFromBytes reads a code of n bits from exactly n/8 bytes, words in little
// endian.
func CodeFromBytes(n int, data []byte) (Code, error) {
	if !validBits(n) || len(data) != n/8 {
		return nil, fault.New(fault.BadDimension, "code of %d bytes, want %d bits", len(data), n)
	}
	c := make(Code, n/64)
	for i := range c {
		c[i] = binary.LittleEndian.Uint64(data[8*i:])
	}
	return c, nil
}

// Bits is the number of bits.
func (c Code) Bits() int { return 64 * len(c) }

// Bytes is the code's words in little endian: Bits()/8 bytes, the caller's to
// wipe.
func (c Code) Bytes() []byte {
	out := make([]byte, 0, 8*len(c))
	for _, w := range c {
		out = binary.LittleEndian.AppendUint64(out, w)
	}
	return out
}

// Xor sets c to c xor o. Both have the same length.
func (c Code) Xor(o Code) {
	if len(c) != len(o) {
		panic("code: xor of two lengths")
	}
	for i := range c {
		c[i] ^= o[i]
	}
}

// Bit reports whether bit j is set.
func (c Code) Bit(j int) bool { return c[j/64]>>(j%64)&1 == 1 }

// Clone copies the code.
func (c Code) Clone() Code { return append(Code(nil), c...) }

// Equal compares in constant time for codes of one length.
func (c Code) Equal(o Code) bool {
	if len(c) != len(o) {
		return false
	}
	var d uint64
	for i := range c {
		d |= c[i] ^ o[i]
	}
	return subtle.ConstantTimeEq(int32(d), 0)&subtle.ConstantTimeEq(int32(d>>32), 0) == 1
}

// Wipe overwrites the code with zeros.
func (c Code) Wipe() { clear(c) }

// String hides the value.
func (Code) String() string { return "code.Code(secret)" }

// GoString hides the value.
func (c Code) GoString() string { return c.String() }

// Format hides the value under every verb; %d would print the words otherwise.
func (c Code) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalText hides the value from JSON and from structured logs.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func validBits(n int) bool { return n >= MinBits && n <= MaxBits && n%64 == 0 }

package canon

import (
	"encoding/binary"
	"time"

	"nod/fault"
)

// A Reader takes a canonical encoding apart, field by field, in the order that
// Encode was given them. The first failure sticks: later calls return zero
// values, and Close reports it. So what is signed can travel as it was signed,
// and whatever a Reader accepts, Encode writes again byte for byte.
type Reader struct {
	rest []byte
	err  error
}

// NewReader reads data, which must be of the given kind. The Reader keeps data
// and does not change it.
func NewReader(kind Kind, data []byte) *Reader {
	r := &Reader{rest: data}
	if got := r.field(); r.err == nil && string(got) != prefix+string(kind) {
		r.err = fault.New(fault.BadEncoding, "not a canonical %s", kind)
	}
	return r
}

func (r *Reader) field() []byte {
	if r.err != nil {
		return nil
	}
	if len(r.rest) < 4 {
		r.err = fault.New(fault.Truncated, "canonical encoding ends before a field")
		return nil
	}
	size := binary.BigEndian.Uint32(r.rest)
	if uint64(size) > uint64(len(r.rest)-4) {
		r.err = fault.New(fault.Truncated, "canonical field of %d bytes, %d are left", size, len(r.rest)-4)
		return nil
	}
	out := r.rest[4 : 4+size : 4+size]
	r.rest = r.rest[4+size:]
	return out
}

// Bytes is the next field, min to max bytes long. It aliases the data.
func (r *Reader) Bytes(min, max int) []byte {
	f := r.field()
	switch {
	case r.err != nil:
		return nil
	case len(f) < min:
		r.err = fault.New(fault.Truncated, "field of %d bytes, want at least %d", len(f), min)
		return nil
	case len(f) > max:
		r.err = fault.New(fault.Oversize, "field of %d bytes, want at most %d", len(f), max)
		return nil
	}
	return f
}

// Fixed fills out with the next field, which has exactly its length.
func (r *Reader) Fixed(out []byte) { copy(out, r.Bytes(len(out), len(out))) }

// Text is the next field as a string of min to max bytes.
func (r *Reader) Text(min, max int) string { return string(r.Bytes(min, max)) }

// Uint64 is the next field, as Uint64 writes it.
func (r *Reader) Uint64() uint64 {
	if f := r.Bytes(8, 8); f != nil {
		return binary.BigEndian.Uint64(f)
	}
	return 0
}

// Uint is the next field, a Uint64 of at most max.
func (r *Reader) Uint(max uint64) uint64 {
	v := r.Uint64()
	if r.err == nil && v > max {
		r.err = fault.New(fault.OutOfRange, "number %d, want at most %d", v, max)
		return 0
	}
	return v
}

// maxTime is the last second of the year 9999.
const maxTime = 253402300799

// Time is the next field, as Time writes it, from 1970 to 9999.
func (r *Reader) Time() time.Time { return time.Unix(int64(r.Uint(maxTime)), 0).UTC() }

// Close reports the first failure, or fault.Oversize if bytes are left over.
func (r *Reader) Close() error {
	if r.err == nil && len(r.rest) > 0 {
		r.err = fault.New(fault.Oversize, "%d bytes after the last canonical field", len(r.rest))
	}
	return r.err
}

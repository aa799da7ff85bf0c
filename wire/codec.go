// Package wire is what the roles say to each other: messages, their strict
// encoding, and one Go interface per role with a client that implements it and a
// handler that serves any implementation. Transport is elsewhere: a client needs
// a Caller, and a Handler is one. The formats are docs/spec/wire.md.
package wire

import (
	"golang.org/x/crypto/cryptobyte"

	"nod/crypto/code"
	"nod/fault"
)

// Message is anything that travels. Its encoding is one list of fields, written
// and read by the same code, so that what decodes re-encodes to the same bytes. A
// large one may say its encoded size, which saves copying while it is written.
type Message interface {
	// fields visits every field in order.
	fields(c *coder)
}

// Marshal encodes a message. A field over its limit is a programmer's error and
// panics: limits are checked where data enters.
func Marshal(m Message) []byte {
	size := 512
	if large, ok := m.(interface{ size() int }); ok {
		size = large.size()
	}
	c := coder{out: cryptobyte.NewBuilder(make([]byte, 0, size))}
	m.fields(&c)
	return c.out.BytesOrPanic()
}

// Unmarshal decodes exactly one message: fault.Truncated, fault.Oversize or
// fault.BadEncoding for anything else. Slices of m are copies.
func Unmarshal(data []byte, m Message) error {
	c := coder{in: cryptobyte.String(data)}
	m.fields(&c)
	if c.err == nil && !c.in.Empty() {
		return fault.New(fault.Oversize, "%d bytes left over", len(c.in))
	}
	return c.err
}

// coder writes fields to out or, if out is nil, reads them from in. After the
// first fault reading does nothing.
type coder struct {
	out *cryptobyte.Builder
	in  cryptobyte.String
	err error
}

func (c *coder) reading() bool { return c.out == nil }

func (c *coder) fail(code fault.Code, what string) {
	if c.err == nil {
		c.err = fault.New(code, "%s", what)
	}
}

// take reads n bytes, or nil after a fault.
func (c *coder) take(n int) []byte {
	var b []byte
	if c.err != nil {
		return nil
	}
	if !c.in.ReadBytes(&b, n) {
		c.fail(fault.Truncated, "message ends inside a field")
		return nil
	}
	return b
}

// fixed is a field of exactly len(b) bytes.
func (c *coder) fixed(b []byte) {
	if !c.reading() {
		c.out.AddBytes(b)
		return
	}
	copy(b, c.take(len(b)))
}

func (c *coder) uint64(v *uint64) {
	if !c.reading() {
		c.out.AddUint64(*v)
		return
	}
	if c.err == nil && !c.in.ReadUint64(v) {
		c.fail(fault.Truncated, "message ends inside a number")
	}
}

func (c *coder) uint32(v *uint32) {
	if !c.reading() {
		c.out.AddUint32(*v)
		return
	}
	if c.err == nil && !c.in.ReadUint32(v) {
		c.fail(fault.Truncated, "message ends inside a number")
	}
}

// bytes is a field of 0 to limit bytes behind a 4-byte length.
func (c *coder) bytes(b *[]byte, limit int) {
	if !c.reading() {
		if len(*b) > limit {
			panic("wire: field over its limit")
		}
		c.out.AddUint32(uint32(len(*b)))
		c.out.AddBytes(*b)
		return
	}
	var n uint32
	c.uint32(&n)
	if c.err == nil && int64(n) > int64(limit) {
		c.fail(fault.Oversize, "field over its limit")
	}
	if b2 := c.take(int(n)); b2 != nil {
		*b = append([]byte{}, b2...)
	}
}

// flag is one byte, 0 or 1.
func (c *coder) flag(v *bool) {
	b := []byte{0}
	if *v {
		b[0] = 1
	}
	c.fixed(b)
	if b[0] > 1 {
		c.fail(fault.BadEncoding, "flag is neither 0 nor 1")
	}
	*v = b[0] == 1
}

// text is bytes that hold printable ASCII.
func (c *coder) text(s *string, limit int) {
	b := []byte(*s)
	c.bytes(&b, limit)
	if c.reading() {
		for _, x := range b {
			if x < 0x20 || x > 0x7e {
				c.fail(fault.BadEncoding, "text is not printable ASCII")
			}
		}
		*s = string(b)
	}
}

// code is a face code's share: bytes whose number is a valid length of a code.
func (c *coder) code(v *code.Code) {
	b := []byte{}
	if !c.reading() {
		b = v.Bytes()
	}
	c.bytes(&b, code.MaxBits/8)
	if !c.reading() || c.err != nil {
		return
	}
	got, err := code.CodeFromBytes(8*len(b), b)
	if err != nil {
		c.fail(fault.BadEncoding, "share of an impossible length")
		return
	}
	*v = got
}

// list is 0 to limit elements behind a 4-byte count. size is the least number of
// bytes that an element takes, so that a count cannot ask for more memory than
// the message has bytes.
func list[E any](c *coder, s *[]E, limit, size int, element func(*E)) {
	n := uint32(len(*s))
	if !c.reading() && len(*s) > limit {
		panic("wire: list over its limit")
	}
	c.uint32(&n)
	if c.reading() {
		if c.err != nil {
			return
		}
		if int64(n) > int64(limit) || int64(n)*int64(size) > int64(len(c.in)) {
			c.fail(fault.Oversize, "list over its limit")
			return
		}
		*s = make([]E, n)
	}
	for i := range *s {
		element(&(*s)[i])
	}
}

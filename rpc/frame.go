package rpc

import (
	"encoding/binary"

	"google.golang.org/grpc/mem"

	"nod/fault"
	"nod/wire"
)

// frame is one gRPC message: bytes that this package does not read.
type frame struct{ data []byte }

// codec passes frames through gRPC.
type codec struct{}

// Name implements encoding.CodecV2: the content-subtype.
func (codec) Name() string { return "nod" }

// Marshal hands the frame's bytes over; they are overwritten once they were sent, but
// for those of frames below a kilobyte, which gRPC does not give back: no secret is
// that small.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*frame)
	if !ok {
		return nil, fault.New(fault.Unexpected, "a %T is no frame", v)
	}
	return mem.BufferSlice{mem.NewBuffer(&f.data, wiping{})}, nil
}

// Unmarshal copies a message out of gRPC's buffers, which are overwritten when they go
// back to their pool.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch v := v.(type) {
	case *assembly:
		v.add(data)
	case *frame:
		v.data = data.Materialize()
	default:
		return fault.New(fault.Unexpected, "a %T is no frame", v)
	}
	return nil
}

// wiping is a gRPC buffer pool that overwrites what comes back. Halves of
// correlations pass through, and nobody else is to find them in reused memory.
type wiping struct{ mem.BufferPool }

// Put implements mem.BufferPool.
func (wiping) Put(b *[]byte) {
	clear((*b)[:cap(*b)])
}

// pool is gRPC's own pool, whose buffers are overwritten when they come back.
func pool() mem.BufferPool { return wipingPool{mem.DefaultBufferPool()} }

type wipingPool struct{ inner mem.BufferPool }

// Get implements mem.BufferPool.
func (p wipingPool) Get(length int) *[]byte { return p.inner.Get(length) }

// Put implements mem.BufferPool.
func (p wipingPool) Put(b *[]byte) {
	clear((*b)[:cap(*b)])
	p.inner.Put(b)
}

// A streamed answer is its size, 8 bytes big endian, in the first message, and then
// its bytes in pieces: every one but the last of chunkSize, the last of what is left.
const (
	// chunkSize fills whole HTTP/2 frames of 16 KiB, with the 5 bytes that gRPC puts
	// before a message. Small frames would cost more, and gRPC does not overwrite
	// those below a kilobyte.
	chunkSize = 256<<10 - 5
	// maxPiece lets the last piece take a little more, so that it is never so small
	// that gRPC would not give its bytes back to be overwritten.
	maxPiece = chunkSize + 4<<10
)

// pieceOf is how much of what is left of an answer goes into the next piece.
func pieceOf(left int) int {
	if left <= maxPiece {
		return left
	}
	return chunkSize
}

func encodeSize(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// assembly puts a streamed answer together. It takes exactly the pieces that a sender
// cuts, and sets memory aside as they come, not as the size promises.
type assembly struct {
	begun bool
	size  int
	data  []byte
	err   error
}

// firstGrab is the memory for an answer before any of it has come.
const firstGrab = 1 << 20

// add takes the next message of the stream. Its fault stays in err: gRPC would make a
// text of it.
func (a *assembly) add(message mem.BufferSlice) {
	if a.err != nil {
		return
	}
	n := message.Len()
	if !a.begun {
		a.begun = true
		a.size, a.err = decodeSize(message, wire.MaxMessage)
		a.data = make([]byte, 0, min(a.size, firstGrab))
		return
	}
	left := a.size - len(a.data)
	if left == 0 || n != pieceOf(left) {
		a.err = fault.New(fault.BadEncoding, "a streamed answer is not cut as its size says")
		return
	}
	if len(a.data)+n > cap(a.data) {
		grown := make([]byte, len(a.data), min(a.size, max(4*cap(a.data), len(a.data)+n)))
		copy(grown, a.data)
		clear(a.data)
		a.data = grown
	}
	message.CopyTo(a.data[len(a.data) : len(a.data)+n])
	a.data = a.data[:len(a.data)+n]
}

// done is the answer after the stream's end.
func (a *assembly) done() ([]byte, error) {
	switch {
	case a.err != nil:
		return nil, a.err
	case !a.begun || len(a.data) != a.size:
		return nil, fault.New(fault.Truncated, "a streamed answer ends after %d of %d bytes", len(a.data), a.size)
	}
	return a.data, nil
}

func (a *assembly) wipe() { clear(a.data) }

func decodeSize(message mem.BufferSlice, limit int) (int, error) {
	var data [8]byte
	if message.Len() != len(data) {
		return 0, fault.New(fault.BadEncoding, "a streamed answer does not begin with its size")
	}
	message.CopyTo(data[:])
	n := binary.BigEndian.Uint64(data[:])
	if n > uint64(limit) {
		return 0, fault.New(fault.Oversize, "an answer of %d bytes, at most %d", n, limit)
	}
	return int(n), nil
}

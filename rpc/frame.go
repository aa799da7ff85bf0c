package rpc

import (
	"encoding/binary"

	"google.golang.org/grpc/mem"

	"nod/fault"
)

// frame is one gRPC message: bytes that this package does not read.
type frame struct{ data []byte }

// codec passes frames through gRPC.
type codec struct{}

func (codec) Name() string { return "nod" }

// Marshal hands the frame's bytes over; they are overwritten once they were sent, but
// for those of frames below a kilobyte, which gRPC does not give back: no secret is
// that small.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.NewBuffer(&v.(*frame).data, wiping{})}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	v.(*frame).data = data.Materialize()
	return nil
}

// wiping is a gRPC buffer pool that overwrites what comes back. Halves of
// correlations pass through, and nobody else is to find them in reused memory.
type wiping struct{ mem.BufferPool }

func (wiping) Put(b *[]byte) {
	clear((*b)[:cap(*b)])
}

// pool is gRPC's own pool, whose buffers are overwritten when they come back.
func pool() mem.BufferPool { return wipingPool{mem.DefaultBufferPool()} }

type wipingPool struct{ inner mem.BufferPool }

func (p wipingPool) Get(length int) *[]byte { return p.inner.Get(length) }

func (p wipingPool) Put(b *[]byte) {
	clear((*b)[:cap(*b)])
	p.inner.Put(b)
}

// A streamed answer is its size, 8 bytes big endian, in the first frame, and then its
// bytes in frames of at most maxPiece.
const (
	chunkSize = 256 << 10
	maxPiece  = chunkSize + 4<<10
)

// pieceOf is how much of what is left of an answer goes into the next frame. The last
// one is never so small that gRPC would not give its bytes back to be overwritten.
func pieceOf(left int) int {
	if left <= maxPiece {
		return left
	}
	return chunkSize
}

func encodeSize(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func decodeSize(data []byte, limit int) (int, error) {
	if len(data) != 8 {
		return 0, fault.New(fault.BadEncoding, "a streamed answer does not begin with its size")
	}
	n := binary.BigEndian.Uint64(data)
	if n > uint64(limit) {
		return 0, fault.New(fault.Oversize, "an answer of %d bytes, at most %d", n, limit)
	}
	return int(n), nil
}

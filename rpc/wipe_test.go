package rpc

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"nod/fault"
	"nod/wire"
)

// Nothing of an answer stays in the server's memory when it was sent, nor when it could
// not be: its caller went away, or it is over the limit.
func TestAnswersAreOverwritten(t *testing.T) {
	for what, call := range map[string]func(t *testing.T, c *Client, sent func()){
		"small":          func(t *testing.T, c *Client, _ func()) { mustCall(t, c, wire.CustodianOpen) },
		"large":          func(t *testing.T, c *Client, _ func()) { mustCall(t, c, wire.DealerBatch) },
		"over the limit": func(t *testing.T, c *Client, _ func()) { _, _ = c.Call(t.Context(), wire.CustodianClose, nil) },
		"given up": func(t *testing.T, c *Client, sent func()) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			stream := must(c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, fullName(wire.DealerBatch)))
			_ = stream.SendMsg(&frame{[]byte("x")})
			_ = stream.CloseSend()
			sent()
			cancel()
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			var mu sync.Mutex
			var kept [][]byte
			made := make(chan struct{}, 1)
			s := w.serve(t, ServerConfig{Handler: func(_ context.Context, m wire.Method, _ []byte) []byte {
				size := map[wire.Method]int{wire.CustodianOpen: 5000, wire.CustodianClose: maxAnswer + 1, wire.DealerBatch: 20<<20 + 77}[m]
				answer := bytes.Repeat([]byte{0xa5}, size)
				mu.Lock()
				kept = append(kept, answer)
				mu.Unlock()
				made <- struct{}{}
				return answer
			}})
			call(t, w.dial(t, s.address, w.leaves(t, "matcher")), func() { <-made })
			s.Drain(t.Context()) // and with it every write has ended
			for _, answer := range kept {
				// What gRPC had queued of a stream that is given up it may drop as it is.
				queued := map[string]int{"given up": 2 * maxPiece}[what]
				if n := len(answer) - bytes.Count(answer, []byte{0}); n > queued {
					t.Errorf("%d of %d bytes are still there", n, len(answer))
				}
			}
			if len(kept) == 0 {
				t.Error("no answer was made")
			}
		})
	}
}

func mustCall(t *testing.T, c *Client, m wire.Method) {
	t.Helper()
	if out, err := c.Call(t.Context(), m, []byte("x")); err != nil || bytes.Count(out, []byte{0xa5}) != len(out) {
		t.Fatalf("%d bytes, %v", len(out), err)
	}
}

// What gRPC gives back is overwritten first; so is an answer that the client gives up.
func TestBuffersAreOverwritten(t *testing.T) {
	data := bytes.Repeat([]byte{1}, 5000)
	out, err := codec{}.Marshal(&frame{data[:3000]})
	if err != nil {
		t.Fatal(err)
	}
	out.Ref()
	out.Free()
	if data[0] != 1 {
		t.Error("overwritten while it is in use")
	}
	out.Free()
	if !bytes.Equal(data, make([]byte, len(data))) {
		t.Error("a frame that was sent stays, or what is behind its end")
	}
	p := pool()
	b := p.Get(4096)
	whole := (*b)[:cap(*b)]
	copy(whole, bytes.Repeat([]byte{1}, len(whole)))
	*b = (*b)[:10]
	p.Put(b)
	if !bytes.Equal(whole, make([]byte, len(whole))) {
		t.Error("a buffer goes back as it was")
	}

	var a assembly
	a.add(mem.BufferSlice{mem.SliceBuffer(encodeSize(10 * chunkSize))})
	piece := mem.BufferSlice{mem.SliceBuffer(bytes.Repeat([]byte{1}, chunkSize))}
	var grown [][]byte
	for range 9 {
		a.add(piece)
		grown = append(grown, a.data)
	}
	for _, g := range grown {
		if &g[0] != &a.data[0] && bytes.Count(g, []byte{1}) != 0 {
			t.Error("an answer that grew leaves a copy behind")
		}
	}
	if bytes.Count(a.data, []byte{1}) != 9*chunkSize {
		t.Error("growing loses bytes")
	}
	if _, err := a.done(); !fault.Is(err, fault.Truncated) {
		t.Error(err)
	}
	a.wipe()
	if bytes.Count(a.data, []byte{1}) != 0 {
		t.Error("an answer that was given up stays")
	}
}

// Only frames speak: anything else is a mistake of this package.
func TestCodecTakesFramesOnly(t *testing.T) {
	if _, err := (codec{}).Marshal("text"); !fault.Is(err, fault.Unexpected) {
		t.Error(err)
	}
	if err := (codec{}).Unmarshal(nil, new(string)); !fault.Is(err, fault.Unexpected) {
		t.Error(err)
	}
}

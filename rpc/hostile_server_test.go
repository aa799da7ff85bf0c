package rpc

import (
	"context"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"nod/fault"
	"nod/wire"
)

// hostile is a server with the dealer's good leaf that answers as it likes.
func (w *world) hostile(t testing.TB, serve func(grpc.ServerStream) error, options ...grpc.ServerOption) (address string) {
	t.Helper()
	s := grpc.NewServer(append(options,
		grpc.Creds(newHandshakes(w.leaves(t, "dealer"), w.pins, "", 0, func(error) {})),
		grpc.ForceServerCodecV2(codec{}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			if err := stream.RecvMsg(&frame{}); err != nil {
				return err
			}
			return serve(stream)
		}))...)
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

func sendAll(stream grpc.ServerStream, messages ...[]byte) error {
	for _, m := range messages {
		if err := stream.SendMsg(&frame{m}); err != nil {
			return err
		}
	}
	return nil
}

func TestClientRefusesStreams(t *testing.T) {
	w := newWorld(t)
	piece := func(n int) []byte { return make([]byte, n) }
	two := encodeSize(maxPiece + 1) // a whole piece, and a rest
	rest := maxPiece + 1 - chunkSize
	stopped := make(chan struct{})
	for _, row := range []struct {
		what   string
		answer func(grpc.ServerStream) error
		want   fault.Code
	}{
		{"as it should be", func(s grpc.ServerStream) error { return sendAll(s, two, piece(chunkSize), piece(rest)) }, ""},
		{"nothing to send", func(s grpc.ServerStream) error { return sendAll(s, encodeSize(0)) }, ""},
		{"no message", func(grpc.ServerStream) error { return nil }, fault.Truncated},
		{"no size", func(s grpc.ServerStream) error { return sendAll(s, piece(7)) }, fault.BadEncoding},
		{"an empty size", func(s grpc.ServerStream) error { return sendAll(s, nil) }, fault.BadEncoding},
		{"a long size", func(s grpc.ServerStream) error { return sendAll(s, piece(9)) }, fault.BadEncoding},
		{"a size over the limit", func(s grpc.ServerStream) error { return sendAll(s, encodeSize(wire.MaxMessage+1)) }, fault.Oversize},
		{"a size of 2^64-1", func(s grpc.ServerStream) error { return sendAll(s, encodeSize(-1)) }, fault.Oversize},
		{"a size and no pieces", func(s grpc.ServerStream) error { return sendAll(s, encodeSize(wire.MaxMessage)) }, fault.Truncated},
		{"a piece too few", func(s grpc.ServerStream) error { return sendAll(s, two, piece(chunkSize)) }, fault.Truncated},
		{"a piece too many", func(s grpc.ServerStream) error { return sendAll(s, two, piece(chunkSize), piece(rest), piece(1)) }, fault.BadEncoding},
		{"an empty piece too many", func(s grpc.ServerStream) error { return sendAll(s, encodeSize(1), piece(1), nil) }, fault.BadEncoding},
		{"an empty piece", func(s grpc.ServerStream) error { return sendAll(s, two, nil) }, fault.BadEncoding},
		{"a short piece", func(s grpc.ServerStream) error { return sendAll(s, two, piece(chunkSize-1)) }, fault.BadEncoding},
		{"a long piece", func(s grpc.ServerStream) error { return sendAll(s, two, piece(chunkSize+1)) }, fault.BadEncoding},
		{"a piece over gRPC's limit", func(s grpc.ServerStream) error { return sendAll(s, two, piece(maxPiece+1)) }, fault.Oversize},
		{"a last piece over what is left", func(s grpc.ServerStream) error { return sendAll(s, encodeSize(5), piece(6)) }, fault.BadEncoding},
		{"pieces without end", func(s grpc.ServerStream) error {
			defer close(stopped)
			err := sendAll(s, two)
			for err == nil {
				err = sendAll(s, piece(chunkSize))
			}
			return err
		}, fault.BadEncoding},
		{"everything, and then an error", func(s grpc.ServerStream) error {
			_ = sendAll(s, encodeSize(5), piece(5))
			return status.Error(codes.Internal, "no")
		}, fault.PeerFault},
		{"an error midway", func(s grpc.ServerStream) error {
			_ = sendAll(s, two, piece(chunkSize))
			return status.Error(codes.Aborted, "no")
		}, fault.PeerFault},
	} {
		t.Run(row.what, func(t *testing.T) {
			c := w.dial(t, w.hostile(t, row.answer), w.leaves(t, "matcher"))
			out, err := c.Call(t.Context(), wire.DealerBatch, []byte("x"))
			if fault.CodeOf(err) != row.want {
				t.Errorf("got %v, want %q", err, row.want)
			}
			if err != nil && out != nil {
				t.Error("an answer beside the error")
			}
		})
	}
	<-stopped // the call that ended has ended the stream
}

func TestClientRefusesAnswers(t *testing.T) {
	w := newWorld(t)
	answer := func(s grpc.ServerStream) error { return sendAll(s, make([]byte, 2000)) }
	for _, row := range []struct {
		what    string
		answer  func(grpc.ServerStream) error
		options []grpc.ServerOption
		want    fault.Code
	}{
		{"as it should be", answer, nil, ""},
		{"none", func(grpc.ServerStream) error { return nil }, nil, fault.PeerFault},
		{"two", func(s grpc.ServerStream) error { return sendAll(s, []byte("a"), []byte("b")) }, nil, fault.PeerFault},
		{"over the limit", func(s grpc.ServerStream) error { return sendAll(s, make([]byte, maxPiece+1)) }, nil, fault.Oversize},
		{"compressed", answer, []grpc.ServerOption{grpc.RPCCompressor(grpc.NewGZIPCompressor())}, fault.PeerFault}, //nolint:staticcheck // the only way that registers none
		{"large headers", func(s grpc.ServerStream) error {
			return s.SendHeader(metadata.Pairs("x", strings.Repeat("x", 2*maxHeaders)))
		}, nil, fault.PeerFault},
		{"large trailers", func(s grpc.ServerStream) error {
			s.SetTrailer(metadata.Pairs("x", strings.Repeat("x", 2*maxHeaders)))
			return answer(s)
		}, nil, fault.PeerFault},
		{"an answer and an error", func(s grpc.ServerStream) error {
			_ = answer(s)
			return status.Error(codes.Internal, "no")
		}, nil, fault.PeerFault},
		{"cancelled by the server", func(grpc.ServerStream) error { return status.Error(codes.Canceled, "no") }, nil, fault.PeerUnavailable},
		{"out of time, says the server", func(grpc.ServerStream) error { return status.Error(codes.DeadlineExceeded, "no") }, nil, fault.Cancelled},
		{"unknown, says the server", func(grpc.ServerStream) error { return status.Error(codes.Unimplemented, "no") }, nil, fault.UnknownMethod},
		{"unavailable, says the server", func(grpc.ServerStream) error { return status.Error(codes.Unavailable, "no") }, nil, fault.PeerUnavailable},
		{"not allowed, says the server", func(grpc.ServerStream) error { return status.Error(codes.PermissionDenied, "no") }, nil, fault.PeerFault},
	} {
		t.Run(row.what, func(t *testing.T) {
			c := w.dial(t, w.hostile(t, row.answer, row.options...), w.leaves(t, "matcher"))
			out, err := c.Call(t.Context(), wire.CustodianOpen, []byte("x"))
			if fault.CodeOf(err) != row.want {
				t.Errorf("got %v, want %q", err, row.want)
			}
			if err != nil && out != nil {
				t.Error("an answer beside the error")
			}
		})
	}
}

// What a server writes into a status cannot forge lines of this side's log, nor fill it.
func TestTextOfTheServerIsQuoted(t *testing.T) {
	w := newWorld(t)
	c := w.dial(t, w.hostile(t, func(grpc.ServerStream) error {
		return status.Error(codes.Internal, "a\nERROR forged\x1b[2J"+strings.Repeat("x", 5000))
	}), w.leaves(t, "matcher"))
	_, err := c.Call(t.Context(), wire.CustodianOpen, nil)
	if err == nil || strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 600 {
		t.Errorf("%q", err)
	}
}

// A server that stops midway holds a call until its caller gives up, and no longer: then
// the stream ends on the server's side too.
func TestClientGivesUp(t *testing.T) {
	w := newWorld(t)
	begun, ended := make(chan struct{}), make(chan struct{})
	c := w.dial(t, w.hostile(t, func(s grpc.ServerStream) error {
		_ = sendAll(s, encodeSize(wire.MaxMessage), make([]byte, chunkSize))
		close(begun)
		<-s.Context().Done()
		close(ended)
		return nil
	}), w.leaves(t, "matcher"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := c.Call(ctx, wire.DealerBatch, nil); !fault.Is(err, fault.Cancelled) {
		t.Error(err)
	}
	<-ended
}

// A size that is only promised costs no memory.
func TestPromisedSizeCostsNothing(t *testing.T) {
	var a assembly
	a.add(mem.BufferSlice{mem.SliceBuffer(encodeSize(wire.MaxMessage))})
	if a.err != nil || cap(a.data) > firstGrab {
		t.Errorf("%d bytes set aside, %v", cap(a.data), a.err)
	}
	piece := mem.BufferSlice{mem.SliceBuffer(make([]byte, chunkSize))}
	for range 40 {
		a.add(piece)
		if a.err != nil || cap(a.data) > max(firstGrab, 4*len(a.data)) {
			t.Fatalf("%d bytes set aside for %d, %v", cap(a.data), len(a.data), a.err)
		}
	}
}

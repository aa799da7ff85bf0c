package rpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// raw is a client with somebody's good leaf that does as it likes.
func (w *world) raw(t testing.TB, address, name string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn := must(grpc.NewClient("passthrough:///"+address, append(options,
		grpc.WithTransportCredentials(newHandshakes(w.leaves(t, name), w.pins, "dealer", 0, func(error) {})),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{})))...))
	t.Cleanup(func() { conn.Close() })
	return conn
}

// open begins a call that may send what it likes.
func open(ctx context.Context, t testing.TB, conn *grpc.ClientConn, name string) grpc.ClientStream {
	t.Helper()
	return must(conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, name))
}

// codeOf is how a call ended: the fault that its answer carries, or the status.
func codeOf(stream grpc.ClientStream) (fault.Code, codes.Code) {
	var f frame
	if err := stream.RecvMsg(&f); err != nil {
		return "", status.Code(err)
	}
	return wire.CodeOf(f.data), codes.OK
}

func TestServerRefusesCalls(t *testing.T) {
	w := newWorld(t)
	var served atomic.Int32
	allow := everything("matcher")
	allow[wire.CustodianOpen] = nil
	s := w.serve(t, ServerConfig{Allow: allow, Handler: func(context.Context, wire.Method, []byte) []byte {
		served.Add(1)
		return wire.Refuse(nil)
	}})
	matcher := w.raw(t, s.address, "matcher")
	ample, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	far, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	keys, hello := fullName(wire.CustodianKeysMethod), fullName(wire.PeerHello)
	one := [][]byte{[]byte("x")}
	for _, row := range []struct {
		what   string
		caller string
		ctx    context.Context //nolint:containedctx // a row of the table
		name   string
		send   [][]byte
		want   fault.Code
		method wire.Method // reported
	}{
		{"as it should be", "matcher", ample, keys, one, "", ""},
		{"no deadline", "matcher", t.Context(), keys, nil, fault.OutOfRange, wire.CustodianKeysMethod},
		{"a far deadline", "matcher", far, keys, nil, fault.OutOfRange, wire.CustodianKeysMethod},
		{"hello without deadline", "matcher", t.Context(), hello, nil, fault.OutOfRange, wire.PeerHello},
		{"hello with a far deadline", "matcher", ample, hello, nil, fault.OutOfRange, wire.PeerHello},
		{"hello of nothing", "matcher", nil, hello, [][]byte{nil}, fault.Truncated, wire.PeerHello},
		{"no request", "matcher", ample, keys, nil, fault.Truncated, wire.CustodianKeysMethod},
		{"two requests", "matcher", ample, keys, [][]byte{[]byte("x"), []byte("y")}, fault.Oversize, wire.CustodianKeysMethod},
		{"a request over the limit", "matcher", ample, keys, [][]byte{make([]byte, maxRequest+1)}, fault.Oversize, wire.CustodianKeysMethod},
		{"a request of the limit", "matcher", ample, keys, [][]byte{make([]byte, maxRequest)}, "", ""},
		{"pinned, not allowed", "edge", ample, keys, one, fault.NotAllowed, wire.CustodianKeysMethod},
		{"nobody is allowed", "matcher", ample, fullName(wire.CustodianOpen), one, fault.NotAllowed, wire.CustodianOpen},
		{"unknown method", "matcher", ample, "/nod.v1.custodian/Halves", one, fault.NotAllowed, "custodian/Halves"},
		{"another case", "matcher", ample, "/nod.v1.custodian/keys", one, fault.NotAllowed, "custodian/keys"},
		{"no prefix", "matcher", ample, "/custodian/Keys", one, fault.NotAllowed, ""},
		{"another version", "matcher", ample, "/nod.v2.custodian/Keys", one, fault.NotAllowed, ""},
		{"a slash at the end", "matcher", ample, keys + "/", one, fault.NotAllowed, ""},
		{"a slash more", "matcher", ample, "/" + keys, one, fault.NotAllowed, ""},
		{"a line of a log", "matcher", ample, "/nod.v1.custodian/Keys ERROR x=y", one, fault.NotAllowed, ""},
		{"a long name", "matcher", ample, keys + strings.Repeat("x", 1000), one, fault.NotAllowed, ""},
		{"nothing but slashes", "matcher", ample, "//", one, fault.NotAllowed, ""},
		{"of gRPC's own", "matcher", ample, "/grpc.health.v1.Health/Check", one, fault.NotAllowed, ""},
	} {
		t.Run(row.what, func(t *testing.T) {
			s.mu.Lock()
			s.reports = nil
			s.mu.Unlock()
			before := served.Load()
			conn := matcher
			if row.caller != "matcher" {
				conn = w.raw(t, s.address, row.caller)
			}
			ctx := row.ctx
			if ctx == nil {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(t.Context(), 4*time.Second)
				defer cancel()
			}
			stream := open(ctx, t, conn, row.name)
			for _, m := range row.send {
				_ = stream.SendMsg(&frame{slices.Clone(m)})
			}
			if row.want != fault.OutOfRange { // refused before the request has come
				_ = stream.CloseSend()
			}
			code, st := codeOf(stream)
			if st == codes.ResourceExhausted { // gRPC's own answer
				code, st = fault.Oversize, codes.OK
			}
			if st != codes.OK || code != row.want {
				t.Errorf("answered %q (%v), want %q", code, st, row.want)
			}
			if (served.Load() != before) != (row.want == "") {
				t.Error("the role was asked, or not")
			}
			if row.want != "" {
				s.reported(t, row.method, row.want)
				if p := s.reports[0].peer; p.Instance != w.instances[row.caller] {
					t.Errorf("reported of %v", p)
				}
			}
		})
	}
}

// What is compressed is refused before it is unpacked.
func TestServerRefusesCompression(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{Handler: func(context.Context, wire.Method, []byte) []byte {
		t.Error("the role was asked")
		return nil
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn := w.raw(t, s.address, "matcher", grpc.WithCompressor(grpc.NewGZIPCompressor())) //nolint:staticcheck // the only way that registers none
	stream := open(ctx, t, conn, fullName(wire.CustodianOpen))
	_ = stream.SendMsg(&frame{make([]byte, 100_000)})
	_ = stream.CloseSend()
	if _, st := codeOf(stream); st != codes.Unimplemented {
		t.Errorf("compressed: %v", st)
	}
}

// Headers over the limit are not kept, and a block of headers without end ends the
// connection.
func TestServerRefusesLargeHeaders(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{})
	for what, blocks := range map[string]int{"large": 2, "without end": 1 << 20} {
		t.Run(what, func(t *testing.T) {
			conf := tlsConfig(w.leaves(t, "matcher"))
			conn := must((&tls.Dialer{Config: conf}).DialContext(t.Context(), "tcp", s.address))
			defer conn.Close()
			_, _ = io.WriteString(conn, http2.ClientPreface)
			f := http2.NewFramer(conn, conn)
			if err := f.WriteSettings(); err != nil {
				t.Fatal(err)
			}
			refused := make(chan struct{})
			go func() {
				defer close(refused)
				for {
					frame, err := f.ReadFrame()
					if err != nil || frame.Header().Type == http2.FrameRSTStream || frame.Header().Type == http2.FrameGoAway {
						return
					}
				}
			}()
			var block bytes.Buffer
			h := hpack.NewEncoder(&block)
			for range 3 {
				_ = h.WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("y", 4<<10), Sensitive: true})
			}
			err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes()})
			for range blocks {
				if err != nil {
					break
				}
				err = f.WriteContinuation(1, false, block.Bytes())
			}
			if err == nil {
				_ = f.WriteContinuation(1, true, nil)
			}
			<-refused
		})
	}
}

// An empty allow-list refuses every call to everybody; hello alone is served.
func TestEmptyAllowListRefuses(t *testing.T) {
	w := newWorld(t)
	for _, allow := range []map[wire.Method][]string{{}, everything()} {
		s := w.serve(t, ServerConfig{Allow: allow})
		for _, name := range []string{"matcher", "custodian", "edge"} {
			c := w.dial(t, s.address, w.leaves(t, name))
			for _, m := range append(methods, "dealer/Other", "peer/Other") {
				out, err := c.Call(t.Context(), m, nil)
				if code := wire.CodeOf(out); err != nil || code != fault.NotAllowed {
					t.Errorf("%s to the %s: %q, %v", m, name, code, err)
				}
			}
			if err := c.Hello(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}

// A caller whose request trickles in, or never comes, holds its place until the
// deadline that it had to state.
func TestTricklingCallersLoseTheirPlace(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{Calls: 2})
	conn := w.raw(t, s.address, "matcher")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	for range 2 {
		_ = open(ctx, t, conn, fullName(wire.CustodianOpen))
	}
	eventually(t, func() bool { return len(s.calls["matcher"].calls) == 2 }, func() string { return "two calls" })
	// Another connection of the same name gets no place; another name does.
	out, err := w.dial(t, s.address, w.leaves(t, "matcher")).Call(t.Context(), wire.CustodianOpen, nil)
	if code := wire.CodeOf(out); ctx.Err() == nil && (err != nil || code != fault.Overloaded) {
		t.Errorf("a third call: %q, %v", code, err)
	}
	if _, err := w.dial(t, s.address, w.leaves(t, "edge")).Call(t.Context(), wire.CustodianOpen, []byte("x")); err != nil {
		t.Errorf("another caller: %v", err)
	}
	eventually(t, func() bool { return len(s.calls["matcher"].calls) == 0 }, func() string { return "the end of both" })
}

// Who does not read its large answers gets no more of them into the server's memory.
func TestUnreadAnswersAreBounded(t *testing.T) {
	w := newWorld(t)
	var made atomic.Int32
	s := w.serve(t, ServerConfig{Handler: func(context.Context, wire.Method, []byte) []byte {
		made.Add(1)
		return make([]byte, 1<<20)
	}})
	conn := w.raw(t, s.address, "matcher", grpc.WithStaticStreamWindowSize(64<<10))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var streams []grpc.ClientStream
	for range largeAtOnce + 3 {
		stream := open(ctx, t, conn, fullName(wire.DealerBatch))
		if err := stream.SendMsg(&frame{[]byte("x")}); err != nil {
			t.Fatal(err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		streams = append(streams, stream)
	}
	eventually(t, func() bool { return len(s.calls["matcher"].calls) == len(streams) && made.Load() == largeAtOnce },
		func() string { return "as many answers as may be" })
	// Another name is not held up.
	if _, err := w.dial(t, s.address, w.leaves(t, "edge")).Call(t.Context(), wire.DealerBatch, nil); err != nil {
		t.Error(err)
	}
	var all sync.WaitGroup
	for _, stream := range streams { // as they are read, the others come
		all.Go(func() {
			if _, err := assemble(stream); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// One name cannot take all connections.
func TestConnectionsOfOneName(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{Connections: 8})
	dial := func(name string) *Client { return w.dialRole(t, s.address, seal.Dealer, w.leaves(t, name)) }
	first, second := dial("matcher"), dial("matcher")
	for _, c := range []*Client{first, second} {
		if err := c.Hello(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	refused := dial("matcher")
	if err := refused.Hello(t.Context()); !fault.Is(err, fault.PeerUnavailable) {
		t.Errorf("a third connection: %v", err)
	}
	if err := refused.Close(); err != nil { // it would go on trying, and take the place
		t.Fatal(err)
	}
	s.reported(t, "", fault.Overloaded)
	if err := dial("custodian").Hello(t.Context()); err != nil {
		t.Errorf("another name: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third := dial("matcher")
	eventually(t, func() bool { return third.Hello(t.Context()) == nil }, func() string { return "a place for the third" })
}

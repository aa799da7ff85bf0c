package rpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"nod/fault"
	"nod/wire"
)

// holding is a role whose calls wait until they are let go, or their caller is gone.
type holding struct {
	begun chan context.Context
	let   chan struct{}
	calls atomic.Int32
}

func newHolding() *holding {
	return &holding{begun: make(chan context.Context, 8), let: make(chan struct{})}
}

func (h *holding) handle(ctx context.Context, _ wire.Method, request []byte) []byte {
	h.calls.Add(1)
	h.begun <- ctx
	select {
	case <-h.let:
		return bytes.Clone(request)
	case <-ctx.Done():
		return wire.Refuse(ctx.Err())
	}
}

type result struct {
	out []byte
	err error
}

func callLater(ctx context.Context, c *Client, method wire.Method) chan result {
	done := make(chan result, 1)
	go func() {
		out, err := c.Call(ctx, method, []byte("x"))
		done <- result{out, err}
	}()
	return done
}

// A caller that gives up ends the handler's context.
func TestCancellingReachesTheHandler(t *testing.T) {
	w := newWorld(t)
	h := newHolding()
	c := w.dial(t, w.serve(t, ServerConfig{Handler: h.handle}).address, w.leaves(t, "matcher"))
	for _, method := range []wire.Method{wire.CustodianOpen, wire.DealerBatch} {
		ctx, cancel := context.WithCancel(t.Context())
		done := callLater(ctx, c, method)
		inside := <-h.begun
		at, ok := inside.Deadline()
		if !ok || time.Until(at) > kindOf(method).timeout {
			t.Errorf("%s: the handler has until %v, %v", method, at, ok)
		}
		cancel()
		if r := <-done; !fault.Is(r.err, fault.Cancelled) {
			t.Errorf("%s: %v", method, r.err)
		}
		<-inside.Done()
	}
	// A deadline ends both sides alike.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if r := <-callLater(ctx, c, wire.CustodianOpen); !fault.Is(wireError(r), fault.Cancelled) {
		t.Error(r.err)
	}
	<-(<-h.begun).Done()
}

// A server that drains finishes what it has begun and begins nothing new.
func TestDrainFinishesCalls(t *testing.T) {
	w := newWorld(t)
	h := newHolding()
	s := w.serve(t, ServerConfig{Handler: h.handle})
	c := w.dial(t, s.address, w.leaves(t, "matcher"))
	small, large := callLater(t.Context(), c, wire.CustodianOpen), callLater(t.Context(), c, wire.DealerBatch)
	<-h.begun
	<-h.begun
	drained := make(chan struct{})
	go func() { s.Drain(t.Context()); close(drained) }()
	// Hellos succeed until the news has come, and then fail in one way alone.
	eventually(t, func() bool {
		err := c.Hello(t.Context())
		if err != nil && !fault.Is(err, fault.PeerUnavailable) {
			t.Fatal(err)
		}
		return err != nil
	}, func() string { return "a refusal" })
	if _, err := c.Call(t.Context(), wire.CustodianOpen, nil); !fault.Is(err, fault.PeerUnavailable) {
		t.Errorf("a new call: %v", err)
	}
	if _, err := w.dial(t, s.address, w.leaves(t, "matcher")).Call(t.Context(), wire.DealerBatch, nil); !fault.Is(err, fault.PeerUnavailable) {
		t.Errorf("a new connection: %v", err)
	}
	select {
	case <-drained:
		t.Error("drained before the calls have ended")
	default:
	}
	close(h.let)
	for _, done := range []chan result{small, large} {
		if r := <-done; r.err != nil || string(r.out) != "x" {
			t.Errorf("a call that was under way: %q, %v", r.out, r.err)
		}
	}
	<-drained
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	if h.calls.Load() != 2 {
		t.Errorf("%d calls were served", h.calls.Load())
	}
}

// When the time for draining is over, what is still under way is cut; and the call, which
// has reached its handler, is not made a second time, not even by the next server at the
// address. Then the client finds that one by itself.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	h := newHolding()
	s := w.serve(t, ServerConfig{Handler: h.handle})
	c := w.dial(t, s.address, w.leaves(t, "matcher"))
	small, large := callLater(t.Context(), c, wire.CustodianOpen), callLater(t.Context(), c, wire.DealerBatch)
	<-h.begun
	<-h.begun
	over, cancel := context.WithCancel(t.Context())
	cancel()
	s.Drain(over)
	var next atomic.Int32
	w.serveAt(t, s.address, ServerConfig{Handler: func(_ context.Context, _ wire.Method, request []byte) []byte {
		next.Add(1)
		return bytes.Clone(request)
	}})
	for _, done := range []chan result{small, large} {
		if r := <-done; !fault.Is(r.err, fault.PeerUnavailable) && !fault.Is(wireError(r), fault.Cancelled) {
			t.Errorf("a call that was cut: %q, %v", r.out, r.err)
		}
	}
	if n := h.calls.Load(); n != 2 || next.Load() != 0 {
		t.Errorf("2 calls were served %d times, then %d times", n, next.Load())
	}
	eventually(t, func() bool {
		out, err := c.Call(t.Context(), wire.CustodianOpen, []byte("x"))
		return err == nil && string(out) == "x"
	}, func() string { return "an answer of the next server" })
	if next.Load() != 1 {
		t.Errorf("one call was served %d times", next.Load())
	}
}

// wireError is the fault that an answer carries.
func wireError(r result) error {
	if code := wire.CodeOf(r.out); r.err == nil && code != "" {
		return &fault.Error{Code: code}
	}
	return r.err
}

// Nobody there is the same as nobody there any more.
func TestNobodyThere(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{})
	s.Drain(t.Context())
	c := w.dial(t, s.address, w.leaves(t, "matcher"))
	if err := c.Hello(t.Context()); !fault.Is(err, fault.PeerUnavailable) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Call(t.Context(), wire.CustodianOpen, nil); !fault.Is(err, fault.PeerUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}

// New leaves are used by new connections; calls on old ones go on.
func TestLeavesRotateUnderCalls(t *testing.T) {
	w := newWorld(t)
	h := newHolding()
	mine, theirs := w.leaves(t, "matcher"), w.leaves(t, "dealer")
	s := w.serve(t, ServerConfig{Leaves: theirs, Handler: h.handle})
	old := w.dial(t, s.address, mine)
	done := callLater(t.Context(), old, wire.CustodianOpen)
	<-h.begun
	before := must(theirs.current())
	rotate := func(ahead time.Duration) {
		w.ahead.Store(int64(ahead))
		for _, l := range []*Leaves{mine, theirs} {
			if err := l.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	rotate(Lifetime/2 + time.Minute)
	if must(theirs.current()) == before {
		t.Fatal("not rotated")
	}
	fresh := w.dial(t, s.address, mine)
	for _, c := range []*Client{fresh, old} {
		if err := c.Hello(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// The leaves under which the old connection was made have run out, and those of the
	// newer one have not.
	rotate(Lifetime + time.Minute)
	if err := fresh.Hello(t.Context()); err != nil {
		t.Error(err)
	}
	close(h.let)
	if r := <-done; r.err != nil {
		t.Errorf("the call that was under way: %v", r.err)
	}
	eventually(t, func() bool { return old.Hello(t.Context()) == nil }, func() string { return "a connection under new leaves" })
}

// A server does not take calls on a connection whose leaf has run out, also if the
// client would go on.
func TestServerNoticesThatALeafRanOut(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{})
	conn := w.raw(t, s.address, "matcher")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	call := func() fault.Code {
		var out frame
		if err := conn.Invoke(ctx, fullName(wire.CustodianOpen), &frame{wire.Refuse(nil)}, &out); err != nil {
			t.Fatal(err)
		}
		return wire.CodeOf(out.data)
	}
	if code := call(); code != "" {
		t.Error(code)
	}
	w.ahead.Store(int64(Lifetime + Skew + 2*time.Second))
	if code := call(); code != fault.KeyExpired {
		t.Errorf("%q", code)
	}
}

// A client notices likewise, also if the server would go on.
func TestClientNoticesThatALeafRanOut(t *testing.T) {
	w := newWorld(t)
	mine := w.leaves(t, "matcher")
	c := w.dial(t, w.hostile(t, func(s grpc.ServerStream) error { return sendAll(s, []byte("x")) }), mine)
	call := func() error { _, err := c.Call(t.Context(), wire.CustodianOpen, nil); return err }
	if err := call(); err != nil {
		t.Fatal(err)
	}
	w.ahead.Store(int64(Lifetime + Skew + 2*time.Second))
	if err := mine.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		err := call()
		if err == nil {
			t.Fatal("a call over a connection whose leaf ran out")
		}
		return fault.Is(err, fault.PeerUnavailable) // the server has no new one to show
	}, func() string { return "a refusal" })
}

func TestHello(t *testing.T) {
	w := newWorld(t)
	for ahead, want := range map[time.Duration]fault.Code{
		0: "", 20 * time.Second: "", -20 * time.Second: "",
		Skew + 6*time.Second: fault.ClockOff, -Skew - 6*time.Second: fault.ClockOff, 4 * time.Minute: fault.ClockOff,
	} {
		theirs := NewLeaves("dealer", w.instances["dealer"], w.keys["dealer"], func() time.Time { return time.Now().Add(ahead) })
		if err := theirs.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := w.dial(t, w.serve(t, ServerConfig{Leaves: theirs}).address, w.leaves(t, "matcher"))
		if err := c.Hello(t.Context()); fault.CodeOf(err) != want {
			t.Errorf("a clock ahead by %v: %v, want %q", ahead, err, want)
		}
	}
	body := binary.BigEndian.AppendUint32(make([]byte, 4), 12)
	body = binary.BigEndian.AppendUint32(body, wire.Version+1)
	body = append(body, make([]byte, 8)...)
	c := w.dial(t, w.hostile(t, func(s grpc.ServerStream) error { return sendAll(s, bytes.Clone(body)) }), w.leaves(t, "matcher"))
	if err := c.Hello(t.Context()); !fault.Is(err, fault.WrongVersion) {
		t.Errorf("another version: %v", err)
	}
}

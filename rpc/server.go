package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"nod/fault"
	"nod/wire"
)

// ServerConfig says what a Server serves, and to whom.
type ServerConfig struct {
	Leaves  *Leaves // this process's own
	Pins    Pins
	Handler wire.Handler // of the role
	// Allow lists, for each method, the names that may call it. A method without
	// names is refused to everybody.
	Allow map[wire.Method][]string
	// Report is given every call that is refused here, before the role sees it, with
	// the caller in its context (wire.PeerOf); and, with no method, every connection
	// that is refused. nil: nobody.
	Report wire.Report

	// Connections are open at a time, of them a quarter for any one name. 0: 256
	Connections int
	// Calls of one name are under way at a time, over all its connections. 0: 256
	Calls int
}

// Server serves one role to the callers that are pinned and allowed.
type Server struct {
	cfg   ServerConfig
	grpc  *grpc.Server
	hello wire.Handler
	calls map[string]*quota // by name
}

// quota is what one name may have under way.
type quota struct {
	calls chan struct{} // refused beyond
	large chan struct{} // streamed answers in memory; others wait
}

// largeAtOnce is how many streamed answers one name may have in memory.
const largeAtOnce = 4

// workers are goroutines that serve one call after another.
const workers = 32

const (
	// maxAge is how long a connection lives. With the quarter of an hour, and half an
	// hour that its leaf may be old when it is made, it ends before the leaf does. The
	// end is announced, and calls under way are finished.
	maxAge = Lifetime / 4
	grace  = longest + 10*time.Second
)

// NewServer makes a server; Serve starts it.
func NewServer(c ServerConfig) *Server {
	if c.Connections == 0 {
		c.Connections = 256
	}
	if c.Calls == 0 {
		c.Calls = 256
	}
	if c.Report == nil {
		c.Report = func(context.Context, wire.Method, error) {}
	}
	s := &Server{cfg: c, hello: wire.ServeHello(c.Leaves.now, c.Report), calls: map[string]*quota{}}
	for name := range c.Pins {
		s.calls[name] = &quota{calls: make(chan struct{}, c.Calls), large: make(chan struct{}, largeAtOnce)}
	}
	shakes := newHandshakes(c.Leaves, c.Pins, "", max(c.Connections/4, 1), func(err error) {
		// Who only looks whether the port is open has done nothing wrong.
		if err != nil && !fault.Is(err, fault.PeerUnavailable) {
			c.Report(context.Background(), "", err)
		}
	})
	s.grpc = grpc.NewServer(
		grpc.Creds(shakes),
		grpc.ForceServerCodecV2(codec{}),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.MaxConcurrentStreams(uint32(c.Calls)),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.ConnectionTimeout(5*time.Second),
		// What was sent and not yet read is bounded for each connection.
		grpc.StaticStreamWindowSize(64<<10),
		grpc.StaticConnWindowSize(1<<20),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: maxAge, MaxConnectionAgeGrace: grace, Time: 20 * time.Second, Timeout: 10 * time.Second,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
		// A call in a goroutine of its own grows its stack anew, at 4 to 8 % of a role's
		// CPU. Calls beyond get one all the same.
		grpc.NumStreamWorkers(workers),
		experimental.BufferPool(pool()),
		// Every method is served alike, the large answer in pieces.
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error { return s.serve(stream) }),
	)
	return s
}

// Serve accepts connections until Drain.
func (s *Server) Serve(l net.Listener) error {
	err := s.grpc.Serve(netutil.LimitListener(l, s.cfg.Connections))
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fault.New(fault.Unexpected, "serving calls: %w", err)
	}
	return nil
}

// Drain accepts nothing new, lets calls under way end, and ends them when ctx does. It
// returns when the last handler has.
func (s *Server) Drain(ctx context.Context) {
	defer context.AfterFunc(ctx, s.grpc.Stop)()
	s.grpc.GracefulStop()
}

// serve serves one call. Refusals are answers, as a role's are: only the code of a
// fault crosses.
func (s *Server) serve(stream grpc.ServerStream) error {
	full, _ := grpc.MethodFromServerStream(stream)
	method := methodOf(full)
	k := kindOf(method)
	ctx := stream.Context()
	who, err := caller(ctx)
	if err == nil {
		ctx = wire.WithPeer(ctx, who.role())
		err = s.admit(ctx, who, method)
	}
	if err != nil {
		return s.refuse(ctx, stream, method, err)
	}
	q := s.calls[who.Name]
	select {
	case q.calls <- struct{}{}:
		defer func() { <-q.calls }()
	default:
		return s.refuse(ctx, stream, method, fault.New(fault.Overloaded, "%q has %d calls under way", who.Name, cap(q.calls)))
	}
	request, err := receive(stream)
	if err != nil {
		return s.refuse(ctx, stream, method, err)
	}
	if k.streamed {
		select {
		case q.large <- struct{}{}:
			defer func() { <-q.large }()
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
	handler := s.cfg.Handler
	if method == wire.PeerHello {
		handler = s.hello
	}
	return send(stream, k, handler(ctx, method, request))
}

func (s *Server) refuse(ctx context.Context, stream grpc.ServerStream, method wire.Method, err error) error {
	s.cfg.Report(ctx, method, err)
	return send(stream, kindOf(method), wire.Refuse(err))
}

// caller is who calls, as the handshake of this call's connection found.
func caller(ctx context.Context) (identity, error) {
	if p, ok := peer.FromContext(ctx); ok {
		if who, ok := p.AuthInfo.(identity); ok {
			return who, nil
		}
	}
	return identity{}, fault.New(fault.WrongPeer, "a call over a connection that is not authenticated")
}

// admit says whether the caller may make this call.
func (s *Server) admit(ctx context.Context, who identity, method wire.Method) error {
	if method != wire.PeerHello && !slices.Contains(s.cfg.Allow[method], who.Name) {
		return fault.New(fault.NotAllowed, "%q may not call %q", who.Name, method)
	}
	if s.cfg.Leaves.now().After(who.until) {
		return fault.New(fault.KeyExpired, "the certificate of %q ran out during its connection", who.Name)
	}
	// gRPC ends a stream at the deadline that its caller states, also while the request
	// trickles in. A call without one could hold its place for as long as it likes.
	if at, ok := ctx.Deadline(); !ok || time.Until(at) > kindOf(method).timeout {
		return fault.New(fault.OutOfRange, "a call of %q without a deadline, or with one too far off", method)
	}
	return nil
}

// receive reads the request: one message, and the end of the stream.
func receive(stream grpc.ServerStream) ([]byte, error) {
	var request, second frame
	if err := stream.RecvMsg(&request); err != nil {
		return nil, receiveFault(err)
	}
	switch err := stream.RecvMsg(&second); {
	case err == nil:
		return nil, fault.New(fault.Oversize, "a call with a second request")
	case !errors.Is(err, io.EOF):
		return nil, receiveFault(err)
	}
	return request.data, nil
}

func receiveFault(err error) error {
	switch status.Code(err) {
	case codes.ResourceExhausted:
		return fault.New(fault.Oversize, "request: %w", err)
	case codes.Canceled, codes.DeadlineExceeded:
		return fault.New(fault.Cancelled, "while the request came: %w", err)
	}
	if errors.Is(err, io.EOF) {
		return fault.New(fault.Truncated, "a call without a request")
	}
	return fault.New(fault.BadEncoding, "request: %w", err)
}

// send sends an answer. gRPC overwrites what it has sent; the rest is overwritten
// here if it cannot be sent.
func send(stream grpc.ServerStream, k kind, answer []byte) error {
	if !k.streamed {
		if len(answer) > maxAnswer {
			clear(answer)
			return status.Error(codes.ResourceExhausted, "an answer over the limit")
		}
		return stream.SendMsg(&frame{answer})
	}
	if err := stream.SendMsg(&frame{encodeSize(len(answer))}); err != nil {
		clear(answer)
		return err
	}
	for len(answer) > 0 {
		n := pieceOf(len(answer))
		if err := stream.SendMsg(&frame{answer[:n:n]}); err != nil {
			clear(answer)
			return err
		}
		answer = answer[n:]
	}
	return nil
}

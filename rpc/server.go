package rpc

import (
	"context"
	"net"
	"slices"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
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
	// Report is given every call that is refused here, before the role sees it; nil:
	// nobody.
	Report wire.Report

	Connections int // open at a time. 0: 256
	Calls       int // under way at a time on one connection. 0: 256
}

// Server serves one role to the callers that are pinned and allowed.
type Server struct {
	cfg   ServerConfig
	grpc  *grpc.Server
	hello wire.Handler
}

// maxAge is how long a connection lives: no longer than the leaf under which it was
// made. Its end is announced, and calls under way are finished.
const maxAge = Lifetime / 2

// NewServer makes a server; Serve starts it.
func NewServer(c ServerConfig) *Server {
	if c.Connections == 0 {
		c.Connections = 256
	}
	if c.Calls == 0 {
		c.Calls = 256
	}
	s := &Server{cfg: c, hello: wire.ServeHello(c.Leaves.now, c.Report)}
	s.grpc = grpc.NewServer(
		grpc.Creds(credentials.NewTLS(tlsConfig(c.Leaves, c.Pins, ""))),
		grpc.ForceServerCodecV2(codec{}),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.MaxConcurrentStreams(uint32(c.Calls)),
		grpc.MaxHeaderListSize(8<<10),
		grpc.ConnectionTimeout(5*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: maxAge, MaxConnectionAgeGrace: time.Minute, Time: 20 * time.Second, Timeout: 10 * time.Second,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
		experimental.BufferPool(pool()),
		// Every method is served alike, the large answer in pieces.
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error { return s.serve(stream) }),
	)
	return s
}

// Serve accepts connections until Drain or Stop.
func (s *Server) Serve(l net.Listener) error {
	if err := s.grpc.Serve(netutil.LimitListener(l, s.cfg.Connections)); err != nil {
		return fault.New(fault.Unexpected, "serving calls: %w", err)
	}
	return nil
}

// Drain accepts nothing new, lets calls under way end, and ends them when ctx does.
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
	var request frame
	answer := wire.Refuse
	who, err := s.admit(ctx, method)
	if err == nil {
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		handler := s.cfg.Handler
		if method == wire.PeerHello {
			handler = s.hello
		}
		answer = func(error) []byte { return handler(wire.WithPeer(ctx, who.role()), method, request.data) }
	} else if s.cfg.Report != nil {
		s.cfg.Report(ctx, method, err)
	}
	return send(stream, k, answer(err))
}

// admit says who calls, if it may.
func (s *Server) admit(ctx context.Context, method wire.Method) (Peer, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return Peer{}, fault.New(fault.WrongPeer, "a call without a connection")
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return Peer{}, fault.New(fault.WrongPeer, "a call over a connection without TLS")
	}
	// The handshake verified it; here it is only read.
	who, err := readLeaf(info.State.PeerCertificates[0])
	if err != nil {
		return Peer{}, err
	}
	if method == wire.PeerHello {
		return who, nil
	}
	if !slices.Contains(s.cfg.Allow[method], who.Name) {
		return Peer{}, fault.New(fault.NotAllowed, "%q may not call %q", who.Name, method)
	}
	// gRPC ends a stream at the deadline that its caller states, also while the request
	// trickles in. A call without one could hold its place for as long as it likes.
	if at, ok := ctx.Deadline(); !ok || time.Until(at) > kindOf(method).timeout {
		return Peer{}, fault.New(fault.OutOfRange, "a call of %q without a deadline, or with one too far off", method)
	}
	return who, nil
}

func send(stream grpc.ServerStream, k kind, answer []byte) error {
	if !k.streamed {
		if len(answer) > maxAnswer {
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

package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// ClientConfig says whom a Client calls.
type ClientConfig struct {
	Address string    // host:port
	Role    seal.Role // that must answer there
	Leaves  *Leaves   // this process's own
	Pins    Pins
}

// Client is a wire.Caller onto one process of a role. Safe for concurrent use.
type Client struct {
	conn *grpc.ClientConn
	role seal.Role
	now  func() time.Time
	// refused is why the last handshake ended that this side refused, or nil.
	refused atomic.Pointer[fault.Error]
}

var _ wire.Caller = (*Client)(nil)

// Dial makes a client. It connects when it is first used, and again whenever the
// connection was lost; a call while there is none fails with fault.PeerUnavailable.
func Dial(c ClientConfig) (*Client, error) {
	out := &Client{role: c.Role, now: c.Leaves.now}
	conf := tlsConfig(c.Leaves, c.Pins, string(c.Role))
	verify := conf.VerifyConnection
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		err := verify(s)
		var f *fault.Error
		_ = errors.As(err, &f)
		out.refused.Store(f)
		return err
	}
	var err error
	out.conn, err = grpc.NewClient("passthrough:///"+c.Address,
		grpc.WithTransportCredentials(credentials.NewTLS(conf)),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(max(maxAnswer, maxPiece)), grpc.MaxCallSendMsgSize(maxRequest)),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
		experimental.WithBufferPool(pool()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}))
	if err != nil {
		return nil, fault.New(fault.PeerUnavailable, "address %q of the %s: %w", c.Address, c.Role, err)
	}
	return out, nil
}

// Call implements wire.Caller. It takes the request's bytes over.
func (c *Client) Call(ctx context.Context, method wire.Method, request []byte) ([]byte, error) {
	if len(request) > maxRequest {
		return nil, fault.New(fault.Oversize, "a request of %d bytes, at most %d", len(request), maxRequest)
	}
	k := kindOf(method)
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	if !k.streamed {
		var answer frame
		err := c.conn.Invoke(ctx, fullName(method), &frame{request}, &answer)
		return answer.data, c.failed(method, err)
	}
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, fullName(method))
	if err != nil {
		return nil, c.failed(method, err)
	}
	if err := errors.Join(stream.SendMsg(&frame{request}), stream.CloseSend()); err != nil && !errors.Is(err, io.EOF) {
		return nil, c.failed(method, err)
	}
	answer, err := receive(stream)
	if err != nil {
		clear(answer)
		return nil, c.failed(method, err)
	}
	return answer, nil
}

// receive puts a streamed answer together. The answer is its bytes so far even after
// an error: the caller overwrites them.
func receive(stream grpc.ClientStream) ([]byte, error) {
	var piece frame
	if err := stream.RecvMsg(&piece); err != nil {
		return nil, err
	}
	size, err := decodeSize(piece.data, wire.MaxMessage)
	if err != nil {
		return nil, err
	}
	answer := make([]byte, 0, size)
	for {
		err := stream.RecvMsg(&piece)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return answer, err
		}
		if len(piece.data) == 0 || len(answer)+len(piece.data) > size {
			clear(piece.data)
			return answer, fault.New(fault.BadEncoding, "a streamed answer has other pieces than its size says")
		}
		answer = append(answer, piece.data...)
		clear(piece.data)
	}
	if len(answer) != size {
		return answer, fault.New(fault.Truncated, "a streamed answer ends after %d of %d bytes", len(answer), size)
	}
	return answer, nil
}

// failed gives an error of gRPC a code.
func (c *Client) failed(method wire.Method, err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	code := fault.PeerUnavailable
	if refused := c.refused.Load(); refused != nil && status.Code(err) == codes.Unavailable {
		return fault.Within(refused, "%s at the %s", method, c.role)
	}
	switch status.Code(err) {
	case codes.DeadlineExceeded, codes.Canceled:
		code = fault.Cancelled
	case codes.ResourceExhausted:
		code = fault.Oversize
	case codes.Unimplemented:
		code = fault.UnknownMethod
	case codes.Internal, codes.Unknown, codes.DataLoss:
		code = fault.PeerFault
	}
	return fault.New(code, "%s at the %s: %s", method, c.role, status.Convert(err).Message())
}

// Hello checks that the other side can be reached, speaks the same messages, and has
// the same time to within Skew: fault.WrongVersion, fault.ClockOff.
func (c *Client) Hello(ctx context.Context) error {
	c.conn.Connect()
	ahead, err := wire.Greet(ctx, c, c.now)
	if err != nil {
		return err
	}
	if ahead > Skew || ahead < -Skew {
		return fault.New(fault.ClockOff, "the %s's clock is %s ahead of this one's, at most %s is allowed",
			c.role, ahead.Round(time.Second), Skew)
	}
	return nil
}

// Close ends the connection; calls under way fail.
func (c *Client) Close() error {
	if err := c.conn.Close(); err != nil && status.Code(err) != codes.Canceled {
		return fault.New(fault.PeerUnavailable, "closing: %w", err)
	}
	return nil
}

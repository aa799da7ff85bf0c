package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
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
	conn   *grpc.ClientConn
	shakes *handshakes
	role   seal.Role
	now    func() time.Time
	// refused is why the last attempt to connect ended, if one of the two sides
	// refused the other; nil after any other end, and once the server was heard.
	refused atomic.Pointer[fault.Error]
}

var _ wire.Caller = (*Client)(nil)

// Dial makes a client. It connects when it is first used, and again whenever the
// connection was lost; a call while there is none fails with fault.PeerUnavailable, or
// with fault.WrongPeer, fault.NotAllowed or fault.KeyExpired if that is why.
func Dial(c ClientConfig) (*Client, error) {
	out := &Client{role: c.Role, now: c.Leaves.now}
	out.shakes = newHandshakes(c.Leaves, c.Pins, string(c.Role), 0, out.connected)
	var err error
	out.conn, err = grpc.NewClient("passthrough:///"+c.Address,
		grpc.WithTransportCredentials(out.shakes),
		grpc.WithContextDialer(out.dial),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(max(maxAnswer, maxPiece)), grpc.MaxCallSendMsgSize(maxRequest)),
		grpc.WithMaxHeaderListSize(maxHeaders),
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

func (c *Client) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		c.connected(err)
	}
	return conn, err
}

// connected is told how an attempt to connect ended.
func (c *Client) connected(err error) {
	var f *fault.Error
	if errors.As(err, &f) && f.Code == fault.PeerUnavailable {
		f = nil
	}
	c.refused.Store(f)
}

// Call implements wire.Caller. It takes the request's bytes over.
func (c *Client) Call(ctx context.Context, method wire.Method, request []byte) ([]byte, error) {
	if len(request) > maxRequest {
		return nil, fault.New(fault.Oversize, "a request of %d bytes, at most %d", len(request), maxRequest)
	}
	c.shakes.expire()
	k := kindOf(method)
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	if !k.streamed {
		var answer frame
		if err := c.conn.Invoke(ctx, fullName(method), &frame{request}, &answer); err != nil {
			clear(answer.data)
			return nil, c.failed(ctx, method, err)
		}
		return answer.data, nil
	}
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, fullName(method))
	if err != nil {
		return nil, c.failed(ctx, method, err)
	}
	// io.EOF: the stream has ended, and the next reading says why.
	if err := stream.SendMsg(&frame{request}); err != nil && !errors.Is(err, io.EOF) {
		return nil, c.failed(ctx, method, err)
	}
	if err := stream.CloseSend(); err != nil {
		return nil, c.failed(ctx, method, err)
	}
	answer, err := assemble(stream)
	if err != nil {
		return nil, c.failed(ctx, method, err)
	}
	return answer, nil
}

// assemble puts a streamed answer together. Nothing of it stays behind after an error.
func assemble(stream grpc.ClientStream) ([]byte, error) {
	var a assembly
	for a.err == nil {
		err := stream.RecvMsg(&a)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			a.wipe()
			return nil, err
		}
	}
	answer, err := a.done()
	if err != nil {
		a.wipe()
	}
	return answer, err
}

// failed gives an error of gRPC a code. The text of a status is the other side's, or
// gRPC's; it is cut and quoted.
func (c *Client) failed(ctx context.Context, method wire.Method, err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return fault.Within(f, "%s at the %s", method, c.role)
	}
	s := status.Convert(err)
	code := fault.PeerFault
	switch s.Code() {
	case codes.Unavailable:
		if refused := c.refused.Load(); refused != nil {
			return fault.Within(refused, "%s at the %s", method, c.role)
		}
		code = fault.PeerUnavailable
	case codes.Canceled: // also by a server that stops, or by Close
		code = fault.PeerUnavailable
		if ctx.Err() != nil {
			code = fault.Cancelled
		}
	case codes.DeadlineExceeded:
		code = fault.Cancelled
	case codes.ResourceExhausted:
		code = fault.Oversize
	case codes.Unimplemented:
		code = fault.UnknownMethod
	}
	text := s.Message()
	return fault.New(code, "%s at the %s: %q", method, c.role, text[:min(len(text), maxText)])
}

// maxText is how much of the other side's text goes into a detail.
const maxText = 300

// Instance is the process that the newest connection reached, as its certificate says;
// zero before the first. It is that of a process which is gone until another was reached.
func (c *Client) Instance() wire.Instance { return c.shakes.reached() }

// Hello checks that the other side can be reached, speaks the same messages, and has
// the same time to within Skew: fault.WrongVersion, fault.ClockOff.
func (c *Client) Hello(ctx context.Context) error {
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

package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"

	"nod/fault"
	"nod/wire"
)

// tlsConfig is what both sides have in common, but for the check of the other side:
// secure adds that. It is Pins.verify alone, which does more than crypto/x509's chains
// to an authority would; InsecureSkipVerify and RequireAnyClientCert leave room for it.
func tlsConfig(leaves *Leaves) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		CurvePreferences:       []tls.CurveID{tls.X25519MLKEM768},
		NextProtos:             []string{alpn},
		SessionTicketsDisabled: true,
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, //nolint:gosec // see above
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return leaves.current() },
		GetClientCertificate:   func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return leaves.current() },
	}
}

// alpn is the application protocol: HTTP/2.
const alpn = "h2"

// identity is what gRPC carries with a connection: who the handshake found at the
// other end. Nothing but a handshake makes one.
type identity struct {
	credentials.CommonAuthInfo
	Peer
	until time.Time // the other side's leaf counts no longer
}

// AuthType implements credentials.AuthInfo.
func (identity) AuthType() string { return "nod" }

// handshakes makes connections secure, for gRPC, and keeps the rules that hold for a
// connection as a whole. Safe for concurrent use.
type handshakes struct {
	leaves *Leaves
	pins   Pins
	want   string      // the only name to accept; "" accepts every pinned one
	ended  func(error) // is told how every handshake ended; what it is told is a fault, or nil
	limit  int         // connections of one name at a time; 0: any number

	mu     sync.Mutex
	open   map[string]int // connections by name
	newest *secured
}

var _ credentials.TransportCredentials = (*handshakes)(nil)

func newHandshakes(leaves *Leaves, pins Pins, want string, limit int, ended func(error)) *handshakes {
	return &handshakes{leaves: leaves, pins: pins, want: want, limit: limit, ended: ended, open: map[string]int{}}
}

// ClientHandshake implements credentials.TransportCredentials. In TLS 1.3 a client is
// done before the server has looked at its certificate, so that the handshake has ended
// well only when something was read: see secured.Read.
func (h *handshakes) ClientHandshake(ctx context.Context, _ string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := h.secure(ctx, raw, tls.Client)
	if err != nil {
		h.ended(err)
		return nil, nil, err
	}
	h.mu.Lock()
	h.newest = conn
	h.mu.Unlock()
	return conn, info, nil
}

// ServerHandshake implements credentials.TransportCredentials. gRPC has set a deadline
// on raw.
func (h *handshakes) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := h.secure(context.Background(), raw, tls.Server)
	h.ended(err)
	if err != nil {
		return nil, nil, err
	}
	return conn, info, nil
}

// secure makes one handshake.
func (h *handshakes) secure(ctx context.Context, raw net.Conn, side func(net.Conn, *tls.Config) *tls.Conn) (*secured, identity, error) {
	var who identity
	conf := tlsConfig(h.leaves)
	conf.VerifyConnection = func(s tls.ConnectionState) (err error) {
		who.Peer, err = h.pins.verify(&s, h.want, h.leaves.now())
		return err
	}
	conn := side(raw, conf)
	if err := conn.HandshakeContext(ctx); err != nil {
		if alertOf(err) == "" { // the alert is this side's
			linger(raw)
		}
		_ = raw.Close()
		return nil, identity{}, handshakeFault(err)
	}
	who.SecurityLevel = credentials.PrivacyAndIntegrity
	who.until = conn.ConnectionState().PeerCertificates[0].NotAfter.Add(Skew)
	if !h.enter(who.Name) {
		_ = conn.Close()
		return nil, identity{}, fault.New(fault.Overloaded, "%q has %d connections, no more are allowed", who.Name, h.limit)
	}
	return &secured{Conn: conn, handshakes: h, who: who}, who, nil
}

// linger waits until the other side has closed a connection, but not for long. To close
// it first, with bytes unread, would take back the alert that says why.
func linger(raw net.Conn) {
	_ = raw.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.CopyN(io.Discard, raw, 64<<10)
}

// enter counts a connection of a name, if it may have one more.
func (h *handshakes) enter(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.limit > 0 && h.open[name] >= h.limit {
		return false
	}
	h.open[name]++
	return true
}

func (h *handshakes) leave(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open[name]--; h.open[name] == 0 {
		delete(h.open, name)
	}
}

// expire ends the newest connection if the other side's leaf has run out. A server ends
// connections long before; this is for one that does not.
func (h *handshakes) expire() {
	h.mu.Lock()
	conn := h.newest
	h.mu.Unlock()
	if conn != nil && h.leaves.now().After(conn.who.until) {
		_ = conn.Close()
	}
}

// reached is the process at the other end of the newest connection.
func (h *handshakes) reached() (i wire.Instance) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.newest != nil {
		i = h.newest.who.Instance
	}
	return i
}

// Info implements credentials.TransportCredentials.
func (*handshakes) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials. There is nothing that gRPC could
// change, and the counts are meant to be shared.
func (h *handshakes) Clone() credentials.TransportCredentials { return h }

// OverrideServerName implements credentials.TransportCredentials: nothing here goes by
// the name of a host.
func (*handshakes) OverrideServerName(string) error { return nil }

// secured is a connection after its handshake.
type secured struct {
	*tls.Conn
	handshakes *handshakes
	who        identity
	read       sync.Once
	close      sync.Once
}

// Read implements net.Conn. The first thing that is read tells a client whether the
// server took its certificate: an alert, or data.
func (c *secured) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 || err != nil {
		c.read.Do(func() {
			if alertOf(err) != "" {
				c.handshakes.ended(handshakeFault(err))
			} else if n > 0 {
				c.handshakes.ended(nil)
			}
		})
	}
	return n, err
}

// Close implements net.Conn.
func (c *secured) Close() error {
	c.close.Do(func() { c.handshakes.leave(c.who.Name) })
	return c.Conn.Close()
}

// handshakeFault gives an error of a handshake a code. A fault of this side's keeps its
// own. NotAllowed: the other side refused this one's certificate. PeerUnavailable: the
// connection broke, or the other side has no valid leaf. WrongPeer: anything else, for
// then the other side does not speak as docs/spec/transport.md says.
func handshakeFault(err error) error {
	var f *fault.Error
	var broken net.Error
	alert := alertOf(err)
	switch {
	case errors.As(err, &f):
		return err
	case alert == "tls: bad certificate":
		return fault.New(fault.NotAllowed, "the other side does not accept this one's certificate: %w", err)
	case alert == "" && (errors.As(err, &broken) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		alert == "tls: internal error": // that of crypto/tls without a certificate to show
		return fault.New(fault.PeerUnavailable, "the connection broke off during its handshake: %w", err)
	}
	return fault.New(fault.WrongPeer, "handshake: %w", err)
}

// alertOf is the text of the alert with which the other side ended a connection, or
// "". crypto/tls has no exported type for it.
func alertOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return op.Err.Error()
	}
	return ""
}

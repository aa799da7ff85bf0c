package rpc

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// badHandshakes are ways of TLS that nobody must accept, by somebody with a good leaf.
var badHandshakes = []struct {
	what   string
	change func(*tls.Config)
}{
	{"TLS 1.2", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }},
	{"X25519 alone", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} }},
	{"P-256 alone", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} }},
	{"another hybrid", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.SecP256r1MLKEM768} }},
	{"no application protocol", func(c *tls.Config) { c.NextProtos = nil }},
	{"another application protocol", func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }},
	{"no certificate", func(c *tls.Config) {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil }
		c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }
	}},
	{"a certificate with another's private key", func(c *tls.Config) {
		leaf := must(c.GetCertificate(nil))
		_, other, err := ed25519.GenerateKey(nil)
		if err != nil {
			panic(err)
		}
		stolen := &tls.Certificate{Certificate: leaf.Certificate, PrivateKey: other}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return stolen, nil }
		c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return stolen, nil }
	}},
}

func TestServerRefusesHandshakes(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{})
	leaves := w.leaves(t, "matcher")
	for _, row := range badHandshakes {
		t.Run(row.what, func(t *testing.T) {
			s.mu.Lock()
			s.reports = nil
			s.mu.Unlock()
			conf := tlsConfig(leaves)
			row.change(conf)
			raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			conn := tls.Client(raw, conf)
			if err := conn.HandshakeContext(t.Context()); err == nil { // TLS 1.3: the server looks later
				_, err = conn.Read(make([]byte, 1))
				if err == nil {
					t.Error("the server talks")
				}
			}
			raw.Close()
			s.reported(t, "", fault.WrongPeer)
		})
	}
}

// What is no TLS at all is refused likewise; who only looks is not reported.
func TestServerSurvivesNoise(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{})
	for _, noise := range []string{"", "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
		raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(raw, noise); err != nil {
			t.Fatal(err)
		}
		raw.Close()
	}
	eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.reports) == 2 }, func() string { return "two reports" })
	if _, err := w.dial(t, s.address, w.leaves(t, "matcher")).Call(t.Context(), wire.CustodianOpen, []byte("x")); err != nil {
		t.Error(err)
	}
}

// rawServer accepts TLS connections as conf says and never gets to HTTP/2.
func rawServer(t *testing.T, conf *tls.Config) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				conn := tls.Server(raw, conf)
				_ = conn.HandshakeContext(context.Background())
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func TestClientRefusesHandshakes(t *testing.T) {
	w := newWorld(t)
	for _, row := range badHandshakes {
		t.Run(row.what, func(t *testing.T) {
			conf := tlsConfig(w.leaves(t, "dealer"))
			row.change(conf)
			want := fault.WrongPeer
			if row.what == "no certificate" { // as a server that could not renew its leaf in time
				want = fault.PeerUnavailable
			}
			c := w.dial(t, rawServer(t, conf), w.leaves(t, "matcher"))
			if _, err := c.Call(t.Context(), wire.CustodianOpen, []byte("x")); !fault.Is(err, want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// A session is not resumed: a connection always rests on a leaf of now.
func TestNoResumption(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{})
	conf := tlsConfig(w.leaves(t, "matcher"))
	conf.ServerName = "dealer"
	cache := &sessions{LRU: tls.NewLRUClientSessionCache(1)}
	conf.ClientSessionCache = cache
	for range 2 {
		conn, err := (&tls.Dialer{Config: conf}).DialContext(t.Context(), "tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil { // the server's settings: its handshake is over
			t.Fatal(err)
		}
		if conn.(*tls.Conn).ConnectionState().DidResume {
			t.Error("it was resumed")
		}
		conn.Close()
	}
	if cache.put {
		t.Error("the server gave a ticket")
	}
}

type sessions struct {
	LRU tls.ClientSessionCache
	put bool
}

func (s *sessions) Get(k string) (*tls.ClientSessionState, bool) { return s.LRU.Get(k) }

func (s *sessions) Put(k string, c *tls.ClientSessionState) {
	s.put = s.put || c != nil
	s.LRU.Put(k, c)
}

// The right key under the wrong name does not help: a client calls one role.
func TestClientWantsOneRole(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"matcher", "custodian", "edge"} {
		s := w.serve(t, ServerConfig{Leaves: w.leaves(t, name)})
		c := w.dial(t, s.address, w.leaves(t, "custodian"))
		if _, err := c.Call(t.Context(), wire.DealerBatch, nil); !fault.Is(err, fault.WrongPeer) {
			t.Errorf("the %s in the dealer's place: %v", name, err)
		}
		if err := c.Hello(t.Context()); !fault.Is(err, fault.WrongPeer) {
			t.Errorf("hello to the %s in the dealer's place: %v", name, err)
		}
		s.reported(t, "", fault.NotAllowed)
	}
}

// A client without a valid leaf does not get as far as a call, and says why.
func TestClientWithoutALeaf(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{})
	c := w.dial(t, s.address, NewLeaves("matcher", wire.Instance{}, w.keys["matcher"], w.now))
	if _, err := c.Call(t.Context(), wire.CustodianOpen, nil); !fault.Is(err, fault.KeyExpired) {
		t.Error(err)
	}
}

// The reason of a refusal does not outlive it: when nobody is there any more, that is
// what a call says.
func TestRefusalIsForgotten(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{Leaves: w.leaves(t, "custodian")})
	c := w.dial(t, s.address, w.leaves(t, "matcher"))
	if _, err := c.Call(t.Context(), wire.CustodianOpen, nil); !fault.Is(err, fault.WrongPeer) {
		t.Fatal(err)
	}
	s.Drain(t.Context())
	eventually(t, func() bool {
		_, err := c.Call(t.Context(), wire.CustodianOpen, nil)
		return fault.Is(err, fault.PeerUnavailable)
	}, func() string { return "peer_unavailable" })
	w.serveAt(t, s.address, ServerConfig{})
	eventually(t, func() bool {
		_, err := c.Call(t.Context(), wire.CustodianOpen, nil)
		return err == nil
	}, func() string { return "an answer" })
}

// Either version of an identity key that the bundle lists will do.
func TestTwoVersionsOfAnIdentityKey(t *testing.T) {
	w := newWorld(t)
	older, newer := w.keys["matcher"], newKey(t)
	ids := map[seal.Role][]seal.Identity{}
	for _, r := range seal.Roles() {
		ids[r] = []seal.Identity{{Version: 1, Key: w.keys[string(r)].public()}}
	}
	ids[seal.Matcher] = append(ids[seal.Matcher], seal.Identity{Version: 2, Key: newer.public()})
	w.pins = must(NewPins(must(seal.NewBundle(ids, newKey(t).public())), nil))
	s := w.serve(t, ServerConfig{})
	for _, k := range []*key{older, newer} {
		w.keys["matcher"] = k
		if _, err := w.dial(t, s.address, w.leaves(t, "matcher")).Call(t.Context(), wire.CustodianOpen, nil); err != nil {
			t.Error(err)
		}
	}
	w.keys["matcher"] = newKey(t)
	if _, err := w.dial(t, s.address, w.leaves(t, "matcher")).Call(t.Context(), wire.CustodianOpen, nil); !fault.Is(err, fault.NotAllowed) {
		t.Errorf("a third version: %v", err)
	}
}

func TestNewPinsRefuses(t *testing.T) {
	w := newWorld(t)
	ids := map[seal.Role][]seal.Identity{}
	for _, r := range seal.Roles() {
		ids[r] = []seal.Identity{{Version: 1, Key: w.keys[string(r)].public()}}
	}
	bundle := must(seal.NewBundle(ids, newKey(t).public()))
	good := newKey(t).public()
	for what, callers := range map[string]map[string]ed25519.PublicKey{
		"a role's name":      {"dealer": good},
		"a role's key":       {"edge": w.keys["dealer"].public()},
		"one key, two names": {"a": good, "b": good},
		"no name":            {"": good},
		"upper case":         {"Edge": good},
		"a slash":            {"a/b": good},
		"no key":             {"edge": nil},
		"a short key":        {"edge": good[:31]},
		"a long key":         {"edge": append(good[:32:32], 0)},
	} {
		if _, err := NewPins(bundle, callers); !fault.Is(err, fault.BadKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A call over a connection that no handshake of this package made is nobody's.
func TestCallsWithoutAHandshake(t *testing.T) {
	if _, err := caller(t.Context()); !fault.Is(err, fault.WrongPeer) {
		t.Error(err)
	}
	other := peer.NewContext(t.Context(), &peer.Peer{AuthInfo: credentials.TLSInfo{}})
	if _, err := caller(other); !fault.Is(err, fault.WrongPeer) {
		t.Error(err)
	}
}

func TestDrainedServerServesNothing(t *testing.T) {
	w := newWorld(t)
	s := NewServer(ServerConfig{Leaves: w.leaves(t, "dealer"), Pins: w.pins, Handler: echo})
	s.Drain(t.Context())
	if err := s.Serve(must(net.Listen("tcp", "127.0.0.1:0"))); err != nil {
		t.Errorf("a drained server: %v", err)
	}
}

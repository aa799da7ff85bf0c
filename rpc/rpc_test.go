package rpc_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"testing"
	"time"

	"nod/crypto/seal"
	"nod/rpc"
	"nod/wire"
)

// key is an identity key in memory.
type key struct{ private ed25519.PrivateKey }

func newKey(t testing.TB) *key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &key{private}
}

func (k *key) public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

func (k *key) Public(context.Context) (ed25519.PublicKey, error) { return k.public(), nil }

func (k *key) Sign(_ context.Context, message []byte) ([]byte, error) {
	return ed25519.Sign(k.private, message), nil
}

func TestRoundTrip(t *testing.T) {
	keys := map[seal.Role]*key{}
	ids := map[seal.Role][]seal.Identity{}
	for _, r := range seal.Roles() {
		keys[r] = newKey(t)
		ids[r] = []seal.Identity{{Version: 1, Key: keys[r].public()}}
	}
	bundle, err := seal.NewBundle(ids, newKey(t).public())
	if err != nil {
		t.Fatal(err)
	}
	pins, err := rpc.NewPins(bundle, nil)
	if err != nil {
		t.Fatal(err)
	}
	leaves := func(r seal.Role) *rpc.Leaves {
		l := rpc.NewLeaves(string(r), wire.NewInstance(), keys[r], time.Now)
		if err := l.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return l
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	s := rpc.NewServer(rpc.ServerConfig{
		Leaves: leaves(seal.Dealer), Pins: pins,
		Allow: map[wire.Method][]string{wire.DealerBatch: {"matcher"}, wire.CustodianOpen: {"matcher"}},
		Handler: func(ctx context.Context, m wire.Method, request []byte) []byte {
			if p := wire.PeerOf(ctx); p.Role != seal.Matcher {
				t.Errorf("peer %v", p)
			}
			if m == wire.DealerBatch {
				return append([]byte{}, large...)
			}
			return append([]byte{}, request...)
		},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	c, err := rpc.Dial(rpc.ClientConfig{Address: l.Addr().String(), Role: seal.Dealer, Leaves: leaves(seal.Matcher), Pins: pins})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := c.Call(t.Context(), wire.CustodianOpen, []byte("hello"))
	if err != nil || string(out) != "hello" {
		t.Fatal(out, err)
	}
	out, err = c.Call(t.Context(), wire.DealerBatch, []byte("hello"))
	if err != nil || !bytes.Equal(out, large) {
		t.Fatal(len(out), err)
	}
	s.Drain(t.Context())
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

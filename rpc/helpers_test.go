package rpc

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nod/crypto/seal"
	"nod/fault"
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

// names are everybody who is pinned in a world: the roles, and a caller outside them.
var names = []string{"matcher", "custodian", "dealer", "edge"}

// world is three roles and an edge that know each other.
type world struct {
	keys      map[string]*key
	instances map[string]wire.Instance
	pins      Pins
	ahead     atomic.Int64 // of everybody's clock
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{keys: map[string]*key{}, instances: map[string]wire.Instance{}}
	ids := map[seal.Role][]seal.Identity{}
	for _, name := range names {
		w.keys[name], w.instances[name] = newKey(t), wire.NewInstance()
	}
	for _, r := range seal.Roles() {
		ids[r] = []seal.Identity{{Version: 1, Key: w.keys[string(r)].public()}}
	}
	bundle, err := seal.NewBundle(ids, newKey(t).public())
	if err != nil {
		t.Fatal(err)
	}
	w.pins, err = NewPins(bundle, map[string]ed25519.PublicKey{"edge": w.keys["edge"].public()})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// leaves are somebody's own, with a fresh leaf.
func (w *world) leaves(t testing.TB, name string) *Leaves {
	t.Helper()
	l := NewLeaves(name, w.instances[name], w.keys[name], w.now)
	if err := l.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// running is a server under test.
type running struct {
	*Server
	address string
	done    chan error

	mu      sync.Mutex
	reports []report
}

type report struct {
	method wire.Method
	peer   wire.Peer
	code   fault.Code
}

func (r *running) report(ctx context.Context, method wire.Method, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, report{method, wire.PeerOf(ctx), fault.CodeOf(err)})
}

// reported waits until a fault with the code was reported.
func (r *running) reported(t testing.TB, method wire.Method, code fault.Code) {
	t.Helper()
	eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.ContainsFunc(r.reports, func(x report) bool { return x.method == method && x.code == code })
	}, func() string { return "reports of " + string(method) + ": " + string(code) })
}

// eventually waits for something that another goroutine does.
func eventually(t testing.TB, done func() bool, what func() string) {
	t.Helper()
	for range 3000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("this does not come: %s", what())
}

// everything lets a name make every call.
func everything(name ...string) map[wire.Method][]string {
	out := map[wire.Method][]string{}
	for _, m := range methods {
		out[m] = name
	}
	return out
}

var methods = []wire.Method{
	wire.MatcherOpen, wire.MatcherVerify, wire.MatcherKeys, wire.MatcherEnrol, wire.MatcherOrder, wire.MatcherRenew,
	wire.CustodianKeysMethod, wire.CustodianOpen, wire.CustodianStart, wire.CustodianClose, wire.CustodianEnrol,
	wire.CustodianStored, wire.CustodianRenew, wire.CustodianOrder, wire.CustodianOpenChannel, wire.CustodianToss,
	wire.CustodianReveal, wire.CustodianSacrifice, wire.DealerBatch,
}

// echo answers every call with its request.
func echo(_ context.Context, _ wire.Method, request []byte) []byte { return slices.Clone(request) }

// serve runs a server of a role: the dealer, that answers like echo, unless c says
// otherwise.
func (w *world) serve(t testing.TB, c ServerConfig) *running {
	t.Helper()
	return w.serveAt(t, "127.0.0.1:0", c)
}

func (w *world) serveAt(t testing.TB, address string, c ServerConfig) *running {
	t.Helper()
	r := &running{done: make(chan error, 1)}
	if c.Leaves == nil {
		c.Leaves = w.leaves(t, "dealer")
	}
	if c.Pins == nil {
		c.Pins = w.pins
	}
	if c.Handler == nil {
		c.Handler = echo
	}
	if c.Allow == nil {
		c.Allow = everything("matcher", "edge")
	}
	c.Report = r.report
	r.Server = NewServer(c)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	r.address = l.Addr().String()
	go func() { r.done <- r.Serve(l) }()
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		r.Drain(ended)
	})
	return r
}

// dial makes a client of the dealer.
func (w *world) dial(t testing.TB, address string, leaves *Leaves) *Client {
	t.Helper()
	return w.dialRole(t, address, seal.Dealer, leaves)
}

func (w *world) dialRole(t testing.TB, address string, role seal.Role, leaves *Leaves) *Client {
	t.Helper()
	c, err := Dial(ClientConfig{Address: address, Role: role, Leaves: leaves, Pins: w.pins})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

package channel

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"nod/audit/audittest"
	"nod/audit/file"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/crypto/seal"
	"nod/dealer"
	"nod/fault"
	"nod/keyring"
	"nod/keyring/local"
	"nod/store/pebble"
	"nod/store/storetest"
	"nod/wire"
)

// role is what one of the two servers has of its own.
type role struct {
	store  *storetest.Faulty
	log    *audittest.Faulty
	mu     sync.Mutex
	alarms []Alarm
	errs   []error
}

func newRole(t testing.TB) *role {
	t.Helper()
	s, err := pebble.Open(pebble.Options{Folder: "store", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &role{store: storetest.NewFaulty(s, nil), log: newLog(t)}
}

func newLog(t testing.TB) *audittest.Faulty {
	t.Helper()
	log, err := file.Open(filepath.Join(t.TempDir(), "audit"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return audittest.NewFaulty(log, nil)
}

func (r *role) raised() []Alarm {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Alarm(nil), r.alarms...)
}

// alarm waits for the first one.
func (r *role) alarm(t testing.TB) Alarm {
	t.Helper()
	eventually(t, "an alarm", func() bool { return len(r.raised()) > 0 })
	return r.raised()[0]
}

func (r *role) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alarms, r.errs = nil, nil
}

func (r *role) reported(code fault.Code) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, err := range r.errs {
		if fault.Is(err, code) {
			return true
		}
	}
	return false
}

// world is a dealer, a matcher and a custodian. Change it before source and server.
type world struct {
	model              *code.Model
	check, other       *code.Check // its two checks, of 64 bits
	checks             []*code.Check
	params             cut.Params
	keys               *local.Keyring // the dealer's
	bundle             *seal.Bundle
	dealer             wire.Dealer // called with the peer in ctx
	custodian, matcher *role
	clock              *clock
	maxAge             time.Duration
	source             SourceConfig // overrides
	server             ServerConfig
	between            func(c Custodian) Custodian // what stands between matcher and custodian
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		model:  codetest.Model(rand.New(rand.NewPCG(1, 1)), codetest.Shape{MaxWeight: 4, Plausibility: true}),
		params: cut.Params{Batch: 32, Sacrifice: 8}, keys: local.InMemory(),
		custodian: newRole(t), matcher: newRole(t), clock: &clock{now: time.Unix(1_800_000_000, 0)},
		between: func(c Custodian) Custodian { return c },
	}
	for name, kind := range map[keyring.Name]keyring.Type{keyring.Root: keyring.HMAC, keyring.Identity: keyring.Ed25519} {
		if err := w.keys.Create(t.Context(), name, kind); err != nil {
			t.Fatal(err)
		}
	}
	public, err := w.keys.Public(t.Context(), keyring.Identity, 0)
	if err != nil {
		t.Fatal(err)
	}
	random := func() ed25519.PublicKey { k, _, _ := ed25519.GenerateKey(nil); return k }
	w.bundle, err = seal.NewBundle(map[seal.Role][]seal.Identity{
		seal.Matcher:   {{Version: 1, Key: random()}},
		seal.Custodian: {{Version: 1, Key: random()}},
		seal.Dealer:    {{Version: 1, Key: public}},
	}, random())
	if err != nil {
		t.Fatal(err)
	}
	w.check = w.model.Match()
	w.other, _, _ = w.model.Plausibility()
	w.checks = []*code.Check{w.check, w.other}
	w.dealer, err = dealer.New(dealer.Config{Keyring: w.keys, Models: []*code.Model{w.model}, Audit: newLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) config(r *role, peer wire.Peer) Config {
	return Config{
		Instance: peer.Instance, Checks: w.checks, Params: w.params,
		Dealer: wire.DealerClient{Caller: wire.InProcess(wire.ServeDealer(w.dealer, nil), peer)},
		Bundle: w.bundle, Store: r.store, Audit: r.log, Clock: w.clock.Now, MaxAge: w.maxAge,
		Alarm:  func(a Alarm) { r.mu.Lock(); r.alarms = append(r.alarms, a); r.mu.Unlock() },
		Report: func(err error) { r.mu.Lock(); r.errs = append(r.errs, err); r.mu.Unlock() },
	}
}

func newPeer(role seal.Role) wire.Peer { return wire.Peer{Role: role, Instance: wire.NewInstance()} }

// startServer starts a custodian process.
func (w *world) startServer(t testing.TB) *Server {
	t.Helper()
	cfg := w.server
	cfg.Config = w.config(w.custodian, newPeer(seal.Custodian))
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// custodianRole makes a Server the wire's role.
type custodianRole struct {
	wire.Custodian // nil: nothing else is called
	*Server
}

func (c custodianRole) OpenChannel(ctx context.Context, m *wire.ChannelOpen) (*wire.ChannelOpened, error) {
	return c.Server.OpenChannel(ctx, m)
}

func (c custodianRole) Toss(ctx context.Context, m *wire.BatchToss) (*wire.BatchTossed, error) {
	return c.Server.Toss(ctx, m)
}

func (c custodianRole) Reveal(ctx context.Context, m *wire.BatchReveal) (*wire.BatchRevealed, error) {
	return c.Server.Reveal(ctx, m)
}

func (c custodianRole) Sacrifice(ctx context.Context, m *wire.BatchSacrifice) (*wire.BatchSacrificed, error) {
	return c.Server.Sacrifice(ctx, m)
}

func (custodianRole) Close(context.Context, *wire.CompareClose) (*wire.CompareClosed, error) {
	return nil, errors.New("not called")
}

// connect is the custodian as peer reaches it: encoded messages only.
func connect(s *Server, peer wire.Peer) wire.CustodianClient {
	return wire.CustodianClient{Caller: wire.InProcess(wire.ServeCustodian(custodianRole{Server: s}, nil), peer)}
}

// startSource starts a matcher process that talks to a custodian.
func (w *world) startSource(t testing.TB, s *Server) (*Source, wire.Peer) {
	t.Helper()
	peer := newPeer(seal.Matcher)
	cfg := w.source
	cfg.Config = w.config(w.matcher, peer)
	cfg.Custodian = w.between(connect(s, peer))
	cfg.Retry = or(cfg.Retry, time.Millisecond)
	cfg.Wait = or(cfg.Wait, time.Minute) // tests wait for what must come
	source, err := NewSource(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	return source, peer
}

// start is both.
func (w *world) start(t testing.TB) (*Source, *Server, wire.Peer) {
	t.Helper()
	server := w.startServer(t)
	source, peer := w.startSource(t, server)
	return source, server, peer
}

// soon is a context for what should not take long.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// takeOne takes one correlation of the check.
func (w *world) takeOne(t testing.TB, s *Source) *Lease {
	t.Helper()
	leases, err := s.Take(soon(t), w.check.ID)
	if err != nil {
		t.Fatal(err)
	}
	return leases[0]
}

// play runs the comparison of u, shared by xor, on two loaded halves.
func play(ready [2]*compare.Ready, u0, u1 code.Code, bound int32) (compare.Outcome, error) {
	m1, m2 := compare.M1{C: code.NewCode(u0.Bits())}, compare.M2{C: code.NewCode(u0.Bits())}
	m3, m4 := compare.M3{}, compare.M4{}
	if err := ready[0].Open(u0, bound, &m1); err != nil {
		return false, err
	}
	if err := ready[1].Answer(u1, bound, &m1, &m2); err != nil {
		return false, err
	}
	if err := ready[0].Reply(&m2, &m3); err != nil {
		return false, err
	}
	yes, err := ready[1].Close(&m3, &m4)
	if err != nil {
		return false, err
	}
	again, err := ready[0].Conclude(&m4)
	if err == nil && again != yes {
		err = errors.New("the parties disagree")
	}
	return yes, err
}

// eventually waits for something that happens in the background.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for ctx := soon(t); !f(); time.Sleep(time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// balanced: every correlation dealt is sacrificed, used, discarded or in stock.
func balanced(t testing.TB, s Stats) {
	t.Helper()
	if s.Dealt != s.Sacrificed+s.Used+s.Discarded+uint64(s.Stock) {
		t.Errorf("correlations do not add up: %+v", s)
	}
}

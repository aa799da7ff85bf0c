package crash_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/dev"
	"nod/process"
	"nod/rpc"
	"nod/wire"
)

// witness stands between matcher and custodian, in the test's own process, which no
// kill touches: to the matcher it is the custodian, to the custodian the matcher, with
// copies of both identity keys. It passes everything on and changes nothing; over all
// restarts of both it holds that each correlation, session and enrolment is used once.
type witness struct {
	as     map[seal.Role]*process.Parts
	pins   rpc.Pins
	target string // address of the real custodian

	mu      sync.Mutex
	clients map[wire.Instance]*rpc.Client // as which matcher instance it calls

	sent     map[correlation]bool // named by a matcher
	used     map[correlation]bool // answered without a fault
	asked    map[canon.SessionID]int
	started  map[canon.SessionID]int // answered without a fault
	deltas   map[canon.Digest]int    // by order
	renewals map[wire.RenewStart][]byte
	wrongs   []string // not told yet
	found    int      // told or not
}

type correlation struct {
	channel canon.ChannelID
	index   uint64
}

// newWitness starts a witness in front of a deployment's custodian and has the
// matcher's configuration name it instead. Nothing of the deployment runs yet.
func newWitness(t testing.TB, l *dev.Layout) *witness {
	t.Helper()
	w := &witness{
		as: map[seal.Role]*process.Parts{}, clients: map[wire.Instance]*rpc.Client{},
		target: fmt.Sprintf("127.0.0.1:%d", l.Ports[1]),
		sent:   map[correlation]bool{}, used: map[correlation]bool{},
		asked: map[canon.SessionID]int{}, started: map[canon.SessionID]int{},
		deltas: map[canon.Digest]int{}, renewals: map[wire.RenewStart][]byte{},
	}
	data, err := os.ReadFile(filepath.Join(l.Folder, "public", "bundle.json"))
	must(t, err)
	bundle, err := seal.ParseBundle(data)
	must(t, err)
	w.pins, err = rpc.NewPins(bundle, nil)
	must(t, err)
	for _, role := range []seal.Role{seal.Matcher, seal.Custodian} {
		w.as[role] = copied(t, l, role)
	}
	own := w.as[seal.Custodian]
	leaves := rpc.NewLeaves(string(seal.Custodian), own.Instance, own.Signer(), own.Now)
	must(t, leaves.Rotate(t.Context()))
	allow := map[wire.Method][]string{}
	for _, m := range wire.CustodianMethods() {
		allow[m] = []string{string(seal.Matcher)}
	}
	server := rpc.NewServer(rpc.ServerConfig{Leaves: leaves, Pins: w.pins, Handler: wire.ServeCustodian(w, nil), Allow: allow})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		server.Drain(ctx)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, c := range w.clients {
			_ = c.Close()
		}
	})
	edit(t, l.Config(seal.Matcher), fmt.Sprintf("custodian = %q", w.target), fmt.Sprintf("custodian = %q", listener.Addr()))
	return w
}

// copied is a role's identity, out of a copy of its keyring: the role itself holds the
// file's lock.
func copied(t testing.TB, l *dev.Layout, role seal.Role) *process.Parts {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "witness")
	must(t, os.Mkdir(folder, 0o700))
	data, err := os.ReadFile(filepath.Join(l.Role(role), "data", "keyring.json"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(folder, "keyring.json"), data, 0o600))
	p, err := process.Open(t.Context(), process.Options{Role: role, Folder: folder})
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	return p
}

// custodian is the real one, called as the matcher instance that called here.
func (w *witness) custodian(ctx context.Context) (wire.CustodianClient, error) {
	caller := wire.PeerOf(ctx).Instance
	w.mu.Lock()
	defer w.mu.Unlock()
	client := w.clients[caller]
	if client == nil {
		own := w.as[seal.Matcher]
		leaves := rpc.NewLeaves(string(seal.Matcher), caller, own.Signer(), own.Now)
		if err := leaves.Rotate(ctx); err != nil {
			return wire.CustodianClient{}, err
		}
		var err error
		if client, err = rpc.Dial(rpc.ClientConfig{Address: w.target, Role: seal.Custodian, Leaves: leaves, Pins: w.pins}); err != nil {
			return wire.CustodianClient{}, err
		}
		// There is one matcher: the ones before are dead, and so are their connections.
		for instance, old := range w.clients {
			_ = old.Close()
			delete(w.clients, instance)
		}
		w.clients[caller] = client
	}
	return wire.CustodianClient{Caller: client}, nil
}

// see records under the lock.
func (w *witness) see(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// wrong records what must never be, with mu held.
func (w *witness) wrong(format string, args ...any) {
	w.found++
	w.wrongs = append(w.wrongs, fmt.Sprintf(format, args...))
}

// hold fails the test for everything wrong so far.
func (w *witness) hold(t testing.TB) {
	t.Helper()
	w.see(func() {
		for _, text := range w.wrongs {
			t.Errorf("between matcher and custodian: %s", text)
		}
		w.wrongs = nil
	})
}

// left says of a session whether c_0 reached the custodian's side, and whether c_1 left
// it.
func (w *witness) left(id canon.SessionID) (c0, c1 bool) {
	w.see(func() { c0, c1 = w.asked[id] > 0, w.started[id] > 0 })
	return c0, c1
}

// Start implements wire.Custodian.
func (w *witness) Start(ctx context.Context, m *wire.CompareStart) (*wire.CompareStarted, error) {
	w.see(func() {
		if w.asked[m.Session]++; w.asked[m.Session] > 1 {
			w.wrong("session %v was started twice", m.Session)
		}
		for _, c := range m.Checks {
			key := correlation{c.Channel, c.Index}
			if w.sent[key] {
				w.wrong("the matcher used index %d of channel %v twice", c.Index, c.Channel)
			}
			w.sent[key] = true
		}
	})
	c, err := w.custodian(ctx)
	if err != nil {
		return nil, err
	}
	out, err := c.Start(ctx, m)
	if err != nil {
		return nil, err
	}
	w.see(func() {
		if w.started[m.Session]++; w.started[m.Session] > 1 {
			w.wrong("the custodian compared session %v twice", m.Session)
		}
		for _, c := range m.Checks {
			key := correlation{c.Channel, c.Index}
			if w.used[key] {
				w.wrong("the custodian accepted index %d of channel %v twice", c.Index, c.Channel)
			}
			w.used[key] = true
		}
	})
	return out, nil
}

// Enrol implements wire.Custodian: one order gets one delta, ever.
func (w *witness) Enrol(ctx context.Context, m *wire.EnrolStart) (*wire.EnrolDelta, error) {
	c, err := w.custodian(ctx)
	if err != nil {
		return nil, err
	}
	out, err := c.Enrol(ctx, m)
	if err == nil {
		w.see(func() {
			order := canon.Digest(canon.Sum("witnessed", m.Order))
			if w.deltas[order]++; w.deltas[order] > 1 {
				w.wrong("an enrolment got a second delta under one pad")
			}
		})
	}
	return out, err
}

// Renew implements wire.Custodian: one pad and its successor have one difference.
func (w *witness) Renew(ctx context.Context, m *wire.RenewStart) (*wire.RenewDelta, error) {
	c, err := w.custodian(ctx)
	if err != nil {
		return nil, err
	}
	out, err := c.Renew(ctx, m)
	if err == nil && !out.Current {
		w.see(func() {
			answer := wire.Marshal(out)
			if before := w.renewals[*m]; before != nil && !bytes.Equal(before, answer) {
				w.wrong("a renewal that was asked for again got other bytes")
			}
			w.renewals[*m] = answer
		})
	}
	return out, err
}

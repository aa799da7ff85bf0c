package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nod/config"
	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
)

// keys makes a folder for three processes, and gives the configuration of the parties
// outside.
func (b *bench) keys() (l *dev.Layout, client string) {
	b.t.Helper()
	in := b.path("three")
	b.nod("dev", "keys", "--in", in, "--port", "0").wants(exitMatch, "made in "+in, "next:  nod dev up --in "+in)
	l, err := dev.OpenLayout(in)
	if err != nil {
		b.t.Fatal(err)
	}
	return l, l.Client()
}

// up starts the three processes; they end with the test, if they did not before.
func (b *bench) up(l *dev.Layout) *dev.Processes {
	b.t.Helper()
	p, err := l.Up(b.t.Context(), programs(b.t), b.t.Output())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = p.Stop() })
	return p
}

func (b *bench) stop(p *dev.Processes) {
	b.t.Helper()
	if err := p.Stop(); err != nil {
		b.t.Fatal(err)
	}
}

// connect makes a connection of a program of its own, as long as f runs.
func (b *bench) connect(client string, f func(*dev.Outside)) {
	b.t.Helper()
	conf, err := config.LoadClient(client)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := dev.Connect(b.t.Context(), conf)
	if err != nil {
		b.t.Fatal(err)
	}
	f(&c.Outside)
	if err := c.Close(); err != nil {
		b.t.Error(err)
	}
}

// text is output that is read while it is written.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *text) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *text) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// nod dev keys and nod dev up: a folder is made once, three processes start, and end at
// an interrupt; one that ends by itself ends the others.
func TestKeysAndUp(t *testing.T) {
	b := newBench(t)
	l, client := b.keys()
	b.nod("dev", "keys", "--in", l.Folder).refused(fault.Conflict, "holds a deployment already")
	got := b.nod("--json", "dev", "keys", "--in", b.path("other"), "--port", "0").wants(exitMatch).object("folder", "client")
	same(t, got, map[string]any{"folder": b.path("other")})
	b.nod("dev", "up", "--in", l.Folder, "--programs", b.path("none")).refused(fault.NotFound, "make build makes it")
	b.nod("--client", client, "renew", "--all").refused(fault.PeerUnavailable)

	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out, ended := new(text), make(chan int)
	go func() {
		ended <- run(ctx, []string{"dev", "up", "--in", l.Folder, "--programs", programs(t)}, strings.NewReader(""), out, t.Output())
	}()
	for !strings.Contains(out.String(), "all three are ready") {
		select {
		case code := <-ended:
			t.Fatalf("ended with %d:\n%s", code, out)
		case <-time.After(10 * time.Millisecond):
		}
	}
	for _, part := range []string{"mutual TLS 1.3", "nod-matcher, nod-custodian ->  nod-dealer", "http://127.0.0.1:", "nod --client " + client} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("nothing of %q in\n%s", part, out)
		}
	}
	b.connect(client, func(o *dev.Outside) { b.matches(o, true, b.enrol(o, "4711")...) })
	interrupt()
	if code := <-ended; code != exitMatch {
		t.Errorf("ended with %d", code)
	}

	p := b.up(l)
	if err := p.Process(seal.Dealer).Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); !fault.Is(err, fault.PeerUnavailable) || !strings.Contains(err.Error(), "nod-dealer ended by itself") {
		t.Errorf("%v", err)
	}
}

// The pad's renewal across three processes, as docs/operations.md describes it.
func TestPadRenewalOfThreeProcesses(t *testing.T) {
	b := newBench(t)
	l, client := b.keys()
	p := b.up(l)
	b.nod("dev", "rotate-pad", "--in", l.Folder).refused(fault.StoreInUse)
	b.nod("dev", "rotate-pad", "--in", l.Folder, "--destroy").refused(fault.StoreInUse)
	b.connect(client, func(o *dev.Outside) {
		people := b.enrol(o, "4711", "4712", "4713", "4714")
		b.stop(p)
		got := b.nod("--json", "dev", "rotate-pad", "--in", l.Folder).wants(exitMatch).object("version")
		same(t, got, map[string]any{"version": 2})
		b.nod("dev", "rotate-pad", "--in", l.Folder, "--destroy").refused(fault.KeyVersion, "4 templates still need", "run nod renew --all")

		p = b.up(l)
		state := b.path("three/outside/renewal.json")
		b.after(2, "--client", client, "renew", "--all", "--page", "1").refused(fault.Cancelled, "stopped after 2 templates", state)
		b.nod("--client", client, "renew", "--all", "--page", "1").wants(exitMatch, "going on", "4 templates: 4 moved")
		b.stop(p)
		got = b.nod("--json", "dev", "rotate-pad", "--in", l.Folder, "--destroy").wants(exitMatch).object("oldest")
		same(t, got, map[string]any{"oldest": 2})

		b.stop(b.up(l)) // the files are as the programs want them
		b.up(l)
		b.matches(o, true, people...)
	})
}

// What root does to a role's keys leaves them the role's user's own.
func TestRotatePadLeavesFilesWithTheirOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files to others")
	}
	b := newBench(t)
	l, _ := b.keys()
	const uid = 54321
	if err := l.Give(seal.Custodian, uid, uid); err != nil {
		t.Fatal(err)
	}
	b.nod("dev", "rotate-pad", "--in", l.Folder).wants(exitMatch, "version 2")
	b.nod("dev", "rotate-pad", "--in", l.Folder, "--destroy").wants(exitMatch, "versions below 2")
	files, err := filesIn(l.Role(seal.Custodian))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid != uid || stat.Gid != uid {
			t.Errorf("%s is another user's", path)
		}
	}
}

// Erasures outlive servers that are killed in the middle.
func TestErasureWhileServersAreKilled(t *testing.T) {
	b := newBench(t)
	l, client := b.keys()
	p := b.up(l)
	var list string
	b.connect(client, func(o *dev.Outside) {
		references := []string{"4711", "4712", "4713", "4714", "4715", "4716"}
		b.enrol(o, references...)
		list = b.write("list.txt", strings.Join(references, "\n"))
	})
	got := b.nodWith(t.Context(), "", func(done int) {
		if done == 1 {
			_ = p.Process(seal.Custodian).Kill()
		}
	}, "--json", "--client", client, "erase", "--list", list).wants(exitFailed).
		object(append(erasedFields, "state", "error", "detail", "do")...)
	erased, left := got["erased"].(float64), got["left"].(float64)
	if erased < 1 || left < 1 || erased+left != 6 {
		t.Errorf("%v erased, %v left", erased, left)
	}
	b.nod("--client", client, "erase").wants(exitFailed, "orders are left in ", "peer_unavailable")
	_ = p.Stop() // the custodian was killed
	b.up(l)
	// One of the orders may have been carried out already: then too its receipt says so.
	got = b.nod("--json", "--client", client, "erase").wants(exitMatch).object(erasedFields...)
	same(t, got, map[string]any{"erased": left, "left": 0, "receipts": b.path("three/outside/receipts")})
	kept, err := os.ReadDir(b.path("three/outside/receipts"))
	if err != nil || len(kept) != 6 {
		t.Errorf("%d receipts, %v", len(kept), err)
	}
}

// What a program may do is what its configuration has keys for.
func TestClientsWithoutKeys(t *testing.T) {
	b := newBench(t)
	l, client := b.keys()
	b.up(l)
	data, err := os.ReadFile(client)
	if err != nil {
		t.Fatal(err)
	}
	less, _, _ := strings.Cut(string(data), "\n[relying_party]")
	poor := b.write("three/outside/poor.toml", less)
	b.nod("--client", poor, "erase", "4711").refused(fault.Usage, "has no [bureau]")
	b.nod("--client", poor, "renew", "--all").wants(exitMatch, "0 templates")
}

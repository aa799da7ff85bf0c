package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"nod/fault"
	"nod/store"
	"nod/store/postgres/postgrestest"
)

// impatient has short limits, so that tests of faults are short too.
func impatient(o Options) Options {
	o.Statement, o.Connect = 400*time.Millisecond, 400*time.Millisecond
	return o
}

// writer raises the two rows of its own partition together, again and again, and
// remembers what it was told.
type writer struct {
	s         *Store
	partition string
	acked     atomic.Int64
	tried     int64
}

func (w *writer) step(ctx context.Context) error {
	w.tried = max(w.tried, w.acked.Load()) + 1
	value := strconv.FormatInt(w.tried, 10)
	err := w.s.Apply(ctx, put(w.partition, "a", store.Any, value), put(w.partition, "b", store.Any, value))
	if err == nil {
		w.acked.Store(w.tried)
	}
	return err
}

// check holds that what was acknowledged is there, and nothing half.
func (w *writer) check(t *testing.T) {
	t.Helper()
	a, _, err1 := read(w.s, row(w.partition, "a"))
	b, _, err2 := read(w.s, row(w.partition, "b"))
	if err1 != nil || err2 != nil || a != b || int64(a) < w.acked.Load() || int64(a) > w.tried {
		t.Errorf("%s: %d and %d, %v, %v; acknowledged %d, tried %d", w.partition, a, b, err1, err2, w.acked.Load(), w.tried)
	}
}

// recovers waits until the store answers again, without being opened again.
func recovers(t *testing.T, s *Store) {
	t.Helper()
	var err error
	for range 200 {
		if err = s.Apply(context.Background(), put("recovers", "k", store.Any, "1")); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the store does not recover: %v", err)
}

// The server is killed in the middle of writes, several times, and nothing that
// was acknowledged is lost.
func TestKilledServerLosesNothing(t *testing.T) {
	server := ownServer(t)
	o := newDatabase(t, server, "matcher")
	batched := openStore(t, impatient(o))
	o.Batch = 1
	single := openStore(t, impatient(o))
	var writers []*writer
	for i, s := range []*Store{batched, batched, batched, batched, single, single} {
		writers = append(writers, &writer{s: s, partition: fmt.Sprintf("writer %d", i)})
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for _, w := range writers {
		wg.Go(func() {
			for !stop.Load() {
				if err := w.step(context.Background()); err != nil && !fault.Is(err, fault.StoreUnavailable) {
					t.Errorf("%s: %v", w.partition, err)
				}
			}
		})
	}
	for range 3 {
		before := make([]int64, len(writers))
		for i, w := range writers {
			before[i] = w.acked.Load()
		}
		for i, w := range writers { // all of them write again
			for deadline := time.Now().Add(20 * time.Second); w.acked.Load() < before[i]+5; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s does not go on", w.partition)
				}
			}
		}
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	wg.Wait()
	recovers(t, batched)
	recovers(t, single)
	for _, w := range writers {
		w.check(t)
	}
}

// lossy opens a new database by a proxy, and directly.
func lossy(t *testing.T) (proxy *postgrestest.Proxy, s, direct *Store) {
	t.Helper()
	needServer(t)
	proxy, err := postgrestest.NewProxy(shared.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	o := impatient(newDatabase(t, shared, "matcher"))
	direct = openStore(t, o)
	o.Addresses = []string{proxy.Address()}
	return proxy, openStore(t, o), direct
}

// A reply that is lost is a fault, not a success and not a conflict, although the
// write is there; the store goes on afterwards.
func TestReplyLost(t *testing.T) {
	claim := func(p string) []store.Write { return []store.Write{put(p, "a", store.Absent, "1")} }
	two := func(p string) []store.Write { return append(claim(p), put(p, "b", store.Any, "1")) }
	tests := map[string]struct {
		marker  string // of the request whose reply is lost; "" for the first
		changes [][]store.Write
		before  [][]store.Write // the same in kind
	}{
		"one row":           {"", [][]store.Write{claim("1")}, [][]store.Write{claim("11")}},
		"a transaction":     {"COMMIT", [][]store.Write{two("1")}, [][]store.Write{two("11")}},
		"a batch of claims": {"", [][]store.Write{claim("1"), claim("2")}, [][]store.Write{claim("11"), claim("12")}},
		"a batch": {
			"", [][]store.Write{two("1"), claim("2"), two("3"), claim("4"), two("5")},
			[][]store.Write{two("11"), claim("12"), two("13"), claim("14"), two("15")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			proxy, s, direct := lossy(t)
			run := func(changes [][]store.Write) (errs []error) {
				var group []*job[*change, struct{}]
				for _, writes := range changes {
					group = append(group, changeJob(t, writes...))
				}
				s.runApplies(group)
				for _, j := range group {
					errs = append(errs, j.err)
				}
				return errs
			}
			for _, err := range run(test.before) { // its statements are prepared now
				if err != nil {
					t.Fatal(err)
				}
			}
			if proxy.SilenceAt(test.marker); test.marker == "" {
				proxy.Silence(true)
			}
			for _, err := range run(test.changes) {
				if !fault.Is(err, fault.StoreUnavailable) {
					t.Errorf("without a reply: %v", err)
				}
			}
			if _, err := s.Get(t.Context(), row("1", "a")); !fault.Is(err, fault.StoreUnavailable) {
				t.Errorf("Get without a reply: %v", err)
			}
			proxy.Silence(false)
			proxy.Cut()
			for i, writes := range test.changes {
				entries, err := direct.Partition(t.Context(), kind, fmt.Append(nil, i+1), nil, 9)
				if err != nil || len(entries) != len(writes) {
					t.Errorf("change %d: %d rows of %d are there, %v", i+1, len(entries), len(writes), err)
				}
			}
			recovers(t, s)
			for _, err := range run(test.changes) { // whoever reads first knows what to do
				if !fault.Is(err, fault.Conflict) {
					t.Errorf("the same again: %v", err)
				}
			}
		})
	}
}

// Connections that are cut while nothing is under way are nobody's concern.
func TestIdleConnectionsCut(t *testing.T) {
	needServer(t)
	proxy, err := postgrestest.NewProxy(shared.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()
	o := newDatabase(t, shared, "matcher")
	o.Addresses = []string{proxy.Address()}
	s := openStore(t, o)
	recovers(t, s)
	proxy.Cut()
	if _, err := s.Get(context.Background(), row("recovers", "k")); err != nil {
		t.Errorf("Get after a cut: %v", err)
	}
}

// A row that somebody else holds fails those who want it, in time, and only them.
func TestLockedRow(t *testing.T) {
	needServer(t)
	ctx := context.Background()
	o := impatient(newDatabase(t, shared, "matcher"))
	s := openStore(t, o)
	for _, p := range []string{"held", "free 1", "free 2", "free 3", "free 4"} {
		if err := s.Apply(ctx, put(p, "k", store.Absent, "1"), put(p, "l", store.Absent, "1")); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := shared.Connect(ctx, o.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	hold := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	hold("BEGIN")
	hold("SELECT 1 FROM nod_row WHERE part = 'held' FOR UPDATE")

	if err := s.Apply(ctx, put("held", "k", store.Any, "2")); !fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("a write of a row that is held: %v", err)
	}
	var group []*job[*change, struct{}]
	for _, p := range []string{"free 1", "free 2", "held", "free 3", "free 4"} {
		group = append(group, changeJob(t, put(p, "k", store.At(1), "2"), put(p, "l", store.At(1), "2")))
	}
	s.runApplies(group)
	for _, j := range group {
		held := string(j.ask.writes[0].row.Partition) == "held"
		if fault.Is(j.err, fault.StoreUnavailable) != held || !held && j.err != nil {
			t.Errorf("in a batch, held %v: %v", held, j.err)
		}
	}
	// The caller's own deadline comes first, and costs no connection.
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	before := s.pool.Stat().NewConnsCount()
	if err := s.Apply(short, put("held", "k", store.Any, "2")); !fault.Is(err, fault.Cancelled) {
		t.Errorf("a write beyond its deadline: %v", err)
	}
	if got, err := s.Get(ctx, row("held", "k")); err != nil || string(got.Value) != "1" {
		t.Errorf("a row that is held can be read: %q, %v", got.Value, err)
	}
	hold("ROLLBACK")
	if err := s.Apply(ctx, put("held", "l", store.Any, "3")); err != nil {
		t.Errorf("a write after the row was freed: %v", err)
	}
	if after := s.pool.Stat().NewConnsCount(); after > before+1 {
		t.Errorf("%d connections were made anew", after-before)
	}
}

// A disk that is full is an ordinary fault, and nothing acknowledged is lost.
func TestFullDisk(t *testing.T) {
	needServer(t)
	folder, err := os.MkdirTemp("", "nod-postgres-full-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=160m,mode=0755"); err != nil {
		t.Skipf("no file system of a fixed size: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	}()
	data := filepath.Join(folder, "server")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	server, err := fetched.Start(data, "max_wal_size=48MB", "min_wal_size=32MB")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	s := openStore(t, impatient(newDatabase(t, server, "matcher")))
	w := &writer{s: s, partition: "writer"}
	if err := w.step(t.Context()); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(folder, "ballast")
	fill(t, ballast)
	big := make([]byte, store.MaxValue)
	failed := 0
	for i := 0; failed < 5 && i < 200; i++ {
		err1 := s.Apply(t.Context(), store.Write{Row: row("big", fmt.Sprint(i)), Value: big})
		err2 := w.step(t.Context())
		for _, err := range []error{err1, err2} {
			if err != nil && !fault.Is(err, fault.StoreUnavailable) {
				t.Fatalf("on a full disk: %v", err)
			}
			if err != nil {
				failed++
			}
		}
	}
	if failed == 0 {
		t.Fatal("the disk did not become full")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	// Depending on which write failed the server stopped: its operator starts it.
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	recovers(t, s)
	w.check(t)
}

// fill writes a file until its disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for block := make([]byte, 64<<10); ; {
		if _, err := f.Write(block); err != nil {
			return
		}
	}
}

package pebble

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"nod/fault"
	"nod/store"
)

// gate holds every sync of the disk while it is shut.
type gate struct {
	mu    sync.Mutex
	shut  chan struct{} // nil while open
	syncs atomic.Int64
}

func (g *gate) decide(op string) fate {
	if op == "sync" {
		g.syncs.Add(1)
		g.mu.Lock()
		shut := g.shut
		g.mu.Unlock()
		if shut != nil {
			<-shut
		}
	}
	return pass
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = nil
}

func gated(t *testing.T) (*Store, *gate) {
	t.Helper()
	g := &gate{}
	s, err := Open(Options{Folder: "store", FS: faultFS{vfs.NewMem(), g.decide}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s, g
}

// readable waits until a scan's iterator would see n writes that are not durable.
func readable(s *Store, n int64) {
	for s.inFlight.Load() != n || s.visible() < n {
		time.Sleep(time.Millisecond)
	}
}

// visible counts the rows that Pebble shows, durable or not.
func (s *Store) visible() (n int64) {
	prefix := tablePrefix(kindRow, "t")
	entries, _ := s.list(context.Background(), prefix, afterPrefix(prefix), 1000)
	return int64(len(entries))
}

// TestReadsWaitForTheDisk holds the sync of a write. Until it ends nobody gets
// the row, though Pebble itself would show it.
func TestReadsWaitForTheDisk(t *testing.T) {
	s, g := gated(t)
	ctx := context.Background()
	g.close()
	applied := make(chan error, 1)
	go func() { applied <- s.Apply(ctx, store.Write{Row: fillRow(1), Value: []byte("v")}) }()
	readable(s, 1)

	reads := map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error { _, err := s.Get(ctx, fillRow(1)); return err },
		"Partition": func(ctx context.Context) error {
			_, err := s.Partition(ctx, "t", fillRow(1).Partition, nil, 1)
			return err
		},
		"Scan": func(ctx context.Context) error { _, err := s.Scan(ctx, "t", store.Row{}, 1); return err },
	}
	for name, read := range reads {
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		if err := read(short); !fault.Is(err, fault.Cancelled) {
			t.Errorf("%s while the row was not durable: %v", name, err)
		}
		cancel()
	}
	// Another partition's rows are durable and need not wait.
	if _, err := s.Get(ctx, otherStripe(s)); !fault.Is(err, fault.NotFound) {
		t.Errorf("Get of another partition: %v", err)
	}
	g.open()
	if err := <-applied; err != nil {
		t.Fatal(err)
	}
	for name, read := range reads {
		if err := read(ctx); err != nil {
			t.Errorf("%s of a durable row: %v", name, err)
		}
	}
}

// otherStripe is a row whose partition does not share a lock with fillRow(1)'s.
func otherStripe(s *Store) store.Row {
	i := 2
	for s.locks.of(fillRow(i).Partition) == s.locks.of(fillRow(1).Partition) {
		i++
	}
	return fillRow(i)
}

// TestCancelledApply gives up on a write in the middle. The write goes on, the
// next writer of the row waits for it, and Close does too.
func TestCancelledApply(t *testing.T) {
	s, g := gated(t)
	g.close()
	ctx, cancel := context.WithCancel(context.Background())
	value := []byte("first")
	applied := make(chan error, 1)
	go func() { applied <- s.Apply(ctx, store.Write{Row: fillRow(1), If: store.Absent, Value: value}) }()
	readable(s, 1)
	cancel()
	if err := <-applied; !fault.Is(err, fault.Cancelled) {
		t.Fatalf("a cancelled Apply: %v", err)
	}
	clear(value) // it is the caller's again
	second := make(chan error, 1)
	go func() {
		second <- s.Apply(context.Background(), store.Write{Row: fillRow(1), If: store.At(1), Value: []byte("second")})
	}()
	short, cancelShort := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancelShort()
	if err := s.Apply(short, store.Write{Row: fillRow(1), If: store.At(1), Value: []byte("never")}); !fault.Is(err, fault.Cancelled) {
		t.Errorf("an Apply that never had its turn: %v", err)
	}
	g.open()
	if err := <-second; err != nil {
		t.Fatalf("the next writer: %v", err)
	}
	got, err := s.Get(context.Background(), fillRow(1))
	if err != nil || string(got.Value) != "second" || got.Version != 2 {
		t.Errorf("Get = %q at %d, %v", got.Value, got.Version, err)
	}
}

// TestGroupCommit has many partitions written at once: they share syncs.
func TestGroupCommit(t *testing.T) {
	s, g := gated(t)
	const writers = 32
	g.close()
	before := g.syncs.Load()
	var wg sync.WaitGroup
	apply := func(i int) {
		if err := s.Apply(context.Background(), store.Write{Row: fillRow(i), Value: []byte("v")}); err != nil {
			t.Errorf("Apply: %v", err)
		}
	}
	stripes := map[int]bool{}
	for i := 0; len(stripes) < writers; i++ {
		if stripe := s.locks.of(fillRow(i).Partition); !stripes[stripe] {
			stripes[stripe] = true
			wg.Go(func() { apply(i) })
		}
	}
	readable(s, writers)
	g.open()
	wg.Wait()
	if syncs := g.syncs.Load() - before; syncs > 4 {
		t.Errorf("%d writes took %d syncs", writers, syncs)
	}
}

// TestWaitersAreReleased has a write fail while others wait for its partition,
// without deadlines. All of them are told.
func TestWaitersAreReleased(t *testing.T) {
	var failing atomic.Bool
	shut := make(chan struct{})
	s, err := Open(Options{Folder: "store", FS: faultFS{vfs.NewMem(), func(op string) fate {
		if op == "sync" && failing.Load() {
			<-shut
			return notDone
		}
		return pass
	}}})
	if err != nil {
		t.Fatal(err)
	}
	failing.Store(true)
	ctx := context.Background()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := s.Apply(ctx, store.Write{Row: fillRow(1), Value: []byte("v")}); !fault.Is(err, fault.StoreUnavailable) {
				t.Errorf("Apply: %v", err)
			}
		})
		wg.Go(func() {
			// Before the write it finds nothing, after its failure it is refused.
			_, err := s.Get(ctx, fillRow(1))
			if !fault.Is(err, fault.StoreUnavailable) && !fault.Is(err, fault.NotFound) {
				t.Errorf("Get: %v", err)
			}
		})
		wg.Go(func() {
			entries, err := s.Scan(ctx, "t", store.Row{}, 10)
			if len(entries) != 0 || err != nil && !fault.Is(err, fault.StoreUnavailable) {
				t.Errorf("Scan: %d entries, %v", len(entries), err)
			}
		})
	}
	readable(s, 1)
	close(shut)
	wg.Wait()
	if err := s.Close(); !fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("Close of a failed store: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

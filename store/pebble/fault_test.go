package pebble

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"nod/fault"
	"nod/store"
)

const (
	tableA store.Table = "a"
	tableB store.Table = "b"
)

// history is what one worker knows of its own partition: both of its rows were
// written together with values 1, 2, 3, ...
type history struct{ acknowledged, tried uint64 }

func pair(worker int, value uint64, padding int) []store.Write {
	row := store.Row{Table: tableA, Partition: fmt.Appendf(nil, "worker-%d", worker), Key: []byte("k")}
	cond := store.Absent
	if value > 1 {
		cond = store.At(value - 1)
	}
	body := append(binary.BigEndian.AppendUint64(nil, value), make([]byte, padding)...)
	first := store.Write{Row: row, If: cond, Value: body}
	second := first
	second.Table = tableB
	second.Expires = store.FromMilliseconds(int64(value))
	return []store.Write{first, second}
}

const faultWorkers = 3

// work writes pairs until the store fails or everything is written, and checks
// that a failed store stays failed.
func work(t *testing.T, s *Store, rounds uint64) (all [faultWorkers]history) {
	ctx := context.Background()
	var wg sync.WaitGroup
	for w := range faultWorkers {
		wg.Go(func() {
			for value := uint64(1); value <= rounds; value++ {
				all[w].tried = value
				if err := s.Apply(ctx, pair(w, value, 3000)...); err != nil {
					if !fault.Is(err, fault.StoreUnavailable) {
						t.Errorf("Apply on a failing disk: %v", err)
					}
					if err := s.Apply(ctx, pair(w, value, 0)...); !fault.Is(err, fault.StoreUnavailable) {
						t.Errorf("Apply after a failure: %v", err)
					}
					if _, err := s.Get(ctx, pair(w, value, 0)[0].Row); !fault.Is(err, fault.StoreUnavailable) {
						t.Errorf("Get after a failure: %v", err)
					}
					return
				}
				all[w].acknowledged = value
			}
		})
	}
	wg.Wait()
	return all
}

// verify opens the store again and holds every history against it: nothing
// acknowledged is lost, and nothing is there by half.
func verify(t *testing.T, fs vfs.FS, all [faultWorkers]history) {
	t.Helper()
	ctx := context.Background()
	s, err := Open(Options{Folder: "store", FS: fs})
	if err != nil {
		t.Fatalf("opening after the crash: %v", err)
	}
	for w, h := range all {
		first, second := pair(w, 1, 0)[0].Row, pair(w, 1, 0)[1].Row
		a, errA := s.Get(ctx, first)
		b, errB := s.Get(ctx, second)
		if fault.Is(errA, fault.NotFound) && fault.Is(errB, fault.NotFound) {
			if h.acknowledged != 0 {
				t.Errorf("worker %d: both rows are gone after %d were acknowledged", w, h.acknowledged)
			}
			continue
		}
		if errA != nil || errB != nil {
			t.Errorf("worker %d: half a pair: %v, %v", w, errA, errB)
			continue
		}
		value := binary.BigEndian.Uint64(a.Value)
		if value != binary.BigEndian.Uint64(b.Value) || a.Version != value || b.Version != value {
			t.Errorf("worker %d: values %d and %d, versions %d and %d", w, value, binary.BigEndian.Uint64(b.Value), a.Version, b.Version)
		}
		if value < h.acknowledged || value > h.tried {
			t.Errorf("worker %d: value %d, acknowledged %d, tried %d", w, value, h.acknowledged, h.tried)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestEveryWriteFails runs the same work again and again, and has another one of
// the disk's writes fail each time, in all four ways. Between the failure and
// the next start the machine loses all or nothing of what was not synced. (MemFS
// can also lose some of it, and then may forget a file of a folder and keep one
// that was made later. Pebble needs a file system that keeps their order, as
// ext4 and xfs do.)
func TestEveryWriteFails(t *testing.T) {
	modes := []struct {
		name    string
		fate    fate
		lasting bool
	}{{"once", notDone, false}, {"reply lost", doneLost, false}, {"full from then on", notDone, true}, {"replies lost from then on", doneLost, true}}
	rng := rand.New(rand.NewPCG(1, 2))
	lose := []int{0, 100}
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			failed, acknowledged := 0, uint64(0)
			step := int64(1)
			if mode.lasting {
				step = 3 // one that lasts meets the later writes as well
			}
			for at := int64(0); ; at += step {
				mem := vfs.NewCrashableMem()
				decide, reached := nth(at, mode.fate, mode.lasting)
				s, err := Open(Options{Folder: "store", FS: faultFS{mem, decide}, MemTableBytes: 64 << 10})
				var all [faultWorkers]history
				if err == nil {
					all = work(t, s, 6)
					for _, h := range all {
						acknowledged += h.acknowledged
					}
				} else if !fault.Is(err, fault.StoreUnavailable) {
					t.Fatalf("Open, write %d failing: %v", at, err)
				}
				crashed := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: lose[failed%2], RNG: rng})
				if s != nil {
					if err := s.Close(); err != nil && !fault.Is(err, fault.StoreUnavailable) {
						t.Fatalf("Close, write %d failing: %v", at, err)
					}
				}
				verify(t, crashed, all)
				if t.Failed() {
					t.Fatalf("with write %d failing", at)
				}
				if !reached.Load() {
					break
				}
				failed++
			}
			t.Logf("%d writes failed in turn; %d applies were acknowledged and kept", failed, acknowledged)
			if failed < 30 || acknowledged == 0 {
				t.Errorf("the work makes too few writes to mean anything")
			}
		})
	}
}

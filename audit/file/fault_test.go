package file

import (
	"errors"
	"io"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"nod/audit"
	"nod/audit/audittest"
	"nod/crypto/canon"
	"nod/fault"
)

var errDisk = errors.New("no space left on device")

// memDisk is a disk whose machine can crash: then at most what was written after
// the last sync is lost.
type memDisk struct {
	mu       sync.Mutex
	data     []byte
	synced   int
	syncs    int
	hold     chan struct{} // syncs wait for it, unless nil
	writeErr func(p []byte) (n int, err error)
	syncErr  func() (done bool, err error)
	cutErr   error
}

func (d *memDisk) Write(p []byte) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n = len(p)
	if d.writeErr != nil {
		n, err = d.writeErr(p)
	}
	d.data = append(d.data, p[:n]...)
	return n, err
}

func (d *memDisk) Sync() (err error) {
	d.mu.Lock()
	hold := d.hold
	d.mu.Unlock()
	if hold != nil {
		<-hold
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	done := true
	if d.syncErr != nil {
		done, err = d.syncErr()
	}
	if done {
		d.synced = len(d.data)
	}
	return err
}

func (d *memDisk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off >= int64(len(d.data)) {
		return 0, io.EOF
	}
	n := copy(p, d.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (d *memDisk) Intact(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if int64(len(d.data)) != size {
		return errors.New("another length")
	}
	return nil
}

func (d *memDisk) Cut(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cutErr != nil {
		return d.cutErr
	}
	d.data = d.data[:size]
	return nil
}

func (d *memDisk) Close() error { return nil }

// crashed is the disk that the machine finds when it starts again, with some
// number of the bytes that were not synced.
func (d *memDisk) crashed(survive int) *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	size := min(d.synced+survive, len(d.data))
	return &memDisk{data: append([]byte(nil), d.data[:size]...), synced: size}
}

// TestEveryFailure runs random lives of a log: groups of leaves appended at
// once, then a write or a sync that fails in one of four ways, or none, and a
// crash that takes any part of what was not synced. Over all lives nothing that
// was acknowledged is lost, and receipts stay right.
func TestEveryFailure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := &memDisk{}
		receipts := map[uint64]canon.Digest{}
		for range rapid.IntRange(1, 5).Draw(t, "lives") {
			l, err := newLog(disk)
			if err != nil {
				t.Fatalf("opening: %v", err)
			}
			holdsReceipts(t, l, disk, receipts)
			for range rapid.IntRange(0, 4).Draw(t, "groups") {
				if failed := appendGroup(t, l, rapid.IntRange(1, 6).Draw(t, "size"), receipts); failed != 0 {
					t.Fatalf("%d appends failed on a good disk", failed)
				}
			}
			fails := rapid.IntRange(0, 4).Draw(t, "failure")
			part := rapid.IntRange(0, 2000).Draw(t, "bytes")
			disk.mu.Lock()
			switch fails {
			case 1: // the disk is full, after some bytes
				disk.writeErr = func(p []byte) (int, error) { return min(part, len(p)-1), errDisk }
			case 2: // written, and it says that it failed
				disk.writeErr = func(p []byte) (int, error) { return len(p), errDisk }
			case 3:
				disk.syncErr = func() (bool, error) { return false, errDisk }
			case 4:
				disk.syncErr = func() (bool, error) { return true, errDisk }
			}
			disk.mu.Unlock()
			group := rapid.IntRange(1, 6).Draw(t, "last group")
			if failed := appendGroup(t, l, group, receipts); failed != 0 && fails == 0 || failed != group && fails != 0 {
				t.Fatalf("%d of %d appends failed on a disk with failure %d", failed, group, fails)
			}
			disk.mu.Lock()
			disk.writeErr, disk.syncErr = nil, nil
			disk.mu.Unlock()
			if fails != 0 {
				// The disk works again, the log does not.
				if failed := appendGroup(t, l, 2, receipts); failed != 2 {
					t.Fatalf("a log went on after a failure")
				}
			}
			disk = disk.crashed(rapid.IntRange(0, 3000).Draw(t, "survive"))
		}
		l, err := newLog(disk)
		if err != nil {
			t.Fatalf("opening: %v", err)
		}
		holdsReceipts(t, l, disk, receipts)
	})
}

// appendGroup appends leaves at once and returns how many failed.
func appendGroup(t *rapid.T, l *Log, n int, receipts map[uint64]canon.Digest) (failed int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r, err := l.Append(ctx, audittest.Sample(i))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
				if !fault.Is(err, fault.AuditUnavailable) {
					t.Errorf("Append: %v", err)
				}
				return
			}
			receipts[r.Serial] = r.Hash
		})
	}
	wg.Wait()
	return failed
}

// holdsReceipts walks the disk and finds every receipt's hash at its serial.
func holdsReceipts(t *rapid.T, l *Log, d *memDisk, receipts map[uint64]canon.Digest) {
	var previous canon.Digest
	found := map[uint64]canon.Digest{}
	_, err := walk(io.NewSectionReader(d, 0, 1<<40), Summary{}, func(_ Summary, leaf audit.Leaf) bool {
		previous = leaf.Link(previous)
		found[leaf.Serial] = previous
		return true
	})
	if err != nil {
		t.Fatalf("walking: %v", err)
	}
	for serial, hash := range receipts {
		if found[serial] != hash {
			t.Fatalf("leaf %d of %d is not as its receipt says", serial, len(found))
		}
	}
	if all, err := l.Read(ctx, 0, 10_000); err != nil || len(all) != len(found) {
		t.Fatalf("Read = %d leaves, %v, want %d", len(all), err, len(found))
	}
}

func TestOpenFails(t *testing.T) {
	_, data := filled(t, 2)
	disks := map[string]*memDisk{
		"sync": {data: data, syncErr: func() (bool, error) { return false, errDisk }},
		"cut":  {data: data[:len(data)-1], cutErr: errDisk},
	}
	for what, d := range disks {
		if _, err := newLog(d); !fault.Is(err, fault.AuditUnavailable) || !errors.Is(err, errDisk) {
			t.Errorf("a failing %s: %v", what, err)
		}
	}
}

// TestGroupCommit has many leaves wait while one is synced: they share the next
// write.
func TestGroupCommit(t *testing.T) {
	d := &memDisk{}
	l, err := newLog(d)
	if err != nil {
		t.Fatal(err)
	}
	before := d.syncs
	hold := make(chan struct{})
	d.mu.Lock()
	d.hold = hold
	d.mu.Unlock()
	var wg sync.WaitGroup
	const n = 64
	for i := range n {
		wg.Go(func() {
			if _, err := l.Append(ctx, audittest.Sample(i)); err != nil {
				t.Errorf("Append: %v", err)
			}
		})
	}
	for { // until all have their place
		l.mu.Lock()
		serial := l.serial
		l.mu.Unlock()
		if serial == n {
			break
		}
	}
	// Nothing that is not synced can be read.
	if leaves, err := l.Read(ctx, 0, n); err != nil || len(leaves) != 0 {
		t.Errorf("%d leaves are readable before they are durable, %v", len(leaves), err)
	}
	close(hold)
	wg.Wait()
	if syncs := d.syncs - before; syncs > 2 {
		t.Errorf("%d leaves took %d syncs", n, syncs)
	}
	if leaves, err := l.Read(ctx, 0, n+1); err != nil || len(leaves) != n {
		t.Errorf("%d leaves, %v", len(leaves), err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

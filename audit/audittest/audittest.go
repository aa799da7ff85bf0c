// Package audittest is what every audit.Log must pass, and a log that counts
// and fails on purpose.
package audittest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"nod/audit"
	"nod/crypto/canon"
	"nod/fault"
)

// Run holds a log to the contract. open gives an empty log; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) audit.Log) {
	t.Run("Append", func(t *testing.T) { testAppend(t, open(t)) })
	t.Run("Read", func(t *testing.T) { testRead(t, open(t)) })
	t.Run("Refused", func(t *testing.T) { testRefused(t, open(t)) })
	t.Run("Concurrent", func(t *testing.T) { testConcurrent(t, open(t)) })
	t.Run("Closed", func(t *testing.T) { testClosed(t, open(t)) })
}

// RunDurable holds a log to its promise that leaves survive. open makes a place
// for one log and returns a func that opens it, called again only after the log
// was closed.
func RunDurable(t *testing.T, open func(t *testing.T) (reopen func() audit.Log)) {
	reopen := open(t)
	var receipts []audit.Receipt
	for round := range 4 {
		l := reopen()
		check(t, l, len(receipts))
		for range 5 {
			receipts = append(receipts, add(t, l, len(receipts)))
		}
		closeLog(t, l)
		if want := uint64(5*round + 4); receipts[len(receipts)-1].Serial != want {
			t.Fatalf("the last serial is %d, want %d", receipts[len(receipts)-1].Serial, want)
		}
	}
	l := reopen()
	check(t, l, len(receipts))
	closeLog(t, l)
}

// Sample is a checked leaf with every field, different for every i.
func Sample(i int) audit.Leaf {
	return audit.Leaf{
		Time:        time.UnixMilli(1_800_000_000_000 + int64(i)).UTC(),
		Operation:   audit.OpVerify,
		Subject:     canon.Digest(canon.Sum("test-subject", fmt.Append(nil, i%3))),
		Party:       fmt.Sprintf("https://bank.example/%d", i%5),
		Key:         "pad",
		KeyVersion:  uint32(i%2 + 1),
		Correlation: canon.Digest(canon.Sum("test-correlation", fmt.Append(nil, i))),
		Session:     canon.Digest(canon.Sum("test-session", fmt.Append(nil, i))),
		Count:       uint32(i % 4),
	}
}

func add(t testing.TB, l audit.Log, i int) audit.Receipt {
	t.Helper()
	r, err := l.Append(context.Background(), Sample(i))
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	return r
}

// check reads the whole log, which has the samples 0 to n-1, in small pages.
func check(t testing.TB, l audit.Log, n int) {
	t.Helper()
	for from := 0; from < n; {
		leaves, err := l.Read(context.Background(), uint64(from), 7)
		if err != nil || len(leaves) == 0 || len(leaves) > 7 {
			t.Fatalf("Read(%d) = %d leaves, %v", from, len(leaves), err)
		}
		for _, leaf := range leaves {
			want := Sample(from)
			want.Serial = uint64(from)
			if leaf != want {
				t.Fatalf("leaf %d is %+v, want %+v", from, leaf, want)
			}
			from++
		}
	}
	if rest, err := l.Read(context.Background(), uint64(n), 7); err != nil || len(rest) != 0 {
		t.Fatalf("after the last: %d leaves, %v", len(rest), err)
	}
}

func closeLog(t testing.TB, l audit.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func testAppend(t *testing.T, l audit.Log) {
	defer closeLog(t, l)
	seen := map[canon.Digest]bool{{}: true}
	for i := range 20 {
		leaf := Sample(i)
		leaf.Serial = 999 // the log's to set
		r, err := l.Append(context.Background(), leaf)
		if err != nil || r.Serial != uint64(i) {
			t.Fatalf("Append %d: serial %d, %v", i, r.Serial, err)
		}
		if seen[r.Hash] {
			t.Fatalf("receipt %d has the hash of another", i)
		}
		seen[r.Hash] = true
	}
	check(t, l, 20)

	bare := audit.Leaf{Operation: audit.OpStart, Time: time.UnixMilli(5).Add(999).In(time.FixedZone("", 3600))}
	if _, err := l.Append(context.Background(), bare); err != nil {
		t.Fatal(err)
	}
	want := audit.Leaf{Serial: 20, Operation: audit.OpStart, Time: time.UnixMilli(5).UTC()}
	if leaves, err := l.Read(context.Background(), 20, 1); err != nil || len(leaves) != 1 || leaves[0] != want {
		t.Errorf("a leaf without optional fields: %+v, %v", leaves, err)
	}
}

func testRead(t *testing.T, l audit.Log) {
	defer closeLog(t, l)
	ctx := context.Background()
	const n = 600 // more than an implementation remembers places of
	check(t, l, 0)
	for i := range n {
		add(t, l, i)
	}
	check(t, l, n)
	for _, from := range []uint64{0, 1, 255, 256, 257, 511, 598, 599} {
		for _, limit := range []int{1, 2, 300, 10_000} {
			leaves, err := l.Read(ctx, from, limit)
			if want := min(limit, n-int(from)); err != nil || len(leaves) != want || leaves[0].Serial != from {
				t.Errorf("Read(%d, %d) = %d leaves, %v", from, limit, len(leaves), err)
			}
		}
	}
	for _, from := range []uint64{n, n + 1, 1 << 63} {
		if leaves, err := l.Read(ctx, from, 1); err != nil || len(leaves) != 0 {
			t.Errorf("Read(%d) = %d leaves, %v", from, len(leaves), err)
		}
	}
	for _, limit := range []int{0, -1} {
		if _, err := l.Read(ctx, 0, limit); !fault.Is(err, fault.OutOfRange) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

func testRefused(t *testing.T, l audit.Log) {
	defer closeLog(t, l)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	add(t, l, 0)
	if _, err := l.Append(ended, Sample(1)); !fault.Is(err, fault.Cancelled) {
		t.Errorf("Append with a cancelled context: %v", err)
	}
	if _, err := l.Read(ended, 0, 1); !fault.Is(err, fault.Cancelled) {
		t.Errorf("Read with a cancelled context: %v", err)
	}
	bad := Sample(1)
	bad.Operation = "match"
	if _, err := l.Append(context.Background(), bad); !fault.Is(err, fault.OutOfRange) {
		t.Errorf("an outcome as operation: %v", err)
	}
	if r := add(t, l, 1); r.Serial != 1 {
		t.Errorf("a refused leaf took a serial: the next is %d", r.Serial)
	}
	check(t, l, 2)
}

func testConcurrent(t *testing.T, l audit.Log) {
	defer closeLog(t, l)
	const workers, rounds = 8, 40
	ctx := context.Background()
	var mu sync.Mutex
	got := map[uint64]audit.Leaf{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				leaf := Sample(w*rounds + i)
				r, err := l.Append(ctx, leaf)
				if err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				// What was acknowledged can be read at once.
				leaf.Serial = r.Serial
				if found, err := l.Read(ctx, r.Serial, 1); err != nil || len(found) != 1 || found[0] != leaf {
					t.Errorf("leaf %d reads as %+v, %v", r.Serial, found, err)
				}
				mu.Lock()
				if _, taken := got[r.Serial]; taken {
					t.Errorf("serial %d was given twice", r.Serial)
				}
				got[r.Serial] = leaf
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	all, err := l.Read(ctx, 0, workers*rounds+1)
	if err != nil || len(all) != workers*rounds || len(got) != workers*rounds {
		t.Fatalf("%d leaves, %d receipts, %v", len(all), len(got), err)
	}
	for i, leaf := range all {
		if leaf != got[uint64(i)] {
			t.Errorf("leaf %d is not the one of its receipt", i)
		}
	}
}

func testClosed(t *testing.T, l audit.Log) {
	add(t, l, 0)
	closeLog(t, l)
	if err := l.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if _, err := l.Append(context.Background(), Sample(1)); !fault.Is(err, fault.AuditUnavailable) {
		t.Errorf("Append to a closed log: %v", err)
	}
	if _, err := l.Read(context.Background(), 0, 1); !fault.Is(err, fault.AuditUnavailable) {
		t.Errorf("Read of a closed log: %v", err)
	}
}

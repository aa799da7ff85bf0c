package vault

import (
	"context"
	"sync"
	"testing"
	"time"

	"nod/fault"
	"nod/keyring"
)

// rig is a queue whose batches are held until the test lets them go.
type rig struct {
	*queue
	sent    chan *batch
	let     chan struct{}
	batches struct {
		sync.Mutex
		sizes []int
	}
}

func newRig(t *testing.T, settings Queue) *rig {
	t.Helper()
	r := &rig{sent: make(chan *batch, 100), let: make(chan struct{})}
	r.queue = newQueue(settings, func(b *batch) {
		r.batches.Lock()
		r.batches.sizes = append(r.batches.sizes, b.items)
		r.batches.Unlock()
		r.sent <- b
		<-r.let
		for _, c := range b.calls {
			macs := make([]keyring.MAC, len(c.inputs))
			for i, input := range c.inputs {
				copy(macs[i][:], input)
			}
			r.deliver(c, macs, nil)
		}
	})
	return r
}

func inputs(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = []byte{1, byte(i)}
	}
	return out
}

func (r *rig) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.items
}

// eventually waits for what other goroutines do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so: %s", what)
		}
	}
}

var pad = lane{keyring.Pad, 1}

const never = time.Hour

func TestQueueSendsAFullBatchAtOnce(t *testing.T) {
	r := newRig(t, Queue{Size: 8, Delay: never, Limit: 1000, Flights: 4})
	close(r.let)
	var wg sync.WaitGroup
	for _, n := range []int{1, 2, 2, 3} {
		wg.Go(func() {
			macs, err := r.do(context.Background(), pad, inputs(n))
			if err != nil || len(macs) != n || macs[n-1][1] != byte(n-1) {
				t.Errorf("a call of %d: %d MACs, %v", n, len(macs), err)
			}
		})
	}
	wg.Wait() // a batch that was not full would wait for ever
	if r.waiting() != 0 {
		t.Errorf("%d inputs are left", r.waiting())
	}
}

func TestQueueNeverMixesLanesAndNeverSplitsOrOverfills(t *testing.T) {
	r := newRig(t, Queue{Size: 128, Delay: time.Millisecond, Limit: 100_000, Flights: 2})
	close(r.let)
	var wg sync.WaitGroup
	for i := range 40 {
		l := lane{keyring.Pad, uint32(1 + i%3)}
		wg.Go(func() {
			if macs, err := r.do(context.Background(), l, inputs(50)); err != nil || len(macs) != 50 {
				t.Errorf("%d MACs, %v", len(macs), err)
			}
		})
	}
	wg.Wait()
	r.close()
	total := 0
	for range len(r.batches.sizes) {
		b := <-r.sent
		if b.items > keyring.MaxBatch || b.items%50 != 0 {
			t.Errorf("a batch of %d", b.items)
		}
		total += b.items
	}
	if total != 40*50 {
		t.Errorf("%d inputs were sent", total)
	}
}

func TestQueueSendsASmallBatchLate(t *testing.T) {
	r := newRig(t, Queue{Size: 64, Delay: time.Millisecond, Limit: 1000, Flights: 1})
	close(r.let)
	if macs, err := r.do(context.Background(), pad, inputs(1)); err != nil || len(macs) != 1 {
		t.Fatalf("%d MACs, %v", len(macs), err)
	}
}

// While all flights are taken, calls go on joining the batch that waits.
func TestQueueFillsWhileItWaitsForItsTurn(t *testing.T) {
	r := newRig(t, Queue{Size: 2, Delay: -1, Limit: 1000, Flights: 1})
	var wg sync.WaitGroup
	one := func(n int) {
		wg.Go(func() {
			if _, err := r.do(context.Background(), pad, inputs(n)); err != nil {
				t.Error(err)
			}
		})
	}
	one(1)
	<-r.sent // it holds the only flight
	for range 10 {
		one(10)
	}
	eventually(t, "all wait", func() bool { return r.waiting() == 101 })
	close(r.let)
	wg.Wait()
	r.close()
	if sizes := r.batches.sizes; len(sizes) != 2 || sizes[1] != 100 {
		t.Errorf("batches of %v, want 1 and 100", sizes)
	}
}

func TestQueueRefusesRatherThanGrows(t *testing.T) {
	r := newRig(t, Queue{Size: 64, Delay: -1, Limit: 128, Flights: 1})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := r.do(context.Background(), pad, inputs(64)); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "the queue is full", func() bool { return r.waiting() == 128 })
	if _, err := r.do(context.Background(), pad, inputs(1)); !fault.Is(err, fault.Overloaded) {
		t.Errorf("a call too many: %v", err)
	}
	close(r.let)
	wg.Wait()
	eventually(t, "the queue is empty", func() bool { return r.waiting() == 0 })
	if _, err := r.do(context.Background(), pad, inputs(128)); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// A caller that gives up before its batch leaves takes its inputs back; afterwards they
// count until the answer is there, and the MACs are wiped.
func TestQueueAccountsForThoseWhoGiveUp(t *testing.T) {
	r := newRig(t, Queue{Size: 64, Delay: -1, Limit: 1000, Flights: 1})
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 2)
	one := func(ctx context.Context, n int) {
		go func() {
			_, err := r.do(ctx, pad, inputs(n))
			result <- err
		}()
	}
	one(ctx, 3)
	flying := <-r.sent
	cancel()
	if err := <-result; !fault.Is(err, fault.Cancelled) {
		t.Fatalf("given up: %v", err)
	}
	if r.waiting() != 3 {
		t.Errorf("%d inputs are under way, want 3", r.waiting())
	}
	// The next batch waits for the flight: of its two calls one gives up.
	late, cancelLate := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancelLate()
	one(late, 5)
	if err := <-result; !fault.Is(err, fault.KeyringUnavailable) {
		t.Fatalf("too late: %v", err)
	}
	if r.waiting() != 3 {
		t.Errorf("%d inputs are held, want 3", r.waiting())
	}
	one(context.Background(), 7)
	eventually(t, "the last call waits", func() bool { return r.waiting() == 10 })
	close(r.let)
	if err := <-result; err != nil {
		t.Errorf("the last call: %v", err)
	}
	r.close()
	for _, n := range r.batches.sizes {
		if n != 3 && n != 7 {
			t.Errorf("batches of %v", r.batches.sizes)
		}
	}
	for _, c := range flying.calls {
		if !c.gone || c.macs != nil {
			t.Error("the MACs of who gave up were kept")
		}
	}
	if r.waiting() != 0 {
		t.Errorf("%d inputs are left", r.waiting())
	}
}

func TestQueueAnswersWhatItHasWhenItCloses(t *testing.T) {
	r := newRig(t, Queue{Size: 64, Delay: never, Limit: 1000, Flights: 1})
	close(r.let)
	result := make(chan error)
	go func() {
		_, err := r.do(context.Background(), pad, inputs(1))
		result <- err
	}()
	eventually(t, "the call waits", func() bool { return r.waiting() == 1 })
	go r.close()
	if err := <-result; err != nil {
		t.Errorf("the call: %v", err)
	}
	r.close()
	if _, err := r.do(context.Background(), pad, inputs(1)); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("a call after Close: %v", err)
	}
}

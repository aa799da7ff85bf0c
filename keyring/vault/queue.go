package vault

import (
	"context"
	"errors"
	"sync"
	"time"

	"nod/fault"
	"nod/keyring"
)

// lane is what may share a batch: Vault takes one key and one version a request.
type lane struct {
	key     keyring.Name
	version uint32
}

// call is one MACs call in the queue. Its inputs stay together, in one batch.
type call struct {
	inputs [][]byte // encoded, the queue's own
	done   chan struct{}

	// Held by the queue's lock until done is closed.
	gone bool // the caller has given up
	sent bool
	macs []keyring.MAC
	err  error
}

// batch is calls that leave together.
type batch struct {
	lane
	calls []*call
	items int           // inputs over all calls
	full  chan struct{} // closed when there is nothing more to wait for
	due   bool          // full is closed
}

// queue gathers calls into batches. It holds at most a stated number of inputs, waiting
// and under way, and refuses more.
type queue struct {
	Queue
	send    func(*batch) // delivers to every call
	flights chan struct{}

	mu     sync.Mutex
	open   map[lane]*batch // those that more calls may join
	items  int
	closed bool
	stop   chan struct{}
	live   sync.WaitGroup // batches; Add only with mu held and closed false
}

func newQueue(settings Queue, send func(*batch)) *queue {
	return &queue{
		Queue: settings, send: send, flights: make(chan struct{}, settings.Flights),
		open: map[lane]*batch{}, stop: make(chan struct{}),
	}
}

// do has a call answered, or gives it up when ctx ends: fault.Cancelled if ctx was
// cancelled, fault.KeyringUnavailable if its time was over.
func (q *queue) do(ctx context.Context, l lane, inputs [][]byte) ([]keyring.MAC, error) {
	c := &call{inputs: inputs, done: make(chan struct{})}
	b, err := q.add(l, c)
	if err != nil {
		return nil, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if q.giveUp(b, c) {
			return nil, overdue(ctx)
		}
		<-c.done
	}
	return c.macs, c.err
}

func overdue(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.New(fault.KeyringUnavailable, "no MACs in time: %w", context.DeadlineExceeded)
	}
	return fault.New(fault.Cancelled, "%w", context.Cause(ctx))
}

// add puts a call into the open batch of its lane, or a new one.
func (q *queue) add(l lane, c *call) (*batch, error) {
	n := len(c.inputs)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, fault.New(fault.KeyringUnavailable, "the keyring is closed")
	}
	if q.items+n > q.Limit {
		return nil, fault.New(fault.Overloaded, "%d inputs wait for Vault, at most %d", q.items, q.Limit)
	}
	b := q.open[l]
	if b != nil && b.items+n > keyring.MaxBatch {
		b.leave()
		b = nil // it goes as it is
	}
	if b == nil {
		b = &batch{lane: l, full: make(chan struct{})}
		q.open[l] = b
		q.live.Add(1)
		go q.run(b)
	}
	b.calls = append(b.calls, c)
	b.items += n
	q.items += n
	if b.items >= q.Size {
		b.leave()
	}
	return b, nil
}

// leave ends the wait for more.
func (b *batch) leave() {
	if !b.due {
		b.due = true
		close(b.full)
	}
}

// giveUp takes a call back. If it has been sent, its inputs still count until the
// answer is there, and its MACs are wiped. It is false if the answer is there already.
func (q *queue) giveUp(b *batch, c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-c.done:
		return false
	default:
	}
	c.gone = true
	if !c.sent {
		for i, other := range b.calls {
			if other == c {
				b.calls = append(b.calls[:i], b.calls[i+1:]...)
				break
			}
		}
		b.items -= len(c.inputs)
		q.items -= len(c.inputs)
	}
	return true
}

// run waits until a batch is full or late and may fly. While it waits for its turn,
// more may join.
func (q *queue) run(b *batch) {
	defer q.live.Done()
	if q.Delay > 0 {
		late := time.NewTimer(q.Delay)
		select {
		case <-late.C:
		case <-b.full:
		case <-q.stop:
		}
		late.Stop()
	}
	q.flights <- struct{}{}
	defer func() { <-q.flights }()
	if n := q.take(b); n > 0 {
		q.send(b)
		q.mu.Lock()
		q.items -= n
		q.mu.Unlock()
	}
}

// take closes a batch to more calls. It returns the number of inputs that leave.
func (q *queue) take(b *batch) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open[b.lane] == b {
		delete(q.open, b.lane)
	}
	for _, c := range b.calls {
		c.sent = true
	}
	return b.items
}

// deliver answers one call; macs are the call's own from here on.
func (q *queue) deliver(c *call, macs []keyring.MAC, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.gone {
		wipe(macs)
	} else {
		c.macs, c.err = macs, err
	}
	close(c.done)
}

func wipe(macs []keyring.MAC) {
	for i := range macs {
		macs[i].Wipe()
	}
}

// close refuses new calls and waits until those in the queue are answered.
func (q *queue) close() {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.stop)
	}
	q.mu.Unlock()
	q.live.Wait()
}

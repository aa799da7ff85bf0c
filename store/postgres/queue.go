package postgres

import (
	"context"
	"sync"
	"sync/atomic"
)

// job is one caller's request on its way through a queue. The worker that has it
// sets answer and err, and then closes done.
type job[Q, A any] struct {
	ask    Q
	lock   string // jobs of one lock run one after the other; "" for none
	weight int    // rows
	bytes  int
	left   atomic.Bool // the caller is gone, so there is nothing to start

	answer A
	err    error
	done   chan struct{}
}

// limits bound what a worker takes at once. A job that is larger goes alone.
type limits struct{ weight, bytes int }

// queue gathers the requests of many callers, so that a worker which becomes free
// takes all that came meanwhile at once. Nothing ever waits for company: a lone
// request goes out alone. The callers bound its length (see Store.begin).
//
// Jobs of one lock never run at the same time, neither in one group nor in two,
// and keep their order.
type queue[Q, A any] struct {
	limits limits
	run    func([]*job[Q, A])
	served sync.WaitGroup

	mu     sync.Mutex
	wake   *sync.Cond
	ready  []*job[Q, A]
	behind map[string][]*job[Q, A] // those who wait, by the locks that are held
	closed bool
}

// newQueue starts a number of workers. run gets a group, and sets answers and
// faults.
func newQueue[Q, A any](workers int, l limits, run func([]*job[Q, A])) *queue[Q, A] {
	q := &queue[Q, A]{limits: l, run: run, behind: map[string][]*job[Q, A]{}}
	q.wake = sync.NewCond(&q.mu)
	for range workers {
		q.served.Go(q.work)
	}
	return q
}

// do has a request answered. When ctx ends first and no worker has the job yet, it
// never runs; otherwise it still may. ended is called once the job is over.
func (q *queue[Q, A]) do(ctx context.Context, j *job[Q, A], ended func()) (A, error) {
	j.done = make(chan struct{})
	q.put(j)
	select {
	case <-j.done:
		ended()
		return j.answer, j.err
	case <-ctx.Done():
	}
	select { // a job that did end says more than one that may have
	case <-j.done:
		ended()
		return j.answer, j.err
	default:
	}
	j.left.Store(true)
	go func() {
		<-j.done
		ended()
	}()
	var none A
	return none, cancelled(ctx)
}

func (q *queue[Q, A]) put(j *job[Q, A]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.lock != "" {
		waiting, held := q.behind[j.lock]
		if held {
			q.behind[j.lock] = append(waiting, j)
			return
		}
		q.behind[j.lock] = nil
	}
	q.ready = append(q.ready, j)
	q.wake.Signal()
}

// take waits for jobs, and gives as many as the limits allow; nil when the queue
// is closed and empty.
func (q *queue[Q, A]) take() []*job[Q, A] {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ready) == 0 {
		if q.closed {
			return nil
		}
		q.wake.Wait()
	}
	n, weight, bytes := 0, 0, 0
	for n < len(q.ready) {
		weight += q.ready[n].weight
		bytes += q.ready[n].bytes
		if n > 0 && (weight > q.limits.weight || bytes > q.limits.bytes) {
			break
		}
		n++
	}
	group := append([]*job[Q, A]{}, q.ready[:n]...)
	q.ready = append(q.ready[:0], q.ready[n:]...)
	return group
}

func (q *queue[Q, A]) work() {
	for {
		group := q.take()
		if group == nil {
			return
		}
		wanted := make([]*job[Q, A], 0, len(group))
		for _, j := range group {
			if !j.left.Load() {
				wanted = append(wanted, j)
			}
		}
		if len(wanted) > 0 {
			q.run(wanted)
		}
		q.finish(group)
	}
}

// finish passes the group's locks on, and answers.
func (q *queue[Q, A]) finish(group []*job[Q, A]) {
	q.mu.Lock()
	for _, j := range group {
		if j.lock == "" {
			continue
		}
		waiting := q.behind[j.lock]
		if len(waiting) == 0 {
			delete(q.behind, j.lock)
			continue
		}
		q.ready = append(q.ready, waiting[0])
		q.behind[j.lock] = waiting[1:]
		q.wake.Signal()
	}
	q.mu.Unlock()
	for _, j := range group {
		close(j.done)
	}
}

// close ends the workers once nothing is left to do. Nobody may call do any more.
func (q *queue[Q, A]) close() {
	q.mu.Lock()
	q.closed = true
	q.wake.Broadcast()
	q.mu.Unlock()
	q.served.Wait()
}

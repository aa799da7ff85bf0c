package postgres

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"nod/fault"
)

// Jobs of one lock keep their order and never run together; groups keep the
// limits.
func TestQueueKeepsLocksAndLimits(t *testing.T) {
	var mu sync.Mutex
	running, seen := map[string]bool{}, map[string][]int{}
	q := newQueue(4, limits{weight: 5, bytes: 100}, func(group []*job[int, int]) {
		mu.Lock()
		weight, bytes := 0, 0
		for _, j := range group {
			weight, bytes = weight+j.weight, bytes+j.bytes
			if running[j.lock] {
				t.Errorf("two jobs of lock %q at once", j.lock)
			}
			running[j.lock] = true
			seen[j.lock] = append(seen[j.lock], j.ask)
			j.answer = 2 * j.ask
		}
		mu.Unlock()
		if len(group) > 1 && (weight > 5 || bytes > 100) {
			t.Errorf("a group of weight %d and %d bytes", weight, bytes)
		}
		time.Sleep(100 * time.Microsecond)
		mu.Lock()
		for _, j := range group {
			delete(running, j.lock)
		}
		mu.Unlock()
	})
	const locks, each = 7, 60
	jobs := make([][]*job[int, int], locks)
	for i := range each {
		for l := range locks {
			j := &job[int, int]{ask: i, lock: fmt.Sprint("lock ", l), weight: 1 + i%7, bytes: 30 * (i % 5), done: make(chan struct{})}
			jobs[l] = append(jobs[l], j)
			q.put(j)
		}
	}
	q.close()
	for l := range locks {
		for i, j := range jobs[l] {
			<-j.done
			if j.answer != 2*i {
				t.Fatalf("job %d of lock %d has answer %d", i, l, j.answer)
			}
		}
		if got := seen[fmt.Sprint("lock ", l)]; len(got) != each {
			t.Fatalf("lock %d ran %d jobs", l, len(got))
		}
		for i, n := range seen[fmt.Sprint("lock ", l)] {
			if n != i {
				t.Fatalf("lock %d ran job %d as its %d", l, n, i)
			}
		}
	}
	if len(q.behind) != 0 {
		t.Errorf("%d locks are held at the end", len(q.behind))
	}
}

// A caller that gives up before its turn has nothing run, and holds up nobody.
func TestQueueForgetsWhoLeft(t *testing.T) {
	started, hold := make(chan int, 10), make(chan struct{})
	q := newQueue(1, limits{weight: 10, bytes: 10}, func(group []*job[int, int]) {
		for _, j := range group {
			started <- j.ask
		}
		<-hold
	})
	var ended sync.WaitGroup
	ended.Add(3)
	ask := func(ctx context.Context, n int) error {
		_, err := q.do(ctx, &job[int, int]{ask: n, lock: "l", weight: 1}, ended.Done)
		return err
	}
	results := make(chan error, 2)
	go func() { results <- ask(context.Background(), 1) }()
	<-started
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := ask(ctx, 2); !fault.Is(err, fault.Cancelled) {
		t.Errorf("who gave up: %v", err)
	}
	go func() { results <- ask(context.Background(), 3) }()
	close(hold)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if n := <-started; n != 3 {
		t.Errorf("job %d ran after the first", n)
	}
	ended.Wait()
	q.close()
}

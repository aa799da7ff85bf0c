package pebble

import (
	"context"
	"hash/maphash"
	"slices"

	"golang.org/x/sync/semaphore"
)

// stripes is how many locks the partitions share. More make it rarer that two
// partitions wait for one another's sync; each takes about 100 bytes.
const stripes = 1024

// writer is the weight of a writer; a reader's is 1.
const writer = 1 << 30

// locks serialises the writes of a partition and makes its readers wait until a
// write is durable, while other partitions go on and share one sync. Waiting
// ends with the caller's context, or when the store dies.
type locks struct {
	seed  maphash.Seed // random, so that nobody picks partitions of one stripe
	locks [stripes]*semaphore.Weighted
}

func newLocks() *locks {
	l := &locks{seed: maphash.MakeSeed()}
	for i := range l.locks {
		l.locks[i] = semaphore.NewWeighted(writer)
	}
	return l
}

func (l *locks) of(partition []byte) int {
	return int(maphash.Bytes(l.seed, partition) % stripes)
}

// acquire takes one lock for a reader (1) or a writer.
func (l *locks) acquire(ctx context.Context, stripe int, weight int64) error {
	if err := l.locks[stripe].Acquire(ctx, weight); err != nil {
		return cancelled(ctx)
	}
	return nil
}

func (l *locks) release(stripe int, weight int64) { l.locks[stripe].Release(weight) }

// acquireAll takes the locks of several partitions for a writer, in ascending
// order, so that no two callers wait for each other.
func (l *locks) acquireAll(ctx context.Context, partitions [][]byte) (held []int, err error) {
	wanted := make([]int, len(partitions))
	for i, p := range partitions {
		wanted[i] = l.of(p)
	}
	slices.Sort(wanted)
	for _, stripe := range slices.Compact(wanted) {
		if err := l.acquire(ctx, stripe, writer); err != nil {
			l.releaseAll(held)
			return nil, err
		}
		held = append(held, stripe)
	}
	return held, nil
}

func (l *locks) releaseAll(held []int) {
	for _, stripe := range held {
		l.release(stripe, writer)
	}
}

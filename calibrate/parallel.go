package calibrate

import (
	"runtime"
	"sync"
)

// shards is the number of parts that work is cut into. It is the same on every
// machine, and parts are added up in order, so sums do not depend on how many
// processors there are.
const shards = 16

// inShards runs work on each part of 0..n, as many at once as there are
// processors.
func inShards(n int, work func(shard, from, to int)) {
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for s := range shards {
		slots <- struct{}{}
		wait.Go(func() {
			work(s, n*s/shards, n*(s+1)/shards)
			<-slots
		})
	}
	wait.Wait()
}

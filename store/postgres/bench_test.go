package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"nod/store"
)

// rowBytes is about what an encrypted template takes.
const rowBytes = 300

// forEach runs f for every i below b.N, from a number of goroutines, and reports
// calls per second.
func forEach(b *testing.B, goroutines int, f func(i int64) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range goroutines {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// eachWay runs a benchmark one call at a time and in batches, in turn, so that
// both have the same machine.
func eachWay(b *testing.B, f func(b *testing.B, s *Store, goroutines int)) {
	needServer(b)
	for _, goroutines := range []int{1, 8, 32, 128} {
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("goroutines=%d/batch=%d", goroutines, batch), func(b *testing.B) {
				o := newDatabase(b, shared, "matcher")
				o.Batch = batch
				f(b, openStore(b, o), goroutines)
			})
		}
	}
}

// BenchmarkApply claims a new row a call, as a replay is remembered.
func BenchmarkApply(b *testing.B) {
	value := make([]byte, rowBytes)
	eachWay(b, func(b *testing.B, s *Store, goroutines int) {
		forEach(b, goroutines, func(i int64) error {
			return s.Apply(context.Background(), store.Write{Row: row(fmt.Sprint(i), "k"), If: store.Absent, Value: value})
		})
	})
}

// BenchmarkConsume claims a row and replaces another by its version a call, as a
// session is consumed and a budget debited.
func BenchmarkConsume(b *testing.B) {
	value := make([]byte, rowBytes)
	eachWay(b, func(b *testing.B, s *Store, goroutines int) {
		entries := make([]store.Entry, b.N)
		for i := range entries {
			entries[i] = store.Entry{Row: row(fmt.Sprint(i+1), "budget"), Record: store.Record{Value: value}}
		}
		for len(entries) > 0 {
			n := min(len(entries), store.MaxLoad)
			if err := s.Load(context.Background(), entries[:n]); err != nil {
				b.Fatal(err)
			}
			entries = entries[n:]
		}
		forEach(b, goroutines, func(i int64) error {
			p := fmt.Sprint(i)
			return s.Apply(context.Background(),
				store.Write{Row: row(p, "session"), If: store.Absent, Value: value},
				store.Write{Row: row(p, "budget"), If: store.At(1), Value: value})
		})
	})
}

// BenchmarkGet reads a row a call.
func BenchmarkGet(b *testing.B) {
	const rows = 10_000
	eachWay(b, func(b *testing.B, s *Store, goroutines int) {
		entries := make([]store.Entry, rows)
		for i := range entries {
			entries[i] = store.Entry{Row: row(fmt.Sprint(i), "k"), Record: store.Record{Value: make([]byte, rowBytes)}}
		}
		if err := s.Load(context.Background(), entries); err != nil {
			b.Fatal(err)
		}
		forEach(b, goroutines, func(i int64) error {
			_, err := s.Get(context.Background(), row(fmt.Sprint(i%rows), "k"))
			return err
		})
	})
}

// BenchmarkLoad fills the store by COPY, 4,096 rows a call.
func BenchmarkLoad(b *testing.B) {
	needServer(b)
	const rows = 4096
	s := openStore(b, newDatabase(b, shared, "matcher"))
	entries := make([]store.Entry, rows)
	for i := range b.N {
		for k := range entries {
			entries[k] = store.Entry{Row: row(fmt.Sprintf("%d %d", i, k), "k"), Record: store.Record{Value: make([]byte, rowBytes)}}
		}
		if err := s.Load(context.Background(), entries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
}

package pebble

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"nod/store"
)

// rowBytes is about what an encrypted template takes.
const rowBytes = 300

// benchApply measures durable writes on the disk of the temporary folder, each
// to a partition of its own, from a number of goroutines.
func benchApply(b *testing.B, goroutines int) {
	s, err := Open(Options{Folder: filepath.Join(b.TempDir(), "store")})
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, rowBytes)
	rng := rand.NewChaCha8([32]byte{})
	if _, err := rng.Read(value); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(rowBytes)
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				row := store.Row{Table: "bench", Partition: fmt.Append(nil, i), Key: []byte("k")}
				if err := s.Apply(context.Background(), store.Write{Row: row, If: store.Absent, Value: value}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkApply(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) { benchApply(b, n) })
	}
}

func BenchmarkGet(b *testing.B) {
	const rows = 1000
	s, err := Open(Options{Folder: filepath.Join(b.TempDir(), "store")})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < rows; i++ {
		row := store.Row{Table: "bench", Partition: fmt.Append(nil, i), Key: []byte("k")}
		if err := s.Apply(context.Background(), store.Write{Row: row, Value: make([]byte, rowBytes)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		row := store.Row{Table: "bench", Partition: fmt.Append(nil, i%rows), Key: []byte("k")}
		if _, err := s.Get(context.Background(), row); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

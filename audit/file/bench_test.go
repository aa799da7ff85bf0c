package file

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"nod/audit/audittest"
)

// BenchmarkAppend measures durable leaves on the disk of the temporary folder.
func BenchmarkAppend(b *testing.B) {
	for _, goroutines := range []int{1, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			l := open(b, path(b))
			b.ReportAllocs()
			b.ResetTimer()
			var next atomic.Int64
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if _, err := l.Append(ctx, audittest.Sample(1)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkVerify measures a leaf of a walk, as at every start of a role.
func BenchmarkVerify(b *testing.B) {
	const leaves = 1000
	_, data := filled(b, leaves)
	b.ReportAllocs()
	b.SetBytes(int64(len(data) / leaves))
	b.ResetTimer()
	for n := 0; n < b.N; n += leaves {
		if found, err := Verify(bytes.NewReader(data)); err != nil || found.Count != leaves {
			b.Fatal(found, err)
		}
	}
}

//go:build cgo

package dlib

import (
	"context"
	"testing"
)

func BenchmarkDescribe(b *testing.B) {
	portrait := portrait(b, "obama.jpg")
	n := open(b)
	for name, photo := range map[string][]byte{
		"208x208":   asJPEG(b, pixels(b, "obama.jpg", 0.4), 95),
		"910x1137":  portrait,
		"3328x3328": asJPEG(b, pixels(b, "obama.jpg", 6.4), 95),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := n.Describe(context.Background(), photo)
				if err != nil {
					b.Fatal(err)
				}
				f.Wipe()
			}
		})
	}
}

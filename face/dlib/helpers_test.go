//go:build cgo

package dlib

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/image/draw"

	"nod/face"
	"nod/fault"
)

// shared is one network for all tests; loading it takes half a second.
var shared struct {
	sync.Once
	network face.Network
	err     error
}

func open(t testing.TB) face.Network {
	t.Helper()
	folder := weightsFolder(t)
	shared.Do(func() { shared.network, shared.err = Open(folder, face.DefaultGate()) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.network
}

func describe(t testing.TB, photo []byte) *face.Face {
	t.Helper()
	f, err := open(t).Describe(context.Background(), photo)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func refused(t testing.TB, name string, photo []byte, want fault.Code) {
	t.Helper()
	f, err := open(t).Describe(context.Background(), photo)
	if f != nil || !fault.Is(err, want) {
		t.Errorf("%s: %v, want %s", name, err, want)
	}
}

// portrait reads one of the cache's photos.
func portrait(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(cached(t, "photos", name), name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decoded keeps the cache's photos, decoded: under the race detector that is slow.
var decoded sync.Map

// around is the part of a photo that the tests use: the head, and some room.
func around(name string) image.Rectangle {
	return map[string]image.Rectangle{
		"obama.jpg": image.Rect(236, 6, 756, 526),
		"biden.jpg": image.Rect(272, 106, 872, 706),
	}[name]
}

// pixels is the part of one of the cache's photos, scaled by a factor.
func pixels(t testing.TB, name string, factor float64) *image.RGBA {
	t.Helper()
	m, ok := decoded.Load(name)
	if !ok {
		p, err := face.Decode(portrait(t, name))
		if err != nil {
			t.Fatal(err)
		}
		m = p.Pixels().SubImage(around(name))
		decoded.Store(name, m)
	}
	return scaled(m.(*image.RGBA), factor)
}

func scaled(m *image.RGBA, factor float64) *image.RGBA {
	w, h := float64(m.Rect.Dx())*factor, float64(m.Rect.Dy())*factor
	out := image.NewRGBA(image.Rect(0, 0, int(w), int(h)))
	draw.BiLinear.Scale(out, out.Rect, m, m.Rect, draw.Src, nil)
	return out
}

// mapped changes every channel.
func mapped(m *image.RGBA, f func(v float64) float64) *image.RGBA {
	out := image.NewRGBA(m.Rect)
	for i, v := range m.Pix {
		out.Pix[i] = uint8(min(255, max(0, f(float64(v)))))
		if i%4 == 3 {
			out.Pix[i] = 255
		}
	}
	return out
}

// beside puts pictures next to each other on grey.
func beside(pictures ...*image.RGBA) *image.RGBA {
	w, h := 0, 0
	for _, m := range pictures {
		w, h = w+m.Rect.Dx(), max(h, m.Rect.Dy())
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(out, out.Rect, image.NewUniform(color.Gray{128}), image.Point{}, draw.Src)
	x := 0
	for _, m := range pictures {
		draw.Draw(out, m.Rect.Add(image.Pt(x, 0)), m, image.Point{}, draw.Src)
		x += m.Rect.Dx()
	}
	return out
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJPEG(t testing.TB, m image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// apart is the distance of two vectors as the network made them: of one person
// mostly under 0.5, of two mostly over 0.7.
func apart(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum)
}

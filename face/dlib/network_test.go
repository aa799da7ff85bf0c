//go:build cgo

package dlib

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"sync"
	"testing"

	"nod/face"
	"nod/fault"
)

func TestPortraits(t *testing.T) {
	names := []string{"obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"}
	var features []face.Features
	for _, name := range names {
		f := describe(t, portrait(t, name))
		if len(f.Features) != Dimension || len(f.Landmarks) != 5 || f.Quality.Faces != 1 {
			t.Errorf("%s: %d features, %d landmarks, %+v", name, len(f.Features), len(f.Landmarks), f.Quality)
		}
		for i, p := range f.Landmarks {
			if !image.Pt(int(p.X), int(p.Y)).In(f.Box) {
				t.Errorf("%s: landmark %d at %v is outside %v", name, i, p, f.Box)
			}
		}
		// From the viewer's right to left: 0, 1, 3, 2; the nose below the eyes.
		l := f.Landmarks
		if !(l[0].X > l[1].X && l[1].X > l[3].X && l[3].X > l[2].X && l[4].Y > l[0].Y && l[4].Y > l[2].Y) {
			t.Errorf("%s: landmarks out of order: %v", name, l)
		}
		features = append(features, f.Features)
	}
	for i := range names {
		for j := range i {
			d := apart(features[i], features[j])
			t.Logf("%s, %s: %.3f", names[j], names[i], d)
			if same := i < 3; same && d > 0.5 || !same && d < 0.7 {
				t.Errorf("%s and %s are %.3f apart", names[j], names[i], d)
			}
		}
	}
}

// turned puts EXIF with an orientation into a PNG.
func turned(photo []byte, orientation byte) []byte {
	tiff := []byte{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0}
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(tiff)))
	chunk = append(append(chunk, "eXIf"...), tiff...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return bytes.Join([][]byte{photo[:33], chunk, photo[33:]}, nil)
}

func TestOneFaceInEveryContainer(t *testing.T) {
	m := pixels(t, "obama.jpg", 0.4)
	want := describe(t, asPNG(t, m))

	t.Run("sideways", func(t *testing.T) {
		sideways := image.NewRGBA(image.Rect(0, 0, m.Rect.Dy(), m.Rect.Dx()))
		for y := range m.Rect.Dy() {
			for x := range m.Rect.Dx() {
				sideways.SetRGBA(y, m.Rect.Dx()-1-x, m.RGBAAt(x, y))
			}
		}
		got := describe(t, turned(asPNG(t, sideways), 6))
		if d := apart(got.Features, want.Features); d > 1e-4 || got.Box != want.Box {
			t.Errorf("%v apart, box %v, want %v", d, got.Box, want.Box)
		}
	})
	t.Run("JPEG", func(t *testing.T) {
		data := asJPEG(t, m, 95)
		viaJPEG := describe(t, data)
		if d := apart(viaJPEG.Features, want.Features); d > 0.2 {
			t.Errorf("JPEG and PNG are %.3f apart", d)
		}
		p, err := face.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if d := apart(describe(t, asPNG(t, p.Pixels())).Features, viaJPEG.Features); d > 1e-4 {
			t.Errorf("the JPEG's own pixels as PNG are %v apart", d)
		}
	})
	t.Run("grey", func(t *testing.T) {
		grey := image.NewGray(m.Rect)
		for y := range m.Rect.Dy() {
			for x := range m.Rect.Dx() {
				grey.Set(x, y, m.At(x, y))
			}
		}
		if d := apart(describe(t, asJPEG(t, grey, 95)).Features, want.Features); d > 0.45 {
			t.Errorf("grey and colour are %.3f apart", d)
		}
	})
	t.Run("large", func(t *testing.T) {
		got := describe(t, asPNG(t, scaled(m, 3)))
		if d := apart(got.Features, want.Features); d > 0.25 {
			t.Errorf("three times as large: %.3f apart", d)
		}
		if size, s := 3*want.Quality.Size, got.Quality.Size; 10*s < 7*size || 10*s > 14*size {
			t.Errorf("three times as large: face of %v pixels, want about %v", s, size)
		}
	})
}

func TestGate(t *testing.T) {
	obama, biden := pixels(t, "obama.jpg", 0.4), pixels(t, "biden.jpg", 0.35)
	alone := describe(t, asPNG(t, obama))

	refused(t, "two of similar size", asPNG(t, beside(obama, biden)), fault.SeveralFaces)
	behind := describe(t, asPNG(t, beside(scaled(obama, 1.6), scaled(biden, 0.8))))
	if d := apart(behind.Features, alone.Features); behind.Quality.Faces != 2 || d > 0.3 {
		t.Errorf("somebody smaller beside: %.3f apart, %+v", d, behind.Quality)
	}

	refused(t, "small", asPNG(t, scaled(obama, 0.5)), fault.FaceTooSmall)
	refused(t, "blurred", asPNG(t, scaled(scaled(obama, 0.12), 8.5)), fault.FaceBlurred)
	refused(t, "dark", asPNG(t, mapped(obama, func(v float64) float64 { return v / 8 })), fault.FaceTooDark)
	refused(t, "bright", asPNG(t, mapped(obama, func(v float64) float64 { return 2 * v })), fault.FaceTooBright)
	refused(t, "glare", asPNG(t, mapped(obama, func(v float64) float64 { return 175 + v/5 })), fault.FaceTooBright)
	refused(t, "fog", asPNG(t, mapped(obama, func(v float64) float64 { return 80 + v/5 })), fault.FaceTooDark)
	box := alone.Box
	cut := image.NewRGBA(image.Rect(0, 0, obama.Rect.Dx()-box.Min.X-box.Dx()/4, obama.Rect.Dy()))
	for y := range cut.Rect.Dy() {
		for x := range cut.Rect.Dx() {
			cut.SetRGBA(x, y, obama.RGBAAt(x+box.Min.X+box.Dx()/4, y))
		}
	}
	refused(t, "cut off", asPNG(t, cut), fault.FaceCutOff)
}

func TestNoFace(t *testing.T) {
	grey := image.NewRGBA(image.Rect(0, 0, 300, 300))
	for i := range grey.Pix {
		grey.Pix[i] = 255
	}
	refused(t, "white", asPNG(t, grey), fault.NoFace)
	for _, size := range []image.Point{{1, 1}, {2, 1}, {1, 3000}, {5000, 1}, {3000, 2}, {40, 40}} {
		m := image.NewRGBA(image.Rectangle{Max: size})
		m.SetRGBA(0, 0, color.RGBA{255, 0, 0, 255})
		refused(t, size.String(), asPNG(t, m), fault.NoFace)
	}
	upsideDown := turned(asPNG(t, pixels(t, "obama.jpg", 0.4)), 3)
	refused(t, "upside down", upsideDown, fault.NoFace)
}

func TestNotAPhoto(t *testing.T) {
	photo := portrait(t, "obama.jpg")
	refused(t, "text", []byte("obama"), fault.BadPhoto)
	refused(t, "nothing", nil, fault.BadPhoto)
	refused(t, "cut in half", photo[:len(photo)/2], fault.BadPhoto)
	refused(t, "too many bytes", append(photo, make([]byte, face.MaxPhoto)...), fault.BadPhoto)
}

func TestDescribeLeavesThePhoto(t *testing.T) {
	photo := asPNG(t, pixels(t, "obama.jpg", 0.4))
	before := bytes.Clone(photo)
	describe(t, photo)
	if !bytes.Equal(photo, before) {
		t.Error("the caller's photo was changed")
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f, err := open(t).Describe(ctx, portrait(t, "obama.jpg"))
	if f != nil || !fault.Is(err, fault.Cancelled) {
		t.Errorf("%v", err)
	}
}

// Goroutines get what one gets, and closing waits for them.
func TestConcurrentUse(t *testing.T) {
	n, err := Open(weightsFolder(t), face.DefaultGate())
	if err != nil {
		t.Fatal(err)
	}
	photos := [][]byte{asPNG(t, pixels(t, "obama.jpg", 0.4)), asPNG(t, pixels(t, "biden.jpg", 0.35))}
	want := []*face.Face{describe(t, photos[0]), describe(t, photos[1])}

	var started, done sync.WaitGroup
	for i := range 4 {
		started.Add(1)
		done.Go(func() {
			started.Done()
			f, err := n.Describe(context.Background(), photos[i%2])
			switch {
			case fault.Is(err, fault.NetworkMissing): // closed before its turn
			case err != nil:
				t.Error(err)
			case apart(f.Features, want[i%2].Features) > 1e-4:
				t.Errorf("goroutine %d got other features", i)
			}
		})
	}
	started.Wait()
	for i := range photos {
		if f, err := n.Describe(context.Background(), photos[i]); err != nil || apart(f.Features, want[i].Features) > 1e-4 {
			t.Errorf("among others: %v", err)
		}
	}
	for range 2 {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	done.Wait()
	if _, err := n.Describe(context.Background(), photos[0]); !fault.Is(err, fault.NetworkMissing) {
		t.Errorf("closed: %v", err)
	}
}

func TestSecretBuffer(t *testing.T) {
	var b secretBuffer
	var old []byte
	want := []byte{}
	for i := range 5000 {
		part := bytes.Repeat([]byte{byte(i)}, 777)
		before := b.bytes
		if n, err := b.Write(part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
		if len(before) > 0 && &before[0] != &b.bytes[0] {
			old = append(old, before...)
		}
		want = append(want, part...)
	}
	if !bytes.Equal(b.bytes, want) {
		t.Error("what was written is not there")
	}
	if len(old) == 0 || !bytes.Equal(old, make([]byte, len(old))) {
		t.Error("growing left a copy")
	}
	b.wipe()
	if !bytes.Equal(b.bytes, make([]byte, len(want))) {
		t.Error("not wiped")
	}
}

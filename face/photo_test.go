package face

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"runtime"
	"testing"

	"nod/fault"
)

// storedAs is how a camera stores an upright picture under an orientation, from
// the table of CIPA DC-008: at which side of what is seen the stored row 0 and
// the stored column 0 are.
func storedAs(upright *image.RGBA, orientation uint16) *image.RGBA {
	sides := [...][2]string{1: {"top", "left"}, {"top", "right"}, {"bottom", "right"}, {"bottom", "left"},
		{"left", "top"}, {"right", "top"}, {"right", "bottom"}, {"left", "bottom"}}[orientation]
	w, h := upright.Rect.Dx(), upright.Rect.Dy()
	from := func(side string, u, v int) int {
		return map[string]int{"top": v, "bottom": h - 1 - v, "left": u, "right": w - 1 - u}[side]
	}
	stored := image.NewRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 {
		stored = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for v := range h {
		for u := range w {
			stored.SetRGBA(from(sides[1], u, v), from(sides[0], u, v), upright.RGBAAt(u, v))
		}
	}
	return stored
}

func TestOrientation(t *testing.T) {
	upright := picture(48, 32)
	for o := uint16(1); o <= 8; o++ {
		stored := storedAs(upright, o)
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			p := decode(t, pngWithEXIF(encodePNG(t, stored), exif(order, o)))
			if p.Pixels().Rect != upright.Rect || !bytes.Equal(p.Pixels().Pix, upright.Pix) {
				t.Errorf("orientation %d (%v): the PNG is not upright", o, order)
			}
			p = decode(t, jpegWithEXIF(encodeJPEG(t, stored), exif(order, o)))
			if p.Pixels().Rect != upright.Rect || furthest(p.Pixels(), upright) > 16 {
				t.Errorf("orientation %d (%v): the JPEG is not upright", o, order)
			}
		}
	}
}

// furthest is the greatest difference of a channel between two pictures.
func furthest(a, b *image.RGBA) (most int) {
	for i := range a.Pix {
		most = max(most, int(a.Pix[i])-int(b.Pix[i]), int(b.Pix[i])-int(a.Pix[i]))
	}
	return most
}

func TestEXIFThatSaysNothing(t *testing.T) {
	m := picture(48, 32)
	good := exif(binary.BigEndian, 6)
	for name, data := range map[string][]byte{
		"orientation 0":  exif(binary.BigEndian, 0),
		"orientation 9":  exif(binary.BigEndian, 9),
		"cut short":      good[:len(good)-12],
		"wrong header":   append([]byte("XX"), good[2:]...),
		"empty":          {},
		"endless":        append(append([]byte{}, good[:len(good)-4]...), 0, 0, 0, 8),
		"huge directory": append(append([]byte{}, good[:8]...), 0xff, 0xff),
	} {
		for _, photo := range [][]byte{
			jpegWithEXIF(encodeJPEG(t, m), data),
			pngWithEXIF(encodePNG(t, m), data),
		} {
			p, err := Decode(photo)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if name != "endless" && p.Pixels().Rect != m.Rect {
				t.Errorf("%s: turned", name)
			}
		}
	}
}

func TestNoPhoto(t *testing.T) {
	var animated bytes.Buffer
	if err := gif.Encode(&animated, picture(16, 16), nil); err != nil {
		t.Fatal(err)
	}
	scans := encodeJPEG(t, picture(16, 16))
	start := bytes.Index(scans, []byte{0xff, 0xda})
	scan := bytes.Clone(scans[start : len(scans)-2])
	for range maxScans {
		scans = append(scans[:len(scans)-2], append(scan, 0xff, 0xd9)...)
	}
	for name, photo := range map[string][]byte{
		"nothing":           nil,
		"text":              []byte("not a photo"),
		"a GIF":             animated.Bytes(),
		"magic alone":       []byte("\x89PNG\r\n\x1a\n"),
		"too many bytes":    append(encodeJPEG(t, picture(16, 16)), make([]byte, MaxPhoto)...),
		"too many scans":    scans,
		"no pixels":         sizedPNG(0, 10),
		"41.9 million PNG":  sizedPNG(MaxPixels+1, 1),
		"PNG bomb":          sizedPNG(1<<31-1, 1<<31-1),
		"JPEG bomb":         sizedJPEG(t, 65535, 65535),
		"JPEG of 42 MP":     sizedJPEG(t, 8192, 5121),
		"header without it": sizedPNG(100, 100),
	} {
		before := allocated()
		_, err := Decode(photo)
		if !fault.Is(err, fault.BadPhoto) {
			t.Errorf("%s: %v", name, err)
		}
		if grown := allocated() - before; grown > 1<<20 {
			t.Errorf("%s: allocated %d bytes before it was refused", name, grown)
		}
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestTruncated(t *testing.T) {
	for name, photo := range map[string][]byte{
		"PNG":  encodePNG(t, picture(24, 16)),
		"JPEG": encodeJPEG(t, picture(24, 16)),
	} {
		decode(t, photo)
		for n := range photo {
			if _, err := Decode(photo[:n]); !fault.Is(err, fault.BadPhoto) {
				t.Fatalf("%s cut to %d of %d bytes: %v", name, n, len(photo), err)
			}
		}
	}
}

// kinds is one picture in every memory layout that the decoders make.
func kinds() map[string]draw.Image {
	b := image.Rect(0, 0, 20, 10)
	return map[string]draw.Image{
		"RGBA":     image.NewRGBA(b),
		"RGBA64":   image.NewRGBA64(b),
		"NRGBA":    image.NewNRGBA(b),
		"NRGBA64":  image.NewNRGBA64(b),
		"Gray":     image.NewGray(b),
		"Gray16":   image.NewGray16(b),
		"Paletted": image.NewPaletted(b, palette.Plan9),
		"CMYK":     image.NewCMYK(b),
	}
}

func TestKindsOfPNG(t *testing.T) {
	for name, m := range kinds() {
		draw.Draw(m, m.Bounds(), image.NewUniform(color.RGBA{90, 90, 90, 255}), image.Point{}, draw.Src)
		p := decode(t, encodePNG(t, m))
		got := p.Pixels().RGBAAt(5, 5)
		if got.R < 80 || got.R > 100 || got.A != 255 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTransparentBecomesWhite(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 4, 4))
	m.SetNRGBA(1, 1, color.NRGBA{200, 0, 0, 128})
	p := decode(t, encodePNG(t, m)).Pixels()
	if got := p.RGBAAt(0, 0); got != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("transparent: %v", got)
	}
	if got := p.RGBAAt(1, 1); got.A != 255 || got.R < 220 || got.G < 120 || got.G > 130 {
		t.Errorf("half transparent red: %v", got)
	}
}

func TestWipe(t *testing.T) {
	for name, m := range kinds() {
		draw.Draw(m, m.Bounds(), picture(20, 10), image.Point{}, draw.Src)
		wipe(m)
		empty := kinds()[name]
		for y := range 10 {
			for x := range 20 {
				if m.At(x, y) != empty.At(x, y) {
					t.Fatalf("%s: a pixel is left", name)
				}
			}
		}
	}
	ycc, ok := mustJPEG(t).(*image.YCbCr)
	if !ok {
		t.Fatal("the JPEG is not YCbCr")
	}
	wipe(ycc)
	if bytes.ContainsFunc(append(append(ycc.Y, ycc.Cb...), ycc.Cr...), func(r rune) bool { return r != 0 }) {
		t.Error("YCbCr: a sample is left")
	}
	p := decode(t, encodePNG(t, picture(20, 10)))
	p.Wipe()
	if !bytes.Equal(p.Pixels().Pix, make([]byte, 800)) {
		t.Error("Photo: a pixel is left")
	}
}

func mustJPEG(t *testing.T) image.Image {
	t.Helper()
	f, _ := formatOf(encodeJPEG(t, picture(20, 10)))
	m, err := f.decode(bytes.NewReader(encodeJPEG(t, picture(20, 10))))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestScales(t *testing.T) {
	m := image.NewRGBA(image.Rect(0, 0, 3, 1))
	copy(m.Pix, []byte{10, 0, 0, 255, 20, 0, 0, 255, 40, 0, 0, 255})
	half := (&Photo{m}).Halved().Pixels()
	if half.Rect != image.Rect(0, 0, 2, 1) || half.Pix[0] != 15 || half.Pix[4] != 40 || half.Pix[3] != 255 {
		t.Errorf("halved: %v %v", half.Rect, half.Pix)
	}
	if b := (&Photo{half}).Halved().Halved().Pixels().Rect; b != image.Rect(0, 0, 1, 1) {
		t.Errorf("halved to %v", b)
	}
	double := (&Photo{picture(40, 30)}).Doubled()
	if b := double.Pixels().Rect; b != image.Rect(0, 0, 80, 60) {
		t.Errorf("doubled to %v", b)
	}
	if d := furthest(double.Halved().Pixels(), picture(40, 30)); d > 3 {
		t.Errorf("doubled and halved is %d off", d)
	}
}

func FuzzDecode(f *testing.F) {
	small := picture(20, 12)
	f.Add(encodePNG(f, small))
	f.Add(encodeJPEG(f, small))
	f.Add(jpegWithEXIF(encodeJPEG(f, small), exif(binary.LittleEndian, 6)))
	f.Add(pngWithEXIF(encodePNG(f, small), exif(binary.BigEndian, 8)))
	f.Add(sizedPNG(7000, 7000))
	f.Fuzz(func(t *testing.T, photo []byte) {
		if form, ok := formatOf(photo); ok {
			config, err := form.config(bytes.NewReader(photo))
			if n := int64(config.Width) * int64(config.Height); err == nil && n > 1<<16 && n <= MaxPixels {
				t.Skip("allowed, but slow")
			}
		}
		p, err := Decode(photo)
		if err != nil {
			if !fault.Is(err, fault.BadPhoto) {
				t.Fatalf("a fault of another kind: %v", err)
			}
			return
		}
		m := p.Pixels()
		if m.Rect.Min != (image.Point{}) || m.Rect.Empty() || !m.Opaque() {
			t.Fatalf("%v, opaque %v", m.Rect, m.Opaque())
		}
		if again := decode(t, encodePNG(t, m)).Pixels(); again.Rect != m.Rect || !bytes.Equal(again.Pix, m.Pix) {
			t.Fatal("what was decoded does not survive a PNG")
		}
	})
}

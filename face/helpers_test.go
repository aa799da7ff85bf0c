package face

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"
)

// picture has a colour of its own at every place, so that no turn or mirror image
// of it is itself.
func picture(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{uint8(255 * x / w), uint8(255 * y / h), uint8(200 * (x + y) / (w + h)), 255})
		}
	}
	return m
}

func encodePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exif is a TIFF header and one directory of two entries, orientation the second.
func exif(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("MM")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		b = []byte("II")
	}
	b = order.AppendUint16(b, 42)
	b = order.AppendUint32(b, 8) // where the directory is
	b = order.AppendUint16(b, 2) // entries
	for _, e := range [][2]uint16{{0x0103, 6}, {0x0112, orientation}} {
		b = order.AppendUint16(b, e[0])
		b = order.AppendUint16(b, 3) // a short
		b = order.AppendUint32(b, 1) // one of them
		b = order.AppendUint16(b, e[1])
		b = order.AppendUint16(b, 0)
	}
	return order.AppendUint32(b, 0)
}

// jpegWithEXIF puts EXIF behind the JPEG's first marker.
func jpegWithEXIF(photo, exif []byte) []byte {
	segment := append([]byte("Exif\x00\x00"), exif...)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(2+len(segment)))
	return append(append(head, segment...), photo[2:]...)
}

// pngWithEXIF puts an eXIf chunk behind the PNG's header.
func pngWithEXIF(photo, exif []byte) []byte {
	const header = 8 + 25
	chunk := append([]byte("eXIf"), exif...)
	out := append([]byte{}, photo[:header]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(exif)))
	out = append(out, chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	return append(out, photo[header:]...)
}

// sizedPNG is the header of a PNG of that size, and nothing else.
func sizedPNG(w, h uint32) []byte {
	chunk := append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), w), h), 8, 2, 0, 0, 0)
	out := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), 13)
	return binary.BigEndian.AppendUint32(append(out, chunk...), crc32.ChecksumIEEE(chunk))
}

// sizedJPEG is a small JPEG whose frame header claims that size.
func sizedJPEG(t testing.TB, w, h uint16) []byte {
	t.Helper()
	photo := encodeJPEG(t, picture(16, 16))
	at := bytes.Index(photo, []byte{0xff, 0xc0})
	if at < 0 {
		t.Fatal("no baseline frame header")
	}
	binary.BigEndian.PutUint16(photo[at+5:], h)
	binary.BigEndian.PutUint16(photo[at+7:], w)
	return photo
}

func decode(t testing.TB, photo []byte) *Photo {
	t.Helper()
	p, err := Decode(photo)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

package face

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"

	"nod/fault"
)

// Limits of a photo.
const (
	MaxPhoto  = 16 << 20 // bytes
	MaxPixels = 40 << 20 // width times height
)

// maxScans bounds the scans of a JPEG. Cameras and encoders write at most about
// a dozen, previews included; each may cost a pass over all pixels, so that a
// small file of many scans would take hours.
const maxScans = 100

// Photo is a decoded photo: upright, opaque, 8 bits a channel. Secret: it prints
// only its kind; wipe it after use.
type Photo struct{ pixels *image.RGBA }

// Format prints the kind, whatever the verb.
func (Photo) Format(s fmt.State, _ rune) { printKind(s, "face.Photo(secret)") }

// Pixels is the photo itself, not a copy: its origin is (0, 0) and its alpha 255.
func (p *Photo) Pixels() *image.RGBA { return p.pixels }

// Wipe overwrites the pixels.
func (p *Photo) Wipe() { clear(p.pixels.Pix) }

// Decode reads a JPEG or a PNG and turns it upright by its EXIF orientation;
// unreadable EXIF counts as none, and what is transparent becomes white. Size in
// bytes, size in pixels and the number of scans are checked before any pixel is
// decoded. For a moment it holds the photo twice: at the limit just under 1 GB.
//
// The decoded original is wiped, but not what the standard library's decoders
// hold while they run (rows, coefficients): that memory is Go's to reuse.
//
// Fault: fault.BadPhoto.
func Decode(photo []byte) (*Photo, error) {
	if len(photo) > MaxPhoto {
		return nil, fault.New(fault.BadPhoto, "%d bytes", len(photo))
	}
	f, ok := formatOf(photo)
	if !ok {
		return nil, fault.New(fault.BadPhoto, "neither a JPEG nor a PNG")
	}
	config, err := f.config(bytes.NewReader(photo))
	if err != nil {
		return nil, fault.New(fault.BadPhoto, "%s: %w", f.name, err)
	}
	pixels := int64(config.Width) * int64(config.Height)
	if pixels == 0 || pixels > MaxPixels {
		return nil, fault.New(fault.BadPhoto, "%d by %d pixels", config.Width, config.Height)
	}
	// FF DA starts a scan and cannot occur inside one, where FF is followed by 00.
	if scans := bytes.Count(photo, []byte{0xff, 0xda}); f.scans && scans > maxScans {
		return nil, fault.New(fault.BadPhoto, "%d scans", scans)
	}
	decoded, err := f.decode(bytes.NewReader(photo))
	if err != nil {
		return nil, fault.New(fault.BadPhoto, "%s: %w", f.name, err)
	}
	defer wipe(decoded)
	return &Photo{upright(decoded, orientationOf(photo, f.exif))}, nil
}

// upright copies an image into a new RGBA, over white, turned by o.
func upright(src image.Image, o orientation) *image.RGBA {
	b := src.Bounds()
	dst := image.NewRGBA(o.bounds(b.Dx(), b.Dy()))
	row := image.NewRGBA(image.Rect(0, 0, b.Dx(), 1))
	defer clear(row.Pix)
	for y := range b.Dy() {
		draw.Draw(row, row.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(row, row.Rect, src, image.Pt(b.Min.X, b.Min.Y+y), draw.Over)
		for x := range b.Dx() {
			at := dst.PixOffset(o.place(x, y, b.Dx(), b.Dy()))
			copy(dst.Pix[at:at+4], row.Pix[4*x:])
		}
	}
	return dst
}

// wipe overwrites the pixels of an image that a decoder made.
func wipe(img image.Image) {
	switch m := img.(type) {
	case *image.YCbCr:
		clear(m.Y)
		clear(m.Cb)
		clear(m.Cr)
	case *image.CMYK:
		clear(m.Pix)
	case *image.Gray:
		clear(m.Pix)
	case *image.Gray16:
		clear(m.Pix)
	case *image.RGBA:
		clear(m.Pix)
	case *image.RGBA64:
		clear(m.Pix)
	case *image.NRGBA:
		clear(m.Pix)
	case *image.NRGBA64:
		clear(m.Pix)
	case *image.Paletted:
		clear(m.Pix)
	}
}

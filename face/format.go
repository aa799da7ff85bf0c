package face

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/bep/imagemeta"
)

// format is a kind of photo and how to read it. The decoders are named here, and
// not found through image.Decode's registry, which any linked package extends.
type format struct {
	name   string
	magic  string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	exif   imagemeta.ImageFormat
	scans  bool // a picture may be spread over scans
}

// formatOf finds the format by the photo's first bytes.
func formatOf(photo []byte) (format, bool) {
	for _, f := range [...]format{
		{"JPEG", "\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode, imagemeta.JPEG, true},
		{"PNG", "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode, imagemeta.PNG, false},
	} {
		if bytes.HasPrefix(photo, []byte(f.magic)) {
			return f, true
		}
	}
	return format{}, false
}

package face

import (
	"bytes"
	"image"

	"github.com/bep/imagemeta"
)

// orientation is the EXIF tag of that name (CIPA DC-008, 4.6.5): 1 to 8, where 1
// is upright. It says what the stored rows and columns are in the upright photo.
type orientation int

// orientationOf reads the tag of the photo's own picture (not of its thumbnail);
// 1 where there is none, it is out of range, or the EXIF cannot be read.
func orientationOf(photo []byte, format imagemeta.ImageFormat) orientation {
	found := orientation(1)
	// The error is left: a photo whose EXIF is broken is shown as it is stored.
	_, _ = imagemeta.Decode(imagemeta.Options{
		R:           bytes.NewReader(photo),
		ImageFormat: format,
		Sources:     imagemeta.EXIF,
		ShouldHandleTag: func(tag imagemeta.TagInfo) bool {
			return tag.Namespace == "IFD0" && tag.Tag == "Orientation"
		},
		HandleTag: func(tag imagemeta.TagInfo) error {
			if v, ok := tag.Value.(uint16); ok && v >= 1 && v <= 8 {
				found = orientation(v)
			}
			return imagemeta.ErrStopWalking
		},
	})
	return found
}

// bounds is the upright photo's size, from the stored one.
func (o orientation) bounds(w, h int) image.Rectangle {
	if o >= 5 {
		w, h = h, w
	}
	return image.Rect(0, 0, w, h)
}

// place is where the stored pixel (x, y) of w by h stands in the upright photo.
func (o orientation) place(x, y, w, h int) (int, int) {
	switch o {
	case 2: // mirrored left to right
		return w - 1 - x, y
	case 3: // turned by 180 degrees
		return w - 1 - x, h - 1 - y
	case 4: // mirrored top to bottom
		return x, h - 1 - y
	case 5: // mirrored along the falling diagonal
		return y, x
	case 6: // to be turned clockwise
		return h - 1 - y, x
	case 7: // mirrored along the rising diagonal
		return h - 1 - y, w - 1 - x
	case 8: // to be turned anticlockwise
		return y, w - 1 - x
	default:
		return x, y
	}
}

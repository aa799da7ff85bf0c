//go:build cgo

package dlib

import (
	"context"
	"image"
	"image/jpeg"

	goface "github.com/Kagami/go-face"

	"nod/face"
	"nod/fault"
)

const (
	// coarse is the longest side of the picture in which faces are looked for
	// first: a larger photo is halved until it fits.
	coarse = 1024
	// chip is the side of the picture that the network describes. A face smaller
	// than that deserves a finer picture, if the photo has one.
	chip = 150
)

// search finds and describes faces, their places in the upright photo's pixels.
// It looks at one or two scales. The detector finds faces from about 80 pixels,
// so a small photo in which it finds none is looked at once more, doubled: most
// often, the gate then says that the face is too small.
func (n *network) search(ctx context.Context, upright *face.Photo) ([]goface.Face, error) {
	scales := pyramid(upright)
	defer func() {
		for _, p := range scales[1:] {
			p.Wipe()
		}
	}()
	halvings := len(scales) - 1
	found, err := n.look(ctx, scales[halvings], halvings)
	if err != nil {
		return nil, err
	}
	var finer *face.Photo
	switch {
	case halvings > 0 && largest(found) < chip<<halvings:
		finer = scales[halvings-1]
	case halvings == 0 && len(found) == 0:
		finer = upright.Doubled()
		defer finer.Wipe()
	default:
		return found, nil
	}
	better, err := n.look(ctx, finer, halvings-1)
	if err == nil && len(better) == 0 {
		return found, nil
	}
	clear(found)
	return better, err
}

// pyramid is the photo itself and its halves, down to the first that fits coarse.
func pyramid(upright *face.Photo) []*face.Photo {
	scales := []*face.Photo{upright}
	for longest(scales[len(scales)-1]) > coarse {
		scales = append(scales, scales[len(scales)-1].Halved())
	}
	return scales
}

// look runs go-face on one picture, which is the upright photo halved so many
// times (-1: doubled), and turns places into the upright photo's pixels.
func (n *network) look(ctx context.Context, picture *face.Photo, halvings int) ([]goface.Face, error) {
	if err := alive(ctx); err != nil {
		return nil, err
	}
	var encoded secretBuffer
	defer func() { encoded.wipe() }()
	if err := jpeg.Encode(&encoded, picture.Pixels(), &jpeg.Options{Quality: 100}); err != nil {
		return nil, fault.New(fault.Unexpected, "encoding for go-face: %w", err)
	}
	found, err := n.recogniser.Recognize(encoded.bytes)
	if err != nil {
		return nil, fault.New(fault.Unexpected, "go-face: %w", err)
	}
	for i := range found {
		r := &found[i].Rectangle
		// dlib's right and bottom are the last pixel inside, Go's the first outside.
		r.Max = r.Max.Add(image.Pt(1, 1))
		r.Min, r.Max = unscale(r.Min, halvings), unscale(r.Max, halvings)
		for j, p := range found[i].Shapes {
			found[i].Shapes[j] = unscale(p, halvings)
		}
	}
	return found, nil
}

func unscale(p image.Point, halvings int) image.Point {
	if halvings < 0 {
		return p.Div(2)
	}
	return p.Mul(1 << halvings)
}

func longest(p *face.Photo) int {
	b := p.Pixels().Rect
	return max(b.Dx(), b.Dy())
}

// largest is the greatest shorter side of the faces' boxes; 0 without faces.
func largest(found []goface.Face) int {
	out := 0
	for _, f := range found {
		out = max(out, min(f.Rectangle.Dx(), f.Rectangle.Dy()))
	}
	return out
}

// secretBuffer is a growing buffer that leaves no copy behind.
type secretBuffer struct{ bytes []byte }

func (b *secretBuffer) Write(p []byte) (int, error) {
	if len(b.bytes)+len(p) > cap(b.bytes) {
		grown := make([]byte, len(b.bytes), 2*cap(b.bytes)+max(len(p), 1<<20))
		copy(grown, b.bytes)
		clear(b.bytes)
		b.bytes = grown
	}
	b.bytes = append(b.bytes, p...)
	return len(p), nil
}

func (b *secretBuffer) wipe() { clear(b.bytes) }

func alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.New(fault.Cancelled, "%w", err)
	}
	return nil
}

package face

import (
	"image"
	"math"

	"golang.org/x/image/draw"
)

// measured is the side of the square on which quality is measured: what the
// network of face/dlib sees of a face.
const measured = 150

// Measure looks at the face in a box of the upright photo, where faces faces were
// found. Of a box that lies outside the photo all but Size and Faces are 0.
//
// Sharpness is the variance of the Laplacian (4-neighbour kernel; Pech-Pacheco et
// al., ICPR 2000) divided by the variance of grey, so that it tells focus from
// contrast.
func Measure(p *Photo, box image.Rectangle, faces int) Quality {
	q := Quality{Size: min(box.Dx(), box.Dy()), Faces: faces}
	inside := box.Intersect(p.pixels.Rect)
	grey := p.grey(inside)
	if grey == nil {
		return q
	}
	defer clear(grey)
	q.Inside = area(inside) / area(box)
	mean, variance := moments(grey)
	q.Brightness, q.Contrast = mean, math.Sqrt(variance)

	laplacian := make([]float64, 0, len(grey))
	for y := 1; y < measured-1; y++ {
		for x := 1; x < measured-1; x++ {
			at := y*measured + x
			laplacian = append(laplacian,
				grey[at-1]+grey[at+1]+grey[at-measured]+grey[at+measured]-4*grey[at])
		}
	}
	defer clear(laplacian)
	if _, v := moments(laplacian); variance > 0 {
		q.Sharpness = v / variance
	}
	return q
}

// grey is the part of the photo in box, scaled to measured by measured; nil if
// the box is empty.
func (p *Photo) grey(box image.Rectangle) []float64 {
	if box.Empty() {
		return nil
	}
	// 16 bits a channel: the Laplacian of a blurred face is smaller than the
	// rounding to 8.
	chip := image.NewRGBA64(image.Rect(0, 0, measured, measured))
	defer clear(chip.Pix)
	draw.BiLinear.Scale(chip, chip.Rect, p.pixels, box, draw.Src, nil)
	out := make([]float64, 0, measured*measured)
	for y := range measured {
		for x := range measured {
			c := chip.RGBA64At(x, y)
			grey := 0.299*float64(c.R) + 0.587*float64(c.G) + 0.114*float64(c.B)
			out = append(out, grey/257)
		}
	}
	return out
}

func area(b image.Rectangle) float64 { return float64(b.Dx()) * float64(b.Dy()) }

// moments are the mean and the variance.
func moments(v []float64) (mean, variance float64) {
	for _, x := range v {
		mean += x
	}
	mean /= float64(len(v))
	for _, x := range v {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / float64(len(v))
}

package face

import (
	"image"

	"golang.org/x/image/draw"
)

// Halved is a new photo of half the size, rounded up: each pixel is the mean of
// four. The caller wipes both.
func (p *Photo) Halved() *Photo {
	b := p.pixels.Bounds()
	w, h := (b.Dx()+1)/2, (b.Dy()+1)/2
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		upper := p.pixels.Pix[2*y*p.pixels.Stride:]
		lower := p.pixels.Pix[min(2*y+1, b.Dy()-1)*p.pixels.Stride:]
		for x := range w {
			l, r := 8*x, 4*min(2*x+1, b.Dx()-1)
			for c := range 4 {
				sum := int(upper[l+c]) + int(upper[r+c]) + int(lower[l+c]) + int(lower[r+c])
				out.Pix[y*out.Stride+4*x+c] = uint8((sum + 2) / 4)
			}
		}
	}
	return &Photo{out}
}

// Doubled is a new photo of twice the size, interpolated. The caller wipes both.
func (p *Photo) Doubled() *Photo {
	b := p.pixels.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, 2*b.Dx(), 2*b.Dy()))
	draw.ApproxBiLinear.Scale(out, out.Rect, p.pixels, b, draw.Src, nil)
	return &Photo{out}
}

package face

import (
	"image"

	"nod/fault"
)

// Gate holds the bounds of a photo that may be compared. Start from DefaultGate:
// every field counts, and the zero Gate refuses nearly everything.
type Gate struct {
	// Size is the least side of the face's box, in pixels of the upright photo.
	// The eyes' outer corners are about half of it apart.
	Size int
	// Inside is the least share of the face's box that lies in the photo.
	Inside float64
	// Sharpness is the least Quality.Sharpness.
	Sharpness float64
	// Dark and Bright are the least and the greatest Quality.Brightness.
	Dark, Bright float64
	// Contrast is the least Quality.Contrast. Less is a face lost in shadow or in
	// glare, whichever its brightness is nearer to.
	Contrast float64
	// Similar is the share of the largest face's side from which another face
	// might be the one that is meant.
	Similar float64
}

// DefaultGate refuses what is plainly bad and little else. Measured on 200 press
// photos of 250x250 pixels, of which it passes all in which a face is found (199),
// and on the same photos spoilt (light, fog and moves: on 54 of them), with the median by
// which dlib's features then move; two photos of one person are 0.45 apart:
//
//	                           range in photos   refused              moved
//	Size                       87 to 125         under 80
//	Sharpness                  0.0019 to 0.185   under 0.0015
//	  blur of 1 % of the face  0.0009 to 0.013   2 %                  0.14
//	  blur of 2 %              0.0003 to 0.003   four in five         0.31
//	  blur of 3 %              0.0002 to 0.001   all                  0.44
//	Dark, Bright               62 to 185         under 30, over 215
//	  a quarter of the light   15 to 43          half                 0.23
//	  2.2 times the light      131 to 254        half                 0.35
//	Contrast                   20 to 77          under 12
//	  a fifth, as in fog       6 to 15           nine in ten          0.31
//
// Dark is far below the photos' least, because brightness is not only light: a
// bound close to it would refuse people for their skin.
func DefaultGate() Gate {
	return Gate{
		Size:      80,
		Inside:    0.9,
		Sharpness: 0.0015,
		Dark:      30,
		Bright:    215,
		Contrast:  12,
		Similar:   0.6,
	}
}

// Choose finds the face that is meant among the boxes of all faces of a photo:
// the largest by its shorter side. Faults: fault.NoFace, fault.SeveralFaces.
func (g Gate) Choose(boxes []image.Rectangle) (int, error) {
	if len(boxes) == 0 {
		return 0, fault.New(fault.NoFace, "")
	}
	best := 0
	for i, b := range boxes {
		if side(b) > side(boxes[best]) {
			best = i
		}
	}
	similar := 0
	for _, b := range boxes {
		if float64(side(b)) >= g.Similar*float64(side(boxes[best])) {
			similar++
		}
	}
	if similar > 1 {
		return 0, fault.New(fault.SeveralFaces, "%d of similar size", similar)
	}
	return best, nil
}

// Accept tells whether a face may be compared. Faults, in the order in which they
// are looked for: fault.FaceTooSmall, fault.FaceCutOff, fault.FaceTooDark,
// fault.FaceTooBright, fault.FaceBlurred.
func (g Gate) Accept(q Quality) error {
	switch {
	case q.Size < g.Size:
		return fault.New(fault.FaceTooSmall, "%d pixels, at least %d", q.Size, g.Size)
	case q.Inside < g.Inside:
		return fault.New(fault.FaceCutOff, "%.0f %% of it in the photo, at least %.0f", 100*q.Inside, 100*g.Inside)
	case q.Brightness < g.Dark:
		return fault.New(fault.FaceTooDark, "mean grey %.0f, at least %.0f", q.Brightness, g.Dark)
	case q.Brightness > g.Bright:
		return fault.New(fault.FaceTooBright, "mean grey %.0f, at most %.0f", q.Brightness, g.Bright)
	case q.Contrast < g.Contrast && q.Brightness < (g.Dark+g.Bright)/2:
		return fault.New(fault.FaceTooDark, "contrast %.0f, at least %.0f", q.Contrast, g.Contrast)
	case q.Contrast < g.Contrast:
		return fault.New(fault.FaceTooBright, "contrast %.0f, at least %.0f", q.Contrast, g.Contrast)
	case q.Sharpness < g.Sharpness:
		return fault.New(fault.FaceBlurred, "sharpness %.4f, at least %.4f", q.Sharpness, g.Sharpness)
	}
	return nil
}

func side(b image.Rectangle) int { return min(b.Dx(), b.Dy()) }

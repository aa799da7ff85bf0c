package code

import (
	"math"

	"nod/fault"
)

// minMean is the least length, per photo, of a sum of unit vectors that still
// has a direction of its own and not one of rounding errors.
const minMean = 1.0 / (1 << 20)

// Fuse gives the mean of the L2-normalised features of one person's photos,
// normalised again: one unit vector, the caller's to wipe. A single vector is
// normalised. Features are finite, not all zero, and all of one dimension.
// Faults: BadDimension, NotFinite, ZeroVector; also BadDimension for none at all.
func Fuse(features ...[]float32) ([]float32, error) {
	if len(features) == 0 || len(features[0]) == 0 {
		return nil, fault.New(fault.BadDimension, "no features")
	}
	d := len(features[0])
	sum := make([]float64, d)
	defer clear(sum)
	for i, f := range features {
		if len(f) != d {
			return nil, fault.New(fault.BadDimension, "features %d: %d values, want %d", i+1, len(f), d)
		}
		norm, err := length(i, f)
		if err != nil {
			return nil, err
		}
		for j, v := range f {
			sum[j] += float64(float64(v) / norm)
		}
	}
	var square float64
	for _, v := range sum {
		square += float64(v * v)
	}
	norm := math.Sqrt(square)
	if norm < minMean*float64(len(features)) {
		return nil, fault.New(fault.ZeroVector, "%d photos cancel out", len(features))
	}
	out := make([]float32, d)
	for j, v := range sum {
		out[j] = float32(float64(v / norm))
	}
	return out, nil
}

// length is the Euclidean length of features f, photo i of several.
func length(i int, f []float32) (float64, error) {
	if !allFinite(f) {
		return 0, fault.New(fault.NotFinite, "features %d", i+1)
	}
	var square float64
	for _, v := range f {
		square += float64(float64(v) * float64(v))
	}
	if square == 0 {
		return 0, fault.New(fault.ZeroVector, "features %d", i+1)
	}
	return math.Sqrt(square), nil
}

// Encode fuses the features of one person's photos and gives their code, the
// caller's to wipe; the features stay the caller's. Faults as Fuse.
//
// Not constant time: it runs where the face is, on the citizen's device or at
// the enrolment station, never on a server.
func (m *Model) Encode(features ...[]float32) (Code, error) {
	for i, f := range features {
		if len(f) != m.Dimension() {
			return nil, fault.New(fault.BadDimension, "features %d: %d values, model %s takes %d",
				i+1, len(f), m.Name(), m.Dimension())
		}
	}
	unit, err := Fuse(features...)
	if err != nil {
		return nil, err
	}
	defer clear(unit)
	coordinates := make([]float64, m.project.Size())
	defer clear(coordinates)
	m.project.Apply(unit, coordinates)

	c := NewCode(m.Bits())
	for j, at := range m.file.Bits.Coordinates {
		if coordinates[at] > float64(m.file.Bits.Thresholds[j]) {
			c[j/64] |= 1 << (j % 64)
		}
	}
	return c, nil
}

// Outlier finds among one person's photos the one that looks like somebody
// else, if any: the photo farthest from the most central one, if their distance
// exceeds MaxApart. index counts from 0; of two photos it is the second. Faults
// as Fuse.
func (m *Model) Outlier(features ...[]float32) (index int, found bool, err error) {
	units := make([][]float32, len(features))
	defer func() {
		for _, u := range units {
			clear(u)
		}
	}()
	for i, f := range features {
		if len(f) != m.Dimension() {
			return 0, false, fault.New(fault.BadDimension, "features %d: %d values, want %d", i+1, len(f), m.Dimension())
		}
		if units[i], err = Fuse(f); err != nil {
			return 0, false, err
		}
	}
	best := math.Inf(1)
	for _, u := range units {
		var total, far float64
		farthest := 0
		for i, v := range units {
			apart := distance(u, v)
			total += apart
			if apart > far {
				far, farthest = apart, i
			}
		}
		if total < best {
			best, index, found = total, farthest, far > m.MaxApart()
		}
	}
	if !found {
		index = 0
	}
	return index, found, nil
}

// distance is the Euclidean distance of two vectors of one length.
func distance(a, b []float32) float64 {
	var square float64
	for i := range a {
		x := float64(a[i]) - float64(b[i])
		square += float64(x * x)
	}
	return math.Sqrt(square)
}

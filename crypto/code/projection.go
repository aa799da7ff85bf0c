package code

import (
	"math"

	"nod/crypto/canon"
)

// Projection turns a normalised feature vector into coordinates: less the mean,
// as they are or under k rotations. It is immutable. Calibration uses it to learn
// on exactly the coordinates that Encode will see.
//
// Every operation is one IEEE 754 double operation, rounded once, in the order
// of docs/spec/models.md: the explicit float64 conversions keep a compiler from
// fusing a product into a sum, so codes are the same on every machine.
type Projection struct {
	mean   []float32
	count  int      // rotations; 0 for none
	rounds int      // of one rotation
	flips  []uint64 // sign flips: bit (rotation*rounds+round)*d + i
	scale  float64  // 1/sqrt(d)
}

// NewProjection makes a projection of len(mean) features. It fails as ParseFile
// does for a mean or rotations that a model file may not hold.
func NewProjection(mean []float32, r *Rotations) (*Projection, error) {
	f := File{Dimension: len(mean), Mean: mean, Rotations: r}
	if err := f.checkFeatures(); err != nil {
		return nil, err
	}
	if _, err := f.coordinates(); err != nil {
		return nil, err
	}
	return newProjection(mean, r), nil
}

func newProjection(mean []float32, r *Rotations) *Projection {
	p := &Projection{mean: mean}
	if r == nil {
		return p
	}
	d := len(mean)
	p.count, p.rounds = r.Count, r.Rounds
	p.scale = 1 / math.Sqrt(float64(d))
	p.flips = make([]uint64, (r.Count*r.Rounds*d+63)/64)
	for turn := range r.Count * r.Rounds {
		fillFlips(p.flips, turn*d, d, r.Seed, turn/r.Rounds, turn%r.Rounds)
	}
	return p
}

// fillFlips writes the d signs of one round from bit start on: bit i is bit
// i%256 of block i/256, blocks being SHA-256(canonical("rotation", seed,
// rotation, round, block)), lowest bit of the first byte first.
func fillFlips(flips []uint64, start, d int, seed canon.Digest, rotation, round int) {
	var block [32]byte
	for i := range d {
		if i%256 == 0 {
			block = canon.Sum("rotation", seed[:],
				canon.Uint64(uint64(rotation)), canon.Uint64(uint64(round)), canon.Uint64(uint64(i/256)))
		}
		bit := uint64(block[i%256/8]>>(i%8)) & 1
		at := start + i
		flips[at/64] |= bit << (at % 64)
	}
}

// Size is the number of coordinates.
func (p *Projection) Size() int { return len(p.mean) * max(p.count, 1) }

// Apply writes the coordinates of the normalised vector unit, which has as many
// values as the mean, into out, which has Size() places. Both are secret, and the
// caller's to wipe.
func (p *Projection) Apply(unit []float32, out []float64) {
	d := len(p.mean)
	for i, m := range p.mean {
		out[i] = float64(unit[i]) - float64(m)
	}
	for turn := 1; turn < p.count; turn++ {
		copy(out[turn*d:(turn+1)*d], out[:d])
	}
	for turn := range p.count {
		v := out[turn*d : (turn+1)*d]
		for round := range p.rounds {
			p.flip(v, (turn*p.rounds+round)*d)
			hadamard(v)
			for i := range v {
				v[i] = float64(v[i] * p.scale)
			}
		}
	}
}

func (p *Projection) flip(v []float64, start int) {
	for i := range v {
		at := start + i
		if p.flips[at/64]>>(at%64)&1 == 1 {
			v[i] = -v[i]
		}
	}
}

// hadamard is the Walsh-Hadamard transform in natural order, without scale:
// for h = 1, 2, 4.. each pair (v[i], v[i+h]) becomes its sum and difference.
// len(v) is a power of two.
func hadamard(v []float64) {
	for h := 1; h < len(v); h *= 2 {
		for i := 0; i < len(v); i += 2 * h {
			for j := i; j < i+h; j++ {
				a, b := v[j], v[j+h]
				v[j], v[j+h] = a+b, a-b
			}
		}
	}
}

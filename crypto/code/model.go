package code

import (
	"crypto/sha256"

	"nod/crypto/canon"
	"nod/fault"
)

// Model is a loaded model file: how features become a code, and how codes are
// compared. It is immutable and may be shared.
type Model struct {
	id           canon.ModelID
	file         *File
	project      *Projection
	match        *Check
	plausibility *Check // nil if the model does not ask for it
}

// Parse loads a model file (docs/spec/models.md) and proves the domain of both
// checks for every bound it names. Faults: Truncated, Oversize, BadEncoding,
// UnknownField, BadDimension, NotFinite, OutOfRange.
func Parse(data []byte) (*Model, error) {
	f, err := ParseFile(data)
	if err != nil {
		return nil, err
	}
	m := &Model{id: canon.ModelID(sha256.Sum256(data)), file: f, project: newProjection(f.Mean, f.Rotations)}
	weights := make([]int32, len(f.Weights))
	for j, w := range f.Weights {
		weights[j] = int32(w)
	}
	last := f.Bounds[len(f.Bounds)-1]
	if m.match, err = NewCheck(m.id, Match, 0, weights, last.Below, f.Bounds[0].Below); err != nil {
		return nil, err
	}
	if p := f.Plausibility; p != nil {
		// M >= t is -M < -t + 1: constant and weights change sign.
		for j, v := range p.Weights {
			weights[j] = -int32(v)
		}
		t := 1 - p.Bound
		if m.plausibility, err = NewCheck(m.id, Plausibility, -p.Constant, weights, t, t); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ParseExpect is Parse for a file that must be the one named id: one changed
// weight gives fault.WrongModel.
func ParseExpect(data []byte, id canon.ModelID) (*Model, error) {
	if got := canon.ModelID(sha256.Sum256(data)); got != id {
		return nil, fault.New(fault.WrongModel, "model file is %v, want %v", got, id)
	}
	return Parse(data)
}

// ID is the SHA-256 of the model's file.
func (m *Model) ID() canon.ModelID { return m.id }

// Name is the model's name for people. It identifies nothing; ID does.
func (m *Model) Name() string { return m.file.Name }

// Dimension is the number d of features of one face.
func (m *Model) Dimension() int { return m.file.Dimension }

// Bits is the number n of bits of a code.
func (m *Model) Bits() int { return m.match.Bits() }

// Network is the digest of the network whose features the model codes.
func (m *Model) Network() canon.Digest { return m.file.Network }

// MaxApart bounds the Euclidean distance of two photos of one person, between
// their normalised features: see Outlier.
func (m *Model) MaxApart() float64 { return m.file.MaxApart }

// Calibration says where the model's numbers came from.
func (m *Model) Calibration() Calibration { return m.file.Calibration }

// Match is the check on probe xor template, for any bound of Classes.
func (m *Model) Match() *Check { return m.match }

// Plausibility is the check on the probe alone with its one bound T, in the form
// D < T; ok is false if the model does not ask for it.
func (m *Model) Plausibility() (check *Check, t int32, ok bool) {
	if m.plausibility == nil {
		return nil, 0, false
	}
	return m.plausibility, m.plausibility.MaxT, true
}

// Bound is T at a class: two codes match if their distance is below it. ok is
// false if the model does not state the class.
func (m *Model) Bound(class FMRClass) (t int32, ok bool) {
	for _, b := range m.file.Bounds {
		if b.FMR == class {
			return b.Below, true
		}
	}
	return 0, false
}

// Classes lists the classes that the model states, loosest first.
func (m *Model) Classes() []FMRClass {
	out := make([]FMRClass, len(m.file.Bounds))
	for i, b := range m.file.Bounds {
		out[i] = b.FMR
	}
	return out
}

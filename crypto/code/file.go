package code

import (
	"math"
	"regexp"
	"strings"

	"nod/crypto/canon"
	"nod/fault"
)

// Limits of a model file (docs/spec/models.md).
const (
	MaxModelFile   = 1 << 20 // bytes
	MaxDimension   = 1 << 16 // features
	MaxRotations   = 64
	MaxCoordinates = 1 << 20 // dimension times rotations
	MaxRounds      = 3       // of a rotation; at least 2
	MaxConstant    = 1 << 20 // absolute value of the plausibility check's constant and bound
	MaxText        = 1000    // bytes of a free text
)

const (
	modelFormat = "nod/model/v1"
	normL2      = "l2"
)

// File is the content of a model file, field by field as docs/spec/models.md
// describes it. Parse turns it into a Model that can be used.
type File struct {
	Format        string            `json:"format"`        // "nod/model/v1"
	Name          string            `json:"name"`          // a-z, 0-9, '.', '-'; at most 64
	Network       canon.Digest      `json:"network"`       // digest of the network that makes the features
	Dimension     int               `json:"dimension"`     // d, number of features
	Normalisation string            `json:"normalisation"` // "l2"
	Mean          Float32s          `json:"mean"`          // d, of the normalised features
	Rotations     *Rotations        `json:"rotations,omitempty"`
	Bits          Bits              `json:"bits"`
	Weights       []byte            `json:"weights"` // n, each 0..31
	Plausibility  *PlausibilityFile `json:"plausibility,omitempty"`
	Bounds        []Bound           `json:"bounds"`    // at least one, loosest class first
	MaxApart      float64           `json:"max_apart"` // Euclidean distance of normalised features, 0 < v <= 2
	Calibration   Calibration       `json:"calibration"`
}

// Rotations are orthogonal maps of the centred features, set side by side.
type Rotations struct {
	Count  int          `json:"count"`  // k >= 1
	Rounds int          `json:"rounds"` // 2 or 3
	Seed   canon.Digest `json:"seed"`   // of the sign flips
}

// Bits says what each bit asks: is its coordinate above its threshold?
type Bits struct {
	Coordinates Uint32s  `json:"coordinates"` // n, each below d, or below k d with rotations
	Thresholds  Float32s `json:"thresholds"`  // n
}

// PlausibilityFile asks Constant + sum_j Weights[j] x_j >= Bound.
type PlausibilityFile struct {
	Constant int32 `json:"constant"`
	Weights  Int8s `json:"weights"` // n, each -31..31
	Bound    int32 `json:"bound"`
}

// Bound is the T of one class: two codes match if their distance is below it.
type Bound struct {
	FMR   FMRClass `json:"fmr"`
	Below int32    `json:"below"`
}

// Calibration says where the numbers came from. Nothing is computed from it.
type Calibration struct {
	Text       string `json:"text"` // data set and method: printable ASCII but " \ < > &
	Identities int    `json:"identities"`
	Images     int    `json:"images"`
	Genuine    int    `json:"genuine"`  // pairs
	Impostor   int    `json:"impostor"` // pairs
	Seed       string `json:"seed"`
	Date       string `json:"date"` // YYYY-MM-DD
}

// Marshal writes the file. What it writes names the model: keep the bytes.
func (f *File) Marshal() ([]byte, error) {
	data, err := indentedJSON(f)
	if err != nil {
		return nil, jsonFault("model", err)
	}
	return data, nil
}

// ParseFile reads a model file strictly and checks every length and range, but
// not the domains of its checks: Parse does.
func ParseFile(data []byte) (*File, error) {
	f := new(File)
	if err := decodeStrict("model", data, MaxModelFile, f); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	return f, nil
}

var (
	namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,63}$`)
	datePattern = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

func (f *File) check() error {
	switch {
	case f.Format != modelFormat:
		return fault.New(fault.BadEncoding, "model: format is not %q", modelFormat)
	case !namePattern.MatchString(f.Name):
		return fault.New(fault.BadEncoding, "model: name must be 1 to 64 of a-z, 0-9, '.', '-'")
	case f.Network.IsZero():
		return fault.New(fault.OutOfRange, "model: no network is named")
	case f.Normalisation != normL2:
		return fault.New(fault.BadEncoding, "model: normalisation is not %q", normL2)
	case !(f.MaxApart > 0 && f.MaxApart <= 2):
		return fault.New(fault.OutOfRange, "model: max_apart is outside 0..2")
	}
	if err := f.checkFeatures(); err != nil {
		return err
	}
	coordinates, err := f.coordinates()
	if err != nil {
		return err
	}
	if err := f.checkBits(coordinates); err != nil {
		return err
	}
	if err := f.checkBounds(); err != nil {
		return err
	}
	return f.Calibration.check()
}

func (f *File) checkFeatures() error {
	switch {
	case f.Dimension < 1 || f.Dimension > MaxDimension:
		return fault.New(fault.OutOfRange, "model: dimension %d is outside 1..%d", f.Dimension, MaxDimension)
	case len(f.Mean) != f.Dimension:
		return fault.New(fault.BadDimension, "model: mean of %d values, want %d", len(f.Mean), f.Dimension)
	case !allFinite(f.Mean):
		return fault.New(fault.NotFinite, "model: mean")
	}
	return nil
}

// coordinates is the number of coordinates that bits may name.
func (f *File) coordinates() (int, error) {
	r := f.Rotations
	switch {
	case r == nil:
		return f.Dimension, nil
	case f.Dimension&(f.Dimension-1) != 0:
		return 0, fault.New(fault.BadDimension,
			"model: rotations need d a power of two, and %d features are never padded", f.Dimension)
	case r.Count < 1 || r.Count > min(MaxRotations, MaxCoordinates/f.Dimension):
		return 0, fault.New(fault.OutOfRange, "model: %d rotations of %d features, at most %d, and %d coordinates",
			r.Count, f.Dimension, MaxRotations, MaxCoordinates)
	case r.Rounds < 2 || r.Rounds > MaxRounds:
		return 0, fault.New(fault.OutOfRange, "model: rotations of %d rounds, want 2 or 3", r.Rounds)
	}
	return r.Count * f.Dimension, nil
}

func (f *File) checkBits(coordinates int) error {
	n := len(f.Bits.Coordinates)
	if !validBits(n) {
		return fault.New(fault.BadDimension, "model: %d bits, want a multiple of 64 from %d to %d", n, MinBits, MaxBits)
	}
	if len(f.Bits.Thresholds) != n || len(f.Weights) != n {
		return fault.New(fault.BadDimension, "model: %d coordinates, %d thresholds, %d weights",
			n, len(f.Bits.Thresholds), len(f.Weights))
	}
	if !allFinite(f.Bits.Thresholds) {
		return fault.New(fault.NotFinite, "model: thresholds")
	}
	total := 0
	for j, c := range f.Bits.Coordinates {
		if int64(c) >= int64(coordinates) {
			return fault.New(fault.OutOfRange, "model: bit %d is of coordinate %d of %d", j, c, coordinates)
		}
		if f.Weights[j] > MaxWeight {
			return fault.New(fault.OutOfRange, "model: weight %d of bit %d, at most %d", f.Weights[j], j, MaxWeight)
		}
		total += int(f.Weights[j])
	}
	if total == 0 {
		return fault.New(fault.OutOfRange, "model: every weight is zero")
	}
	if p := f.Plausibility; p != nil {
		if len(p.Weights) != n {
			return fault.New(fault.BadDimension, "model: %d plausibility weights for %d bits", len(p.Weights), n)
		}
		if outside(p.Constant, MaxConstant) || outside(p.Bound, MaxConstant) {
			return fault.New(fault.OutOfRange, "model: plausibility constant %d, bound %d", p.Constant, p.Bound)
		}
	}
	return nil
}

// checkBounds holds the classes in order, each at most as loose as the one
// before, so that a stricter class never accepts more.
func (f *File) checkBounds() error {
	if len(f.Bounds) == 0 {
		return fault.New(fault.OutOfRange, "model: no bounds")
	}
	for i, b := range f.Bounds {
		if _, err := ParseFMRClass(string(b.FMR)); err != nil {
			return err
		}
		if b.Below < 0 || outside(b.Below, MaxConstant) {
			return fault.New(fault.OutOfRange, "model: bound %d at %s", b.Below, b.FMR)
		}
		if i == 0 {
			continue
		}
		if last := f.Bounds[i-1]; b.FMR.rank() <= last.FMR.rank() || b.Below > last.Below {
			return fault.New(fault.OutOfRange, "model: bounds at %s and %s are out of order", last.FMR, b.FMR)
		}
	}
	return nil
}

func (c *Calibration) check() error {
	switch {
	case !plain(c.Text) || !plain(c.Seed):
		return fault.New(fault.BadEncoding, "model: calibration text is not plain text of at most %d bytes", MaxText)
	case c.Identities < 0 || c.Images < 0 || c.Genuine < 0 || c.Impostor < 0:
		return fault.New(fault.OutOfRange, "model: calibration counts below zero")
	case !datePattern.MatchString(c.Date):
		return fault.New(fault.BadEncoding, "model: calibration date is not YYYY-MM-DD")
	}
	return nil
}

// plain tells whether a text has one JSON form in every library: printable ASCII
// of which nothing needs an escape.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || strings.IndexByte("\"\\<>&", s[i]) >= 0 {
			return false
		}
	}
	return len(s) <= MaxText
}

func outside(v, limit int32) bool { return v > limit || v < -limit }

func allFinite(v []float32) bool {
	for _, x := range v {
		if x64 := float64(x); math.IsNaN(x64) || math.IsInf(x64, 0) {
			return false
		}
	}
	return true
}

// Package calibrate learns a model file from photos of people, and measures it on
// people that it was not learned from. docs/spec/models.md, section 5, describes
// the method. It is what `nod calibrate` runs.
//
// Everything follows from the data set, the configuration and its seed: sums are
// taken in one order whatever the number of processors, so two runs write the
// same model file.
package calibrate

import (
	"context"
	"crypto/sha256"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/face"
	"nod/fault"
)

// Kind is the kind of a model's bits.
type Kind string

// The kinds.
const (
	// Thermometers are several thresholds on each coordinate, with learned weights:
	// for networks whose features are compared by Euclidean distance, as dlib's.
	Thermometers Kind = "thermometers"
	// Signs are signs of rotated features, unweighted: for networks trained with an
	// angular loss, as ArcFace.
	Signs Kind = "signs"
)

// Config says what to learn from, and how. Start from Defaults.
type Config struct {
	Dataset string       // a folder of photos, or a file of descriptors: see Read
	Faces   face.Network // describes photos; may be nil for descriptors
	Network canon.Digest // of the network that made the descriptors; Faces' own if there is one
	Name    string       // of the model
	Text    string       // about the data set, for the model file
	Seed    string       // everything random follows from it
	Date    string       // YYYY-MM-DD, for the model file

	Kind         Kind
	Bits         int     // length of a code
	Levels       int     // thermometers: levels a coordinate, one more than thresholds
	Span         float64 // thermometers: outermost thresholds, in standard deviations
	Pull         float64 // thermometers: pull towards uniform weights, in genuine pairs
	Near         int     // thermometers: impostor pairs to learn from, the nearest ones
	Rotations    int     // 0 to code the features as they are
	Rounds       int     // of a rotation: 2 or 3
	Plausibility bool    // ask for the plausibility check

	Folds     int // of people, at least 2
	MaxImages int // photos of one person that are used, at least 4
	MaxPeople int // 0 for all; fewer for a quick look
}

// Defaults is the configuration for a kind. Dataset, Network (or Faces), Name,
// Seed and Date are the caller's.
func Defaults(kind Kind) Config {
	c := Config{Kind: kind, Bits: 1024, Levels: 12, Span: 2.2, Pull: 600, Near: 200_000, Plausibility: true,
		Rounds: 2, Folds: 4, MaxImages: 4}
	if kind == Signs {
		c.Bits, c.Rotations, c.Plausibility = 2048, 16, false
	}
	return c
}

func (c *Config) check() error {
	switch {
	case c.Kind != Thermometers && c.Kind != Signs:
		return fault.New(fault.OutOfRange, "calibration: kind is neither %s nor %s", Thermometers, Signs)
	case c.Bits < code.MinBits || c.Bits > code.MaxBits || c.Bits%64 != 0:
		return fault.New(fault.OutOfRange, "calibration: %d bits, want a multiple of 64 from %d to %d", c.Bits, code.MinBits, code.MaxBits)
	case c.Kind == Thermometers && (c.Levels < 2 || c.Levels > 64 || !(c.Span > 0 && c.Span <= 8)):
		return fault.New(fault.OutOfRange, "calibration: %d levels over %g standard deviations", c.Levels, c.Span)
	case c.Kind == Thermometers && (!(c.Pull > 0 && c.Pull <= 1e6) || c.Near < 1000 || c.Near > 10_000_000):
		return fault.New(fault.OutOfRange, "calibration: pull %g, %d nearest pairs", c.Pull, c.Near)
	case c.Kind == Signs && c.Rotations < 1:
		return fault.New(fault.OutOfRange, "calibration: signs need rotations")
	case c.Folds < 2 || c.Folds > 20 || c.MaxImages < 4 || c.MaxPeople < 0:
		return fault.New(fault.OutOfRange, "calibration: %d folds, %d photos a person", c.Folds, c.MaxImages)
	}
	return nil
}

// rotationSeed is the seed of the sign flips.
func (c *Config) rotationSeed() canon.Digest {
	return canon.Digest(sha256.Sum256([]byte("nod calibrate\x00" + c.Seed + "\x00rotations")))
}

// Progress is told about work under way: a stage, and how much of it is done. It
// may be nil.
type Progress func(stage string, done, total int)

func (p Progress) report(stage string, done, total int) {
	if p != nil {
		p(stage, done, total)
	}
}

// Run learns and measures a model. Faults: those of Read; OutOfRange for a
// configuration outside its ranges; TooFewFaces; Cancelled.
func Run(ctx context.Context, c Config, progress Progress) (*Report, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Faces != nil {
		if digest := c.Faces.Digest(); c.Network.IsZero() {
			c.Network = digest
		} else if c.Network != digest {
			return nil, fault.New(fault.NetworkChanged, "the network is %v, want %v", digest, c.Network)
		}
	}
	data, err := Read(ctx, c.Dataset, c.Faces, progress)
	if err != nil {
		return nil, err
	}
	defer data.Wipe()
	return learnAndMeasure(ctx, &c, data, progress)
}

func learnAndMeasure(ctx context.Context, c *Config, data *Dataset, progress Progress) (*Report, error) {
	g, err := gather(data, c.MaxImages, c.MaxPeople, c.Seed)
	if err != nil {
		return nil, err
	}
	defer g.wipe()
	fold, err := g.folds(c.Folds, c.Seed)
	if err != nil {
		return nil, err
	}
	stages := c.Folds + 3
	var leftOut []*foldResult
	for k := range c.Folds {
		progress.report("learn and measure fold by fold", k, stages)
		f, err := runFold(ctx, c, g, fold, k)
		if err != nil {
			return nil, err
		}
		leftOut = append(leftOut, f)
	}
	progress.report("intervals", c.Folds, stages)
	r := newReport(c, data, g)
	if err := r.measure(g, leftOut, c.Seed); err != nil {
		return nil, err
	}
	progress.report("attacks", c.Folds+1, stages)
	if err := r.attack(ctx, c, leftOut); err != nil {
		return nil, err
	}
	progress.report("final model", c.Folds+2, stages)
	final, err := learn(ctx, c, g, g.subset(func(int) bool { return true }))
	if err != nil {
		return nil, err
	}
	if err := r.finish(c, final); err != nil {
		return nil, err
	}
	progress.report("done", stages, stages)
	return r, nil
}

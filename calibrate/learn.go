package calibrate

import (
	"context"
	"math"
	"slices"

	"nod/crypto/code"
	"nod/fault"
)

// learned is a model as learned from some people, with no bounds worth having yet.
type learned struct {
	file   code.File
	model  *code.Model
	share  []float64 // by bit: in what share of the learners' photos it is set
	expect float64   // mean distance of two different people, by share
}

// learn makes a model from the photos train of g.
func learn(ctx context.Context, c *Config, g *people, train []int) (*learned, error) {
	l := &learned{file: code.File{
		Format:        "nod/model/v1",
		Name:          c.Name,
		Network:       c.Network,
		Dimension:     len(g.units[0]),
		Normalisation: "l2",
		Mean:          meanOf(g, train),
		MaxApart:      2,
		Calibration:   code.Calibration{Text: c.Text, Seed: c.Seed, Date: c.Date},
	}}
	if c.Rotations > 0 {
		l.file.Rotations = &code.Rotations{Count: c.Rotations, Rounds: c.Rounds, Seed: c.rotationSeed()}
	}
	projection, err := code.NewProjection(l.file.Mean, l.file.Rotations)
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case Thermometers:
		err = l.thermometers(ctx, c, g, train, projection)
	case Signs:
		err = l.signs(c, projection.Size())
	}
	if err != nil {
		return nil, err
	}
	return l, l.finish(c, g, train)
}

// meanOf is the mean of the photos' normalised features.
func meanOf(g *people, photos []int) code.Float32s {
	sum := make([]float64, len(g.units[0]))
	for _, p := range photos {
		for i, v := range g.units[p] {
			sum[i] += float64(v)
		}
	}
	mean := make(code.Float32s, len(sum))
	for i, v := range sum {
		mean[i] = float32(v / float64(len(photos)))
	}
	return mean
}

// signs asks of the first c.Bits coordinates whether they are above zero, with
// weight 1.
func (l *learned) signs(c *Config, coordinates int) error {
	if coordinates < c.Bits {
		return fault.New(fault.OutOfRange, "%d rotations of %d features give %d signs, %d are wanted",
			c.Rotations, l.file.Dimension, coordinates, c.Bits)
	}
	l.file.Bits = code.Bits{Coordinates: make(code.Uint32s, c.Bits), Thresholds: make(code.Float32s, c.Bits)}
	l.file.Weights = make([]byte, c.Bits)
	for j := range c.Bits {
		l.file.Bits.Coordinates[j] = uint32(j)
		l.file.Weights[j] = 1
	}
	return nil
}

// candidate is a bit that may be chosen.
type candidate struct {
	coordinate int
	threshold  float32
}

// thermometers learns weights for thermometers on all coordinates, keeps the
// c.Bits best bits, and learns theirs again.
func (l *learned) thermometers(ctx context.Context, c *Config, g *people, train []int, projection *code.Projection) error {
	candidates := spread(c, g, train, projection)
	if len(candidates) < c.Bits {
		return fault.New(fault.OutOfRange, "%d levels on %d coordinates give %d bits, %d are wanted",
			c.Levels, projection.Size(), len(candidates), c.Bits)
	}
	pairs, err := trainingPairs(ctx, g, train, c.Near)
	if err != nil {
		return err
	}
	codes := encodeAll(g, train, projection, candidates)
	weights, err := newRegression(codes, pairs, len(candidates), c.Pull).fit()
	if err != nil {
		return err
	}
	if err := cancelled(ctx); err != nil {
		return err
	}
	candidates = best(candidates, weights, sharesOf(codes, len(candidates)), c.Bits)
	codes = encodeAll(g, train, projection, candidates)
	if weights, err = newRegression(codes, pairs, c.Bits, c.Pull).fit(); err != nil {
		return err
	}
	for _, b := range candidates {
		l.file.Bits.Coordinates = append(l.file.Bits.Coordinates, uint32(b.coordinate))
		l.file.Bits.Thresholds = append(l.file.Bits.Thresholds, b.threshold)
	}
	l.file.Weights = integers(weights, sharesOf(codes, c.Bits))
	return nil
}

// spread puts c.Levels-1 thresholds on every coordinate that varies, evenly from
// c.Span standard deviations below its mean to as many above.
func spread(c *Config, g *people, train []int, projection *code.Projection) []candidate {
	size := projection.Size()
	mean, square := make([]float64, size), make([]float64, size)
	row := make([]float64, size)
	for _, p := range train {
		projection.Apply(g.units[p], row)
		for i, v := range row {
			mean[i] += v
			square[i] += float64(v * v)
		}
	}
	var widest float64
	for i := range mean {
		mean[i] /= float64(len(train))
		square[i] = math.Sqrt(max(0, square[i]/float64(len(train))-float64(mean[i]*mean[i])))
		widest = max(widest, square[i])
	}
	var out []candidate
	for i, deviation := range square {
		if deviation < 1e-4*widest {
			continue
		}
		for k := range c.Levels - 1 {
			at := 0.0
			if c.Levels > 2 {
				at = c.Span * (2*float64(k)/float64(c.Levels-2) - 1)
			}
			out = append(out, candidate{i, float32(mean[i] + float64(at*deviation))})
		}
	}
	return out
}

// encodeAll codes the photos by the candidates' bits, padded with zero bits to
// whole words.
func encodeAll(g *people, photos []int, projection *code.Projection, bits []candidate) []code.Code {
	codes := make([]code.Code, len(g.units))
	inShards(len(photos), func(_, from, to int) {
		row := make([]float64, projection.Size())
		for _, p := range photos[from:to] {
			projection.Apply(g.units[p], row)
			codes[p] = make(code.Code, (len(bits)+63)/64)
			for j, b := range bits {
				if row[b.coordinate] > float64(b.threshold) {
					codes[p][j/64] |= 1 << (j % 64)
				}
			}
		}
	})
	return codes
}

// sharesOf is the share of the codes in which each of n bits is set. Codes that
// are nil do not count.
func sharesOf(codes []code.Code, n int) []float64 {
	share := make([]float64, n)
	count := 0.0
	for _, c := range codes {
		if c == nil {
			continue
		}
		count++
		for j := range share {
			share[j] += float64(c[j/64] >> (j % 64) & 1)
		}
	}
	for j := range share {
		share[j] /= count
	}
	return share
}

// integers scales weights into 0..31 and rounds them. Weights above the range are
// cut to 31: how many, is chosen to lose the least, by variance.
func integers(weights, share []float64) []byte {
	top := slices.Clone(weights)
	slices.Sort(top)
	slices.Reverse(top)
	out, trial := make([]byte, len(weights)), make([]byte, len(weights))
	least := math.Inf(1)
	for _, full := range top[:max(1, len(top)/20)] {
		scale := code.MaxWeight / full
		var loss float64
		for j, w := range weights {
			v := math.Min(code.MaxWeight, math.Floor(float64(w*scale)+0.5))
			trial[j] = byte(v)
			off := w - v/scale
			loss += float64(float64(off*off) * float64(share[j]*(1-share[j])))
		}
		if loss < least {
			least = loss
			copy(out, trial)
		}
	}
	return out
}

// finish loads the model, adds the plausibility check if it is wanted, and
// measures what two different people have between them.
func (l *learned) finish(c *Config, g *people, train []int) error {
	l.file.Bounds = []code.Bound{{FMR: code.FMR1e2, Below: 0}}
	if err := l.load(); err != nil {
		return err
	}
	codes, err := l.encode(g, train)
	if err != nil {
		return err
	}
	l.share = sharesOf(codes, c.Bits)
	for j, w := range l.file.Weights {
		l.expect += 2 * float64(w) * l.share[j] * (1 - l.share[j])
	}
	if !c.Plausibility {
		return nil
	}
	l.file.Plausibility = plausibility(l.file.Weights, l.share)
	return l.load()
}

func (l *learned) load() error {
	data, err := l.file.Marshal()
	if err != nil {
		return err
	}
	l.model, err = code.Parse(data)
	return err
}

// encode codes single photos with the model, by photo; others stay nil.
func (l *learned) encode(g *people, photos []int) ([]code.Code, error) {
	codes := make([]code.Code, len(g.units))
	errs := make([]error, shards)
	inShards(len(photos), func(s, from, to int) {
		for _, p := range photos[from:to] {
			if codes[p], errs[s] = l.model.Encode(g.units[p]); errs[s] != nil {
				return
			}
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return codes, nil
}

// plausibility is the check on the mean distance of a code x to real faces, sum
// of w_j (share_j + x_j (1 - 2 share_j)), scaled so that its weights use the
// whole range -31..31. The bound comes later.
func plausibility(weights []byte, share []float64) *code.PlausibilityFile {
	var widest float64
	for j, w := range weights {
		widest = max(widest, math.Abs(float64(w)*(1-2*share[j])))
	}
	scale := 1.0
	if widest > 0 {
		scale = code.MaxWeight / widest
	}
	p := &code.PlausibilityFile{Weights: make(code.Int8s, len(weights))}
	var constant float64
	for j, w := range weights {
		p.Weights[j] = int8(math.Round(float64(scale * float64(float64(w)*(1-2*share[j])))))
		constant += float64(scale * float64(float64(w)*share[j]))
	}
	p.Constant = int32(math.Round(constant))
	return p
}

func cancelled(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.New(fault.Cancelled, "calibration: %w", err)
	}
	return nil
}

package calibrate

import (
	"context"
	"math"
	"slices"

	"nod/crypto/code"
)

// foldResult is one fold's model, measured on the people it was not learned from.
type foldResult struct {
	*learned
	code      []*trials   // by fusion; scores are distances over learned.expect
	float     []*trials   // by fusion; scores are distances of normalised features
	plausible [][]float64 // by photos fused - 1: M over its mean; nil if not asked for
	known     []code.Code // one code of each learner
	targets   []code.Code // one code of each person left out
}

// maxFused is the number of photos up to which fused probes are held to the
// plausibility bound.
const maxFused = 4

func runFold(ctx context.Context, c *Config, g *people, fold []int, k int) (*foldResult, error) {
	train := g.subset(func(person int) bool { return fold[person] != k })
	l, err := learn(ctx, c, g, train)
	if err != nil {
		return nil, err
	}
	f := &foldResult{learned: l}
	var out, in []int
	for person := range g.photos {
		if fold[person] == k {
			out = append(out, person)
		} else {
			in = append(in, person)
		}
	}
	if err := f.score(g, out); err != nil {
		return nil, err
	}
	if f.known, err = f.firstCodes(g, in); err != nil {
		return nil, err
	}
	if f.targets, err = f.firstCodes(g, out); err != nil {
		return nil, err
	}
	if c.Plausibility {
		if err := f.weighPlausibility(g, out); err != nil {
			return nil, err
		}
	}
	return f, cancelled(ctx)
}

// score makes every comparison among the people out, by code and by float.
func (f *foldResult) score(g *people, out []int) error {
	weights := make([]float64, len(f.file.Weights))
	for j, w := range f.file.Weights {
		weights[j] = float64(w)
	}
	table := byteTable(weights)
	sides, codes, units := make([]*side, 3), make([][]code.Code, 3), make([][][]float32, 3)
	for fused := 1; fused <= 2; fused++ {
		s := sideOf(g, out, fused)
		sides[fused] = s
		codes[fused], units[fused] = make([]code.Code, len(s.person)), make([][]float32, len(s.person))
		for i := range s.person {
			var err error
			if codes[fused][i], err = f.model.Encode(s.features(g, i)...); err != nil {
				return err
			}
			if units[fused][i], err = code.Fuse(s.features(g, i)...); err != nil {
				return err
			}
		}
	}
	for _, fusion := range fusions {
		a, b := fusion.Enrolled, fusion.Shown
		f.code = append(f.code, compare(g, sides[a], sides[b], func(i, j int) float64 {
			return float64(tableDistance(table, codes[a][i], codes[b][j])) / f.expect
		}))
		f.float = append(f.float, compare(g, sides[a], sides[b], func(i, j int) float64 {
			return math.Sqrt(float64(square(units[a][i], units[b][j])))
		}))
	}
	return nil
}

// firstCodes is the code of each person's first photo.
func (f *foldResult) firstCodes(g *people, persons []int) ([]code.Code, error) {
	var out []code.Code
	for _, p := range persons {
		c, err := f.model.Encode(g.units[g.photos[p][0]])
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// weighPlausibility is M of every person's probe of 1 photo to maxFused photos,
// over the mean of M.
func (f *foldResult) weighPlausibility(g *people, persons []int) error {
	f.plausible = make([][]float64, maxFused)
	mean := f.meanPlausibility()
	for _, p := range persons {
		var features [][]float32
		for fused, photo := range g.photos[p][:min(maxFused, len(g.photos[p]))] {
			features = append(features, g.units[photo])
			c, err := f.model.Encode(features...)
			if err != nil {
				return err
			}
			f.plausible[fused] = append(f.plausible[fused], float64(f.plausibilityOf(c))/mean)
		}
	}
	return nil
}

// plausibilityOf is M of a code.
func (l *learned) plausibilityOf(c code.Code) int32 {
	check, _, _ := l.model.Plausibility()
	return -check.Distance(c)
}

// meanPlausibility is the mean of M over the learners.
func (l *learned) meanPlausibility() float64 {
	m := float64(l.file.Plausibility.Constant)
	for j, v := range l.file.Plausibility.Weights {
		m += float64(float64(v) * l.share[j])
	}
	return m
}

// lowest is the value below which at most share of v lies.
func lowest(v []float64, share float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[int(share*float64(len(v)))]
}

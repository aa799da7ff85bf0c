package calibrate

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/code/codetest"

	"pgregory.net/rapid"
)

func TestTableDistanceIsDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		n := 64 * rapid.IntRange(1, 64).Draw(t, "words")
		m := codetest.Model(rng, codetest.Shape{Bits: n, MaxWeight: 31})
		w := make([]float64, n)
		for j, v := range m.Match().A {
			w[j] = float64(v)
		}
		a, b := code.NewCode(n), code.NewCode(n)
		for i := range a {
			a[i], b[i] = rng.Uint64(), rng.Uint64()
		}
		got := tableDistance(byteTable(w), a, b)
		sums := make([]float32, len(byteTable(w)))
		addPair(sums, a, b, 3)
		byBit := make([]float64, n)
		addBytes(byBit, sums)
		for j, v := range byBit {
			if want := map[bool]float64{true: 3}[a.Bit(j) != b.Bit(j)]; v != want {
				t.Fatalf("bit %d sums to %g, want %g", j, v, want)
			}
		}
		a.Xor(b)
		if want := m.Match().Distance(a); int32(got) != want {
			t.Fatalf("%g, want %d", got, want)
		}
	})
}

func TestExp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(-700, 700).Draw(t, "x")
		if got, want := exp(x), math.Exp(x); math.Abs(got-want) > 1e-14*want {
			t.Fatalf("exp(%g) = %g, want %g", x, got, want)
		}
		m := rapid.Float64Range(-30, 30).Draw(t, "margin")
		loss, wrong := logistic(m)
		if want := math.Log1p(math.Exp(-m)); math.Abs(loss-want) > 1e-12*(1+want) {
			t.Fatalf("loss %g, want %g", loss, want)
		}
		if want := 1 / (1 + math.Exp(m)); math.Abs(wrong-want) > 1e-12 {
			t.Fatalf("slope %g, want %g", wrong, want)
		}
	})
}

// trainingSet is codes of a small crowd and their pairs.
func trainingSet(t *testing.T) ([]code.Code, []pair, int) {
	c := smallConfig()
	g := smallPeople(t)
	photos := g.subset(func(int) bool { return true })
	projection, err := code.NewProjection(meanOf(g, photos), nil)
	if err != nil {
		t.Fatal(err)
	}
	candidates := spread(&c, g, photos, projection)
	pairs, err := trainingPairs(t.Context(), g, photos, 2000)
	if err != nil {
		t.Fatal(err)
	}
	return encodeAll(g, photos, projection, candidates), pairs, len(candidates)
}

// TestSlope checks the gradient against differences of the loss.
func TestSlope(t *testing.T) {
	codes, pairs, n := trainingSet(t)
	r := newRegression(codes, pairs, n, 100)
	rng := rand.New(rand.NewPCG(2, 2))
	x := r.start()
	for j := range x[:n] {
		x[j] += 0.3 * rng.NormFloat64()
	}
	r.at(x)
	slope := slices.Clone(r.slope)
	for _, j := range []int{0, 1, n / 2, n - 1, n, n + 1} {
		const h = 1e-2
		x[j] += h
		r.at(x)
		up := r.value
		x[j] -= 2 * h
		r.at(x)
		down := r.value
		x[j] += h
		if got := (up - down) / (2 * h); math.Abs(got-slope[j]) > 1e-5+0.02*math.Abs(slope[j]) {
			t.Errorf("variable %d: slope %g, difference %g", j, slope[j], got)
		}
	}
}

// TestFitSeparates: learned weights lower the loss, and a harder pull brings them
// closer to uniform.
func TestFitSeparates(t *testing.T) {
	codes, pairs, n := trainingSet(t)
	var spreads []float64
	for _, pull := range []float64{10, 20_000} {
		r := newRegression(codes, pairs, n, pull)
		r.at(r.start())
		before := r.value
		w, err := r.fit()
		if err != nil {
			t.Fatal(err)
		}
		if r.value >= before {
			t.Errorf("loss %g, %g before", r.value, before)
		}
		if slices.Min(w) <= 0 {
			t.Error("a weight is not positive")
		}
		spreads = append(spreads, slices.Max(w)/slices.Min(w))
	}
	if spreads[1] >= spreads[0] || spreads[1] > 1.5 {
		t.Errorf("weights spread %v", spreads)
	}
}

func TestIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "n")
		weights := rapid.SliceOfN(rapid.Float64Range(1e-6, 1e3), n, n).Draw(t, "weights")
		share := slices.Repeat([]float64{0.5}, n)
		got := integers(weights, share)
		order := make([]int, n)
		for j := range order {
			order[j] = j
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(weights[a], weights[b]) })
		for i := 1; i < n; i++ {
			if got[order[i]] < got[order[i-1]] {
				t.Fatal("a greater weight became a smaller integer")
			}
		}
		if got[order[n-1]] != code.MaxWeight {
			t.Fatal("the range is not used")
		}
	})
}

func TestBestKeepsWeightTimesVariance(t *testing.T) {
	all := []candidate{{0, 0}, {0, 1}, {1, 0}, {2, 0}}
	got := best(all, []float64{1, 10, 2, 3}, []float64{0.5, 0.01, 0.5, 0.4}, 2)
	if !slices.Equal(got, []candidate{{1, 0}, {2, 0}}) {
		t.Error(got)
	}
}

func TestNearestIsExact(t *testing.T) {
	g := smallPeople(t)
	photos := g.subset(func(person int) bool { return person%3 != 0 })
	var all []float32
	for i, a := range photos {
		for _, b := range photos[:i] {
			if g.person[a] != g.person[b] {
				all = append(all, square(g.units[a], g.units[b]))
			}
		}
	}
	slices.Sort(all)
	for _, n := range []int{1, 50, 900, len(all), len(all) + 5} {
		got := nearest(g, photos, n)
		if len(got) != min(n, len(all)) {
			t.Fatalf("%d pairs, want %d", len(got), n)
		}
		for i, p := range got {
			if p.square != all[i] || g.person[p.a] == g.person[p.b] {
				t.Fatalf("pair %d of %d is %+v, want distance %g", i, n, p, all[i])
			}
		}
	}
}

// TestLearnedCodesAreTheModels: what is learned on and what Encode gives are the
// same bits, rotated or not.
func TestLearnedCodesAreTheModels(t *testing.T) {
	g := smallPeople(t)
	photos := g.subset(func(int) bool { return true })
	for _, rotations := range []int{0, 2} {
		c := smallConfig()
		c.Rotations = rotations
		l, err := learn(t.Context(), &c, g, photos)
		if err != nil {
			t.Fatal(err)
		}
		projection, err := code.NewProjection(l.file.Mean, l.file.Rotations)
		if err != nil {
			t.Fatal(err)
		}
		var bits []candidate
		for j, at := range l.file.Bits.Coordinates {
			bits = append(bits, candidate{int(at), l.file.Bits.Thresholds[j]})
		}
		learnedOn := encodeAll(g, photos, projection, bits)
		for _, p := range photos {
			got, err := l.model.Encode(g.units[p])
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(learnedOn[p]) {
				t.Fatalf("photo %d, %d rotations", p, rotations)
			}
		}
		// The mean of M over the learners is the mean distance of two people.
		scale := l.meanPlausibility() / l.expect
		for _, p := range photos[:10] {
			var want float64
			x, _ := l.model.Encode(g.units[p])
			for j, w := range l.file.Weights {
				at := l.share[j]
				if x.Bit(j) {
					at = 1 - at
				}
				want += float64(w) * at
			}
			if got := float64(l.plausibilityOf(x)) / scale; math.Abs(got-want) > 0.02*want {
				t.Fatalf("M is %g, want %g", got, want)
			}
		}
	}
	if _, err := code.NewProjection(nil, &code.Rotations{Count: 1, Rounds: 2, Seed: canon.Digest{}}); err == nil {
		t.Error("a projection of nothing")
	}
}

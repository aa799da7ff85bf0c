package calibrate

import (
	"math"
	"math/rand/v2"
	"testing"

	"nod/crypto/code"

	"pgregory.net/rapid"
)

// TestTrialsByDefinition compares counts, thresholds and weights with those of
// all comparisons listed one by one.
func TestTrialsByDefinition(t *testing.T) {
	g := smallPeople(t)
	everybody := make([]int, len(g.photos))
	for i := range everybody {
		everybody[i] = i
	}
	for _, fusion := range fusions {
		enrolled := sideOf(g, everybody, fusion.Enrolled)
		shown := enrolled
		if fusion.Shown != fusion.Enrolled {
			shown = sideOf(g, everybody, fusion.Shown)
		}
		score := func(i, j int) float64 {
			a, b := enrolled.photos[i], shown.photos[j]
			return math.Mod(float64((a[0]+7)*(b[0]+7)+31*(a[1]+7)*(b[1]+7)), 9973)
		}
		got := compare(g, enrolled, shown, score)
		rng := rand.New(rand.NewPCG(1, 1))
		weight := make([]float64, len(everybody))
		for i := range weight {
			weight[i] = float64(rng.IntN(4))
		}
		var impostors []float64
		genuine, four, total := 0, 0, 0.0
		for i := range enrolled.person {
			for j := range shown.person {
				if enrolled == shown && j >= i {
					break
				}
				a, b := enrolled.person[i], shown.person[j]
				if a != b {
					impostors = append(impostors, score(i, j))
					total += weight[a] * weight[b]
				} else if !overlap(enrolled.photos[i], shown.photos[j]) {
					genuine++
					if len(g.photos[a]) == 4 {
						four++
					}
				}
			}
		}
		if got.impostor != len(impostors) || len(got.genuine) != genuine || len(got.four) != four {
			t.Fatalf("%v: %d impostor, %d genuine, %d of people with four; want %d, %d, %d", fusion,
				got.impostor, len(got.genuine), len(got.four), len(impostors), genuine, four)
		}
		if w := got.impostorWeight(weight); w != total {
			t.Errorf("%v: impostor comparisons weigh %g, want %g", fusion, w, total)
		}
		for _, rate := range []float64{1e-2, 1e-3, 1e-4} {
			at, ok := got.threshold(rate)
			under := 0
			exact := false
			for _, v := range impostors {
				if v < at {
					under++
				}
				exact = exact || v == at
			}
			if !ok || !exact || float64(under) > rate*float64(len(impostors)) {
				t.Errorf("%v: threshold %g passes %d of %d at %g", fusion, at, under, len(impostors), rate)
			}
		}
	}
}

// TestFoldsKeepPeopleTogether: folds are of people, and alike.
func TestFoldsKeepPeopleTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(2, 6).Draw(t, "folds")
		n := rapid.IntRange(40, 90).Draw(t, "people")
		g, err := gather(crowd(rand.New(rand.NewPCG(2, 2)), 0, n), 4, 0, "seed")
		if err != nil {
			t.Fatal(err)
		}
		fold, err := g.folds(k, rapid.String().Draw(t, "seed"))
		if err != nil {
			t.Fatal(err)
		}
		count := make([]int, k)
		for _, f := range fold {
			count[f]++
		}
		for _, c := range count {
			if c < n/k || c > n/k+1 {
				t.Fatalf("folds of %v", count)
			}
		}
		if len(fold) != n || len(g.photos) != n {
			t.Fatal("people are missing")
		}
	})
}

// TestBootstrapCovers: on draws from a known law, nearly all intervals hold the
// true rate.
func TestBootstrapCovers(t *testing.T) {
	held := 0
	const runs = 40
	for run := range runs {
		rng := rand.New(rand.NewPCG(3, uint64(run)))
		const n = 150
		side := &side{count: make([]int, n)}
		for p := range n {
			side.add(p, p, p)
		}
		scores := make([]float64, n*n)
		for i := range scores {
			scores[i] = rng.Float64()
		}
		tr := compare(&people{photos: make([][]int, n)}, side, side, func(i, j int) float64 { return scores[i*n+j] })
		// A genuine score is uniform below 0.02, so a half are below the true
		// threshold at 1e-2, which is 0.01.
		for p := range n {
			tr.genuine = append(tr.genuine, trial{0.02 * rng.Float64(), int32(p), int32(p)})
		}
		tr.sort()
		s := bootstrap(tr, []float64{1e-2}, n, rng)[0]
		if s.tar.Low <= 0.5 && 0.5 <= s.tar.High {
			held++
		}
		if s.threshold.Low > s.threshold.Value || s.threshold.Value > s.threshold.High {
			t.Errorf("threshold %+v", s.threshold)
		}
	}
	if held < runs*85/100 {
		t.Errorf("%d of %d intervals hold the truth", held, runs)
	}
}

// TestBoundsAreStrict: no bound passes more than its rate in any fusion, and
// stricter classes are never looser.
func TestBoundsAreStrict(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	c := smallConfig()
	c.Dataset = write(t, crowd(rng, 0, 160), rng)
	r, err := Run(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range r.Bounds {
		if i > 0 && s.T > r.Bounds[i-1].T {
			t.Errorf("%s: T %d", s.FMR, s.T)
		}
		for _, o := range s.Outcomes {
			if !s.Extrapolated && o.FMR > s.FMR.Rate() {
				t.Errorf("%s, %v: false match rate %g", s.FMR, o.Fusion, o.FMR)
			}
		}
	}
	if !r.Bounds[4].Extrapolated {
		t.Error("160 people measure a rate of 1e-6")
	}
	for i, share := range r.Plausibility.Refused {
		if share > implausible {
			t.Errorf("%g of probes of %d photos are implausible", share, i+1)
		}
	}
}

// TestAttacks: climbing gains on its start, and the plausibility check stops the
// majority code.
func TestAttacks(t *testing.T) {
	c := smallConfig()
	g := smallPeople(t)
	photos := g.subset(func(int) bool { return true })
	l, err := learn(t.Context(), &c, g, photos)
	if err != nil {
		t.Fatal(err)
	}
	known := make([]code.Code, 0, len(g.photos))
	var plausible []float64
	for _, p := range g.photos {
		x, err := l.model.Encode(g.units[p[0]])
		if err != nil {
			t.Fatal(err)
		}
		known = append(known, x)
		plausible = append(plausible, float64(l.plausibilityOf(x)))
	}
	bound := int32(0.75 * l.expect)
	without, with := tryAttacks(l, known, known, bound, lowest(plausible, 0.02), "seed")
	if without[Optimised] < without[Majority] || without[Optimised] < without[Clusters] || without[Optimised] <= without[RealFace] {
		t.Errorf("the optimised code is not the best: %v", without)
	}
	if without[Majority] == 0 || with[Majority] != 0 {
		t.Errorf("majority code: %v without, %v with the check", without[Majority], with[Majority])
	}
	if with[Optimised] > without[Optimised] {
		t.Errorf("optimised code: %v without, %v with the check", without[Optimised], with[Optimised])
	}
}

package load_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"nod/benchmarks/load"
)

func draw(rng *rand.Rand, n int, shift time.Duration) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = time.Duration(1e6*math.Exp(rng.NormFloat64()/4)) + shift
	}
	return out
}

// The statistic of known samples, and its probability where the limit distribution has
// known points: 1.3581 at 5 %, 1.6276 at 1 %.
func TestKolmogorovSmirnov(t *testing.T) {
	one := []time.Duration{1, 2, 3, 4}
	if d, p := load.KolmogorovSmirnov(one, one); d != 0 || p != 1 {
		t.Errorf("equal samples: D = %v, p = %v", d, p)
	}
	if d, _ := load.KolmogorovSmirnov(one, []time.Duration{9, 8, 7}); d != 1 {
		t.Errorf("samples apart: D = %v", d)
	}
	if d, _ := load.KolmogorovSmirnov(one, []time.Duration{3, 4, 5, 6}); d != 0.5 {
		t.Errorf("half over each other: D = %v, want 0.5", d)
	}
	// n samples of each, of which k are beyond all of the other's: D = k/n.
	for _, c := range []struct{ lambda, p float64 }{{1.3581, 0.05}, {1.6276, 0.01}, {1.9495, 0.001}} {
		const n = 20_000
		k := int(c.lambda / math.Sqrt(n/2) * n)
		a, b := make([]time.Duration, n), make([]time.Duration, n)
		for i := range a {
			a[i], b[i] = time.Duration(i), time.Duration(i+k)
		}
		if _, p := load.KolmogorovSmirnov(a, b); math.Abs(p/c.p-1) > 0.05 {
			t.Errorf("lambda %v: p = %v, want %v", c.lambda, p, c.p)
		}
	}
}

// Two samples of one distribution are told apart as seldom as p says, and a shift of a
// twentieth in 2,000 timings nearly always.
func TestKolmogorovSmirnovTellsApart(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	const runs = 1000
	alarms, found := 0, 0
	for i := range runs {
		if _, p := load.KolmogorovSmirnov(draw(rng, 150, 0), draw(rng, 150, 0)); p < 0.05 {
			alarms++
		}
		if i%10 == 0 {
			if _, p := load.KolmogorovSmirnov(draw(rng, 2000, 0), draw(rng, 2000, 50*time.Microsecond)); p < 0.01/6 {
				found++
			}
		}
	}
	if alarms > runs*7/100 || alarms < runs/100 {
		t.Errorf("%d false alarms in %d at 5 %%", alarms, runs)
	}
	if found < 95 {
		t.Errorf("a shift was found %d times in 100", found)
	}
}

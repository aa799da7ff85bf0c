package load

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
)

// KolmogorovSmirnov is the two-sample statistic D, the largest distance of the two
// empirical distributions, and the probability of a D so large if both samples are of
// one distribution. It says nothing of means, spreads or tails alone: any difference
// counts.
func KolmogorovSmirnov(a, b []time.Duration) (d, p float64) {
	x, y := sorted(a), sorted(b)
	d = stat.KolmogorovSmirnov(x, nil, y, nil)
	n, m := float64(len(x)), float64(len(y))
	return d, tail(d * math.Sqrt(n*m/(n+m)))
}

// tail is the limit of the statistic's distribution (Smirnov 1948): for samples of 50
// and more it is a little on the careful side.
func tail(lambda float64) (p float64) {
	if lambda < 0.2 {
		return 1
	}
	for k, sign := 1.0, 2.0; k <= 100; k, sign = k+1, -sign {
		p += sign * math.Exp(-2*k*k*lambda*lambda)
	}
	return min(max(p, 0), 1)
}

func sorted(d []time.Duration) []float64 {
	out := make([]float64, len(d))
	for i, v := range d {
		out[i] = float64(v)
	}
	slices.Sort(out)
	return out
}

// median of durations.
func median(d []time.Duration) time.Duration {
	s := slices.Clone(d)
	slices.Sort(s)
	return s[len(s)/2]
}

package calibrate

import (
	"math/rand/v2"
	"slices"
)

// Estimate is a value with its 95 % interval.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Intervals are from a bootstrap over people, not over pairs: one person is in
// thousands of pairs, which are far from independent. A resample draws as many
// people as there are, with replacement; a comparison of a and b then counts
// (times a was drawn) times (times b was drawn), and the threshold at a rate is
// worked out anew. The interval is from the 2.5 % to the 97.5 % quantile.
const resamples = 400

// rateStudy is what the bootstrap says of one set of trials at one rate.
type rateStudy struct {
	threshold, tar, tarFour Estimate
}

// bootstrap studies t at each of rates, for which threshold must succeed. n is
// the number of people of the whole data set.
func bootstrap(t *trials, rates []float64, n int, rng *rand.Rand) []rateStudy {
	weights := make([][]float64, resamples)
	for i := range weights {
		weights[i] = make([]float64, n)
		for range n {
			weights[i][rng.IntN(n)]++
		}
	}
	type draw struct{ threshold, tar, tarFour float64 }
	draws := make([][]draw, len(rates))
	for k := range draws {
		draws[k] = make([]draw, resamples)
	}
	inShards(resamples, func(_, from, to int) {
		for i := from; i < to; i++ {
			total := t.impostorWeight(weights[i])
			at, sum := 0, 0.0
			for k := len(rates) - 1; k >= 0; k-- { // the strictest rate first
				for at < len(t.tail)-1 {
					p := t.tail[at]
					w := weights[i][p.a] * weights[i][p.b]
					if sum+w > rates[k]*total {
						break
					}
					sum += w
					at++
				}
				s := t.tail[at].score
				draws[k][i] = draw{s, weightedBelow(t.genuine, s, weights[i]), weightedBelow(t.four, s, weights[i])}
			}
		}
	})
	out := make([]rateStudy, len(rates))
	for k, rate := range rates {
		s, _ := t.threshold(rate)
		out[k].threshold = interval(s, draws[k], func(d draw) float64 { return d.threshold })
		out[k].tar = interval(below(t.genuine, s), draws[k], func(d draw) float64 { return d.tar })
		out[k].tarFour = interval(below(t.four, s), draws[k], func(d draw) float64 { return d.tarFour })
	}
	return out
}

// impostorWeight is the weight of all impostor comparisons for weights of people.
func (t *trials) impostorWeight(weight []float64) float64 {
	var total float64
	for _, f := range t.folds {
		var enrolled, shown, same float64
		for person, n := range f.enrolled {
			w, m := weight[person], f.shown[person]
			enrolled += w * float64(n)
			shown += w * float64(m)
			same += w * float64(n) * w * float64(m)
		}
		all := enrolled*shown - same
		if f.same {
			all /= 2
		}
		total += all
	}
	return total
}

func weightedBelow(sorted []trial, threshold float64, weight []float64) float64 {
	var hit, all float64
	for _, t := range sorted {
		w := weight[t.a]
		all += w
		if t.score < threshold {
			hit += w
		}
	}
	if all == 0 {
		return 0
	}
	return hit / all
}

func interval[D any](value float64, draws []D, of func(D) float64) Estimate {
	v := make([]float64, len(draws))
	for i, d := range draws {
		v[i] = of(d)
	}
	slices.Sort(v)
	return Estimate{Value: value, Low: v[len(v)*25/1000], High: v[len(v)*975/1000]}
}

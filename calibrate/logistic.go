package calibrate

import (
	"math"
	"math/bits"

	"gonum.org/v1/gonum/optimize"

	"nod/crypto/code"
	"nod/fault"
)

// pair is two photos, and whether they show one person.
type pair struct {
	a, b    int32
	genuine bool
}

// regression learns the weights of a distance: logistic regression of "one
// person" on the xor of two codes. The probability is the logistic function of
// offset - D, with D the sum of positive weights over the bits that differ.
// Genuine and impostor pairs count for half each, however many there are.
//
// Weights are scale exp(u_j), and pull / (genuine pairs) times the mean of u_j^2 is
// added to the loss. So weights are positive and are pulled towards uniform, the
// less the more pairs speak against it.
type regression struct {
	codes []code.Code
	pairs []pair
	n     int     // bits
	pull  float64 // over the number of genuine pairs

	weightOf [2]float64 // of one impostor, one genuine pair
	sums     [][]float32
	last     []float64 // where value and slope were taken
	value    float64
	slope    []float64
}

// newRegression prepares to learn the weights of codes of n bits, the last words
// of which may be padded.
func newRegression(codes []code.Code, pairs []pair, n int, pull float64) *regression {
	r := &regression{codes: codes, pairs: pairs, n: n, slope: make([]float64, n+2)}
	var count [2]int
	for _, p := range pairs {
		count[kind(p)]++
	}
	for k := range count {
		r.weightOf[k] = 0.5 / float64(count[k])
	}
	r.pull = pull / float64(count[1])
	return r
}

func kind(p pair) int {
	if p.genuine {
		return 1
	}
	return 0
}

// fit gives the weights of the n bits, positive, in no particular scale.
func (r *regression) fit() ([]float64, error) {
	problem := optimize.Problem{
		Func: func(x []float64) float64 { r.at(x); return r.value },
		Grad: func(grad, x []float64) { r.at(x); copy(grad, r.slope) },
	}
	settings := &optimize.Settings{
		MajorIterations:   150,
		GradientThreshold: 1e-5,
		Converger:         &optimize.FunctionConverge{Relative: 1e-5, Iterations: 4},
	}
	result, err := optimize.Minimize(problem, r.start(), settings, &optimize.LBFGS{Linesearcher: &optimize.MoreThuente{}, Store: 20})
	if result == nil || math.IsNaN(result.F) {
		return nil, fault.New(fault.Unexpected, "the weights could not be learned: %w", err)
	}
	w := make([]float64, r.n)
	r.weights(result.X, w)
	return w, nil
}

// The optimiser's variables are u_0 .. u_(n-1), the logarithm of the scale, and
// the offset in units of offsetUnit, so that all of them move by about one.
const offsetUnit = 8

// start has uniform weights, with the mean distances of genuine and of impostor
// pairs 6 apart and the offset half way between.
func (r *regression) start() []float64 {
	var mean [2]float64
	for _, p := range r.pairs {
		differ := 0
		for i, w := range r.codes[p.a] {
			differ += bits.OnesCount64(w ^ r.codes[p.b][i])
		}
		mean[kind(p)] += 2 * r.weightOf[kind(p)] * float64(differ)
	}
	scale := 6 / max(mean[0]-mean[1], 1)
	x := make([]float64, r.n+2)
	x[r.n] = math.Log(scale)
	x[r.n+1] = scale * (mean[0] + mean[1]) / 2 / offsetUnit
	return x
}

func (r *regression) weights(x, w []float64) {
	for j := range w {
		w[j] = exp(x[r.n] + x[j])
	}
}

// at sets value and slope for the variables x.
func (r *regression) at(x []float64) {
	if equal(r.last, x) {
		return
	}
	r.last = append(r.last[:0], x...)
	w := make([]float64, r.n)
	r.weights(x, w)
	table := byteTable(w)
	if r.sums == nil {
		r.sums = make([][]float32, shards)
		for s := range r.sums {
			r.sums[s] = make([]float32, len(table))
		}
	}
	var value, slope [shards]float64
	inShards(len(r.pairs), func(s, from, to int) {
		value[s], slope[s] = r.part(r.pairs[from:to], table, r.sums[s], x[r.n+1]*offsetUnit)
	})
	clear(r.slope)
	r.value = 0
	for s := range shards {
		r.value += value[s]
		r.slope[r.n+1] += offsetUnit * slope[s]
		addBytes(r.slope[:r.n], r.sums[s])
	}
	pull := r.pull / float64(r.n)
	for j, u := range x[:r.n] {
		byScale := float64(r.slope[j] * w[j])
		r.slope[r.n] += byScale
		r.slope[j] = byScale + float64(2*pull*u)
		r.value += float64(pull * float64(u*u))
	}
}

// part is the loss of some pairs and its slope in the offset. sums gets the slope
// in the weights, by the value of each byte of the xor.
func (r *regression) part(pairs []pair, table, sums []float32, offset float64) (value, slope float64) {
	clear(sums)
	for _, p := range pairs {
		a, b := r.codes[p.a], r.codes[p.b]
		weight := r.weightOf[kind(p)]
		margin := offset - float64(tableDistance(table, a, b))
		if !p.genuine {
			margin = -margin
		}
		loss, wrong := logistic(margin)
		value += float64(weight * loss)
		step := float64(weight * wrong)
		if p.genuine {
			slope -= step
		} else {
			slope += step
			step = -step
		}
		addPair(sums, a, b, float32(step))
	}
	return value, slope
}

// logistic is log(1 + exp(-margin)) and 1 / (1 + exp(margin)).
func logistic(margin float64) (loss, wrong float64) {
	if margin >= 0 {
		e := exp(-margin)
		return math.Log1p(e), e / (1 + e)
	}
	e := exp(margin)
	return math.Log1p(e) - margin, 1 / (1 + e)
}

// exp is the exponential function, the same on every machine: math.Exp uses
// fused operations where a processor has them, and weights would differ.
func exp(x float64) float64 {
	switch {
	case x < -700:
		return 0
	case x > 700:
		return math.Exp(700)
	}
	const ln2High, ln2Low = 6.93147180369123816490e-01, 1.90821492927058770002e-10
	k := math.Floor(float64(x*math.Log2E) + 0.5)
	rest := x - float64(k*ln2High) - float64(k*ln2Low)
	sum := 1.0
	for i := 14.0; i >= 1; i-- {
		sum = 1 + float64(sum*rest)/i
	}
	return math.Ldexp(sum, int(k))
}

func equal(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

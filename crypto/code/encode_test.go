package code_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/fault"

	"pgregory.net/rapid"
)

// exact is the code of features by the definition in docs/spec/models.md, in
// 200-bit arithmetic, with each bit's distance from its threshold.
func exact(f *code.File, features [][]float32) (bits []bool, margin []float64) {
	num := func(v float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(v) }
	d := f.Dimension
	sum := make([]*big.Float, d)
	for i := range sum {
		sum[i] = num(0)
	}
	unit := func(v []*big.Float) []*big.Float {
		square := num(0)
		for _, x := range v {
			square.Add(square, num(0).Mul(x, x))
		}
		norm := num(0).Sqrt(square)
		out := make([]*big.Float, len(v))
		for i, x := range v {
			out[i] = num(0).Quo(x, norm)
		}
		return out
	}
	for _, photo := range features {
		v := make([]*big.Float, d)
		for i, x := range photo {
			v[i] = num(float64(x))
		}
		for i, x := range unit(v) {
			sum[i].Add(sum[i], x)
		}
	}
	centred := unit(sum)
	for i := range centred {
		centred[i].Sub(centred[i], num(float64(f.Mean[i])))
	}
	turned := centred
	if r := f.Rotations; r != nil {
		turned = nil
		for k := range r.Count {
			v := append([]*big.Float(nil), centred...)
			for round := range r.Rounds {
				v = rotateOnce(v, r.Seed, k, round)
			}
			turned = append(turned, v...)
		}
	}
	for j, at := range f.Bits.Coordinates {
		apart, _ := num(0).Sub(turned[at], num(float64(f.Bits.Thresholds[j]))).Float64()
		bits, margin = append(bits, apart > 0), append(margin, math.Abs(apart))
	}
	return bits, margin
}

// rotateOnce multiplies by the matrix of one round, entry by entry:
// (-1)^popcount(i & j) sign(j) / sqrt(d).
func rotateOnce(v []*big.Float, seed canon.Digest, rotation, round int) []*big.Float {
	d := len(v)
	signed := make([]*big.Float, d)
	for j := range v {
		block := canon.Sum("rotation", seed[:], canon.Uint64(uint64(rotation)), canon.Uint64(uint64(round)), canon.Uint64(uint64(j/256)))
		signed[j] = new(big.Float).Set(v[j])
		if block[j%256/8]>>(j%8)&1 == 1 {
			signed[j].Neg(signed[j])
		}
	}
	root := new(big.Float).SetPrec(200).Sqrt(new(big.Float).SetPrec(200).SetInt64(int64(d)))
	out := make([]*big.Float, d)
	for i := range out {
		out[i] = new(big.Float).SetPrec(200)
		for j, x := range signed {
			odd := false
			for both := i & j; both != 0; both &= both - 1 {
				odd = !odd
			}
			if odd {
				out[i].Sub(out[i], x)
			} else {
				out[i].Add(out[i], x)
			}
		}
		out[i].Quo(out[i], root)
	}
	return out
}

// TestEncodeIsItsDefinition holds every bit to exact arithmetic, but for those
// within a float32's rounding of their threshold.
func TestEncodeIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng, s := shapes(t)
		s.Dimension = min(s.Dimension, 32)
		f := codetest.File(rng, s)
		m, err := code.Parse(marshal(t, f))
		if err != nil {
			t.Fatal(err)
		}
		photos := [][]float32{codetest.Features(rng, s.Dimension)}
		for range rapid.IntRange(0, 3).Draw(t, "more photos") {
			photos = append(photos, codetest.Near(rng, photos[0], 0.4))
		}
		got, err := m.Encode(photos...)
		if err != nil {
			t.Fatal(err)
		}
		want, margin := exact(f, photos)
		for j, bit := range want {
			if got.Bit(j) != bit && margin[j] > 1e-6 {
				t.Fatalf("bit %d is %v, %g from its threshold", j, got.Bit(j), margin[j])
			}
		}
	})
}

func TestFuse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 5))
		d := rapid.IntRange(2, 200).Draw(t, "dimension")
		a := codetest.Features(rng, d)
		b := codetest.Near(rng, a, 0.5)
		mean, err := code.Fuse(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if norm := dot(mean, mean); math.Abs(norm-1) > 1e-5 {
			t.Fatalf("length %g", norm)
		}
		// The fused vector bisects the angle, whatever the photos' lengths.
		for i := range b {
			b[i] *= 8
		}
		scaled, err := code.Fuse(a, b)
		if err != nil {
			t.Fatal(err)
		}
		ua, _ := code.Fuse(a)
		ub, _ := code.Fuse(b)
		if math.Abs(dot(scaled, mean)-1) > 1e-5 || math.Abs(dot(mean, ua)-dot(mean, ub)) > 1e-5 {
			t.Fatal("not the bisector")
		}
	})
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestEncodeRefuses(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for _, rotations := range []int{0, 2} {
		m := codetest.Model(rng, codetest.Shape{Rotations: rotations})
		good := codetest.Features(rng, 16)
		with := func(v float64) []float32 {
			f := append([]float32(nil), good...)
			f[7] = float32(v)
			return f
		}
		opposite := make([]float32, 16)
		for i, v := range good {
			opposite[i] = -2 * v
		}
		for name, c := range map[string]struct {
			features [][]float32
			want     fault.Code
		}{
			"none":        {nil, fault.BadDimension},
			"empty":       {[][]float32{{}}, fault.BadDimension},
			"short":       {[][]float32{good[1:]}, fault.BadDimension},
			"long":        {[][]float32{good, append([]float32{1}, good...)}, fault.BadDimension},
			"nan":         {[][]float32{good, with(math.NaN())}, fault.NotFinite},
			"inf":         {[][]float32{with(math.Inf(-1))}, fault.NotFinite},
			"zero":        {[][]float32{make([]float32, 16)}, fault.ZeroVector},
			"second zero": {[][]float32{good, make([]float32, 16)}, fault.ZeroVector},
			"cancel out":  {[][]float32{good, opposite}, fault.ZeroVector},
		} {
			if got, err := m.Encode(c.features...); !fault.Is(err, c.want) || got != nil {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
		if _, err := m.Encode(with(math.MaxFloat32), with(math.SmallestNonzeroFloat32)); err != nil {
			t.Errorf("large and small but finite: %v", err)
		}
	}
}

func TestOutlier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7))
		f := codetest.File(rng, codetest.Shape{Dimension: 64})
		f.MaxApart = 0.9 // photos of one person are 0.3 or 0.4 apart, other people 1.4
		m, err := code.Parse(marshal(t, f))
		if err != nil {
			t.Fatal(err)
		}
		person := codetest.Features(rng, 64)
		photos := [][]float32{person}
		for range rapid.IntRange(1, 5).Draw(t, "more photos") {
			photos = append(photos, codetest.Near(rng, person, 0.3))
		}
		if i, found, err := m.Outlier(photos...); err != nil || found {
			t.Fatalf("photo %d of one person is refused: %v", i, err)
		}
		at := rapid.IntRange(1, len(photos)-1).Draw(t, "stranger's place")
		photos[at] = codetest.Features(rng, 64)
		if i, found, err := m.Outlier(photos...); err != nil || !found || i != at {
			t.Fatalf("photo %d is somebody else's, got %d, %v, %v", at, i, found, err)
		}
		if _, found, err := m.Outlier(person); err != nil || found {
			t.Fatal("a single photo is an outlier")
		}
		if _, _, err := m.Outlier(person, person[1:]); !fault.Is(err, fault.BadDimension) {
			t.Fatal(err)
		}
	})
}

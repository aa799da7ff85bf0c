package compare

import (
	"math/rand/v2"
	"testing"

	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/prg"
	"nod/crypto/share"
)

// view is what one party sees of a verification, as words: its share of the probe,
// what it stores or fetches of the template, and every message it receives.
type view []uint64

// verification plays one comparison of a probe with a template, from sharing on,
// and returns both parties' views.
func verification(t *testing.T, r *rand.Rand, m *code.Model, template, probe code.Code) [2]view {
	t.Helper()
	n := m.Bits()
	// Enrolment: f = y xor b, b = Expand(HMAC); the HMAC is modelled as a fresh seed.
	mac := prg.New()
	b := share.Expand(&mac, n)[0]
	y0, ySeed := share.Split(template)
	delta := share.Expand(&ySeed, n)[0]
	delta.Xor(b)
	f := y0[0].Clone()
	f.Xor(delta)

	x0, seed := share.Split(probe)
	x1 := share.Expand(&seed, n)[0]
	u0, u1 := x0[0].Clone(), x1.Clone()
	u0.Xor(f)
	u1.Xor(b)
	bound, _ := m.Bound(code.FMR1e2)
	msg := new(messages)
	if _, err := run(deal(t, r, m.Match(), 1), u0, u1, bound, bound, msg, nil); err != nil {
		t.Fatal(err)
	}
	matcher, custodian := view{}, view{}
	for _, c := range []code.Code{x0[0], y0[0], delta, f, msg.m2.C} {
		matcher = append(matcher, c...)
	}
	matcher = append(matcher, msg.m2.Z, msg.m2.G, msg.m4.O.Lo, msg.m4.O.Hi)
	for _, c := range []code.Code{x1, b, msg.m1.C} {
		custodian = append(custodian, c...)
	}
	custodian = append(custodian, msg.m3.Z, msg.m3.G, msg.m3.O.Lo, msg.m3.O.Hi)
	return [2]view{matcher, custodian}
}

// chiSquare is the statistic of a word's bytes over many runs, against uniform;
// 255 degrees of freedom.
func chiSquare(views []view, word int) (chi float64) {
	var counts [256]float64
	for _, v := range views {
		for shift := 0; shift < 64; shift += 8 {
			counts[byte(v[word]>>shift)]++
		}
	}
	want := float64(8*len(views)) / 256
	for _, c := range counts {
		chi += (c - want) * (c - want) / want
	}
	return chi
}

// limit is the 1-1e-7 quantile of chi-square with 255 degrees of freedom
// (Wilson-Hilferty: 255 (1 - 2/2295 + 5.199 sqrt(2/2295))^3). About a hundred words are
// tested, so an honest run fails once in 100,000.
const limit = 391

// Each party's whole view over 2,000 verifications: every word is uniform, for
// genuine and impostor alike. What the views are made from is not, which shows that
// the test can fail.
func TestViewsAreUniform(t *testing.T) {
	const runs = 2000
	r := rand.New(rand.NewPCG(41, 1))
	m := codetest.Model(r, codetest.Shape{Bits: 128, MaxWeight: 7})
	face := codetest.Features(r, m.Dimension())
	template, err := m.Encode(face)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"genuine", "impostor"} {
		views, open := [2][]view{}, []view{}
		for range runs {
			features := codetest.Near(r, face, 0.2)
			if kind == "impostor" {
				features = codetest.Features(r, m.Dimension())
			}
			probe, err := m.Encode(features)
			if err != nil {
				t.Fatal(err)
			}
			for p, v := range verification(t, r, m, template, probe) {
				views[p] = append(views[p], v)
			}
			u := probe.Clone()
			u.Xor(template)
			open = append(open, view(u))
		}
		for p, name := range []string{"matcher", "custodian"} {
			worst := 0.0
			for word := range views[p][0] {
				chi := chiSquare(views[p], word)
				worst = max(worst, chi)
				if chi > limit {
					t.Errorf("%s, %s: word %d has chi-square %.0f, above %d", kind, name, word, chi, limit)
				}
			}
			t.Logf("%s, %s: %d words over %d verifications, largest chi-square %.0f (255 degrees; limit %d at 1e-7 a word)",
				kind, name, len(views[p][0]), runs, worst, limit)
		}
		if chi := chiSquare(open, 0); chi < 2*limit {
			t.Errorf("%s: the difference of the codes in the open has chi-square %.0f: this test sees nothing", kind, chi)
		}
	}
}

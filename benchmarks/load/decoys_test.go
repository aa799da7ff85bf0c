//go:build !race

package load_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"nod/benchmarks/load"
)

// alarm is the probability, in one run, that a difference is found where there is none:
// over three kinds of citizens and two calls (Bonferroni). A difference is told only if
// a second run, with new citizens, finds one in the same place: that is a false alarm
// once in sixty thousand at most, for the second run must find it again in the same of six
// places at a sixth of the alarm's probability. The samples share the machine's noise,
// round by round, which makes them more alike, and an alarm rarer.
const (
	alarm       = 0.01
	comparisons = 6
)

// A relying party cannot tell from the time of an answer whether a citizen is enrolled,
// unknown, locked or over budget. The test is not blind: enrolled citizens whose calls
// are held up, by 5 % where there are 2,000 timings of each, are told apart. On a machine
// so busy that they are not, an everyday run says nothing, and a long one fails.
func TestDecoysTakeTheSameTime(t *testing.T) {
	n := pick(50, 2000)
	held := 0.05 * math.Sqrt(2000/float64(n))
	limits := load.Options{Batch: 4096, Limits: load.DecoyLimits()}
	first := differences(t, deployed(t, limits), n, held)
	if len(first) == 0 {
		return
	}
	again := differences(t, deployed(t, limits), n, held)
	for place, c := range first {
		if other, found := again[place]; found {
			t.Errorf("%s takes another time than enrolled in %s: ratio of the medians %.3f and %.3f, p = %.2g and %.2g",
				c.Kind, c.Call, c.Ratio, other.Ratio, c.P, other.P)
		}
	}
}

type place struct{ kind, call string }

// differences finds in which kinds and calls the times are not those of enrolled
// citizens.
func differences(t *testing.T, d *load.Deployment, n int, held float64) map[place]load.Comparison {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("%d verifications of each kind, the control held up by %.1f %%, order drawn from seed %d", n, 100*held, seed)
	samples, err := d.Decoys(t.Context(), n, seed, held)
	if err != nil {
		t.Fatal(err)
	}
	out := map[place]load.Comparison{}
	for _, c := range load.Against(samples) {
		t.Logf("%-30s %-6s median %v, ratio %.3f, D = %.3f, p = %.2g", c.Kind, c.Call, c.Median, c.Ratio, c.D, c.P)
		differs := c.P < alarm/comparisons
		switch {
		case c.Kind != load.Control && differs:
			out[place{c.Kind, c.Call}] = c
		case c.Kind == load.Control && !differs && long():
			t.Fatalf("blind: the control is not told apart in %s", c.Call)
		case c.Kind == load.Control && !differs:
			t.Skipf("the machine is too busy: the control is not told apart in %s", c.Call)
		}
	}
	return out
}

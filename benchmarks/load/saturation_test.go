//go:build !race

package load_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"nod/benchmarks/load"
	"nod/crypto/seal"
)

// Under as much load as the deployment takes, and at a constant rate, every citizen
// gets the right answer; and everything that the report says is measured. How fast
// that is, is the report's business.
func TestSaturation(t *testing.T) {
	o := load.Options{Batch: 256}
	d := deployed(t, o)
	o.Folder, o.Programs = t.TempDir(), programs
	r, err := d.Saturate(t.Context(), o, load.Size{
		People: 20, Clients: 16, Warm: 20, Count: 200, Profile: 2 * time.Second,
		Steady: time.Second, Part: .3, Floor: 10 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]*load.Run{"closed": r.Closed, "steady": r.Steady} {
		if len(run.Failed) > 0 || run.Done == 0 {
			t.Errorf("%s: %d done, failed: %v", name, run.Done, run.Failed)
		}
		for _, l := range []load.Latencies{run.Whole, run.Open, run.Seal, run.Compare} {
			if int(l.TotalCount()) != run.Done {
				t.Errorf("%s: %d latencies of %d verifications", name, l.TotalCount(), run.Done)
			}
		}
	}
	if r.Closed.Done != 200 {
		t.Errorf("%d of 200 done", r.Closed.Done)
	}
	for _, role := range seal.Roles() {
		if role != seal.Dealer && r.Closed.CPU[role] <= 0 {
			t.Errorf("the %s used no CPU", role)
		}
	}
	for _, costs := range [][]load.Cost{r.Floor.Signed, r.Floor.Compared} {
		if load.Sum(costs) <= 0 || slices.ContainsFunc(costs, func(c load.Cost) bool { return c.Sum() <= 0 }) {
			t.Errorf("floor of %v", costs)
		}
	}
	if !slices.ContainsFunc(r.Tops[seal.Matcher], func(l load.Line) bool { return strings.HasPrefix(l.Function, "nod/matcher.") }) {
		t.Errorf("a profile of the matcher with %d functions, none of its own", len(r.Tops[seal.Matcher]))
	}
}

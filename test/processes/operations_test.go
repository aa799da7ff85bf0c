package processes_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"nod/fault"
	"nod/test/world"
)

// docs/operations.md lists every metric that the three serve, and none besides; and the
// codes in its tables are stable codes.
func TestOperationsPage(t *testing.T) {
	data, err := os.ReadFile("../../docs/operations.md")
	must(t, err)
	page := string(data)
	w := world.NewThree(t, world.Shape(), programs, t.Output(), nil)
	citizen := w.Person("4711") // what was never called has no metric
	_, err = w.Station.Enrol(t.Context(), citizen.Name, 0, w.Model, w.Portrait(citizen))
	must(t, err)
	served := map[string]bool{"nod_refused_calls_total": true} // counted once something was refused
	kind := regexp.MustCompile(`(?m)^# TYPE (\w+) `)
	for _, port := range w.Layout.Ports[3:] {
		for _, match := range kind.FindAllStringSubmatch(get(t, port), -1) {
			served[match[1]] = true
		}
	}
	listed := map[string]bool{}
	for _, match := range regexp.MustCompile("(?m)^\\| `(nod_\\w+)` \\|").FindAllStringSubmatch(page, -1) {
		listed[match[1]] = true
		if !served[match[1]] {
			t.Errorf("the page lists %s, which nobody serves", match[1])
		}
	}
	for name := range served {
		if strings.HasPrefix(name, "nod_") && !listed[name] {
			t.Errorf("the page does not list %s", name)
		}
	}
	_, refusals, _ := strings.Cut(page, "## What start-up refuses")
	refusals, _, _ = strings.Cut(refusals, "## Health")
	codes := 0
	for _, row := range regexp.MustCompile("(?m)^\\| (`[a-z_`, ]+`) \\|").FindAllStringSubmatch(refusals, -1) {
		for name := range strings.SplitSeq(row[1], ",") {
			codes++
			if code := fault.Code(strings.Trim(name, "` ")); !code.Known() {
				t.Errorf("%q is no code", code)
			}
		}
	}
	if codes < 10 {
		t.Errorf("%d codes", codes)
	}
}

package imports_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// links is the link table of docs/architecture.md: what no server program may have in
// it, whether its own code imports it or a library's does.
var links = map[string][]string{
	"nod-matcher":   {"nod/custodian", "nod/process/custodiand", "nod/dealer", "nod/process/dealerd"},
	"nod-custodian": {"nod/matcher", "nod/process/matcherd", "nod/dealer", "nod/process/dealerd", "nod/api", "github.com/valyala/fasthttp"},
	"nod-dealer": {
		"nod/matcher", "nod/process/matcherd", "nod/custodian", "nod/process/custodiand", "nod/api", "github.com/valyala/fasthttp",
		// Nor anything of templates: no rows, no citizens, no database.
		"nod/store", "nod/admit", "nod/channel", "nod/process/rows", "nod/client", "github.com/cockroachdb/pebble", "github.com/jackc/pgx",
	},
}

// linkedByNone lists what is in none of the three.
var linkedByNone = []string{
	"nod/face", "nod/calibrate", "nod/dev", "nod/enrol", "image", "golang.org/x/image", "github.com/Kagami/go-face",
	"github.com/yalue/onnxruntime_go", "runtime/cgo", "testing",
}

// What a server cannot do is what is not in its program. go list sees everything that
// is linked, libraries and the standard library included.
func TestLinkTable(t *testing.T) {
	for program, refused := range links {
		linked := deps(t, "nod/cmd/"+program)
		if !linked["nod/rpc"] || !linked["nod/process"] || len(linked) < 100 {
			t.Fatalf("%s: found %d packages only", program, len(linked))
		}
		for _, tree := range append(refused, linkedByNone...) {
			for path := range linked {
				if within(path, tree) {
					t.Errorf("%s links %s, and must not link %s", program, path, tree)
				}
			}
		}
	}
	// The list is not blind: nod itself links what the three may not.
	if all := deps(t, "nod/dev"); !all["nod/matcher"] || !all["nod/custodian"] || !all["nod/dealer"] {
		t.Error("nod/dev does not link the roles")
	}
}

// deps are all packages that a program links, as a deployment builds it: without cgo.
func deps(t *testing.T, program string) map[string]bool {
	t.Helper()
	c := exec.Command("go", "list", "-deps", program)
	c.Dir, c.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v\n%s", program, err, errs.String())
	}
	linked := map[string]bool{}
	for path := range strings.FieldsSeq(string(out)) {
		linked[path] = true
	}
	return linked
}

//go:build !race

package load_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"nod/benchmarks/load"
)

// programs is a folder with the three programs, built once.
var programs string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	folder, err := os.MkdirTemp("", "nod-programs-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(folder)
	if err := load.Build(context.Background(), folder); err != nil {
		return 1, err
	}
	programs = folder
	return m.Run(), nil
}

// long reports whether the run is one of those that take their time.
func long() bool { return os.Getenv("NOD_TEST_LONG") == "1" }

// pick is one of two sizes: the everyday one, or that of a long run.
func pick(everyday, atLength int) int {
	if long() {
		return atLength
	}
	return everyday
}

// deployed starts a deployment, which ends with its test.
func deployed(t *testing.T, o load.Options) *load.Deployment {
	t.Helper()
	o.Folder, o.Programs = t.TempDir(), programs
	d, err := load.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}

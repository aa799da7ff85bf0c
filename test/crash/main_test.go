// Package crash_test kills roles and looks at what is left: right before and right
// after each durable write, in turn, and at random under load. docs/crash-safety.md
// has the results.
package crash_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"nod/crypto/seal"
	"nod/test/world"
)

// update rewrites docs/crash-safety.md with what the tests saw.
var update = flag.Bool("update", false, "write the table of docs/crash-safety.md anew (with NOD_TEST_LONG=1)")

// programs is a folder with the three programs, built once.
var programs string

// long asks for every point and for 200 random kills.
func long() bool { return os.Getenv("NOD_TEST_LONG") != "" }

func TestMain(m *testing.M) {
	// The same binary is the three roles whose writes are counted.
	if role := os.Getenv(childRole); role != "" {
		os.Exit(childMain(seal.Role(role)))
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	flag.Parse()
	folder, err := os.MkdirTemp("", "nod-programs-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(folder)
	if err := world.Programs(folder); err != nil {
		return 1, fmt.Errorf("building the programs: %w", err)
	}
	programs = folder
	return m.Run(), nil
}

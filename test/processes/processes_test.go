// Package processes_test runs the three programs as processes of their own.
package processes_test

import (
	"fmt"
	"os"
	"testing"

	"nod/test/world"
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
	if err := world.Programs(folder); err != nil {
		return 1, fmt.Errorf("building the programs: %w", err)
	}
	programs = folder
	return m.Run(), nil
}

// The main job across three processes: yes for the citizen, no for another.
func TestThreeProcesses(t *testing.T) {
	w := world.NewThree(t, world.Shape(), programs, t.Output(), nil)
	citizen, other := w.Person("4711"), w.Person("4712")
	if _, err := w.Station.Enrol(t.Context(), citizen.Name, 0, w.Model, w.Portrait(citizen)); err != nil {
		t.Fatal(err)
	}
	for shown, want := range map[*world.Person]bool{&citizen: true, &other: false} {
		v, err := w.Verify(t.Context(), citizen.Name, w.Photo(*shown))
		if err != nil {
			t.Fatal(err)
		}
		if v.Verdict.Match != want {
			t.Errorf("verdict %v, want %v", v.Verdict.Match, want)
		}
	}
}

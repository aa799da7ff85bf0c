package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nod/dev"
	"nod/fault"
	"nod/test/world"
)

// withPeople is a bench with an embedded deployment and people in it.
func withPeople(t *testing.T, references ...string) (*bench, []world.Person) {
	t.Helper()
	b := newBench(t)
	var people []world.Person
	b.embedded(func(d *dev.Deployment) { people = b.enrol(&d.Outside, references...) })
	return b, people
}

var erasedFields = []string{"erased", "nothing_stored", "templates", "salts", "failed", "left", "receipts"}

func TestErase(t *testing.T) {
	b, people := withPeople(t, "4711", "4712", "4713")
	b.nod("erase", "4711").wants(exitMatch, "erased 1", "both signed", filepath.Join("data", "receipts"))
	got := b.nod("--json", "erase", "4712", "4712", "nobody").wants(exitMatch).object(erasedFields...)
	same(t, got, map[string]any{"erased": 1, "nothing_stored": 1, "templates": 1, "salts": 1, "failed": "map[]", "left": 0})
	b.nod("erase", "nobody").wants(exitMatch, "of 1 nothing was stored")
	b.nod("erase").refused(fault.Usage, "nod erase --list FILE")
	b.embedded(func(d *dev.Deployment) {
		b.matches(&d.Outside, false, people[:2]...)
		b.matches(&d.Outside, true, people[2])
	})
}

func TestEraseList(t *testing.T) {
	b, people := withPeople(t, "4711", "4712", "4713")
	list := b.write("list.txt", "4711\r\n\n4712\n4711")
	got := b.nod("--json", "erase", "--list", list, "--receipts", b.path("kept")).wants(exitMatch).object(erasedFields...)
	same(t, got, map[string]any{"erased": 2, "left": 0, "receipts": b.path("kept")})
	r := b.nodWith(t.Context(), "4713\n", nil, "erase", "--list", "-").wants(exitMatch, "erased 1")
	for _, reference := range []string{"4711", "4712", "4713"} {
		if strings.Contains(r.out+r.errs, reference) {
			t.Errorf("a reference that nobody typed is printed:\n%s%s", r.out, r.errs)
		}
	}
	kept, err := filepath.Glob(b.path("kept/*"))
	if err != nil || len(kept) != 2 {
		t.Errorf("%d receipts, %v", len(kept), err)
	}
	b.embedded(func(d *dev.Deployment) { b.matches(&d.Outside, false, people...) })
}

// An erasure that is interrupted says how to go on, and goes on.
func TestEraseInterrupted(t *testing.T) {
	b, people := withPeople(t, "4711", "4712", "4713", "4714")
	state := b.path("data/erasures.json")
	b.after(1, "erase", "4711", "4712", "4713", "4714").refused(fault.Cancelled, "3 orders are left in "+state, "nod erase without citizens goes on", "erased 1")
	wantMode(t, state, 0o600)
	got := b.after(1, "--json", "erase").wants(exitFailed).object(append(erasedFields, "state", "error", "detail", "do")...)
	same(t, got, map[string]any{"erased": 1, "left": 2, "state": state, "error": fault.Cancelled})
	b.nod("erase", "4714").wants(exitMatch, "2 orders of an earlier run are left in "+state, "erased 2")
	if _, err := os.Stat(state); err == nil {
		t.Error("the state file is left")
	}
	b.embedded(func(d *dev.Deployment) { b.matches(&d.Outside, false, people...) })
}

func wantMode(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != mode {
		t.Errorf("%s has mode %04o, want %04o", path, info.Mode().Perm(), mode)
	}
}

func TestRenew(t *testing.T) {
	b, people := withPeople(t, "4711", "4712", "4713")
	b.nod("renew", "--all").wants(exitMatch, "3 templates: 0 moved to the newest pad key, 3 were on it, 0 could not")
	got := b.nod("--json", "renew", "--all", "--rotate", "--destroy").wants(exitMatch).object("seen", "renewed", "failed", "destroyed")
	same(t, got, map[string]any{"seen": 3, "renewed": 3, "failed": 0, "destroyed": true})
	b.nod("renew", "--all", "--rotate", "--destroy").wants(exitMatch, "versions below 3 of the pad key are destroyed")
	b.embedded(func(d *dev.Deployment) { b.matches(&d.Outside, true, people...) })
}

// A renewal that is interrupted says how to go on, goes on, and rotates once.
func TestRenewInterrupted(t *testing.T) {
	b, people := withPeople(t, "4711", "4712", "4713", "4714")
	state := b.path("some.json")
	args := []string{"renew", "--all", "--rotate", "--destroy", "--page", "1", "--state", state}
	b.after(2, args...).refused(fault.Cancelled, "stopped after 2 templates; the same command goes on from there, by "+state)
	wantMode(t, state, 0o600)
	got := b.after(1, append([]string{"--json"}, args...)...).wants(exitFailed).object("error", "detail", "do")
	same(t, got, map[string]any{"error": fault.Cancelled})
	b.nod(args...).wants(exitMatch, "going on with the renewal that was interrupted ("+state+")",
		"4 templates: 4 moved", "versions below 2 of the pad key are destroyed")
	if _, err := os.Stat(state); err == nil {
		t.Error("the state file is left")
	}
	b.embedded(func(d *dev.Deployment) { b.matches(&d.Outside, true, people...) })
}

// A state file that others may read, or of somebody else, is refused.
func TestStatesAreRefused(t *testing.T) {
	b, _ := withPeople(t, "4711")
	for _, name := range []string{"renewal.json", "erasures.json"} {
		b.write(filepath.Join("data", name), "{}\n")
	}
	b.nod("renew", "--all").refused(fault.BadEncoding, "move it away")
	b.nod("erase", "4711").refused(fault.BadEncoding, "move it away")
	for _, name := range []string{"renewal.json", "erasures.json"} {
		if err := os.Chmod(b.path(filepath.Join("data", name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.nod("renew", "--all").refused(fault.Exposed)
	b.nod("erase", "4711").refused(fault.Exposed)
}

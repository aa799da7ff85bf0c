//go:build !race

package load_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"nod/benchmarks/load"
	"nod/config"
	"nod/crypto/seal"
	"nod/dev"
)

// What the three processes hold stays as it is over many verifications, and so do their
// goroutines and open files. The looking is not blind: sessions that are only opened,
// and connections, are noticed while they are there.
func TestMemoryIsFlat(t *testing.T) {
	d := deployed(t, load.MemoryOptions())
	people, err := d.Population(t.Context(), 40)
	if err != nil {
		t.Fatal(err)
	}
	control(t, d, people)
	n := pick(500, 100_000)
	moments, err := d.Soak(t.Context(), people, 16, n/5, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range seal.Roles() {
		for _, m := range moments {
			t.Logf("%s after %d: %+v", role, m.Done, m.State[role])
		}
		t.Logf("%s: %.0f bytes more for each verification", role, load.Growth(moments[1], moments[2], role))
	}
	for _, grown := range load.Flat(moments[1], moments[2]) {
		t.Error(grown)
	}
	// Goroutines and files are back to their start.
	start := moments[0]
	for _, role := range seal.Roles() {
		s := start.State[role]
		s.Live += moments[2].State[role].Live // memory was looked at above
		start.State[role] = s
	}
	for _, grown := range load.Flat(start, moments[2]) {
		t.Error(grown)
	}
}

// control holds sessions and connections open, and wants them noticed.
func control(t *testing.T, d *load.Deployment, people []load.Person) {
	t.Helper()
	moment := func(done int) load.Moment {
		m, err := d.Moment(t.Context(), done)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if err := d.Rest(t.Context(), people[0]); err != nil {
		t.Fatal(err)
	}
	const sessions = 1000
	before := moment(0)
	if _, err := d.Closed(t.Context(), 16, sessions, func(ctx context.Context, n int) (*dev.Verified, error) {
		return &dev.Verified{}, d.OpenOnly(ctx, people[n%len(people)])
	}); err != nil {
		t.Fatal(err)
	}
	conf, err := config.LoadClient(d.Layout.Client())
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		c, err := dev.Connect(t.Context(), conf)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	grown := load.Flat(before, moment(sessions))
	t.Logf("control: %q", grown)
	for _, noticed := range []string{"the matcher holds", "the matcher has .* goroutines", "the matcher has .* files"} {
		if !regexp.MustCompile(noticed).MatchString(strings.Join(grown, "\n")) {
			t.Errorf("%d open sessions and 10 connections: not noticed that %s", sessions, noticed)
		}
	}
}

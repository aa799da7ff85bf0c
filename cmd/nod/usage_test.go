package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"nod/fault"
)

// Every command explains itself, with an example that can be copied.
func TestHelpTeaches(t *testing.T) {
	b := newBench(t)
	found := 0
	var visit func(c *cobra.Command, path []string)
	visit = func(c *cobra.Command, path []string) {
		for _, sub := range c.Commands() {
			found++
			visit(sub, append(path[:len(path):len(path)], sub.Name()))
		}
		if len(path) == 0 {
			return
		}
		if c.Short == "" || len(c.Long) < 100 || !strings.HasPrefix(strings.TrimSpace(c.Example), "nod ") {
			t.Errorf("nod %s: short %q, example %q", strings.Join(path, " "), c.Short, c.Example)
		}
		b.nod(append(path, "--help")...).wants(exitMatch, c.Long, "Examples:\n"+c.Example, "nod "+strings.Join(path, " "))
	}
	visit((&app{}).root(), nil)
	if found < 10 {
		t.Errorf("found %d commands", found)
	}
	b.nod("--help").wants(exitMatch, "Exit codes: 0 match", "nod demo")
}

// A command line that cannot be is refused, and says what to do.
func TestRefusedCommandLines(t *testing.T) {
	b := newBench(t)
	missing := b.path("missing")
	for name, c := range map[string]struct {
		args []string
		code fault.Code
		says string
	}{
		"no command":              {[]string{"identify"}, fault.Usage, "identify"},
		"unknown flag":            {[]string{"renew", "--some"}, fault.Usage, "--some"},
		"renew what":              {[]string{"renew"}, fault.Usage, "nod renew --all"},
		"renew one":               {[]string{"renew", "4711"}, fault.Usage, ""},
		"rotate elsewhere":        {[]string{"--client", missing, "renew", "--all", "--rotate"}, fault.Usage, "nod dev rotate-pad --in FOLDER"},
		"destroy elsewhere":       {[]string{"--client", missing, "renew", "--all", "--destroy"}, fault.Usage, "in Vault"},
		"pages":                   {[]string{"renew", "--all", "--page", "-1"}, fault.Usage, "--page"},
		"erase twice":             {[]string{"erase", "4711", "--list", missing}, fault.Usage, "not both"},
		"no list":                 {[]string{"erase", "--list", missing}, fault.NotFound, "--list"},
		"no citizen":              {[]string{"erase", ""}, fault.Truncated, "citizen 1"},
		"no data":                 {[]string{"erase", "4711"}, fault.NoDeployment, "data"},
		"no data to renew":        {[]string{"renew", "--all"}, fault.NoDeployment, "data"},
		"no client":               {[]string{"--client", missing, "erase", "4711"}, fault.NotFound, "configuration"},
		"no client to renew":      {[]string{"--client", missing, "renew", "--all"}, fault.NotFound, "configuration"},
		"up nothing":              {[]string{"dev", "up", "--in", missing}, fault.NoDeployment, "missing"},
		"rotate nothing":          {[]string{"dev", "rotate-pad", "--in", missing}, fault.NoDeployment, "missing"},
		"destroy nothing":         {[]string{"dev", "rotate-pad", "--destroy", "--in", missing}, fault.NoDeployment, "missing"},
		"two users":               {[]string{"dev", "keys", "--port", "0", "--in", b.path("two"), "--users", "a,b"}, fault.Usage, "three users"},
		"no such user":            {[]string{"dev", "keys", "--port", "0", "--in", b.path("none"), "--users", "no-1,no-2,no-3"}, fault.NotFound, "useradd"},
		"photo":                   {[]string{"verify", "4711", missing}, fault.NotFound, "photo"},
		"folder as photo":         {[]string{"enrol", "4711", b.folder}, fault.BadPhoto, ""},
		"reference with a space":  {[]string{"verify", "47 11", missing}, fault.BadEncoding, "reference"},
		"model without a policy":  {[]string{"--policy", "", "enrol", "4711", missing}, fault.NotFound, ""},
		"nothing to verify":       {[]string{"verify", "4711"}, fault.Usage, ""},
		"calibrate without flags": {[]string{"calibrate"}, fault.Usage, "dataset"},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.nod(c.args...)
			r.t = t
			if c.code == fault.BadPhoto {
				r.wants(exitNotCompared, string(c.code))
				return
			}
			r.refused(c.code, c.says)
			r = b.nod(append([]string{"--json"}, c.args...)...)
			r.t = t
			if got := r.wants(exitFailed).object("error", "detail", "do"); got["error"] != string(c.code) || got["do"] != c.code.Do() {
				t.Errorf("as JSON: %s", r.out)
			}
		})
	}
}

// A reference that is wrong is named by its place: its text is personal.
func TestWrongReferencesAreNotQuoted(t *testing.T) {
	b := newBench(t)
	list := b.write("list.txt", "4711\r\n\n90 ann\n")
	for _, args := range [][]string{{"erase", "4711", "90 ann"}, {"erase", "--list", list}} {
		r := b.nod(args...).wants(exitFailed, "bad_encoding")
		if strings.Contains(r.out+r.errs, "ann") || strings.Contains(r.out+r.errs, "4711") {
			t.Errorf("quotes it: %s", r.errs)
		}
	}
	b.nod("erase", "--list", list).wants(exitFailed, "line 3")
	b.nod("erase", "--list", b.write("empty.txt", "\n\n")).refused(fault.Usage, "no reference in it")
}

// Package imports_test holds the module to the import table of
// docs/architecture.md, and to the rule that packages have no mutable state.
package imports_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// root is the module's folder, seen from this one.
const root = "../.."

func TestImportsFollowTheTable(t *testing.T) {
	m, _, err := load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(m) < 2 {
		t.Fatalf("found %d packages", len(m))
	}
	for _, v := range m.violations() {
		t.Error(v)
	}
}

func TestNoMutableGlobals(t *testing.T) {
	m, set, err := load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range m.globals(set) {
		t.Error(v)
	}
}

// The table that people read is the table that is held.
func TestArchitectureShowsTheTable(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown [][]string
	row := regexp.MustCompile(`(?m)^\| *(\d+) *\| *([^|]+?) *\|`)
	for _, match := range row.FindAllStringSubmatch(string(text), -1) {
		var folders []string
		for f := range strings.SplitSeq(match[2], ",") {
			folders = append(folders, strings.Trim(f, " `"))
		}
		shown = append(shown, folders)
	}
	for i := range max(len(shown), len(rows)) {
		var a, b []string
		if i < len(shown) {
			a = shown[i]
		}
		if i < len(rows) {
			b = rows[i]
		}
		if !slices.Equal(a, b) {
			t.Errorf("row %d: docs/architecture.md shows %q, the test holds %q", i+1, a, b)
		}
	}
}

// Every rule notices what it is there for: a module in which nothing is wrong but
// one planted thing.
func TestEveryRuleBites(t *testing.T) {
	cases := map[string]struct {
		files map[string]string
		want  []string // parts of the one sentence; none: nothing is wrong
	}{
		"in order":           {map[string]string{"wire/a.go": imports("wire", "nod/crypto/canon", "nod/fault")}, nil},
		"own tree":           {map[string]string{"store/a.go": imports("store", "nod/store/pebble")}, nil},
		"climbs":             {map[string]string{"wire/a.go": imports("wire", "nod/orders")}, []string{"wire/a.go", "orders", "earlier row"}},
		"roles apart":        {map[string]string{"matcher/a.go": imports("matcher", "nod/custodian")}, []string{"matcher/a.go", "earlier row"}},
		"role without face":  {map[string]string{"custodian/a.go": imports("custodian", "nod/face")}, []string{"custodian must not"}},
		"client stays small": {map[string]string{"client/a.go": imports("client", "nod/store")}, []string{"client may import"}},
		"client on wasm": {map[string]string{
			"client/a.go": imports("client", "nod/orders"),
			"orders/a.go": imports("orders", "net/http"),
		}, []string{"client: reaches net/http by client -> orders"}},
		"fasthttp":           {map[string]string{"rpc/a.go": imports("rpc", "github.com/valyala/fasthttp/fasthttputil")}, []string{"rpc/a.go", "belongs to [api]"}},
		"fasthttp in api":    {map[string]string{"api/a.go": imports("api", "github.com/valyala/fasthttp")}, nil},
		"vault":              {map[string]string{"custodian/a.go": imports("custodian", "github.com/hashicorp/vault/api")}, []string{"belongs to [keyring/vault]"}},
		"cgo":                {map[string]string{"calibrate/a.go": "//go:build linux && never\n\n" + imports("calibrate", "C")}, []string{"imports C"}},
		"cgo in dlib":        {map[string]string{"face/dlib/a.go": imports("dlib", "C", "unsafe")}, nil},
		"pure":               {map[string]string{"crypto/compare/cut/a.go": imports("cut", "time")}, []string{"crypto/compare is pure"}},
		"weak randomness":    {map[string]string{"channel/a.go": imports("channel", "math/rand/v2")}, []string{"belongs to"}},
		"no place":           {map[string]string{"util/a.go": imports("util")}, []string{"util: has no place"}},
		"root":               {map[string]string{"a.go": imports("nod")}, []string{".: has no place"}},
		"import of no place": {map[string]string{"dev/a.go": imports("dev", "nod/util")}, []string{"imports util, which has no place"}},
		"test helper": {map[string]string{
			"store/storetest/a.go": imports("storetest", "testing"),
			"store/a.go":           imports("store", "nod/store/storetest"),
		}, []string{"store/a.go", "exists for tests"}},
		"testing in a program": {map[string]string{"store/a.go": imports("store", "testing")}, []string{"imports testing"}},
		"tests climb":          {map[string]string{"wire/a_test.go": imports("wire_test", "nod/dev", "math/rand/v2")}, nil},
		"tests import cmd":     {map[string]string{"wire/a_test.go": imports("wire_test", "nod/cmd/nod")}, []string{"imports the command"}},
		"one binary a domain": {map[string]string{
			"cmd/nod-dealer/a.go": imports("main", "nod/dev"),
			"dev/a.go":            imports("dev"),
		}, []string{"cmd/nod-dealer: reaches nod/dev"}},
		"data and other modules": {map[string]string{
			"wire/testdata/a.go": imports("x", "nod/cmd"),
			"tools/go.mod":       "module tools\n",
			"tools/a.go":         imports("tools", "nod/cmd"),
			".ci/a.go":           imports("ci"),
		}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m, _, err := load(files(c.files))
			if err != nil {
				t.Fatal(err)
			}
			checkOne(t, m.violations(), c.want)
		})
	}
}

func TestGlobalsAreNoticed(t *testing.T) {
	const head = "package dev\n\nvar table = map[string]int{}\n\nvar list [4]struct{ n int }\n\n"
	cases := map[string]struct {
		code string
		want []string
	}{
		"read":                {"func f() int { x := table[\"a\"]; return x + list[1].n }", nil},
		"shadowed":            {"func f(table map[string]int) { table[\"a\"] = 1 }", nil},
		"shadowed inside":     {"func f() { list := []int{1}; list[0] = 2 }", nil},
		"assigned":            {"func f() { table = nil }", []string{"table"}},
		"element":             {"func f() { table[\"a\"]++ }", []string{"table"}},
		"field":               {"func f() { list[2].n = 3 }", []string{"list"}},
		"deleted":             {"func f() { delete(table, \"a\") }", []string{"table"}},
		"address":             {"func f() *int { return &list[0].n }", []string{"list"}},
		"init":                {"func init() {}", []string{"init"}},
		"method init":         {"type t int\n\nfunc (t) init() {}", nil},
		"lock":                {"var mu sync.Mutex", []string{"mu"}},
		"atomic":              {"var n atomic.Pointer[int]", []string{"n"}},
		"assigned by a range": {"var key string\n\nfunc f() { for key = range table {} }", []string{"key"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m, set, err := load(files(map[string]string{"dev/a.go": head + c.code}))
			if err != nil {
				t.Fatal(err)
			}
			checkOne(t, m.globals(set), c.want)
			// A variable of another file of the package is the same variable.
			m, set, err = load(files(map[string]string{"dev/a.go": head, "dev/b.go": "package dev\n\n" + c.code}))
			if err != nil {
				t.Fatal(err)
			}
			checkOne(t, m.globals(set), c.want)
		})
	}
}

// checkOne wants exactly one sentence with all the parts, or none for no parts.
func checkOne(t *testing.T, got, parts []string) {
	t.Helper()
	if parts == nil {
		if len(got) > 0 {
			t.Errorf("complains: %q", got)
		}
		return
	}
	if len(got) != 1 {
		t.Fatalf("%d complaints, want one: %q", len(got), got)
	}
	for _, p := range parts {
		if !strings.Contains(got[0], p) {
			t.Errorf("%q does not mention %q", got[0], p)
		}
	}
}

func imports(name string, paths ...string) string {
	out := "package " + name + "\n"
	for _, p := range paths {
		out += "\nimport _ \"" + p + "\"\n"
	}
	return out
}

func files(texts map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range texts {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

package config

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"nod/admit"
	"nod/crypto/compare/cut"
	"nod/fault"
	"nod/wire"
)

// Every number and duration takes both ends of its range and nothing beyond, whatever
// program and table it is in; and 0, its default.
func TestRanges(t *testing.T) {
	for _, p := range programs() {
		c, err := p.parse([]byte(p.least), "/etc/nod")
		if err != nil {
			t.Fatal(err)
		}
		eachNumber(reflect.ValueOf(c).Elem(), "", func(table string, f reflect.StructField) {
			name, bounds := f.Tag.Get("toml"), f.Tag.Get("range")
			low, high, _ := strings.Cut(bounds, "..")
			write := func(n int64) string {
				value := strconv.FormatInt(n, 10)
				if f.Type == reflect.TypeFor[Duration]() {
					value = strconv.Quote(Duration(n).String())
				}
				if table == "" {
					return fmt.Sprintf("%s = %s\n%s", name, value, p.least)
				}
				return fmt.Sprintf("%s\n[%s]\n%s = %s\n", p.least, table, name, value)
			}
			try := func(n int64) error { _, err := p.parse([]byte(write(n)), "/etc/nod"); return err }
			least, most := number(f.Type, low), number(f.Type, high)
			for _, n := range []int64{least - 1, most + 1, -1} {
				if n != 0 {
					refused(t, try(n), fault.OutOfRange, dotted(table, name), low+" to "+high)
				}
			}
			for _, n := range []int64{0, least, most} {
				// A range's end may not fit the other fields; then the fault says so.
				if err := try(n); err != nil && (n == 0 || strings.Contains(err.Error(), low+" to "+high)) {
					t.Errorf("%s %s = %d: %v", p.name, dotted(table, name), n, err)
				}
			}
		})
	}
}

func eachNumber(v reflect.Value, table string, visit func(table string, f reflect.StructField)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Type.Kind() == reflect.Struct {
			eachNumber(v.Field(i), f.Tag.Get("toml"), visit)
		}
		if f.Tag.Get("range") != "" {
			visit(table, f)
		}
	}
}

// The defaults are those of the packages that use them.
func TestDefaultsAreTheOthersDefaults(t *testing.T) {
	m, err := parse[Matcher]([]byte(leastMatcher), "/etc/nod")
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse[Custodian]([]byte(leastCustodian), "/etc/nod")
	if err != nil {
		t.Fatal(err)
	}
	d, err := parse[Dealer]([]byte(leastDealer), "/etc/nod")
	if err != nil {
		t.Fatal(err)
	}
	for _, limits := range []*Limits{&m.Limits, &c.Limits} {
		d := admit.Defaults()
		if *limits != (Limits{d.Consecutive, Duration(d.Pause), d.NoMatches, d.Answers, Duration(d.Session), Duration(d.Replay), 10_000}) {
			t.Errorf("limits %+v, want %+v", *limits, d)
		}
	}
	batch, sacrifice := cut.Default.Batch, cut.Default.Sacrifice
	day, minutes := Duration(24*time.Hour), Duration(2*time.Minute)
	if want := (MatcherCorrelations{batch, sacrifice, day, minutes, 0, 0, 64, Duration(250 * time.Millisecond), Duration(2 * time.Second)}); m.Correlations != want {
		t.Errorf("matcher's correlations %+v, want %+v", m.Correlations, want)
	}
	if want := (CustodianCorrelations{batch, sacrifice, day, minutes, 16, 4, Duration(time.Hour), 64}); c.Correlations != want {
		t.Errorf("custodian's correlations %+v, want %+v", c.Correlations, want)
	}
	if d.Correlations != (DealerCorrelations{MaxBatch: 4096, Concurrent: 2}) {
		t.Errorf("dealer's correlations %+v", d.Correlations)
	}
	if m.Drain.Std() != 20*time.Second || m.Log.Level != "info" {
		t.Errorf("drain %v, level %q", m.Drain, m.Log.Level)
	}
}

// Callers can be given the calls that wire declares for the matcher, and no other.
func TestCallableAreTheMatchersMethods(t *testing.T) {
	for _, file := range []string{"matcher", "custodian_rpc", "dealer"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "../wire/"+file+".go", nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Method" {
				return true
			}
			method, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found++
			if callable(wire.Method(method)) != (file == "matcher") {
				t.Errorf("%s: callable is %v", method, file != "matcher")
			}
			return true
		})
		if found == 0 {
			t.Errorf("no methods found in wire/%s.go", file)
		}
	}
}

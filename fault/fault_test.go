package fault

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// declared reads catalogue.go for the constants of type Code and for the keys
// of the map, so that neither list can be longer than the other.
func declared(t *testing.T) (constants map[string]Code, catalogued map[string]bool) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "catalogue.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants, catalogued = map[string]Code{}, map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Code" {
			for i, name := range spec.Names {
				text, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatalf("%s: %v", name.Name, err)
				}
				constants[name.Name] = Code(text)
			}
		}
		if spec.Names[0].Name == "catalogue" {
			for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
				name := e.(*ast.KeyValueExpr).Key.(*ast.Ident).Name
				if catalogued[name] {
					t.Errorf("%s is catalogued twice", name)
				}
				catalogued[name] = true
			}
		}
		return true
	})
	if len(constants) == 0 || len(catalogued) == 0 {
		t.Fatalf("read %d constants and %d entries of catalogue.go", len(constants), len(catalogued))
	}
	return constants, catalogued
}

func TestCatalogueHoldsEveryCode(t *testing.T) {
	constants, catalogued := declared(t)
	for name := range constants {
		if !catalogued[name] {
			t.Errorf("%s is declared and not catalogued", name)
		}
	}
	for name := range catalogued {
		if _, ok := constants[name]; !ok {
			t.Errorf("%s is catalogued and not declared in catalogue.go", name)
		}
	}
	if len(catalogue) != len(constants) {
		t.Errorf("%d entries for %d codes", len(catalogue), len(constants))
	}
}

func TestCodesAreStableNames(t *testing.T) {
	constants, _ := declared(t)
	shape := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	owner := map[Code]string{}
	for name, code := range constants {
		if !shape.MatchString(string(code)) {
			t.Errorf("%s = %q is not lower_snake_case", name, code)
		}
		if other, taken := owner[code]; taken {
			t.Errorf("%s and %s are both %q", name, other, code)
		}
		owner[code] = name
		// The code is the constant's name in another spelling, so that one can
		// be found from the other.
		if camel := strings.ReplaceAll(string(code), "_", ""); camel != strings.ToLower(name) {
			t.Errorf("%s = %q: a code is its constant's name", name, code)
		}
	}
}

func TestEveryCodeSaysWhatToDo(t *testing.T) {
	for code, e := range catalogue {
		if e.do == "" || code.Do() != e.do {
			t.Errorf("%s: advice %q", code, code.Do())
		}
		if e.class < Refused || e.class > Internal || code.Class() != e.class {
			t.Errorf("%s: class %d", code, code.Class())
		}
		if !code.Known() {
			t.Errorf("%s is not known", code)
		}
	}
	if c := Code("never_heard_of"); c.Known() || c.Class() != Internal || c.Do() != "" {
		t.Errorf("an unknown code is %v, class %d, %q", c.Known(), c.Class(), c.Do())
	}
}

func TestErrorIsFoundThroughWrapping(t *testing.T) {
	err := fmt.Errorf("opening: %w", New(StoreUnavailable, "segment %d: %w", 3, fs.ErrPermission))
	if !Is(err, StoreUnavailable) || Is(err, NotFound) {
		t.Errorf("Is does not see the fault in %v", err)
	}
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("the cause is lost in %v", err)
	}
	if got := CodeOf(err); got != StoreUnavailable {
		t.Errorf("CodeOf = %q", got)
	}
	want := "store_unavailable: segment 3: permission denied (" + StoreUnavailable.Do() + ")"
	var e *Error
	if !errors.As(err, &e) || e.Error() != want {
		t.Errorf("text %q, want %q", e, want)
	}
}

func TestCodeOfWithoutFault(t *testing.T) {
	if got := CodeOf(nil); got != "" {
		t.Errorf("CodeOf(nil) = %q", got)
	}
	if got := CodeOf(context.Canceled); got != Unexpected {
		t.Errorf("CodeOf(plain error) = %q", got)
	}
}

package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"nod/fault"
)

// Samples are read as an operator's copy of them would be.
func TestSamplesLoad(t *testing.T) {
	for _, p := range programs() {
		path := write(t, t.TempDir(), p.name+".toml", 0o644, []byte(p.sample))
		if _, err := p.load(path); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		for _, other := range programs() {
			if other.name == p.name {
				continue
			}
			// Each file is for one program alone.
			if _, err := other.load(path); !fault.Is(err, fault.UnknownField) {
				t.Errorf("the sample of the %s as a file of the %s: %v", p.name, other.name, err)
			}
		}
	}
}

// leaf is one field that is not a table, where a sample has it.
type leaf struct {
	name  string // without the numbers of lists
	field reflect.StructField
	value reflect.Value // as loaded
}

// leaves goes through a loaded configuration and the tree of its sample. A field that
// the sample does not have is an error.
func leaves(t *testing.T, v reflect.Value, tree map[string]any, at string) (out []leaf) {
	t.Helper()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("toml")
		where := dotted(at, name)
		given, ok := tree[name]
		if !ok {
			t.Errorf("%s: not in the sample", where)
			continue
		}
		field, inside := v.Field(i), f.Type
		for inside.Kind() == reflect.Pointer || inside.Kind() == reflect.Slice {
			inside = inside.Elem()
		}
		if inside.Kind() != reflect.Struct {
			out = append(out, leaf{where, f, field})
			continue
		}
		switch f.Type.Kind() {
		case reflect.Pointer:
			field = field.Elem()
		case reflect.Slice:
			field, given = field.Index(0), given.([]any)[0]
		}
		out = append(out, leaves(t, field, given.(map[string]any), where)...)
	}
	return out
}

func sampleLeaves(t *testing.T, p program) []leaf {
	t.Helper()
	tree := map[string]any{}
	if err := toml.Unmarshal([]byte(p.sample), &tree); err != nil {
		t.Fatal(err)
	}
	c, err := p.parse([]byte(p.sample), "/etc/nod")
	if err != nil {
		t.Fatal(err)
	}
	return leaves(t, reflect.ValueOf(c).Elem(), tree, "")
}

// comments are the comments of a sample by field: for a field of a list of tables,
// those of the first.
func comments(sample string) map[string]string {
	out := map[string]string{}
	table, comment := "", ""
	for line := range strings.SplitSeq(sample, "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			comment += strings.TrimPrefix(line, "#")
			continue
		case strings.HasPrefix(line, "["):
			table = strings.Trim(line, "[]")
		default:
			if name, _, ok := strings.Cut(line, " = "); ok {
				if _, seen := out[dotted(table, name)]; !seen {
					out[dotted(table, name)] = strings.TrimSpace(comment)
				}
			}
		}
		comment = ""
	}
	return out
}

// Every field stands in its sample with a comment; where it has a default, it has that
// value, and the comment says so.
func TestSamplesAreCompleteAndTellTheDefaults(t *testing.T) {
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			said := comments(p.sample)
			found := 0
			for _, l := range sampleLeaves(t, p) {
				found++
				comment := said[l.name]
				if comment == "" {
					t.Errorf("%s: no comment", l.name)
				}
				def, ok := l.field.Tag.Lookup("default")
				if !ok {
					continue
				}
				want := reflect.New(l.value.Type()).Elem()
				setDefault(want, def)
				if !want.Equal(l.value) {
					t.Errorf("%s: the sample has %v, the default is %s", l.name, l.value, def)
				}
				sentence := "Default " + def + "."
				if low, high, ok := strings.Cut(l.field.Tag.Get("range"), ".."); ok {
					sentence = "Default " + def + "; " + low + " to " + high + "."
				}
				if !strings.Contains(comment, sentence) {
					t.Errorf("%s: the comment %q does not say %q", l.name, comment, sentence)
				}
			}
			if found < 8 {
				t.Errorf("only %d fields were looked at", found)
			}
		})
	}
}

// What a sample says outright is what a file without it means.
func TestSamplesHaveTheDefaults(t *testing.T) {
	for _, p := range programs() {
		c, err := p.parse([]byte(p.least), "/etc/nod")
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		eachScalar(reflect.ValueOf(c).Elem(), func(v reflect.Value, f reflect.StructField) {
			def, ok := f.Tag.Lookup("default")
			if !ok {
				return
			}
			want := reflect.New(v.Type()).Elem()
			setDefault(want, def)
			if !want.Equal(v) {
				t.Errorf("%s: %s is %v without a value, its default is %s", p.name, f.Name, v, def)
			}
			if !v.IsZero() && checkRange(v, f.Tag, f.Name) != nil {
				t.Errorf("%s: the default of %s is out of its range", p.name, f.Name)
			}
		})
	}
}

func eachScalar(v reflect.Value, visit func(reflect.Value, reflect.StructField)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch f.Type.Kind() {
		case reflect.Struct:
			eachScalar(v.Field(i), visit)
		case reflect.Pointer, reflect.Slice: // absent in the least file, or texts
		default:
			visit(v.Field(i), f)
		}
	}
}

// Every field of a file's structs has a comment of its own, and the comment has the
// default and the range of the tag.
func TestFieldsAreDocumented(t *testing.T) {
	parsed, err := parser.ParseDir(token.NewFileSet(), ".", nil, parser.ParseComments) //nolint:staticcheck // no build tags here
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(parsed["config"], func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		structure, ok := spec.Type.(*ast.StructType)
		if !ok || !spec.Name.IsExported() {
			return true
		}
		for _, f := range structure.Fields.List {
			found++
			name := spec.Name.Name + "." + f.Names[0].Name
			doc := strings.Join(strings.Fields(f.Doc.Text()), " ")
			if !strings.HasPrefix(doc, f.Names[0].Name+" ") {
				t.Errorf("%s: the comment does not begin with the name", name)
			}
			if f.Tag == nil {
				continue // of a struct that no file has
			}
			tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
			def, ok := tag.Lookup("default")
			if !ok {
				continue
			}
			want := "Default: " + def + "."
			if low, high, ok := strings.Cut(tag.Get("range"), ".."); ok {
				want += " Range: " + low + " to " + high + "."
			}
			if !strings.HasSuffix(doc, want) {
				t.Errorf("%s: the comment does not end with %q", name, want)
			}
		}
		return true
	})
	if found < 60 {
		t.Errorf("only %d fields were looked at", found)
	}
}

// No text field is without a kind, and no number without a range.
func TestTagsAreComplete(t *testing.T) {
	for _, p := range programs() {
		for _, l := range sampleLeaves(t, p) {
			kind, bounds := l.field.Tag.Get("is"), l.field.Tag.Get("range")
			if (kind == "") == (bounds == "") {
				t.Errorf("%s %s: kind %q, range %q", p.name, l.name, kind, bounds)
			}
		}
	}
}

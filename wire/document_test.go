package wire

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// sections are the tables of docs/spec/wire.md: heading to rows, each a field and
// its type.
func sections(t *testing.T) map[string][][2]string {
	t.Helper()
	text, err := os.ReadFile("../docs/spec/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`^\| (\w+) \| ([^|]+) \|`)
	out, heading := map[string][][2]string{}, ""
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "## ") || len(out[heading]) > 0 && line == "\n" {
			heading = "" // one table a heading
		}
		if name, ok := strings.CutPrefix(line, "### "); ok {
			heading = strings.TrimSpace(name)
			if out[heading] != nil {
				t.Errorf("%s is documented twice", heading)
			}
			out[heading] = [][2]string{}
		}
		if m := row.FindStringSubmatch(line); m != nil && heading != "" && m[1] != "field" {
			out[heading] = append(out[heading], [2]string{m[1], m[2]})
		}
	}
	return out
}

// docs/spec/wire.md lists every message, with every field, in order, of its type.
func TestDocumentedFormats(t *testing.T) {
	documented := sections(t)
	seen := map[string]bool{}
	var check func(name string, typ reflect.Type)
	check = func(name string, typ reflect.Type) {
		if seen[name] {
			return
		}
		seen[name] = true
		rows, ok := documented[name]
		if !ok {
			t.Errorf("%s is not in the document", name)
			return
		}
		if len(rows) != typ.NumField() {
			t.Errorf("%s has %d fields, %d in the document", name, typ.NumField(), len(rows))
			return
		}
		for i, row := range rows {
			f := typ.Field(i)
			if row[0] != f.Name {
				t.Errorf("%s: field %d is %s, %s in the document", name, i, f.Name, row[0])
			}
			want, element := documentedType(f.Type)
			if !strings.Contains(want, "|"+row[1]+"|") {
				t.Errorf("%s.%s: %q in the document, want one of %s", name, f.Name, row[1], want)
			}
			if element != nil {
				check(element.Name(), element)
			}
		}
	}
	for _, empty := range messages {
		check(nameOf(empty()), reflect.TypeOf(empty()).Elem())
	}
	for name := range documented {
		if !seen[name] {
			t.Errorf("%s is in the document and does not travel", name)
		}
	}
}

// documentedType is how the document may name a type, between bars, and the struct
// that it is made of, if any.
func documentedType(t reflect.Type) (string, reflect.Type) {
	switch name := t.String(); {
	case name == "code.Code":
		return "|code|", nil
	case name == "dcf.Block":
		return "|block|", nil
	case t.Kind() == reflect.Array && t.Elem().Kind() == reflect.Uint8:
		return "|id|digest|nonce|instance|coin|seed|", nil
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "|bytes|", nil
	case t.Kind() == reflect.Slice:
		inner, element := documentedType(t.Elem())
		return "|list of " + strings.Join(strings.Split(strings.Trim(inner, "|"), "|"), "|list of ") + "|", element
	case t.Kind() == reflect.Array: // the two halves of a correlation
		return documentedType(t.Elem())
	case t.Kind() == reflect.Struct:
		return "|*" + t.Name() + "*|", t
	case t.Kind() == reflect.Bool:
		return "|flag|", nil
	case t.Kind() == reflect.String:
		return "|text|", nil
	case t.Kind() == reflect.Uint32, t.Kind() == reflect.Uint64:
		return "|u" + strings.TrimLeftFunc(t.Kind().String(), unicode.IsLetter) + "|", nil
	}
	return "|unknown|", nil
}

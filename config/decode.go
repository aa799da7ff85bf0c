package config

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"nod/fault"
)

// decode fills in the struct that into points to. The library reads TOML into maps,
// and what is here reads the maps: the library's own way into structs takes field
// names in any case, so that a field might stand twice, and does not say which field
// is wrong.
func decode(data []byte, folder string, into any) error {
	if len(data) > MaxFile {
		return fault.New(fault.Oversize, "%d bytes, at most %d", len(data), MaxFile)
	}
	tree := map[string]any{}
	if err := toml.Unmarshal(data, &tree); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, column := at.Position()
			return fault.New(fault.BadEncoding, "line %d, column %d: %w", line, column, err)
		}
		return fault.New(fault.BadEncoding, "%w", err)
	}
	d := &decoder{folder: folder}
	if err := d.table(reflect.ValueOf(into).Elem(), tree, ""); err != nil {
		return err
	}
	if len(d.missing) > 0 {
		return fault.New(fault.BadEncoding, "missing: %s", strings.Join(d.missing, ", "))
	}
	return nil
}

// decoder goes through the tree of one file.
type decoder struct {
	folder  string   // absolute; where relative paths start
	missing []string // required fields that are not there, in order of the struct
}

// table fills in a struct. at is its dotted name.
func (d *decoder) table(v reflect.Value, tree map[string]any, at string) error {
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		known[f.Tag.Get("toml")] = true
	}
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if !known[name] {
			return fault.New(fault.UnknownField, "%s", dotted(at, name))
		}
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("toml")
		value, given := tree[name]
		if err := d.field(v.Field(i), f, value, given, dotted(at, name)); err != nil {
			return err
		}
	}
	return nil
}

// field fills in one field of a struct from value, if it is given.
func (d *decoder) field(v reflect.Value, f reflect.StructField, value any, given bool, at string) error {
	switch f.Type.Kind() {
	case reflect.Pointer:
		if !given {
			return nil
		}
		v.Set(reflect.New(f.Type.Elem()))
		return d.nested(v.Elem(), value, at)
	case reflect.Struct:
		if !given {
			value = map[string]any{} // to find out what is missing, and for the defaults
		}
		return d.nested(v, value, at)
	case reflect.Slice:
		if !given {
			value = []any{}
		}
		return d.list(v, f, value, at)
	}
	return d.scalar(v, f, value, given, at)
}

func (d *decoder) nested(v reflect.Value, value any, at string) error {
	tree, ok := value.(map[string]any)
	if !ok {
		return fault.New(fault.BadEncoding, "%s is not a table", at)
	}
	return d.table(v, tree, at)
}

// list fills in a list of texts or of tables. An empty one stays nil.
func (d *decoder) list(v reflect.Value, f reflect.StructField, value any, at string) error {
	values, ok := value.([]any)
	if !ok {
		return fault.New(fault.BadEncoding, "%s is not a list", at)
	}
	if len(values) == 0 {
		if f.Tag.Get("min") != "" {
			d.missing = append(d.missing, at)
		}
		return nil
	}
	v.Set(reflect.MakeSlice(f.Type, len(values), len(values)))
	for i, item := range values {
		e, name := v.Index(i), element(at, i)
		var err error
		if e.Kind() == reflect.Struct {
			err = d.nested(e, item, name)
		} else {
			err = d.text(e, f, item, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scalar fills in a number, a duration or a text. Without a value, or with the zero
// value, it takes the default, or is missing if there is none.
func (d *decoder) scalar(v reflect.Value, f reflect.StructField, value any, given bool, at string) error {
	if given {
		if err := d.value(v, f, value, at); err != nil {
			return err
		}
	}
	if !v.IsZero() {
		return checkRange(v, f.Tag, at)
	}
	def, ok := f.Tag.Lookup("default")
	if !ok {
		d.missing = append(d.missing, at)
		return nil
	}
	setDefault(v, def)
	return nil
}

// value takes over a value of the right type.
func (d *decoder) value(v reflect.Value, f reflect.StructField, value any, at string) error {
	switch v.Interface().(type) {
	case Duration:
		text, ok := value.(string)
		if !ok {
			return fault.New(fault.BadEncoding, `%s is not a duration such as "180s"%s`, at, allowed(f.Tag))
		}
		var duration Duration
		if err := duration.UnmarshalText([]byte(text)); err != nil {
			return fault.Within(err, "%s%s", at, allowed(f.Tag))
		}
		v.SetInt(int64(duration))
	case int:
		n, ok := value.(int64)
		if !ok {
			return fault.New(fault.BadEncoding, "%s is not a whole number%s", at, allowed(f.Tag))
		}
		v.SetInt(n)
	default:
		if value == "" {
			return nil // as if it were not there
		}
		return d.text(v, f, value, at)
	}
	return nil
}

// text takes over a text of the kind that the field wants.
func (d *decoder) text(v reflect.Value, f reflect.StructField, value any, at string) error {
	s, ok := value.(string)
	if !ok {
		return fault.New(fault.BadEncoding, "%s is not a text", at)
	}
	s, err := checkText(f.Tag.Get("is"), s, d.folder)
	if err != nil {
		return fault.Within(err, "%s", at)
	}
	v.SetString(s)
	return nil
}

// dotted is the name of a field within a table.
func dotted(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// element is the name of an element of a list, counted from 0.
func element(at string, i int) string { return at + "[" + strconv.Itoa(i) + "]" }

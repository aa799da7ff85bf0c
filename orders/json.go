package orders

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"nod/crypto/canon"
	"nod/fault"
)

// An object is one JSON object, read strictly: exactly the fields named, each
// once, in the case named, and nothing after it. The order of fields is free,
// because every JWT library writes its own. The first failure sticks and is
// reported by err; values read after it are zero.
type object struct {
	what   string
	fields map[string]json.RawMessage
	err    error
}

// parseObject reads data. A name that ends in "?" may be absent. what names the
// object in faults.
func parseObject(what string, data []byte, names ...string) *object {
	o := &object{what: what, fields: make(map[string]json.RawMessage, len(names))}
	if !utf8.Valid(data) {
		o.fail(fault.BadEncoding, "not UTF-8")
		return o
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		o.fail(fault.BadEncoding, "not a JSON object")
		return o
	}
	for decoder.More() {
		o.readField(decoder, names)
		if o.err != nil {
			return o
		}
	}
	if _, err := decoder.Token(); err != nil {
		o.fail(fault.BadEncoding, "not a JSON object")
		return o
	}
	if _, err := decoder.Token(); err != io.EOF {
		o.fail(fault.BadEncoding, "bytes after the object")
	}
	for _, name := range names {
		if _, ok := o.fields[name]; !ok && !strings.HasSuffix(name, "?") {
			o.fail(fault.BadEncoding, "no field %q", name)
		}
	}
	return o
}

func (o *object) readField(decoder *json.Decoder, names []string) {
	token, err := decoder.Token()
	name, ok := token.(string)
	if err != nil || !ok {
		o.fail(fault.BadEncoding, "not a JSON object")
		return
	}
	known := false
	for _, n := range names {
		known = known || strings.TrimSuffix(n, "?") == name
	}
	if !known {
		// The name is a stranger's text: it is not repeated.
		o.fail(fault.UnknownField, "a field besides %s", strings.ReplaceAll(strings.Join(names, ", "), "?", ""))
		return
	}
	if _, doubled := o.fields[name]; doubled {
		o.fail(fault.BadEncoding, "field %q twice", name)
		return
	}
	var value json.RawMessage
	if err := decoder.Decode(&value); err != nil {
		o.fail(fault.BadEncoding, "field %q is not JSON", name)
		return
	}
	o.fields[name] = value
}

func (o *object) fail(code fault.Code, format string, args ...any) {
	if o.err == nil {
		o.err = fault.New(code, o.what+": "+format, args...)
	}
}

// has reports whether an optional field is there.
func (o *object) has(name string) bool { _, ok := o.fields[name]; return ok && o.err == nil }

// text is a string of min to max printable ASCII characters without space.
func (o *object) text(name string, min, max int) string {
	if o.err != nil {
		return ""
	}
	raw := o.fields[name]
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		o.fail(fault.BadEncoding, "%q is not a string", name)
		return ""
	}
	if err := checkText(o.what+": "+name, s, min, max); err != nil {
		o.err = err
		return ""
	}
	return s
}

// checkText holds a name to min..max printable ASCII characters without space,
// so it has one spelling.
func checkText(what, s string, min, max int) error {
	switch {
	case len(s) < min:
		return fault.New(fault.Truncated, "%s of %d characters, want at least %d", what, len(s), min)
	case len(s) > max:
		return fault.New(fault.Oversize, "%s of %d characters, want at most %d", what, len(s), max)
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return fault.New(fault.BadEncoding, "%s is not printable ASCII without space", what)
		}
	}
	return nil
}

// seconds is a NumericDate without a fraction.
func (o *object) seconds(name string) time.Time {
	return time.Unix(o.digits(name, string(o.fields[name])), 0).UTC()
}

// milliseconds is a NumericDate with exactly three decimals.
func (o *object) milliseconds(name string) time.Time {
	whole, part, ok := strings.Cut(string(o.fields[name]), ".")
	if !ok || len(part) != 3 {
		o.fail(fault.BadEncoding, "%q is not a number of seconds with three decimals", name)
		return time.Time{}
	}
	return time.UnixMilli(o.digits(name, whole+part)).UTC()
}

// digits is a number of 1 to 13 decimal digits.
func (o *object) digits(name, s string) int64 {
	if o.err != nil {
		return 0
	}
	if strings.Trim(s, "0123456789") != "" || len(s) == 0 || len(s) > 13 || (len(s) > 1 && s[0] == '0') {
		o.fail(fault.BadEncoding, "%q is not a plain number of seconds", name)
		return 0
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		o.fail(fault.BadEncoding, "%q is not a plain number of seconds", name)
	}
	return v
}

// hash is 64 lower-case hexadecimal digits.
func (o *object) hash(name string) [32]byte {
	var id canon.Digest
	if s := o.text(name, 64, 64); o.err == nil && id.UnmarshalText([]byte(s)) != nil {
		o.fail(fault.BadEncoding, "%q is not 64 lower-case hexadecimal digits", name)
	}
	return id
}

// bytes is unpadded base64url in its one form, of exactly size bytes.
func (o *object) bytes(name string, size int) []byte {
	b, err := decodeBase64([]byte(o.text(name, 0, 4*size)))
	if o.err == nil && (err != nil || len(b) != size) {
		o.fail(fault.BadEncoding, "%q is not %d bytes of base64url", name, size)
	}
	return b
}

package config

import (
	"net"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"nod/fault"
)

// namePattern is what a caller's name looks like: safe in a log, as a label and in a
// certificate.
var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$`)

// The most characters of a text.
const (
	maxID      = 128 // as docs/spec/orders.md
	maxPurpose = 64  // as docs/spec/orders.md
	maxPath    = 4096
	maxHost    = 255
)

// checkText holds a text to its kind, the tag "is", and gives it in the form in which
// it is kept.
func checkText(kind, s, folder string) (string, error) {
	switch kind {
	case "path":
		return checkPath(s, folder)
	case "address":
		return s, checkAddress(s, 1)
	case "listen":
		return s, checkAddress(s, 0)
	case "name":
		if !namePattern.MatchString(s) {
			return "", fault.New(fault.BadEncoding, "want 1 to 64 of a-z, 0-9, '.' and '-', the first and last a letter or digit")
		}
		return s, nil
	case "id":
		return s, checkPlain(s, maxID)
	case "purpose":
		return s, checkPlain(s, maxPurpose)
	case "level":
		switch s {
		case "debug", "info", "warn", "error":
			return s, nil
		}
		return "", fault.New(fault.OutOfRange, "want debug, info, warn or error")
	case "text":
		return s, nil
	}
	panic("config: a field of unknown kind " + strconv.Quote(kind))
}

// checkPath makes a path absolute.
func checkPath(s, folder string) (string, error) {
	if s == "" || len(s) > maxPath || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fault.New(fault.BadEncoding, "want a path of 1 to %d bytes, without control characters", maxPath)
	}
	if filepath.IsAbs(s) {
		return filepath.Clean(s), nil
	}
	return filepath.Join(folder, s), nil
}

// checkAddress holds an address to host:port. The host stands there even to listen
// on: that a program listens everywhere is to be seen in its file.
func checkAddress(s string, least uint64) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || checkPlain(host, maxHost) != nil {
		return fault.New(fault.BadEncoding, `want host:port, such as "matcher.example:7443" or "127.0.0.1:7443"`)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n < least || strconv.FormatUint(n, 10) != port {
		return fault.New(fault.OutOfRange, "want a port of %d to 65535, in digits", least)
	}
	return nil
}

// checkPlain holds a text to the characters of an id.
func checkPlain(s string, most int) error {
	bad := strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
	if bad || s == "" || len(s) > most {
		return fault.New(fault.BadEncoding, "want 1 to %d printable ASCII characters without space", most)
	}
	return nil
}

// checkRange holds a number or duration to its tag.
func checkRange(v reflect.Value, tag reflect.StructTag, at string) error {
	low, high, ok := strings.Cut(tag.Get("range"), "..")
	if !ok {
		return nil
	}
	least, most := number(v.Type(), low), number(v.Type(), high)
	if n := v.Int(); n < least || n > most {
		return fault.New(fault.OutOfRange, "%s is %v%s", at, v.Interface(), allowed(tag))
	}
	return nil
}

// allowed tells the range of a field.
func allowed(tag reflect.StructTag) string {
	low, high, ok := strings.Cut(tag.Get("range"), "..")
	if !ok {
		return ""
	}
	return "; want " + low + " to " + high
}

// setDefault sets what the tag says.
func setDefault(v reflect.Value, text string) {
	if v.Kind() == reflect.String {
		v.SetString(text)
		return
	}
	v.SetInt(number(v.Type(), text))
}

// number reads a number or duration of a tag; a tag that is none is a programmer's
// error and panics.
func number(t reflect.Type, text string) int64 {
	if t == reflect.TypeFor[Duration]() {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic("config: " + err.Error())
		}
		return int64(d)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("config: " + err.Error())
	}
	return n
}

package file

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"time"

	"nod/audit"
	"nod/crypto/canon"
	"nod/fault"
)

// A line is a JSON object with these members in this order, no spaces, and a
// line feed:
//
//	serial       number
//	time         text, UTC with milliseconds
//	operation    text
//	subject      64 hexadecimal digits
//	party        text
//	key          text
//	key_version  number
//	correlation  64 hexadecimal digits
//	session      64 hexadecimal digits
//	count        number
//	hash         64 hexadecimal digits: audit.Leaf.Link
//
// From subject to count, what is zero or empty is left out. Texts need no
// escapes (audit.Leaf.Check). encoding/json reads all of this; a codec of our own
// because a role's start checks every line that there is, five times as fast.
const timeLayout = "2006-01-02T15:04:05.000Z"

// maxLine is the most bytes of a line, its end included. The longest that there
// can be has fewer than 800.
const maxLine = 1024

// appendLine writes a checked leaf and its hash as one line, with its end.
func appendLine(out []byte, l audit.Leaf, hash canon.Digest) []byte {
	out = strconv.AppendUint(append(out, `{"serial":`...), l.Serial, 10)
	out = l.Time.AppendFormat(append(out, `,"time":"`...), timeLayout)
	out = append(append(out, `","operation":"`...), l.Operation...)
	out = append(out, '"')
	out = appendDigest(out, `,"subject":"`, l.Subject)
	out = appendText(out, `,"party":"`, l.Party)
	out = appendText(out, `,"key":"`, l.Key)
	out = appendNumber(out, `,"key_version":`, l.KeyVersion)
	out = appendDigest(out, `,"correlation":"`, l.Correlation)
	out = appendDigest(out, `,"session":"`, l.Session)
	out = appendNumber(out, `,"count":`, l.Count)
	out = hex.AppendEncode(append(out, `,"hash":"`...), hash[:])
	return append(out, "\"}\n"...)
}

func appendText(out []byte, member, v string) []byte {
	if v == "" {
		return out
	}
	return append(append(append(out, member...), v...), '"')
}

func appendDigest(out []byte, member string, v canon.Digest) []byte {
	if v.IsZero() {
		return out
	}
	return append(hex.AppendEncode(append(out, member...), v[:]), '"')
}

func appendNumber(out []byte, member string, v uint32) []byte {
	if v == 0 {
		return out
	}
	return strconv.AppendUint(append(out, member...), uint64(v), 10)
}

// decodeLine accepts exactly what appendLine writes: fault.BadEncoding
// otherwise. It does not know whether the hash is right.
func decodeLine(line []byte) (audit.Leaf, canon.Digest, error) {
	s := scanner{rest: line}
	l := audit.Leaf{
		Serial:      s.number(`{"serial":`, 64),
		Time:        s.time(`,"time":"`),
		Operation:   audit.Operation(s.text(`,"operation":"`)),
		Subject:     s.digest(`,"subject":"`),
		Party:       s.text(`,"party":"`),
		Key:         s.text(`,"key":"`),
		KeyVersion:  uint32(s.number(`,"key_version":`, 32)),
		Correlation: s.digest(`,"correlation":"`),
		Session:     s.digest(`,"session":"`),
		Count:       uint32(s.number(`,"count":`, 32)),
	}
	hash := s.digest(`,"hash":"`)
	// The scanner reads what it finds and takes the rest for absent; whether the
	// line is right is for the encoder to say.
	if len(line) > maxLine || l.Check() != nil || !bytes.Equal(appendLine(nil, l, hash), line) {
		return audit.Leaf{}, canon.Digest{}, fault.New(fault.BadEncoding, "not a line as this software writes it")
	}
	return l, hash, nil
}

// scanner takes members off the beginning of a line. A member that is not there,
// or cannot be read, has its zero value.
type scanner struct{ rest []byte }

// value takes the bytes between a member's beginning and its end.
func (s *scanner) value(member, ends string) []byte {
	after, ok := bytes.CutPrefix(s.rest, []byte(member))
	if !ok {
		return nil
	}
	end := bytes.IndexAny(after, ends)
	if end < 0 {
		return nil
	}
	s.rest = after[end:]
	return after[:end]
}

func (s *scanner) text(member string) string {
	v := s.value(member, `"`)
	if v != nil {
		s.rest = s.rest[1:]
	}
	return string(v)
}

func (s *scanner) number(member string, bits int) uint64 {
	v, err := strconv.ParseUint(string(s.value(member, ",}")), 10, bits)
	if err != nil {
		return 0
	}
	return v
}

func (s *scanner) digest(member string) (v canon.Digest) {
	if v.UnmarshalText([]byte(s.text(member))) != nil {
		return canon.Digest{}
	}
	return v
}

func (s *scanner) time(member string) time.Time {
	v, err := time.Parse(timeLayout, s.text(member))
	if err != nil {
		return time.Time{}
	}
	return v
}

package code

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"

	"nod/fault"
)

// decodeStrict reads one JSON object of at most limit bytes into v and refuses
// whatever v would not write itself: unknown, missing, doubled or re-ordered
// fields, other spellings of a number or a string, bytes left over. Only white
// space between tokens is free. what names the file in faults.
func decodeStrict(what string, data []byte, limit int, v any) error {
	if len(data) > limit {
		return fault.New(fault.Oversize, "%s of %d bytes, at most %d", what, len(data), limit)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return jsonFault(what, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fault.New(fault.Oversize, "%s: bytes left over after the object", what)
	}
	again, err := compactJSON(v)
	if err != nil {
		return jsonFault(what, err)
	}
	var given bytes.Buffer
	if err := json.Compact(&given, data); err != nil {
		return jsonFault(what, err)
	}
	if !bytes.Equal(given.Bytes(), again) {
		return fault.New(fault.BadEncoding, "%s: a field is doubled, missing, out of order or spelt another way", what)
	}
	return nil
}

// compactJSON is v's one encoding, without white space.
func compactJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// indentedJSON is v's one encoding, set out for people, with a final newline.
func indentedJSON(v any) ([]byte, error) {
	flat, err := compactJSON(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, flat, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func jsonFault(what string, err error) error {
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		return fault.New(known.Code, "%s: %s", what, known.Detail)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fault.New(fault.Truncated, "%s ends too soon", what)
	case strings.HasPrefix(err.Error(), "json: unknown field"):
		return fault.New(fault.UnknownField, "%s: %w", what, err)
	}
	return fault.New(fault.BadEncoding, "%s: %w", what, err)
}

// Float32s is written as base64 of little-endian IEEE 754 singles.
type Float32s []float32

// MarshalJSON writes the numbers.
func (f Float32s) MarshalJSON() ([]byte, error) {
	raw := make([]byte, 0, 4*len(f))
	for _, v := range f {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return json.Marshal(raw)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Float32s) UnmarshalJSON(data []byte) error {
	raw, err := wordBytes(data)
	if err != nil {
		return err
	}
	*f = make(Float32s, len(raw)/4)
	for i := range *f {
		(*f)[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return nil
}

// Uint32s is written as base64 of little-endian words.
type Uint32s []uint32

// MarshalJSON writes the numbers.
func (u Uint32s) MarshalJSON() ([]byte, error) {
	raw := make([]byte, 0, 4*len(u))
	for _, v := range u {
		raw = binary.LittleEndian.AppendUint32(raw, v)
	}
	return json.Marshal(raw)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (u *Uint32s) UnmarshalJSON(data []byte) error {
	raw, err := wordBytes(data)
	if err != nil {
		return err
	}
	*u = make(Uint32s, len(raw)/4)
	for i := range *u {
		(*u)[i] = binary.LittleEndian.Uint32(raw[4*i:])
	}
	return nil
}

// Int8s is written as base64 of bytes in two's complement.
type Int8s []int8

// MarshalJSON writes the numbers.
func (s Int8s) MarshalJSON() ([]byte, error) {
	raw := make([]byte, len(s))
	for i, v := range s {
		raw[i] = byte(v)
	}
	return json.Marshal(raw)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Int8s) UnmarshalJSON(data []byte) error {
	var raw []byte
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*s = make(Int8s, len(raw))
	for i, v := range raw {
		(*s)[i] = int8(v)
	}
	return nil
}

// wordBytes reads base64 of a whole number of 4-byte words.
func wordBytes(data []byte) ([]byte, error) {
	var raw []byte
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	if len(raw)%4 != 0 {
		return nil, fault.New(fault.BadDimension, "%d bytes are not a whole number of 4-byte words", len(raw))
	}
	return raw, nil
}

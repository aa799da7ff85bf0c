package canon_test

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nod/crypto/canon"
	"nod/fault"
)

func TestReaderGivesBackWhatEncodeWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 40), 0, 6).Draw(t, "fields")
		encoded := canon.Encode("test", fields...)
		r := canon.NewReader("test", encoded)
		for _, want := range fields {
			if got := r.Bytes(0, 40); !bytes.Equal(got, want) {
				t.Fatalf("read %x, wrote %x", got, want)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		for n := range encoded {
			if err := readAll("test", encoded[:n], len(fields)); err == nil {
				t.Fatalf("%d of %d bytes were accepted", n, len(encoded))
			}
		}
	})
}

func readAll(kind canon.Kind, data []byte, n int) error {
	r := canon.NewReader(kind, data)
	for range n {
		r.Bytes(0, 1<<20)
	}
	return r.Close()
}

func TestReaderRefuses(t *testing.T) {
	data := canon.Encode("test", []byte("ab"), canon.Uint64(7))
	for name, c := range map[string]struct {
		err  error
		code fault.Code
	}{
		"another kind":   {readAll("tests", data, 2), fault.BadEncoding},
		"a field more":   {readAll("test", data, 3), fault.Truncated},
		"a field fewer":  {readAll("test", data, 1), fault.Oversize},
		"a longer field": {func() error { r := canon.NewReader("test", data); r.Bytes(0, 1); return r.Close() }(), fault.Oversize},
		"a shorter one":  {func() error { r := canon.NewReader("test", data); r.Bytes(3, 9); return r.Close() }(), fault.Truncated},
		"a number out of range": {func() error {
			r := canon.NewReader("test", data)
			r.Bytes(2, 2)
			r.Uint(6)
			return r.Close()
		}(), fault.OutOfRange},
	} {
		if !fault.Is(c.err, c.code) {
			t.Errorf("%s: %v, want %s", name, c.err, c.code)
		}
	}
}

func TestReaderTimes(t *testing.T) {
	want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := canon.NewReader("test", canon.Encode("test", canon.Time(want)))
	if got := r.Time(); !got.Equal(want) || r.Close() != nil {
		t.Fatalf("read %v, wrote %v", got, want)
	}
	r = canon.NewReader("test", canon.Encode("test", canon.Time(time.Unix(-1, 0))))
	r.Time()
	if err := r.Close(); !fault.Is(err, fault.OutOfRange) {
		t.Fatalf("a time before 1970: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(canon.Encode("test", []byte("ab"), nil, canon.Uint64(7)))
	f.Add([]byte{0, 0, 0, 11})
	f.Fuzz(func(t *testing.T, data []byte) {
		for n := range 5 {
			r := canon.NewReader("test", data)
			fields := make([][]byte, n)
			for i := range fields {
				fields[i] = r.Bytes(0, len(data))
			}
			if r.Close() == nil && !bytes.Equal(canon.Encode("test", fields...), data) {
				t.Fatal("what was read does not encode to the same bytes")
			}
		}
	})
}

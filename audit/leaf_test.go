package audit_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nod/audit"
	"nod/crypto/canon"
	"nod/fault"
)

func sample() audit.Leaf {
	return audit.Leaf{
		Serial: 7, Time: time.UnixMilli(1_800_000_000_123).UTC(), Operation: audit.OpVerify,
		Subject: canon.Digest{1}, Party: "https://bank.example", Key: "pad", KeyVersion: 3,
		Correlation: canon.Digest{2}, Session: canon.Digest{3}, Count: 2,
	}
}

// changes are one for every field of a leaf.
var changes = map[string]func(*audit.Leaf){
	"serial":      func(l *audit.Leaf) { l.Serial++ },
	"time":        func(l *audit.Leaf) { l.Time = l.Time.Add(time.Millisecond) },
	"operation":   func(l *audit.Leaf) { l.Operation = audit.OpAbort },
	"subject":     func(l *audit.Leaf) { l.Subject[31] ^= 1 },
	"party":       func(l *audit.Leaf) { l.Party += "x" },
	"key":         func(l *audit.Leaf) { l.Key = "" },
	"both texts":  func(l *audit.Leaf) { l.Party, l.Key = l.Party+"p", "ad" },
	"key version": func(l *audit.Leaf) { l.KeyVersion++ },
	"correlation": func(l *audit.Leaf) { l.Correlation[0] ^= 1 },
	"session":     func(l *audit.Leaf) { l.Session[7] ^= 0x80 },
	"count":       func(l *audit.Leaf) { l.Count = 0 },
}

func TestEveryFieldIsEncoded(t *testing.T) {
	base := sample()
	for name, change := range changes {
		other := sample()
		change(&other)
		if bytes.Equal(base.Encode(), other.Encode()) || base.Link(canon.Digest{}) == other.Link(canon.Digest{}) {
			t.Errorf("a leaf with another %s has the same encoding", name)
		}
	}
	if base.Link(canon.Digest{}) == base.Link(canon.Digest{1}) {
		t.Error("the hash does not cover the one before")
	}
	finer := sample()
	finer.Time = finer.Time.Add(999 * time.Microsecond).In(time.FixedZone("Macao", 8*3600))
	if !bytes.Equal(base.Encode(), finer.Encode()) || finer.Kept() != base {
		t.Error("a leaf's time is kept in UTC and whole milliseconds")
	}
}

// TestEncodingIsCanon reads an encoding back with canon's own reader.
func TestEncodingIsCanon(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[!#-\[\]-z|~]{0,20}`)
		l := audit.Leaf{
			Serial:    rapid.Uint64().Draw(t, "serial"),
			Time:      time.UnixMilli(rapid.Int64Range(0, 1<<47).Draw(t, "ms")).UTC(),
			Operation: audit.OpDeal, Party: text.Draw(t, "party"), Key: text.Draw(t, "key"),
			KeyVersion: rapid.Uint32().Draw(t, "version"), Count: rapid.Uint32().Draw(t, "count"),
		}
		if err := l.Check(); err != nil {
			t.Fatal(err)
		}
		r := canon.NewReader("leaf", l.Encode())
		var got audit.Leaf
		got.Serial = r.Uint64()
		got.Time = time.UnixMilli(int64(r.Uint64())).UTC()
		got.Operation = audit.Operation(r.Text(1, 20))
		r.Fixed(got.Subject[:])
		got.Party, got.Key = r.Text(0, audit.MaxText), r.Text(0, audit.MaxText)
		got.KeyVersion = uint32(r.Uint(1<<32 - 1))
		r.Fixed(got.Correlation[:])
		r.Fixed(got.Session[:])
		got.Count = uint32(r.Uint(1<<32 - 1))
		if err := r.Close(); err != nil || got != l {
			t.Fatalf("read back %+v, %v, want %+v", got, err, l)
		}
	})
}

// TestLinkVector states one hash, which a few lines of Python computed from the
// definition, and the encoding in it.
func TestLinkVector(t *testing.T) {
	l := sample()
	field := func(out, data []byte) []byte {
		return append(binary.BigEndian.AppendUint32(out, uint32(len(data))), data...)
	}
	number := func(out []byte, v uint64) []byte { return field(out, binary.BigEndian.AppendUint64(nil, v)) }
	enc := field(nil, []byte("nod/v1/leaf"))
	enc = number(number(enc, 7), 1_800_000_000_123)
	enc = field(field(field(field(enc, []byte("verify")), l.Subject[:]), []byte("https://bank.example")), []byte("pad"))
	enc = field(field(number(enc, 3), l.Correlation[:]), l.Session[:])
	enc = number(enc, 2)
	if !bytes.Equal(enc, l.Encode()) {
		t.Fatalf("encoding\n%x, want\n%x", l.Encode(), enc)
	}
	const want = "4a7cd06e21543d9f3dda38570a207474c3359887a1bcf605ebdc139db0a9a5e2"
	if got := l.Link(canon.Digest{9}).String(); got != want {
		t.Errorf("link %s, want %s", got, want)
	}
}

func TestCheck(t *testing.T) {
	all := []audit.Operation{
		audit.OpOpen, audit.OpVerify, audit.OpAbort, audit.OpEnrol, audit.OpRenew, audit.OpErase, audit.OpLock,
		audit.OpUnlock, audit.OpLift, audit.OpDeal, audit.OpChannel, audit.OpAlarm, audit.OpStart,
	}
	for _, op := range all {
		l := audit.Leaf{Operation: op, Time: time.UnixMilli(0), Party: strings.Repeat("~", audit.MaxText), Key: "!"}
		if err := l.Check(); err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
	bad := map[string]struct {
		change func(*audit.Leaf)
		code   fault.Code
	}{
		"no operation":      {func(l *audit.Leaf) { l.Operation = "" }, fault.OutOfRange},
		"another operation": {func(l *audit.Leaf) { l.Operation = "match" }, fault.OutOfRange},
		"no time":           {func(l *audit.Leaf) { l.Time = time.Time{} }, fault.OutOfRange},
		"before 1970":       {func(l *audit.Leaf) { l.Time = time.UnixMilli(-1) }, fault.OutOfRange},
		"year 10000":        {func(l *audit.Leaf) { l.Time = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) }, fault.OutOfRange},
		"long party":        {func(l *audit.Leaf) { l.Party = strings.Repeat("x", audit.MaxText+1) }, fault.Oversize},
		"long key":          {func(l *audit.Leaf) { l.Key = strings.Repeat("x", audit.MaxText+1) }, fault.Oversize},
	}
	for _, c := range []string{" ", "\n", "\x00", "\x7f", "\"", "\\", "{", "}", "é", "\xff"} {
		bad["character "+c] = struct {
			change func(*audit.Leaf)
			code   fault.Code
		}{func(l *audit.Leaf) { l.Party = "a" + c }, fault.OutOfRange}
	}
	for name, test := range bad {
		l := sample()
		test.change(&l)
		if err := l.Check(); !fault.Is(err, test.code) {
			t.Errorf("%s: %v, want %s", name, err, test.code)
		}
	}
}

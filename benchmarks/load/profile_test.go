package load

import "testing"

// The table of go tool pprof is read whole, also where both percentages are the same,
// and every function has its kind.
func TestParseTop(t *testing.T) {
	lines, err := parseTop(`File: nod-matcher
Showing nodes accounting for 3.67s, 100% of 3.67s total
      flat  flat%   sum%        cum   cum%
     0.38s 10.35% 10.35%      0.38s 10.35%  internal/runtime/syscall/linux.Syscall6
     0.03s  0.82% 11.17%      0.46s 12.53%  crypto/internal/fips140/edwards25519.(*Point).VarTimeDoubleScalarBaseMult
         0     0% 11.17%      0.02s  0.54%  nod/store/pebble.held[go.shape.struct { Value []uint8 }] (inline)
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		line Line
		kind string
	}{
		{Line{"internal/runtime/syscall/linux.Syscall6", 10.35, 10.35}, "system calls (network, disk)"},
		{Line{"crypto/internal/fips140/edwards25519.(*Point).VarTimeDoubleScalarBaseMult", 0.82, 12.53}, "Ed25519"},
		{Line{"nod/store/pebble.held[go.shape.struct { Value []uint8 }] (inline)", 0, 0.54}, "Nod's other code"},
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines", len(lines))
	}
	for i, w := range want {
		if lines[i] != w.line || kindOf(lines[i].Function) != w.kind {
			t.Errorf("%+v of kind %q, want %+v of kind %q", lines[i], kindOf(lines[i].Function), w.line, w.kind)
		}
	}
	if shares := Shares(lines); len(shares) != 3 || shares[0] != (Share{"system calls (network, disk)", 10.35}) {
		t.Errorf("shares %+v", shares)
	}
	if _, err := parseTop("no table"); err == nil {
		t.Error("text without a table is read")
	}
}

package share

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/prg"
)

// The two shares xor to the codes, whatever their lengths and number.
func TestSplitAndPutTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var codes []code.Code
		var lengths []int
		for range rapid.IntRange(1, 3).Draw(t, "codes") {
			c := code.NewCode(64 * rapid.IntRange(1, 64).Draw(t, "words"))
			for i := range c {
				c[i] = rapid.Uint64().Draw(t, "word")
			}
			codes, lengths = append(codes, c), append(lengths, c.Bits())
		}
		before := make([]code.Code, len(codes))
		for i, c := range codes {
			before[i] = c.Clone()
		}
		x0, seed := Split(codes...)
		x1 := Expand(&seed, lengths...)
		for i := range codes {
			if !bytes.Equal(codes[i].Bytes(), before[i].Bytes()) {
				t.Fatal("the codes themselves were changed")
			}
			x0[i].Xor(x1[i])
			if !bytes.Equal(x0[i].Bytes(), codes[i].Bytes()) {
				t.Fatal("the shares do not xor to the code")
			}
		}
	})
}

// Several codes of one seed are one keystream, cut: as long as the whole, and no
// part of it used twice.
func TestExpandCutsOneKeystream(t *testing.T) {
	seed := prg.New()
	stream := make([]byte, (64+128+1024)/8)
	seed.Expand(stream)
	var got []byte
	for _, c := range Expand(&seed, 64, 128, 1024) {
		got = append(got, c.Bytes()...)
	}
	if !bytes.Equal(got, stream) {
		t.Error("not the keystream")
	}
}

// Each share alone is uniform, whatever the code: every bit of x0, and every pair of
// neighbours, over 4,000 splits of one code, at a significance of about 1e-7.
func TestShareAloneIsUniform(t *testing.T) {
	const runs, bits = 4000, 64
	face := code.Code{0xffffffff00000000}
	var ones, pairs [bits]int
	for range runs {
		x0, _ := Split(face)
		for j := range bits {
			if x0[0].Bit(j) {
				ones[j]++
				if x0[0].Bit((j + 1) % bits) {
					pairs[j]++
				}
			}
		}
	}
	limit := func(p float64) float64 { return 6 * math.Sqrt(runs*p*(1-p)) }
	for j := range bits {
		if d := math.Abs(float64(ones[j]) - runs*0.5); d > limit(0.5) {
			t.Errorf("bit %d is set %d times of %d", j, ones[j], runs)
		}
		if d := math.Abs(float64(pairs[j]) - runs*0.25); d > limit(0.25) {
			t.Errorf("bits %d and %d are set together %d times of %d", j, (j+1)%bits, pairs[j], runs)
		}
	}
}

func TestRandomIsFresh(t *testing.T) {
	a, b := Random(256), Random(256)
	if a.Bits() != 256 || bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two random codes are one")
	}
}

// A pad depends on everything that its template is bound to.
func TestPadInputDependsOnEverything(t *testing.T) {
	base := PadInput(canon.RowID{1}, 2, canon.ModelID{3}, [SaltSize]byte{4})
	for name, other := range map[string][]byte{
		"row":     PadInput(canon.RowID{2}, 2, canon.ModelID{3}, [SaltSize]byte{4}),
		"counter": PadInput(canon.RowID{1}, 3, canon.ModelID{3}, [SaltSize]byte{4}),
		"model":   PadInput(canon.RowID{1}, 2, canon.ModelID{4}, [SaltSize]byte{4}),
		"salt":    PadInput(canon.RowID{1}, 2, canon.ModelID{3}, [SaltSize]byte{5}),
	} {
		if bytes.Equal(base, other) {
			t.Errorf("another %s has the same pad", name)
		}
	}
}

package code_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/fault"

	"pgregory.net/rapid"
)

// shapes draws every kind of model: both kinds of bits, any weights.
func shapes(t *rapid.T) (*rand.Rand, codetest.Shape) {
	s := codetest.Shape{
		Dimension:    rapid.IntRange(1, 70).Draw(t, "dimension"),
		Bits:         64 * rapid.IntRange(1, 6).Draw(t, "words"),
		MaxWeight:    rapid.IntRange(1, code.MaxWeight).Draw(t, "max weight"),
		Plausibility: rapid.Bool().Draw(t, "plausibility"),
	}
	if rapid.Bool().Draw(t, "rotated") {
		s.Dimension = 1 << rapid.IntRange(1, 7).Draw(t, "log dimension")
		s.Rotations = rapid.IntRange(1, 5).Draw(t, "rotations")
	}
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), s
}

func marshal(t interface{ Fatal(...any) }, f *code.File) []byte {
	data, err := f.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseReadsWhatMarshalWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng, s := shapes(t)
		f := codetest.File(rng, s)
		data := marshal(t, f)
		m, err := code.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := code.ParseFile(data)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(marshal(t, again), data) {
			t.Fatal("the file is not written again as it was")
		}
		if m.Bits() != s.Bits || m.Dimension() != s.Dimension || m.Network() != f.Network || m.Name() != f.Name {
			t.Fatal("the model is not the file's")
		}
		for i, class := range m.Classes() {
			if got, ok := m.Bound(class); !ok || got != f.Bounds[i].Below || !m.Match().Allows(got) {
				t.Fatalf("bound at %s", class)
			}
		}
		if _, ok := m.Bound("1e-7"); ok {
			t.Fatal("a class that the file does not state has a bound")
		}
		check, bound, ok := m.Plausibility()
		if ok != s.Plausibility {
			t.Fatal("plausibility is not as the file asks")
		}
		if !ok {
			return
		}
		c := randomCode(rng, s.Bits)
		value := f.Plausibility.Constant
		for j, v := range f.Plausibility.Weights {
			if c.Bit(j) {
				value += int32(v)
			}
		}
		if (check.Distance(c) < bound) != (value >= f.Plausibility.Bound) {
			t.Fatalf("M = %d, t = %d, check says otherwise", value, f.Plausibility.Bound)
		}
	})
}

func randomCode(rng *rand.Rand, n int) code.Code {
	c := code.NewCode(n)
	for i := range c {
		c[i] = rng.Uint64()
	}
	return c
}

func TestChangedByteIsAnotherModel(t *testing.T) {
	m := codetest.File(rand.New(rand.NewPCG(1, 1)), codetest.Shape{Plausibility: true, MaxWeight: 31})
	data := marshal(t, m)
	whole, err := code.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := code.ParseExpect(data, whole.ID()); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			if _, err := code.ParseExpect(data, whole.ID()); !fault.Is(err, fault.WrongModel) {
				t.Fatalf("byte %d: %v", i, err)
			}
			if other, err := code.Parse(data); err == nil && other.ID() == whole.ID() {
				t.Fatalf("byte %d changed, but not the id", i)
			} else if err != nil && fault.CodeOf(err) == fault.Unexpected {
				t.Fatalf("byte %d: untyped error %v", i, err)
			}
			data[i] ^= 1 << bit
		}
	}
	for i := range data[:len(data)-2] {
		if _, err := code.Parse(data[:i]); err == nil || fault.CodeOf(err) == fault.Unexpected {
			t.Fatalf("%d bytes: %v", i, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, c := range map[string]struct {
		shape codetest.Shape
		file  func(f *code.File)
		text  func(s string) string
		want  fault.Code
	}{
		"format":            {file: func(f *code.File) { f.Format = "nod/model/v2" }, want: fault.BadEncoding},
		"name":              {file: func(f *code.File) { f.Name = "A model" }, want: fault.BadEncoding},
		"no network":        {file: func(f *code.File) { f.Network = canon.Digest{} }, want: fault.OutOfRange},
		"dimension 0":       {file: func(f *code.File) { f.Dimension, f.Mean = 0, code.Float32s{} }, want: fault.OutOfRange},
		"dimension 65537":   {file: func(f *code.File) { f.Dimension = 65537; f.Mean = make(code.Float32s, 65537) }, want: fault.OutOfRange},
		"normalisation":     {file: func(f *code.File) { f.Normalisation = "l1" }, want: fault.BadEncoding},
		"short mean":        {file: func(f *code.File) { f.Mean = f.Mean[1:] }, want: fault.BadDimension},
		"nan mean":          {file: func(f *code.File) { f.Mean[3] = nan }, want: fault.NotFinite},
		"inf threshold":     {file: func(f *code.File) { f.Bits.Thresholds[3] = inf }, want: fault.NotFinite},
		"63 bits":           {file: func(f *code.File) { f.Bits.Coordinates = f.Bits.Coordinates[1:] }, want: fault.BadDimension},
		"short thresholds":  {file: func(f *code.File) { f.Bits.Thresholds = f.Bits.Thresholds[1:] }, want: fault.BadDimension},
		"long weights":      {file: func(f *code.File) { f.Weights = append(f.Weights, 1) }, want: fault.BadDimension},
		"coordinate":        {file: func(f *code.File) { f.Bits.Coordinates[9] = 16 }, want: fault.OutOfRange},
		"weight 32":         {file: func(f *code.File) { f.Weights[9] = 32 }, want: fault.OutOfRange},
		"no weight":         {file: func(f *code.File) { clear(f.Weights) }, want: fault.OutOfRange},
		"no bounds":         {file: func(f *code.File) { f.Bounds = []code.Bound{} }, want: fault.OutOfRange},
		"class":             {file: func(f *code.File) { f.Bounds[0].FMR = "1e-1" }, want: fault.OutOfRange},
		"classes unordered": {file: func(f *code.File) { f.Bounds[0].FMR = "1e-4" }, want: fault.OutOfRange},
		"looser when stricter": {file: func(f *code.File) { f.Bounds[2].Below = f.Bounds[1].Below + 1 },
			want: fault.OutOfRange},
		"negative bound":     {file: func(f *code.File) { f.Bounds[4].Below = -1 }, want: fault.OutOfRange},
		"bound past domain":  {file: func(f *code.File) { f.Bounds[0].Below = 1 << 18 }, want: fault.OutOfRange},
		"max apart":          {file: func(f *code.File) { f.MaxApart = 0 }, want: fault.OutOfRange},
		"calibration text":   {file: func(f *code.File) { f.Calibration.Text = "a\nb" }, want: fault.BadEncoding},
		"calibration date":   {file: func(f *code.File) { f.Calibration.Date = "today" }, want: fault.BadEncoding},
		"calibration counts": {file: func(f *code.File) { f.Calibration.Images = -1 }, want: fault.OutOfRange},
		"plausibility weights": {shape: codetest.Shape{Plausibility: true},
			file: func(f *code.File) { f.Plausibility.Weights = f.Plausibility.Weights[1:] }, want: fault.BadDimension},
		"plausibility weight 32": {shape: codetest.Shape{Plausibility: true},
			file: func(f *code.File) { f.Plausibility.Weights[0] = -32 }, want: fault.OutOfRange},
		"plausibility bound": {shape: codetest.Shape{Plausibility: true},
			file: func(f *code.File) { f.Plausibility.Bound = math.MinInt32 }, want: fault.OutOfRange},
		"plausibility domain": {shape: codetest.Shape{Plausibility: true},
			file: func(f *code.File) { f.Plausibility.Constant = 1 << 19 }, want: fault.OutOfRange},
		"rotations of 48 features": {shape: codetest.Shape{Dimension: 48, Rotations: 2}, want: fault.BadDimension},
		"no rotations": {shape: codetest.Shape{Rotations: 2},
			file: func(f *code.File) { f.Rotations.Count = 0 }, want: fault.OutOfRange},
		"too many rotations": {shape: codetest.Shape{Rotations: 2},
			file: func(f *code.File) { f.Rotations.Count = 65 }, want: fault.OutOfRange},
		"one round": {shape: codetest.Shape{Rotations: 2},
			file: func(f *code.File) { f.Rotations.Rounds = 1 }, want: fault.OutOfRange},
		"null rotations": {text: replace(`"bits"`, `"rotations":null,"bits"`), want: fault.BadEncoding},
		"unknown field":  {text: replace(`"format"`, `"more":1,"format"`), want: fault.UnknownField},
		"doubled field":  {text: replace(`"bits"`, `"dimension":16,"bits"`), want: fault.BadEncoding},
		"other case":     {text: replace(`"format"`, `"Format"`), want: fault.BadEncoding},
		"missing field":  {text: replace(`"normalisation": "l2",`, ``), want: fault.BadEncoding},
		"number's form":  {text: replace(`1.25`, `1.250`), want: fault.BadEncoding},
		"string's form":  {text: replace(`"l2"`, `"\u006c2"`), want: fault.BadEncoding},
		"wrong type":     {text: replace(`"dimension": 16`, `"dimension": "16"`), want: fault.BadEncoding},
		"not words":      {text: replace(`"mean": "`, `"mean": "AAAA`), want: fault.BadDimension},
		"left over":      {text: func(s string) string { return s + "{}" }, want: fault.Oversize},
		"cut":            {text: func(s string) string { return s[:len(s)/2] }, want: fault.Truncated},
		"nothing":        {text: func(string) string { return "" }, want: fault.Truncated},
		"too long":       {text: func(s string) string { return s + strings.Repeat(" ", code.MaxModelFile) }, want: fault.Oversize},
	} {
		t.Run(name, func(t *testing.T) {
			f := codetest.File(rand.New(rand.NewPCG(2, 2)), c.shape)
			if c.file != nil {
				c.file(f)
			}
			text := string(marshal(t, f))
			if c.text != nil {
				if _, err := code.Parse([]byte(text)); err != nil {
					t.Fatalf("the unchanged file: %v", err)
				}
				text = c.text(text)
			}
			if _, err := code.Parse([]byte(text)); !fault.Is(err, c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
		})
	}
}

func replace(old, new string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			panic("nothing to replace: " + old)
		}
		return strings.Replace(s, old, new, 1)
	}
}

// TestDistance checks Distance and the domain against their definitions.
func TestDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng, s := shapes(t)
		m := codetest.Model(rng, s)
		check := m.Match()
		x, y := randomCode(rng, s.Bits), randomCode(rng, s.Bits)
		var want int32
		for j := range s.Bits {
			if x.Bit(j) != y.Bit(j) {
				want += check.A[j]
			}
		}
		u := x.Clone()
		u.Xor(y)
		if got := check.Distance(u); got != want {
			t.Fatalf("distance %d, want %d", got, want)
		}
		half := int32(1) << (check.Domain - 1)
		for _, far := range []int32{want - check.MinT, want - check.MaxT} {
			if far < -half || far >= half {
				t.Fatalf("D - T = %d is outside %d bits", far, check.Domain)
			}
		}
	})
}

func TestCodesHideTheirValue(t *testing.T) {
	c := randomCode(rand.New(rand.NewPCG(3, 3)), 64)
	asJSON, err := json.Marshal(map[string]any{"code": c})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %d %x %s %q", c, c, c, c, c, c, c), string(asJSON),
	} {
		for _, form := range []string{fmt.Sprintf("%d", c[0]), fmt.Sprintf("%x", c[0])} {
			if strings.Contains(text, form) || !strings.Contains(text, "secret") {
				t.Errorf("%q shows the code", text)
			}
		}
	}
}

func TestCodeBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := randomCode(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 4)), 64*rapid.IntRange(1, 64).Draw(t, "words"))
		again, err := code.CodeFromBytes(c.Bits(), c.Bytes())
		if err != nil || !again.Equal(c) {
			t.Fatalf("round trip: %v", err)
		}
		again[0] ^= 1 << 40
		if again.Equal(c) {
			t.Fatal("a changed code is equal")
		}
		if _, err := code.CodeFromBytes(c.Bits(), c.Bytes()[1:]); !fault.Is(err, fault.BadDimension) {
			t.Fatal(err)
		}
		c.Wipe()
		if !c.Equal(code.NewCode(c.Bits())) {
			t.Fatal("not wiped")
		}
	})
}

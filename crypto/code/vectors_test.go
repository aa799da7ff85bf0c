package code_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/fault"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// vectors is testdata/vectors.json. docs/spec/models.md describes it.
type vectors struct {
	Models  []modelVector   `json:"models"`
	Refused []refusedVector `json:"refused"`
}

type modelVector struct {
	File    string          `json:"file"` // the model file's exact text
	ID      canon.ModelID   `json:"id"`
	Checks  []checkVector   `json:"checks"`
	Codes   []codeVector    `json:"codes"`
	Compare []compareVector `json:"compare"`
}

type checkVector struct {
	Kind   code.CheckKind `json:"kind"`
	ID     canon.CheckID  `json:"id"`
	Domain int            `json:"domain"`
}

// codeVector: the features of each photo, as hexadecimal IEEE 754 singles, most
// significant digit first, and the code as hexadecimal bytes.
type codeVector struct {
	Features  [][]uint32hex `json:"features"`
	Code      string        `json:"code"`
	Plausible *bool         `json:"plausible,omitempty"`
}

type compareVector struct {
	A        int            `json:"a"` // index in codes
	B        int            `json:"b"`
	Distance int32          `json:"distance"`
	Match    []matchOutcome `json:"match"`
}

type matchOutcome struct {
	FMR   code.FMRClass `json:"fmr"`
	Match bool          `json:"match"`
}

type refusedVector struct {
	Why  string     `json:"why"`
	File string     `json:"file"`
	Code fault.Code `json:"code"`
}

type uint32hex uint32

func (u uint32hex) MarshalText() ([]byte, error) {
	return []byte(hex.EncodeToString([]byte{byte(u >> 24), byte(u >> 16), byte(u >> 8), byte(u)})), nil
}

func (u *uint32hex) UnmarshalText(text []byte) error {
	var raw [4]byte
	if len(text) != 8 {
		return hex.ErrLength
	}
	if _, err := hex.Decode(raw[:], text); err != nil {
		return err
	}
	*u = uint32hex(raw[0])<<24 | uint32hex(raw[1])<<16 | uint32hex(raw[2])<<8 | uint32hex(raw[3])
	return nil
}

// TestVectors holds the committed vectors, which another implementation checks
// itself against, to this one.
func TestVectors(t *testing.T) {
	path := filepath.Join("testdata", "vectors.json")
	if *update {
		data, err := json.MarshalIndent(makeVectors(t), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.Models) == 0 || len(v.Refused) == 0 {
		t.Fatal("no vectors")
	}
	for _, model := range v.Models {
		m, err := code.ParseExpect([]byte(model.File), model.ID)
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(describe(t, m, model.File, photosOf(model)))
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := json.Marshal(model); !bytes.Equal(again, want) {
			t.Errorf("model %s gives\n%s\nwant\n%s", m.Name(), again, want)
		}
	}
	for _, r := range v.Refused {
		if _, err := code.Parse([]byte(r.File)); !fault.Is(err, r.Code) {
			t.Errorf("%s: %v, want %s", r.Why, err, r.Code)
		}
	}
}

func photosOf(v modelVector) [][][]float32 {
	var all [][][]float32
	for _, c := range v.Codes {
		var photos [][]float32
		for _, words := range c.Features {
			f := make([]float32, len(words))
			for i, w := range words {
				f[i] = math.Float32frombits(uint32(w))
			}
			photos = append(photos, f)
		}
		all = append(all, photos)
	}
	return all
}

// describe works out everything that a model's vector states.
func describe(t *testing.T, m *code.Model, file string, people [][][]float32) modelVector {
	v := modelVector{File: file, ID: m.ID()}
	v.Checks = append(v.Checks, checkVector{code.Match, m.Match().ID, m.Match().Domain})
	check, bound, ok := m.Plausibility()
	if ok {
		v.Checks = append(v.Checks, checkVector{code.Plausibility, check.ID, check.Domain})
	}
	var codes []code.Code
	for _, photos := range people {
		c, err := m.Encode(photos...)
		if err != nil {
			t.Fatal(err)
		}
		one := codeVector{Code: hex.EncodeToString(c.Bytes())}
		for _, f := range photos {
			words := make([]uint32hex, len(f))
			for i, x := range f {
				words[i] = uint32hex(math.Float32bits(x))
			}
			one.Features = append(one.Features, words)
		}
		if ok {
			passed := check.Distance(c) < bound
			one.Plausible = &passed
		}
		v.Codes, codes = append(v.Codes, one), append(codes, c)
	}
	for b := 1; b < len(codes); b++ {
		a := b - 1
		u := codes[a].Clone()
		u.Xor(codes[b])
		one := compareVector{A: a, B: b, Distance: m.Match().Distance(u)}
		for _, class := range m.Classes() {
			t, _ := m.Bound(class)
			one.Match = append(one.Match, matchOutcome{class, one.Distance < t})
		}
		v.Compare = append(v.Compare, one)
	}
	return v
}

func makeVectors(t *testing.T) vectors {
	rng := rand.New(rand.NewPCG(11, 11))
	var v vectors
	for _, s := range []codetest.Shape{
		{Name: "thermometer", Dimension: 12, Bits: 128, MaxWeight: 31, Plausibility: true},
		{Name: "signs", Dimension: 16, Bits: 64, Rotations: 4},
		{Name: "turned-thermometer", Dimension: 8, Bits: 192, Rotations: 3, MaxWeight: 7, Plausibility: true},
	} {
		f := codetest.File(rng, s)
		if s.Name == "turned-thermometer" {
			f.Rotations.Rounds = 3
			for j := range f.Bits.Thresholds {
				f.Bits.Thresholds[j] = float32(0.2 * rng.NormFloat64())
			}
		}
		data := marshal(t, f)
		m, err := code.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		person, other := codetest.Features(rng, s.Dimension), codetest.Features(rng, s.Dimension)
		v.Models = append(v.Models, describe(t, m, string(data), [][][]float32{
			{person},
			{codetest.Near(rng, person, 0.3)},
			{codetest.Near(rng, person, 0.3), codetest.Near(rng, person, 0.3)},
			{other},
			{codetest.Near(rng, other, 0.3), other, codetest.Near(rng, other, 0.3)},
		}))
	}
	good := v.Models[0].File
	for _, r := range []struct {
		why, old, new string
		code          fault.Code
	}{
		{"unknown field", `"name"`, `"colour": "red", "name"`, fault.UnknownField},
		{"doubled field", `"name"`, `"format": "nod/model/v1", "name"`, fault.BadEncoding},
		{"another spelling of a number", `1.25`, `1.250`, fault.BadEncoding},
		{"bounds out of order", `"1e-3"`, `"1e-2"`, fault.OutOfRange},
		{"bytes left over", "}\n}", "}\n} {}", fault.Oversize},
	} {
		v.Refused = append(v.Refused, refusedVector{r.why, replace(r.old, r.new)(good), r.code})
	}
	for _, r := range []struct {
		why    string
		change func(f *code.File)
		code   fault.Code
	}{
		{"NaN in the mean", func(f *code.File) { f.Mean[0] = float32(math.NaN()) }, fault.NotFinite},
		{"weight above 31", func(f *code.File) { f.Weights[0] = 32 }, fault.OutOfRange},
		{"short thresholds", func(f *code.File) { f.Bits.Thresholds = f.Bits.Thresholds[1:] }, fault.BadDimension},
	} {
		f := codetest.File(rng, codetest.Shape{})
		r.change(f)
		v.Refused = append(v.Refused, refusedVector{r.why, string(marshal(t, f)), r.code})
	}
	return v
}

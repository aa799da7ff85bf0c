package code_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/fault"
)

// compact is a JSON text without white space.
func compact(t *testing.T, data []byte) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func FuzzParseModel(f *testing.F) {
	rng := rand.New(rand.NewPCG(10, 10))
	for _, s := range []codetest.Shape{{Dimension: 3, Plausibility: true, MaxWeight: 31}, {Dimension: 4, Rotations: 2}} {
		data, err := codetest.File(rng, s).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := code.Parse(data)
		if err != nil {
			if fault.CodeOf(err) == fault.Unexpected {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		file, err := code.ParseFile(data)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := file.Marshal(); err != nil || !bytes.Equal(compact(t, again), compact(t, data)) {
			t.Fatalf("written again it differs: %v", err)
		}
		// Whatever loads works: it codes features and holds its domains.
		ones := make([]float32, m.Dimension())
		for i := range ones {
			ones[i] = 1
		}
		c, err := m.Encode(ones)
		if err != nil {
			t.Fatal(err)
		}
		if d := m.Match().Distance(c); d < 0 || m.Match().Domain > code.MaxDomain {
			t.Fatalf("distance %d, domain %d", d, m.Match().Domain)
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	id := canon.ModelID(canon.Sum("test-model"))
	seed := code.PolicyFile{Format: "nod/policy/v1", Name: "standard", Slots: []code.Slot{{Model: id, FMR: "1e-3"}, {Model: id, FMR: "1e-6"}}}
	data, err := seed.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := code.ParsePolicy(data)
		if err != nil {
			if fault.CodeOf(err) == fault.Unexpected {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := (&code.PolicyFile{Format: "nod/policy/v1", Name: p.Name(), Slots: p.Slots()}).Marshal()
		if err != nil || !bytes.Equal(compact(t, again), compact(t, data)) {
			t.Fatalf("written again it differs: %v", err)
		}
	})
}

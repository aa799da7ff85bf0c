package prg

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"nod/crypto/canon"
)

var update = flag.Bool("update", false, "write testdata anew")

// vectors is testdata/vectors.json; docs/spec/vectors.md describes it.
type vectors struct {
	Comment string         `json:"comment"`
	Expand  []expandVector `json:"expand"`
	Derive  []deriveVector `json:"derive"`
}

type expandVector struct {
	Seed  string `json:"seed"`
	Bytes string `json:"bytes"`
}

type deriveVector struct {
	Root    string          `json:"root"`
	Kind    canon.Kind      `json:"kind"`
	Channel canon.ChannelID `json:"channel"`
	Index   uint64          `json:"index"`
	Info    string          `json:"info"`
	Seed    string          `json:"seed"`
}

func makeVectors() *vectors {
	v := &vectors{Comment: "AES-128-CTR and HKDF-SHA-256. docs/spec/vectors.md. Public test values only."}
	wrap := seedOf("counter wraps")
	for i := 16; i < 32; i++ {
		wrap[i] = 0xff
	}
	for _, e := range []struct {
		seed Seed
		size int
	}{{seedOf("expand"), 100}, {wrap, 64}, {Seed{}, 16}} {
		out := make([]byte, e.size)
		e.seed.Expand(out)
		v.Expand = append(v.Expand, expandVector{hex.EncodeToString(e.seed[:]), hex.EncodeToString(out)})
	}
	channel := canon.ChannelID(seedOf("channel"))
	root := seedOf("root")
	for _, d := range []struct {
		kind  canon.Kind
		index uint64
	}{{"deal-half-0", 7}, {"deal-half-1", 7}, {"deal-half-0", 1 << 40}} {
		seed := Derive(root[:], d.kind, channel, d.index)
		info := canon.Encode(d.kind, channel[:], canon.Uint64(d.index))
		v.Derive = append(v.Derive, deriveVector{
			hex.EncodeToString(root[:]), d.kind, channel, d.index, hex.EncodeToString(info), hex.EncodeToString(seed[:]),
		})
	}
	return v
}

func TestVectors(t *testing.T) {
	const path = "testdata/vectors.json"
	made, err := json.MarshalIndent(makeVectors(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	if *update {
		if err := os.WriteFile(path, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, committed) {
		t.Error("this implementation does not give the committed vectors")
	}
}

package dcf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"nod/crypto/canon"
	"nod/fault"
)

var update = flag.Bool("update", false, "write testdata anew")

// vectors is testdata/vectors.json; docs/spec/vectors.md describes it.
type vectors struct {
	Comment string          `json:"comment"`
	Hash    []hashVector    `json:"hash"`
	Keys    []keyVector     `json:"keys"`
	Refused []refusedVector `json:"refused"`
}

// hashVector: H_i(s) for the four i.
type hashVector struct {
	Channel canon.ChannelID `json:"channel"`
	Key     string          `json:"aes_key"`
	Block   string          `json:"s"`
	Hashes  [4]string       `json:"hashes"`
}

type keyVector struct {
	Channel canon.ChannelID `json:"channel"`
	Levels  int             `json:"levels"`
	Alpha   uint32          `json:"alpha"`
	Beta    string          `json:"beta"`
	Roots   [2]string       `json:"roots"`
	Words   string          `json:"correction_words"`
	Eval    []evalVector    `json:"eval"`
}

// evalVector: the two outputs, which xor to beta if x < alpha and to zero if not.
type evalVector struct {
	X   uint32    `json:"x"`
	Out [2]string `json:"out"`
}

type refusedVector struct {
	Why    string     `json:"why"`
	Levels int        `json:"levels"`
	Words  string     `json:"correction_words"`
	Code   fault.Code `json:"code"`
}

func blockOf(label string) Block {
	sum := sha256.Sum256([]byte(label))
	return BlockFrom(sum[:])
}

func hexOf(b Block) string {
	var out [BlockSize]byte
	b.Put(out[:])
	return hex.EncodeToString(out[:])
}

func makeVectors(t *testing.T) *vectors {
	t.Helper()
	v := &vectors{Comment: "Distributed comparison function. docs/spec/vectors.md. Public test values only."}
	channel := canon.ChannelID(sha256.Sum256([]byte("channel")))
	g, w := NewPRG(channel), new(Scratch)
	key := canon.Sum("dcf-key", channel[:])
	h := hashVector{Channel: channel, Key: hex.EncodeToString(key[:16]), Block: hexOf(blockOf("s"))}
	for i := range uint64(4) {
		w.put(0, blockOf("s"), i)
		g.encrypt(w, 0)
		h.Hashes[i] = hexOf(w.get(0))
	}
	v.Hash = append(v.Hash, h)

	var words []byte
	for _, c := range []struct {
		levels int
		alpha  uint32
	}{{1, 1}, {3, 5}, {7, 0}, {7, 127}, {11, 1234}, {17, 99_999}} {
		top := uint32(1)<<c.levels - 1
		var raw [2][BlockSize]byte
		blockOf("root 0").Put(raw[0][:])
		blockOf("root 1").Put(raw[1][:])
		roots := [2]Block{Root(raw[0][:]), Root(raw[1][:])}
		words = make([]byte, Size(c.levels))
		g.Gen(w, words, c.levels, c.alpha, blockOf("beta"), roots[0], roots[1])
		one := keyVector{
			Channel: channel, Levels: c.levels, Alpha: c.alpha, Beta: hexOf(blockOf("beta")),
			Roots: [2]string{hexOf(roots[0]), hexOf(roots[1])}, Words: hex.EncodeToString(words),
		}
		seen := map[uint32]bool{}
		for _, x := range []uint32{0, c.alpha - 1, c.alpha, c.alpha + 1, top} {
			if x > top || seen[x] {
				continue
			}
			seen[x] = true
			e := evalVector{X: x}
			var sum Block
			for party := range 2 {
				out := g.Eval(w, words, c.levels, party, roots[party], x)
				e.Out[party] = hexOf(out)
				sum = sum.Xor(out)
			}
			want := Block{}
			if x < c.alpha {
				want = blockOf("beta")
			}
			if sum != want {
				t.Fatalf("alpha %d, x %d: the outputs xor to something else", c.alpha, x)
			}
			one.Eval = append(one.Eval, e)
		}
		v.Keys = append(v.Keys, one)
	}

	const levels = 3
	good := v.Keys[1].Words
	for _, r := range []struct {
		why    string
		change func(b []byte) []byte
	}{
		{"a control bit in a seed word", func(b []byte) []byte { b[levelSize] |= 1; return b }},
		{"an unused bit in a control byte", func(b []byte) []byte { b[2*BlockSize] |= 4; return b }},
		{"too short", func(b []byte) []byte { return b[1:] }},
		{"too long", func(b []byte) []byte { return append(b, 0) }},
	} {
		bytes, err := hex.DecodeString(good)
		if err != nil {
			t.Fatal(err)
		}
		bytes = r.change(bytes)
		err = Check(bytes, levels)
		if err == nil {
			t.Errorf("%s: accepted", r.why)
		}
		v.Refused = append(v.Refused, refusedVector{r.why, levels, hex.EncodeToString(bytes), fault.CodeOf(err)})
	}
	return v
}

func TestVectors(t *testing.T) {
	const path = "testdata/vectors.json"
	made, err := json.MarshalIndent(makeVectors(t), "", " ")
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

package share

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/prg"
)

var update = flag.Bool("update", false, "write testdata anew")

// vectors is testdata/vectors.json; docs/spec/vectors.md describes it.
type vectors struct {
	Comment string        `json:"comment"`
	Split   []splitVector `json:"split"`
	Pad     padVector     `json:"pad"`
}

// splitVector: x0 = code xor x1, and x1 is the seed's expansion, cut.
type splitVector struct {
	Seed  string   `json:"seed"`
	Codes []string `json:"codes"`
	X0    []string `json:"x0"`
	X1    []string `json:"x1"`
}

// padVector: HMAC-SHA-256 of the input under the custodian's key is the seed of the
// pad.
type padVector struct {
	Key     string        `json:"hmac_key"`
	Row     canon.RowID   `json:"row"`
	Counter uint64        `json:"counter"`
	Model   canon.ModelID `json:"model"`
	Salt    string        `json:"salt"`
	Input   string        `json:"hmac_input"`
	MAC     string        `json:"hmac"`
	Pad     string        `json:"pad"`
}

func makeVectors(t *testing.T) *vectors {
	t.Helper()
	v := &vectors{Comment: "Shares by xor and pads. docs/spec/vectors.md. Public test values only."}
	for _, lengths := range [][]int{{64}, {128, 64}} {
		seed := prg.Seed(sha256.Sum256([]byte("share")))
		source := prg.Seed(sha256.Sum256([]byte("code")))
		one := splitVector{Seed: hex.EncodeToString(seed[:])}
		x1 := Expand(&seed, lengths...)
		for i, c := range Expand(&source, lengths...) {
			x0 := c.Clone()
			x0.Xor(x1[i])
			one.Codes = append(one.Codes, hex.EncodeToString(c.Bytes()))
			one.X0 = append(one.X0, hex.EncodeToString(x0.Bytes()))
			one.X1 = append(one.X1, hex.EncodeToString(x1[i].Bytes()))
			if again, err := code.CodeFromBytes(lengths[i], x0.Bytes()); err != nil || again.Bits() != lengths[i] {
				t.Fatal(err)
			}
		}
		v.Split = append(v.Split, one)
	}
	row, model := canon.RowID(sha256.Sum256([]byte("row"))), canon.ModelID(sha256.Sum256([]byte("model")))
	salt := sha256.Sum256([]byte("salt"))
	key := sha256.Sum256([]byte("pad key"))
	input := PadInput(row, 3, model, salt)
	h := hmac.New(sha256.New, key[:])
	h.Write(input)
	mac := prg.Seed(h.Sum(nil))
	v.Pad = padVector{
		Key: hex.EncodeToString(key[:]),
		Row: row, Counter: 3, Model: model, Salt: hex.EncodeToString(salt[:]),
		Input: hex.EncodeToString(input),
		MAC:   hex.EncodeToString(mac[:]), Pad: hex.EncodeToString(Expand(&mac, 128)[0].Bytes()),
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

package compare

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/dcf"
	"nod/crypto/prg"
	"nod/fault"
)

var update = flag.Bool("update", false, "write testdata anew")

// vectors is testdata/vectors.json; docs/spec/vectors.md describes it.
type vectors struct {
	Comment      string              `json:"comment"`
	Correlations []correlationVector `json:"correlations"`
}

type correlationVector struct {
	Check       checkVector        `json:"check"`
	Channel     canon.ChannelID    `json:"channel"`
	Index       uint64             `json:"index"`
	Seeds       [2]string          `json:"seeds"`
	Expansions  [2]map[string]hexs `json:"expansions"`
	Corrections [2]map[string]hexs `json:"corrections"`
	Encoded     [2]string          `json:"corrections_encoded"`
	Digests     [2]digestVector    `json:"digests"`
	Rho         word64             `json:"rho"`
	Beta        hexs               `json:"beta"`
	Comparisons []comparisonVector `json:"comparisons"`
}

type checkVector struct {
	Model  canon.ModelID  `json:"model"`
	Kind   code.CheckKind `json:"kind"`
	ID     canon.CheckID  `json:"id"`
	A0     int32          `json:"a0"`
	A      numbers        `json:"a"` // separated by spaces
	MinT   int32          `json:"min_t"`
	MaxT   int32          `json:"max_t"`
	Domain int            `json:"domain"`
}

type digestVector struct {
	Seed canon.Digest `json:"seed"`
	Full canon.Digest `json:"full"`
}

// comparisonVector is one run with all its messages. With Change set, that part of
// a message is changed on its way (one bit, the lowest), and the run ends in a fault.
type comparisonVector struct {
	Shares  [2]hexs    `json:"u"`
	T       int32      `json:"t"`
	M1      *m1Vector  `json:"m1"`
	M2      *m2Vector  `json:"m2"`
	M3      *m3Vector  `json:"m3,omitempty"`
	M4      *m4Vector  `json:"m4,omitempty"`
	Change  string     `json:"change,omitempty"`
	Outcome *bool      `json:"outcome,omitempty"`
	Fault   fault.Code `json:"fault,omitempty"`
}

type (
	m1Vector struct {
		C hexs `json:"c0"`
	}
	m2Vector struct {
		C hexs   `json:"c1"`
		Z word64 `json:"z1"`
		G word64 `json:"g1"`
	}
	m3Vector struct {
		Z word64 `json:"z0"`
		G word64 `json:"g0"`
		O hexs   `json:"o0"`
	}
	m4Vector struct {
		O hexs `json:"o1"`
	}
)

// numbers are in one text: JSON's own arrays take a line each.
type numbers []int32

func (n numbers) MarshalText() ([]byte, error) {
	return []byte(strings.Trim(fmt.Sprint([]int32(n)), "[]")), nil
}

// hexs is bytes in hexadecimal; word64 a number of 64 bits, most significant digit
// first.
type (
	hexs   string
	word64 uint64
)

func hexOf(b []byte) hexs { return hexs(hex.EncodeToString(b)) }

func hexOfBlock(b dcf.Block) hexs {
	var out [dcf.BlockSize]byte
	b.Put(out[:])
	return hexOf(out[:])
}

func (w word64) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(w)), nil }

func seedFor(label string) prg.Seed { return sha256.Sum256([]byte(label)) }

func codeFor(label string, n int) code.Code {
	seed := seedFor(label)
	raw := make([]byte, n/8)
	seed.Expand(raw)
	c, err := code.CodeFromBytes(n, raw)
	if err != nil {
		panic(err)
	}
	return c
}

// fieldsOf splits an expansion or corrections into its named fields.
func fieldsOf(data []byte, order []string, at map[string]int) map[string]hexs {
	out := map[string]hexs{}
	for i, name := range order {
		end := len(data)
		if i+1 < len(order) {
			end = at[order[i+1]]
		}
		out[name] = hexOf(data[at[name]:end])
	}
	return out
}

func expansionFields(l *layout, party Party, data []byte) map[string]hexs {
	order := []string{"r", "B", "T", "W", "t", "m", "beta", "gamma", "root"}
	if party == Custodian {
		order = []string{"r", "T", "W", "t", "m", "beta", "root"}
	}
	return fieldsOf(data, order, map[string]int{
		"r": l.r, "B": l.b, "T": l.t, "W": l.w, "t": l.tw, "m": l.m, "beta": l.beta, "gamma": l.gamma, "root": l.root,
	})
}

func correctionFields(l *layout, party Party, data []byte) map[string]hexs {
	order := []string{"K", "k", "dcf", "C"}
	if party == Custodian {
		order = append([]string{"B", "gamma"}, order...)
	}
	return fieldsOf(data, order, map[string]int{
		"B": l.cb, "gamma": l.cgamma, "K": l.k, "k": l.kw, "dcf": l.cw, "C": l.commitment,
	})
}

func makeVectors(t *testing.T) *vectors {
	t.Helper()
	v := &vectors{Comment: "Correlations and the two-party comparison. docs/spec/vectors.md. Public test values only."}
	for _, c := range []struct {
		n     int
		kind  code.CheckKind
		a0    int32
		a     func(j int) int32
		index uint64
	}{
		{64, code.Match, 0, func(int) int32 { return 1 }, 0},
		{128, code.Plausibility, -20, func(j int) int32 { return int32(j*37%63) - 31 }, 4096*3 + 17},
	} {
		a := make([]int32, c.n)
		for j := range a {
			a[j] = c.a(j)
		}
		model := canon.ModelID(seedFor("model"))
		check, err := code.NewCheck(model, c.kind, c.a0, a, -30, 60)
		if err != nil {
			t.Fatal(err)
		}
		v.Correlations = append(v.Correlations, describe(t, model, check, c.index))
	}
	return v
}

func describe(t *testing.T, model canon.ModelID, check *code.Check, index uint64) correlationVector {
	t.Helper()
	channel := NewChannel(canon.ChannelID(seedFor("channel")), check)
	p := &parties{channel: channel}
	seeds := [2]prg.Seed{seedFor("half 0"), seedFor("half 1")}
	var corrections [2][]byte
	for i := range corrections {
		corrections[i] = make([]byte, CorrectionsSize(check, Party(i)))
	}
	NewDealer(check, channel.ID).Deal(index, &seeds, &corrections)
	v := correlationVector{
		Check:   checkVector{model, check.Kind, check.ID, check.A0, check.A, check.MinT, check.MaxT, check.Domain},
		Channel: channel.ID, Index: index,
	}
	for i := range Party(2) {
		p.halves[i] = Half{seeds[i], corrections[i]}
		p.ready[i] = NewReady(channel, i)
		l := &p.ready[i].layout
		if err := p.ready[i].Load(index, &p.halves[i]); err != nil {
			t.Fatal(err)
		}
		v.Seeds[i] = hex.EncodeToString(seeds[i][:])
		v.Expansions[i] = expansionFields(l, i, p.ready[i].expansion)
		v.Corrections[i] = correctionFields(l, i, corrections[i])
		v.Encoded[i] = hex.EncodeToString(corrections[i])
		v.Digests[i] = digestVector(p.halves[i].Digests())
	}
	v.Rho = word64(rhoOf(p))
	v.Beta = hexOfBlock(p.ready[0].beta.Xor(p.ready[1].beta))
	for _, c := range []struct {
		above  int32 // of the distance, D - T
		change string
	}{{-1, ""}, {0, ""}, {15, ""}, {-15, ""}, {-1, "c0"}, {-1, "z1"}, {-1, "g1"}, {-1, "z0"}, {0, "o0"}, {-1, "o1"}} {
		v.Comparisons = append(v.Comparisons, compareOnce(t, p, index, c.above, c.change))
	}
	return v
}

// compareOnce runs a comparison whose distance is above T by above.
func compareOnce(t *testing.T, p *parties, index uint64, above int32, change string) comparisonVector {
	t.Helper()
	check := p.channel.Check
	var u code.Code
	var bound int32
	for i := 0; i == 0 || !check.Allows(bound); i++ { // a code whose distance leaves T in range
		u = codeFor(fmt.Sprintf("bits %d", i), check.Bits())
		bound = check.Distance(u) - above
	}
	u0 := codeFor("share", check.Bits())
	u.Xor(u0)
	for i := range p.ready {
		if err := p.ready[i].Load(index, &p.halves[i]); err != nil {
			t.Fatal(err)
		}
	}
	v := comparisonVector{Shares: [2]hexs{hexOf(u0.Bytes()), hexOf(u.Bytes())}, T: bound, Change: change}
	m := new(messages)
	out, err := run(p, u0, u, bound, bound, m, func(step int) {
		switch step {
		case 1:
			v.M1 = &m1Vector{hexOf(m.m1.C.Bytes())}
		case 2:
			v.M2 = &m2Vector{hexOf(m.m2.C.Bytes()), word64(m.m2.Z), word64(m.m2.G)}
		case 3:
			v.M3 = &m3Vector{word64(m.m3.Z), word64(m.m3.G), hexOfBlock(m.m3.O)}
		case 4:
			v.M4 = &m4Vector{hexOfBlock(m.m4.O)}
		}
		for name, flip := range map[string]struct {
			step int
			do   func()
		}{
			"c0": {1, func() { m.m1.C[0] ^= 1 }},
			"z1": {2, func() { m.m2.Z ^= 1 }},
			"g1": {2, func() { m.m2.G ^= 1 }},
			"z0": {3, func() { m.m3.Z ^= 1 }},
			"o0": {3, func() { m.m3.O.Lo ^= 1 }},
			"o1": {4, func() { m.m4.O.Lo ^= 1 }},
		} {
			if name == change && flip.step == step {
				flip.do()
			}
		}
	})
	if err != nil {
		v.Fault = fault.CodeOf(err)
	} else {
		yes := bool(out[0])
		v.Outcome = &yes
	}
	if (v.Fault == "") != (change == "") || err == nil && (out[0] != out[1] || bool(out[0]) != (above < 0)) {
		t.Fatalf("D - T = %d, changed %q: %v, %v", above, change, out, err)
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

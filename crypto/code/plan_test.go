package code_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/fault"
)

func TestPlan(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	a := codetest.Model(rng, codetest.Shape{Plausibility: true, MaxWeight: 31})
	b := codetest.Model(rng, codetest.Shape{Rotations: 8, Bits: 128})
	for name, c := range map[string]struct {
		models []*code.Model
		codes  []*code.Model
		steps  []code.Step // Check left out
	}{
		"one, plausible":  {[]*code.Model{a}, []*code.Model{a}, []code.Step{{Code: 0, Slot: 0}, {Code: 0, Slot: code.NoSlot}}},
		"one, angular":    {[]*code.Model{b}, []*code.Model{b}, []code.Step{{Code: 0, Slot: 0}}},
		"one model twice": {[]*code.Model{a, a}, []*code.Model{a}, []code.Step{{Slot: 0}, {Slot: 1}, {Slot: code.NoSlot}}},
		"two models": {[]*code.Model{b, a}, []*code.Model{b, a},
			[]code.Step{{Code: 0, Slot: 0}, {Code: 1, Slot: 1}, {Code: 1, Slot: code.NoSlot}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := codetest.Plan(code.FMR1e3, c.models...)
			if len(p.Codes) != len(c.codes) || len(p.Steps) != len(c.steps) || p.Slots() != len(c.models) {
				t.Fatalf("%d codes, %d steps, %d slots", len(p.Codes), len(p.Steps), p.Slots())
			}
			bits := 0
			for i, m := range c.codes {
				if p.Codes[i].ID() != m.ID() {
					t.Errorf("code %d is of %v", i, p.Codes[i].ID())
				}
				bits += m.Bits()
			}
			if p.TotalBits() != bits || p.TotalBytes() != bits/8 {
				t.Errorf("%d bits, %d bytes", p.TotalBits(), p.TotalBytes())
			}
			for i, s := range p.Steps {
				want := c.steps[i]
				m := c.codes[want.Code]
				want.Check, want.T = m.Match(), 0
				if want.Slot == code.NoSlot {
					want.Check, want.T, _ = m.Plausibility()
				} else {
					want.T, _ = m.Bound(code.FMR1e3)
				}
				if s != want {
					t.Errorf("step %d is %+v, want %+v", i, s, want)
				}
			}
			decideAll(t, p)
		})
	}
}

// decideAll holds Decide to the rule of protocol section 4 on every input.
func decideAll(t *testing.T, p *code.Plan) {
	bools := func(n, v int) []bool {
		out := make([]bool, n)
		for i := range out {
			out[i] = v>>i&1 == 1
		}
		return out
	}
	yeses := 0
	for o := range 1 << len(p.Steps) {
		for c := range 1 << p.Slots() {
			outcomes, counts := bools(len(p.Steps), o), bools(p.Slots(), c)
			want := false
			for i, s := range p.Steps {
				if s.Slot == code.NoSlot || !outcomes[i] || !counts[s.Slot] {
					continue
				}
				plausible := true
				for k, other := range p.Steps {
					if other.Slot == code.NoSlot && other.Code == s.Code {
						plausible = outcomes[k]
					}
				}
				want = want || plausible
			}
			if got := p.Decide(outcomes, counts); got != want {
				t.Errorf("outcomes %v, counts %v: %v", outcomes, counts, got)
			}
			if want {
				yeses++
			}
		}
	}
	if yeses == 0 {
		t.Error("no input is a yes")
	}
}

func TestPlanRefuses(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	f := codetest.File(rng, codetest.Shape{})
	f.Bounds = f.Bounds[:2]
	m, err := code.Parse(marshal(t, f))
	if err != nil {
		t.Fatal(err)
	}
	known := map[canon.ModelID]*code.Model{m.ID(): m}
	if _, err := code.NewPlan(codetest.Policy(code.FMR1e4, m), known); !fault.Is(err, fault.OutOfRange) {
		t.Errorf("a class that the model does not state: %v", err)
	}
	other := codetest.Model(rng, codetest.Shape{})
	if _, err := code.NewPlan(codetest.Policy(code.FMR1e2, other), known); !fault.Is(err, fault.UnknownModel) {
		t.Errorf("a model that is not loaded: %v", err)
	}
	known[other.ID()] = m
	if _, err := code.NewPlan(codetest.Policy(code.FMR1e2, other), known); !fault.Is(err, fault.UnknownModel) {
		t.Errorf("a model under another's name: %v", err)
	}
}

func TestPolicyRefuses(t *testing.T) {
	id := canon.ModelID(canon.Sum("test-model")).String()
	slot := `{"model":"` + id + `","fmr":"1e-3"}`
	policy := func(slots ...string) string {
		return `{"format":"nod/policy/v1","name":"standard","slots":[` + strings.Join(slots, ",") + `]}`
	}
	for text, want := range map[string]fault.Code{
		policy(slot):                                           "",
		policy(slot, slot):                                     "",
		policy():                                               fault.OutOfRange,
		policy(slot, slot, slot):                               fault.OutOfRange,
		policy(slot) + "x":                                     fault.Oversize,
		policy(slot)[:40]:                                      fault.Truncated,
		policy(slot) + strings.Repeat(" ", 4096):               fault.Oversize,
		replace("v1", "v2")(policy(slot)):                      fault.BadEncoding,
		replace("standard", "Standard")(policy(slot)):          fault.BadEncoding,
		replace("1e-3", "0.001")(policy(slot)):                 fault.OutOfRange,
		replace(id, strings.Repeat("0", 64))(policy(slot)):     fault.OutOfRange,
		replace(id, strings.ToUpper(id))(policy(slot)):         fault.BadEncoding,
		replace(id, id[1:])(policy(slot)):                      fault.BadEncoding,
		replace(`"name"`, `"Name"`)(policy(slot)):              fault.BadEncoding,
		replace(`"name"`, `"name":"a","name"`)(policy(slot)):   fault.BadEncoding,
		replace(`"name"`, `"extra":"a","name"`)(policy(slot)):  fault.UnknownField,
		replace(`"name":"standard",`, ``)(policy(slot)):        fault.BadEncoding,
		replace(`"fmr"`, `"bound":99,"fmr"`)(policy(slot)):     fault.UnknownField,
		replace(`[`+slot+`]`, `null`)(policy(slot)):            fault.OutOfRange,
		replace(`"standard"`, "\"standard\\u0000\"")(policy()): fault.BadEncoding,
	} {
		if _, err := code.ParsePolicy([]byte(text)); fault.CodeOf(err) != want {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

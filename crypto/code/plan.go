package code

import (
	"nod/crypto/canon"
	"nod/fault"
)

// NoSlot is the Slot of a step that compares no template.
const NoSlot = -1

// Step is one check of a verification.
type Step struct {
	Check *Check
	T     int32 // the bound: passed if D < T
	Code  int   // index of the probe's code in Plan.Codes
	Slot  int   // the template slot of a match check, or NoSlot
}

// Plan is what one verification under a policy compares: the same for every
// citizen, and worked out alike by both servers and the client. Immutable.
type Plan struct {
	Policy canon.PolicyID
	// Codes are the distinct models in order of first mention; a probe is one
	// code of each.
	Codes []*Model
	// Steps are the match checks in order of slots, then one plausibility check
	// for each model of Codes that asks for it.
	Steps []Step
	// FMR is the loosest class of the slots: what a verdict states.
	FMR   FMRClass
	slots int
}

// NewPlan works out the checks of a verification under policy. models is what
// the server's own operator trusts: a model outside it is fault.UnknownModel. A
// class that the model does not state is fault.OutOfRange.
func NewPlan(policy *Policy, models map[canon.ModelID]*Model) (*Plan, error) {
	p := &Plan{Policy: policy.ID(), slots: len(policy.file.Slots)}
	for i, slot := range policy.file.Slots {
		m := models[slot.Model]
		if m == nil || m.ID() != slot.Model {
			return nil, fault.New(fault.UnknownModel, "policy %s: model %v of slot %d is not loaded", policy.Name(), slot.Model, i)
		}
		t, ok := m.Bound(slot.FMR)
		if !ok {
			return nil, fault.New(fault.OutOfRange, "policy %s: model %s states no bound at %s", policy.Name(), m.Name(), slot.FMR)
		}
		p.Steps = append(p.Steps, Step{Check: m.Match(), T: t, Code: p.codeOf(m), Slot: i})
		if p.FMR == "" || slot.FMR.rank() < p.FMR.rank() {
			p.FMR = slot.FMR
		}
	}
	for i, m := range p.Codes {
		if check, t, ok := m.Plausibility(); ok {
			p.Steps = append(p.Steps, Step{Check: check, T: t, Code: i, Slot: NoSlot})
		}
	}
	return p, nil
}

// codeOf is the index of m's code, added if it is new.
func (p *Plan) codeOf(m *Model) int {
	for i, known := range p.Codes {
		if known.ID() == m.ID() {
			return i
		}
	}
	p.Codes = append(p.Codes, m)
	return len(p.Codes) - 1
}

// Slots is the number of template slots.
func (p *Plan) Slots() int { return p.slots }

// Model is the model of a slot's templates. A slot outside the plan is a
// programmer's error and panics.
func (p *Plan) Model(slot int) *Model {
	for _, s := range p.Steps {
		if s.Slot == slot {
			return p.Codes[s.Code]
		}
	}
	panic("code: no such slot")
}

// Lengths are the lengths of the codes of one probe, in bits.
func (p *Plan) Lengths() []int {
	out := make([]int, len(p.Codes))
	for i, m := range p.Codes {
		out[i] = m.Bits()
	}
	return out
}

// TotalBits is the length of all codes of one probe together.
func (p *Plan) TotalBits() int {
	total := 0
	for _, m := range p.Codes {
		total += m.Bits()
	}
	return total
}

// TotalBytes is TotalBits in bytes.
func (p *Plan) TotalBytes() int { return p.TotalBits() / 8 }

// Decide is the verdict: yes if some slot that counts matched and the probe was
// plausible under that slot's model. outcomes has one value a step, in order;
// counts one a slot, false for a decoy. It looks at all of them whatever they
// are; a wrong number is a programmer's error and panics.
func (p *Plan) Decide(outcomes, counts []bool) bool {
	if len(outcomes) != len(p.Steps) || len(counts) != p.slots {
		panic("code: outcomes or counts of another plan")
	}
	implausible := make([]int, len(p.Codes))
	for i, s := range p.Steps {
		if s.Slot == NoSlot {
			implausible[s.Code] |= bit(!outcomes[i])
		}
	}
	yes := 0
	for i, s := range p.Steps {
		if s.Slot != NoSlot {
			yes |= bit(outcomes[i]) & bit(counts[s.Slot]) &^ implausible[s.Code]
		}
	}
	return yes == 1
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

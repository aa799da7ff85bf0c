package code

import (
	"crypto/sha256"

	"nod/crypto/canon"
	"nod/fault"
)

// FMRClass is a stated false match rate, as a model names its bounds.
type FMRClass string

// The classes, loosest first.
const (
	FMR1e2 FMRClass = "1e-2"
	FMR1e3 FMRClass = "1e-3"
	FMR1e4 FMRClass = "1e-4"
	FMR1e5 FMRClass = "1e-5"
	FMR1e6 FMRClass = "1e-6"
)

// ParseFMRClass reads "1e-2" to "1e-6"; anything else is fault.OutOfRange.
func ParseFMRClass(s string) (FMRClass, error) {
	c := FMRClass(s)
	if c.rank() == 0 {
		return "", fault.New(fault.OutOfRange, "false match rate class is none of 1e-2 to 1e-6")
	}
	return c, nil
}

// Rate is the class as a number, or 0 for no class.
func (c FMRClass) Rate() float64 {
	return [...]float64{0, 0, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6}[c.rank()]
}

// rank is the negated exponent, 2 to 6, or 0 for no class.
func (c FMRClass) rank() int {
	switch c {
	case FMR1e2:
		return 2
	case FMR1e3:
		return 3
	case FMR1e4:
		return 4
	case FMR1e5:
		return 5
	case FMR1e6:
		return 6
	}
	return 0
}

// Limits of a policy file.
const (
	MaxPolicyFile = 4096 // bytes
	MaxSlots      = 2    // one, and a second while a bureau moves to another network
)

const policyFormat = "nod/policy/v1"

// Policy says which models a verification compares, and how strictly. It is
// public, immutable, and named by the SHA-256 of its file.
type Policy struct {
	id   canon.PolicyID
	file PolicyFile
}

// PolicyFile is the content of a policy file.
type PolicyFile struct {
	Format string `json:"format"` // "nod/policy/v1"
	Name   string `json:"name"`   // as a model's
	Slots  []Slot `json:"slots"`  // one or two
}

// Slot is one template place of a citizen.
type Slot struct {
	Model canon.ModelID `json:"model"`
	FMR   FMRClass      `json:"fmr"`
}

// Marshal writes the file. What it writes names the policy: keep the bytes.
func (f *PolicyFile) Marshal() ([]byte, error) {
	data, err := indentedJSON(f)
	if err != nil {
		return nil, jsonFault("policy", err)
	}
	return data, nil
}

// ParsePolicy reads a policy file (docs/spec/models.md) strictly. Faults:
// Truncated, Oversize, BadEncoding, UnknownField, OutOfRange.
func ParsePolicy(data []byte) (*Policy, error) {
	p := &Policy{id: canon.PolicyID(sha256.Sum256(data))}
	if err := decodeStrict("policy", data, MaxPolicyFile, &p.file); err != nil {
		return nil, err
	}
	f := &p.file
	switch {
	case f.Format != policyFormat:
		return nil, fault.New(fault.BadEncoding, "policy: format is not %q", policyFormat)
	case !namePattern.MatchString(f.Name):
		return nil, fault.New(fault.BadEncoding, "policy: name must be 1 to 64 of a-z, 0-9, '.', '-'")
	case len(f.Slots) < 1 || len(f.Slots) > MaxSlots:
		return nil, fault.New(fault.OutOfRange, "policy: %d slots, want 1 or %d", len(f.Slots), MaxSlots)
	}
	for _, s := range f.Slots {
		if s.Model.IsZero() {
			return nil, fault.New(fault.OutOfRange, "policy: a slot names no model")
		}
		if _, err := ParseFMRClass(string(s.FMR)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// ID is the SHA-256 of the policy's file.
func (p *Policy) ID() canon.PolicyID { return p.id }

// Name is the policy's name for people.
func (p *Policy) Name() string { return p.file.Name }

// Slots lists the template slots in order; the slice is the caller's.
func (p *Policy) Slots() []Slot { return append([]Slot(nil), p.file.Slots...) }

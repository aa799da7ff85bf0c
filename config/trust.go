package config

import (
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/fault"
)

// Trust names what its operator trusts. Every file must be one that nobody but its
// owner may write to.
type Trust struct {
	// Bundle is the path of the trust bundle, which pins the identity keys of the three
	// roles. It is the same for all of them and for every client.
	Bundle string `toml:"bundle" is:"path"`
	// Models are the paths of the model files, one at least. Their exact bytes name
	// them.
	Models []string `toml:"models" is:"path" min:"1"`
	// Policies are the paths of the policy files, one at least, of which each names
	// models of the list.
	Policies []string `toml:"policies" is:"path" min:"1"`
}

// DealerTrust names what a dealer's operator trusts: as Trust, without policies, which
// mean nothing to a dealer.
type DealerTrust struct {
	// Bundle is the path of the trust bundle, which pins the identity keys of the three
	// roles. It is the same for all of them and for every client.
	Bundle string `toml:"bundle" is:"path"`
	// Models are the paths of the model files, one at least: all that are in use at
	// matcher and custodian. Their exact bytes name them.
	Models []string `toml:"models" is:"path" min:"1"`
}

// Trusted is what the files of a Trust hold.
type Trusted struct {
	// Bundle pins the identity keys.
	Bundle *seal.Bundle
	// Models are in the order of the file.
	Models []*code.Model
	// Plans are one a policy, in the order of the file; none at a dealer.
	Plans []*code.Plan
}

// Load reads the files. One that is named twice, or whose contents are, is
// fault.BadEncoding, and a policy of other models fault.UnknownModel; the other
// faults are those of reading a file and of its own format.
func (t *Trust) Load() (*Trusted, error) {
	out, err := loadTrust(t.Bundle, t.Models)
	if err != nil {
		return nil, err
	}
	return out, out.plan(t.Policies)
}

// Load reads the files, as Trust.Load does.
func (t *DealerTrust) Load() (*Trusted, error) { return loadTrust(t.Bundle, t.Models) }

func loadTrust(bundle string, models []string) (*Trusted, error) {
	out := new(Trusted)
	data, err := readPinned("trust.bundle", bundle, seal.MaxBundle)
	if err != nil {
		return nil, err
	}
	if out.Bundle, err = seal.ParseBundle(data); err != nil {
		return nil, fault.Within(err, "trust.bundle %s", bundle)
	}
	seen := map[canon.ModelID]bool{}
	for i, path := range models {
		field := element("trust.models", i)
		data, err := readPinned(field, path, code.MaxModelFile)
		if err != nil {
			return nil, err
		}
		m, err := code.Parse(data)
		if err != nil {
			return nil, fault.Within(err, "%s %s", field, path)
		}
		if seen[m.ID()] {
			return nil, fault.New(fault.BadEncoding, "%s %s is a model that stands before it already", field, path)
		}
		seen[m.ID()] = true
		out.Models = append(out.Models, m)
	}
	return out, nil
}

// plan reads the policies and works out a plan for each.
func (t *Trusted) plan(policies []string) error {
	models := map[canon.ModelID]*code.Model{}
	for _, m := range t.Models {
		models[m.ID()] = m
	}
	seen := map[canon.PolicyID]bool{}
	for i, path := range policies {
		field := element("trust.policies", i)
		data, err := readPinned(field, path, code.MaxPolicyFile)
		if err != nil {
			return err
		}
		policy, err := code.ParsePolicy(data)
		if err != nil {
			return fault.Within(err, "%s %s", field, path)
		}
		if seen[policy.ID()] {
			return fault.New(fault.BadEncoding, "%s %s is a policy that stands before it already", field, path)
		}
		seen[policy.ID()] = true
		p, err := code.NewPlan(policy, models)
		if err != nil {
			return fault.Within(err, "%s %s", field, path)
		}
		t.Plans = append(t.Plans, p)
	}
	return nil
}

// Checks are the checks of all plans, each once: what correlations are made for.
func (t *Trusted) Checks() (out []*code.Check) {
	seen := map[canon.CheckID]bool{}
	for _, p := range t.Plans {
		for _, s := range p.Steps {
			if !seen[s.Check.ID] {
				seen[s.Check.ID] = true
				out = append(out, s.Check)
			}
		}
	}
	return out
}

package config

import (
	"bytes"
	"testing"

	"nod/fault"
)

// A bundle, model or policy that is not what its place says is refused with the
// field's name.
func TestTrustRefusals(t *testing.T) {
	d := deploy(t)
	sample := func() *Trust {
		m, err := LoadMatcher(d.path("matcher.toml"))
		if err != nil {
			t.Fatal(err)
		}
		return &m.Trust
	}
	model := repository(t, "models/dlib-resnet-v1.json")
	policy := repository(t, "models/standard.policy.json")
	copied := func(name string, data []byte) string { return write(t, d.folder, name, 0o644, data) }
	for name, c := range map[string]struct {
		change func(*Trust)
		code   fault.Code
		field  string
	}{
		"a bundle that is none":  {func(x *Trust) { x.Bundle = x.Policies[0] }, fault.UnknownField, "trust.bundle"},
		"a model that is none":   {func(x *Trust) { x.Models[0] = copied("a.json", []byte("{")) }, fault.Truncated, "trust.models[0]"},
		"a policy that is none":  {func(x *Trust) { x.Policies[0] = copied("b.json", nil) }, fault.Truncated, "trust.policies[0]"},
		"a model twice":          {func(x *Trust) { x.Models = append(x.Models, copied("c.json", model)) }, fault.BadEncoding, "trust.models[1]"},
		"a policy twice":         {func(x *Trust) { x.Policies = append(x.Policies, copied("d.json", policy)) }, fault.BadEncoding, "trust.policies[1]"},
		"another model's policy": {func(x *Trust) { x.Models[0] = copied("e.json", append(bytes.Clone(model), ' ')) }, fault.UnknownModel, "trust.policies[0]"},
		"an unknown rate": {func(x *Trust) {
			x.Policies[0] = copied("f.json", bytes.Replace(policy, []byte("1e-"), []byte("2e-"), 1))
		}, fault.OutOfRange, "trust.policies[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			trust := sample()
			c.change(trust)
			_, err := trust.Load()
			refused(t, err, c.code, c.field)
		})
	}
	deal := DealerTrust{Bundle: sample().Bundle, Models: []string{d.path("trust/bundle.json")}}
	_, err := deal.Load()
	refused(t, err, fault.UnknownField, "trust.models[0]")
}

// Nobody shares a key: whoever held it could speak for both.
func TestKeysBelongToOneParty(t *testing.T) {
	d := deploy(t)
	for name, c := range map[string]struct {
		change func(*Matcher)
		fields []string
	}{
		"two relying parties": {func(m *Matcher) {
			m.RelyingParties = append(m.RelyingParties, RelyingParty{ID: "other", Keys: m.RelyingParties[0].Keys, Purposes: []string{"x"}})
		}, []string{"relying_party[0].keys[0]", "relying_party[1].keys[0]"}},
		"a key twice": {func(m *Matcher) {
			m.Bureau.Keys = append(m.Bureau.Keys, m.Bureau.Keys[0])
		}, []string{"bureau.keys[0]", "bureau.keys[1]"}},
		"relying party and station": {func(m *Matcher) {
			m.Stations[0].Keys = m.RelyingParties[0].Keys
		}, []string{"relying_party[0].keys[0]", "station[0].keys[0]"}},
		"station and bureau": {func(m *Matcher) {
			m.Bureau.Keys = m.Stations[0].Keys
		}, []string{"station[0].keys[0]", "bureau.keys[0]"}},
		"two callers": {func(m *Matcher) {
			m.Callers[2].Key = m.Callers[0].Key
		}, []string{"caller[0].key", "caller[2].key"}},
		"a caller with P-256": {func(m *Matcher) {
			m.Callers[1].Key = m.RelyingParties[0].Keys[0]
		}, []string{"caller[1].key", "Ed25519"}},
		"a private key": {func(m *Matcher) {
			m.Callers[1].Key = d.path("keys/bureau.private.jwk")
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := LoadMatcher(d.path("matcher.toml"))
			if err != nil {
				t.Fatal(err)
			}
			c.change(m)
			if _, err = m.LoadParties(); err == nil {
				_, err = m.LoadCallers()
			}
			if c.fields == nil {
				refused(t, err, fault.UnknownField, "caller[1].key", "d")
				return
			}
			refused(t, err, fault.BadKey, c.fields...)
		})
	}
}

// A caller without methods is known and may do nothing.
func TestNoMethodsAllowNothing(t *testing.T) {
	d := deploy(t)
	for _, methods := range []string{"methods = []", ""} {
		text := leastMatcher + "[[caller]]\nname = \"a\"\nkey = \"callers/operator.jwk\"\n" + methods + "\n"
		m, err := LoadMatcher(write(t, d.folder, "least.toml", 0o600, []byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		callers, err := m.LoadCallers()
		if err != nil || len(callers.Keys) != 1 || len(callers.Allow) != 0 {
			t.Errorf("%+v, %v", callers, err)
		}
	}
}

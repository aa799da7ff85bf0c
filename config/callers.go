package config

import (
	"crypto/ed25519"
	"slices"
	"strings"

	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// Caller is who may call the matcher besides the two other roles: a bank's portal, an
// enrolment office, the bureau. It says who connects; what a call carries is signed
// by a relying party, station or bureau besides.
type Caller struct {
	// Name is the caller's name in the log: 1 to 64 of a-z, 0-9, '.' and '-', and none of
	// matcher, custodian and dealer.
	Name string `toml:"name" is:"name"`
	// Key is the path of the public Ed25519 JWK that it connects with.
	Key string `toml:"key" is:"path"`
	// Methods are the calls that it may make: matcher/Open, matcher/Verify,
	// matcher/Keys, matcher/Enrol, matcher/Order, matcher/Renew (the operator's own).
	// With none, every call of it is refused.
	Methods []string `toml:"methods" is:"text"`
}

// Callers are the callers' keys and rights.
type Callers struct {
	// Keys are by name.
	Keys map[string]ed25519.PublicKey
	// Allow lists the names of those who may call a method, in order of the file. A
	// method that nobody may call is not in it.
	Allow map[wire.Method][]string
}

// callable reports whether callers can be given a method: one of the matcher's.
func callable(method wire.Method) bool {
	switch method {
	case wire.MatcherOpen, wire.MatcherVerify, wire.MatcherKeys, wire.MatcherEnrol, wire.MatcherOrder, wire.MatcherRenew:
		return true
	}
	return false
}

// checkCallers refuses names that are taken, and methods that a matcher does not
// have.
func checkCallers(callers []Caller) error {
	seen := map[string]bool{}
	for i, c := range callers {
		at := element("caller", i)
		if err := checkCallerName(at+".name", c.Name); err != nil {
			return err
		}
		if seen[c.Name] {
			return fault.New(fault.BadEncoding, "%s.name: %q is registered twice", at, c.Name)
		}
		seen[c.Name] = true
		for j, m := range c.Methods {
			if !callable(wire.Method(m)) {
				return fault.New(fault.UnknownMethod, "%s: %q is not a call of the matcher", element(at+".methods", j), m)
			}
			if slices.Contains(c.Methods[:j], m) {
				return fault.New(fault.BadEncoding, "%s: %q stands before it already", element(at+".methods", j), m)
			}
		}
	}
	return nil
}

// checkCallerName refuses the names of the roles, whose keys are in the trust bundle
// alone.
func checkCallerName(field, name string) error {
	for _, role := range seal.Roles() {
		if strings.EqualFold(name, string(role)) {
			return fault.New(fault.BadEncoding, "%s: %q is the name of a role", field, name)
		}
	}
	return nil
}

// loadCallers reads the keys. One key under two names, or one that is not Ed25519, is
// fault.BadKey.
func loadCallers(callers []Caller) (*Callers, error) {
	out := &Callers{Keys: map[string]ed25519.PublicKey{}, Allow: map[wire.Method][]string{}}
	seen := map[string]string{}
	for i, c := range callers {
		field := element("caller", i) + ".key"
		key, err := loadPublicKey(field, c.Key, seen)
		if err != nil {
			return nil, err
		}
		public, ok := key.Ed25519()
		if !ok {
			return nil, fault.New(fault.BadKey, "%s: %s is not an Ed25519 key", field, c.Key)
		}
		out.Keys[c.Name] = public
		for _, m := range c.Methods {
			out.Allow[wire.Method(m)] = append(out.Allow[wire.Method(m)], c.Name)
		}
	}
	return out, nil
}

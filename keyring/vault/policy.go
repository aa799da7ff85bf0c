package vault

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring"
)

// Place says where a role's things are in its Vault. The zero value of a field is its
// default.
type Place struct {
	// Mount is the role's transit engine. Default: transit. Roles that share a server,
	// which is for a first look only, need an engine each.
	Mount string
	// AppRole is the mount of the AppRole method. Default: approle.
	AppRole string
	// Name is that of the role's policy and AppRole. Default: nod- and the role.
	Name string
	// Issue lets the role get its own next secret id, wrapped: AppRole.Issue.
	Issue bool
	// Period is how long a token lives without being renewed. Default: an hour.
	Period time.Duration
}

// Plan is what a role has in its Vault, for an operator to make and for others to read.
type Plan struct {
	Role seal.Role
	Place
	Keys     map[keyring.Name]keyring.Type
	Policy   string         // the role's own, in HCL
	Operator string         // the policy of who makes, rotates and destroys its keys
	Settings map[string]any // of auth/APPROLE/role/NAME
}

// Request is one write to Vault.
type Request struct {
	Path string
	Body map[string]any
}

const (
	defaultPeriod = time.Hour
	leastWrapping = time.Second
)

// PlanFor makes the plan of a role: exactly the paths and parameters that Keyring and
// AppRole use for it, and nothing else.
func PlanFor(role seal.Role, place Place) (Plan, error) {
	p := Plan{Role: role, Place: place, Keys: map[keyring.Name]keyring.Type{
		keyring.Identity: keyring.Ed25519, keyring.KEK: keyring.AEAD,
	}}
	switch role {
	case seal.Matcher:
	case seal.Custodian:
		p.Keys[keyring.Pad] = keyring.HMAC
	case seal.Dealer:
		p.Keys[keyring.Root] = keyring.HMAC
	default:
		return Plan{}, fault.New(fault.OutOfRange, "role %q", role)
	}
	for _, f := range []struct {
		field    *string
		fallback string
	}{{&p.Mount, defaultMount}, {&p.AppRole, defaultAppRole}, {&p.Name, "nod-" + string(role)}} {
		if *f.field == "" {
			*f.field = f.fallback
		}
		if !pathShape.MatchString(*f.field) {
			return Plan{}, fault.New(fault.OutOfRange, "%q in the plan of the %s", *f.field, role)
		}
	}
	if p.Period == 0 {
		p.Period = defaultPeriod
	}
	if p.Period < time.Second || strings.Contains(p.Name, "/") {
		return Plan{}, fault.New(fault.OutOfRange, "period %s or name %q in the plan of the %s", p.Period, p.Name, role)
	}
	p.Policy, p.Operator, p.Settings = p.own().text(), p.operator().text(), p.settings()
	return p, nil
}

// Requests are the writes that make the plan so, but for keys (Admin.Create) and
// mounts. Making them again changes nothing.
func (p *Plan) Requests() []Request {
	return []Request{
		// A batch's id stands in the audit log in clear.
		{"sys/config/auditing/request-headers/" + BatchHeader, map[string]any{"hmac": false}},
		// encrypt never makes a key.
		{p.Mount + "/config/keys", map[string]any{"disable_upsert": true}},
		{"sys/policies/acl/" + p.Name, map[string]any{"policy": p.Policy}},
		{"sys/policies/acl/" + p.Name + "-operator", map[string]any{"policy": p.Operator}},
		{"auth/" + p.AppRole + "/role/" + p.Name, maps.Clone(p.Settings)},
	}
}

// Mounts are the writes that mount the engine and the method. Vault refuses each with
// 400 if there is something at the path already.
func (p *Plan) Mounts() []Request {
	return []Request{
		{"sys/mounts/" + p.Mount, map[string]any{"type": "transit"}},
		{"sys/auth/" + p.AppRole, map[string]any{"type": "approle"}},
	}
}

// settings are the AppRole's: periodic service tokens, and secret ids that log in once.
func (p *Plan) settings() map[string]any {
	return map[string]any{
		"bind_secret_id":          true,
		"secret_id_num_uses":      1,
		"token_type":              "service",
		"token_period":            int(p.Period.Seconds()),
		"token_policies":          []string{p.Name},
		"token_no_default_policy": true,
	}
}

// path is a paragraph of a policy.
type path struct {
	name       string
	capability string
	parameters []string            // required, and the only ones
	values     map[string][]string // the only ones, and what they may be; nothing: anything
	more       string
}

type policy []path

// own is what the role may do.
func (p *Plan) own() policy {
	out := policy{}
	for _, key := range slices.Sorted(maps.Keys(p.Keys)) {
		out = append(out, path{name: p.Mount + "/keys/" + string(key), capability: "read"})
		use := func(operation string, parameters ...string) {
			out = append(out, path{name: p.Mount + "/" + operation + "/" + string(key), capability: "update", parameters: parameters})
		}
		switch p.Keys[key] {
		case keyring.Ed25519:
			use("sign", "input")
		case keyring.AEAD:
			use("encrypt", "plaintext", "associated_data")
			use("decrypt", "ciphertext", "associated_data")
		case keyring.HMAC:
			use("hmac", "key_version", "batch_input")
		}
	}
	out = append(out,
		path{name: "auth/token/lookup-self", capability: "read"},
		path{name: "auth/token/renew-self", capability: "update"},
		path{name: "auth/token/revoke-self", capability: "update"},
	)
	if p.Issue {
		out = append(out, path{
			name: "auth/" + p.AppRole + "/role/" + p.Name + "/secret-id", capability: "update",
			more: fmt.Sprintf("  min_wrapping_ttl = %q\n", leastWrapping),
		})
	}
	return out
}

// operator is what making, rotating and destroying the role's keys takes. It cannot use
// a key for what the role uses it for, and cannot make one that may be given out.
func (p *Plan) operator() policy {
	out := policy{}
	for _, key := range slices.Sorted(maps.Keys(p.Keys)) {
		kind := p.Keys[key]
		of := func(operation string) string { return p.Mount + "/" + operation + "/" + string(key) }
		create := map[string][]string{
			"type": {fmt.Sprintf("%q", string(kind))}, "derived": {"false"},
			"exportable": {"false"}, "allow_plaintext_backup": {"false"},
		}
		if kind == keyring.HMAC {
			create["key_size"] = []string{fmt.Sprint(hmacSize)}
		}
		out = append(out,
			path{name: of("keys"), capability: `read", "create", "update`, values: create},
			path{name: of("keys") + "/rotate", capability: "update"},
			path{name: of("keys") + "/config", capability: "update", values: map[string][]string{"min_decryption_version": nil, "min_encryption_version": nil}},
			path{name: of("keys") + "/trim", capability: "update", values: map[string][]string{"min_available_version": nil}},
		)
		if kind == keyring.AEAD {
			out = append(out, path{name: of("encrypt"), capability: "update", parameters: []string{"plaintext", "key_version"}})
		} else {
			out = append(out, path{name: of("verify"), capability: "update"})
		}
	}
	return append(out, path{name: "auth/token/lookup-self", capability: "read"})
}

// text is the policy in Vault's language. All of its words come from this package, or
// have pathShape.
func (all policy) text() string {
	var out strings.Builder
	for _, p := range all {
		fmt.Fprintf(&out, "path %q {\n  capabilities = [\"%s\"]\n", p.name, p.capability)
		allowed := p.values
		if p.parameters != nil {
			fmt.Fprintf(&out, "  required_parameters = [\"%s\"]\n", strings.Join(p.parameters, `", "`))
			allowed = map[string][]string{}
			for _, name := range p.parameters {
				allowed[name] = nil
			}
		}
		if allowed != nil {
			out.WriteString("  allowed_parameters = {\n")
			for _, name := range slices.Sorted(maps.Keys(allowed)) {
				fmt.Fprintf(&out, "    %q = [%s]\n", name, strings.Join(allowed[name], ", "))
			}
			out.WriteString("  }\n")
		}
		out.WriteString(p.more + "}\n\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

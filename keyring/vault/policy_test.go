package vault_test

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"

	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring"
	"nod/keyring/vault"
	"nod/keyring/vault/vaulttest"
)

// attempt is a request that a role has no business with.
type attempt struct {
	method, path string
	body         map[string]any
}

const (
	get  = http.MethodGet
	put  = http.MethodPut
	list = "LIST"
)

// everywhere are requests on what is not any role's.
func everywhere(p *vault.Plan) []attempt {
	role := "auth/" + p.AppRole + "/role/" + p.Name
	return []attempt{
		{get, "sys/audit", nil},
		{put, "sys/audit/another", map[string]any{"type": "file"}},
		{put, "sys/audit-hash/device-1", map[string]any{"input": "guess"}},
		{get, "sys/policies/acl/" + p.Name, nil},
		{put, "sys/policies/acl/" + p.Name, map[string]any{"policy": `path "*" { capabilities = ["sudo"] }`}},
		{put, "sys/policies/acl/another", map[string]any{"policy": ""}},
		{get, "sys/mounts", nil},
		{put, "sys/mounts/another", map[string]any{"type": "transit"}},
		{put, "sys/mounts/" + p.Mount + "/tune", map[string]any{"audit_non_hmac_response_keys": "hmac"}},
		{http.MethodDelete, "sys/mounts/" + p.Mount, nil},
		{put, "sys/config/auditing/request-headers/" + vault.BatchHeader, map[string]any{"hmac": true}},
		{put, "sys/seal", nil},
		{put, "sys/rotate", nil},
		{get, "sys/storage/raft/snapshot", nil},
		{get, "sys/raw/core", nil},
		{put, "auth/token/create", nil},
		{list, "auth/token/accessors", nil},
		{get, role, nil},
		{put, role, map[string]any{"token_policies": "root"}},
		{get, role + "/role-id", nil},
		{put, role + "/secret-id", nil},
		{put, role + "/custom-secret-id", map[string]any{"secret_id": "known"}},
		{list, p.Mount + "/keys", nil},
		{put, p.Mount + "/keys/another", map[string]any{"type": "hmac", "key_size": 32}},
		{put, p.Mount + "/encrypt/another", map[string]any{"plaintext": "", "associated_data": ""}},
		{put, p.Mount + "/config/keys", map[string]any{"disable_upsert": false}},
		{put, p.Mount + "/restore", map[string]any{"backup": "AAAA"}},
		{put, p.Mount + "/cache-config", map[string]any{"size": 0}},
		{get, p.Mount + "/wrapping_key", nil},
	}
}

// onKey are requests on one key that no role makes.
func onKey(mount string, key keyring.Name) []attempt {
	at := func(operation string) string { return mount + "/" + operation + "/" + string(key) }
	return []attempt{
		{get, at("export/hmac-key"), nil},
		{get, at("export/encryption-key"), nil},
		{get, at("export/signing-key") + "/1", nil},
		{get, at("export/public-key"), nil},
		{get, at("backup"), nil},
		{put, at("keys") + "/config", map[string]any{"exportable": true}},
		{put, at("keys") + "/config", map[string]any{"min_decryption_version": 1}},
		{put, at("keys") + "/trim", map[string]any{"min_available_version": 1}},
		{put, at("keys") + "/rotate", nil},
		{put, at("keys") + "/import_version", nil},
		{put, at("keys") + "/soft-delete", nil},
		{http.MethodDelete, at("keys"), nil},
		{put, at("keys"), map[string]any{"type": "hmac"}},
		{put, at("hmac") + "/sha2-512", map[string]any{"key_version": 1, "batch_input": []any{}}},
		{put, at("sign") + "/sha2-256", map[string]any{"input": ""}},
		{put, at("sign"), map[string]any{"input": "", "prehashed": true}},
		{put, at("verify"), map[string]any{"input": "", "hmac": ""}},
		{put, at("rewrap"), map[string]any{"ciphertext": ""}},
		{put, at("datakey/plaintext"), nil},
		{put, at("encrypt"), map[string]any{"plaintext": "", "associated_data": "", "key_version": 1}},
		{put, at("encrypt"), map[string]any{"plaintext": ""}},
		{put, at("decrypt"), map[string]any{"batch_input": []any{}}},
		{put, at("hmac"), map[string]any{"input": ""}},
		{put, at("hmac"), map[string]any{"batch_input": []any{}}},
		{put, at("hmac"), map[string]any{"key_version": 1, "batch_input": []any{}, "algorithm": "sha2-224"}},
	}
}

// uses are the requests that roles make, on one key.
func uses(mount string, key keyring.Name) map[keyring.Type][]attempt {
	at := func(operation string) string { return mount + "/" + operation + "/" + string(key) }
	return map[keyring.Type][]attempt{
		"":              {{get, at("keys"), nil}},
		keyring.HMAC:    {{put, at("hmac"), map[string]any{"key_version": 1, "batch_input": []any{map[string]any{"input": "aGk="}}}}},
		keyring.Ed25519: {{put, at("sign"), map[string]any{"input": "aGk="}}},
		keyring.AEAD: {
			{put, at("encrypt"), map[string]any{"plaintext": "aGk=", "associated_data": ""}},
			{put, at("decrypt"), map[string]any{"ciphertext": "vault:v1:AAAA", "associated_data": ""}},
		},
	}
}

// checkRole tries everything with a role's token. others are mounts of other roles on
// the same server.
func checkRole(t *testing.T, s *vaulttest.Server, r *vaulttest.Role, others []string) {
	t.Helper()
	token := r.Token(t)
	try := func(a attempt, want bool) {
		t.Helper()
		status := s.Try(t, token, a.method, a.path, a.body)
		// An allowed use of rubbish is refused for what it is.
		if allowed := status == http.StatusOK || status == http.StatusBadRequest; allowed != want || !want && status != http.StatusForbidden {
			t.Errorf("%s: %s %s %v: status %d", r.Name, a.method, a.path, a.body, status)
		}
	}
	if status := s.Try(t, token, get, "auth/token/lookup-self", nil); status != http.StatusOK {
		t.Fatalf("%s: the token is no good: status %d", r.Name, status)
	}
	for _, a := range everywhere(&r.Plan) {
		try(a, false)
	}
	all := map[keyring.Name]keyring.Type{
		keyring.Identity: keyring.Ed25519, keyring.KEK: keyring.AEAD, keyring.Pad: keyring.HMAC, keyring.Root: keyring.HMAC,
	}
	for _, mount := range append([]string{r.Mount}, others...) {
		for key := range all {
			for _, a := range onKey(mount, key) {
				try(a, false)
			}
			own, has := r.Keys[key]
			for kind, attempts := range uses(mount, key) {
				for _, a := range attempts {
					try(a, has && mount == r.Mount && (kind == "" || kind == own))
				}
			}
		}
	}
}

// works uses every key of a role through its Keyring, as the role does.
func works(t *testing.T, r *vaulttest.Role) {
	t.Helper()
	ctx := context.Background()
	k := r.Open(t, r.Settings())
	for key, kind := range r.Keys {
		if info, err := k.Describe(ctx, key); err != nil || info.Type != kind {
			t.Errorf("%s: Describe %s = %+v, %v", r.Name, key, info, err)
		}
		var err error
		switch kind {
		case keyring.HMAC:
			_, err = k.MACs(ctx, key, 1, [][]byte{{1}})
		case keyring.Ed25519:
			if _, _, err = k.Sign(ctx, key, []byte("message")); err == nil {
				_, err = k.Public(ctx, key, 0)
			}
		case keyring.AEAD:
			var wrapped []byte
			if wrapped, err = k.Wrap(ctx, key, []byte("keyset"), []byte("place")); err == nil {
				_, err = k.Unwrap(ctx, key, wrapped, []byte("place"))
			}
		}
		if err != nil {
			t.Errorf("%s: using %s: %v", r.Name, key, err)
		}
	}
	if err := k.Ready(ctx); err != nil {
		t.Errorf("%s: %v", r.Name, err)
	}
}

func TestRolesOnThreeServers(t *testing.T) {
	t.Parallel()
	for _, role := range seal.Roles() {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			s := vaulttest.Start(t, vaulttest.Options{})
			r := s.Role(t, role, vault.Place{})
			works(t, r)
			checkRole(t, s, r, nil)
			if role == seal.Custodian {
				testOperator(t, s, r)
			}
		})
	}
}

// Here each role may get its own next secret id, wrapped: not wrapped it may not.
func TestRolesOnOneServer(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t, vaulttest.Options{})
	roles := map[string]*vaulttest.Role{}
	for _, role := range seal.Roles() {
		mount := "transit-" + string(role)
		roles[mount] = s.Role(t, role, vault.Place{Mount: mount, Issue: true})
	}
	for mount, r := range roles {
		others := maps.Clone(roles)
		delete(others, mount)
		var names []string
		for other, o := range others {
			names = append(names, other)
			for _, what := range []string{"/secret-id", "/role-id"} {
				if status := s.Try(t, r.Token(t), put, "auth/approle/role/"+o.Name+what, nil); status != http.StatusForbidden {
					t.Errorf("%s gets %s's %s: status %d", r.Name, o.Name, what, status)
				}
			}
		}
		works(t, r)
		checkRole(t, s, r, names)
	}
}

// testOperator holds that the operator's policy suffices for Admin, and neither uses a
// key nor makes it exportable.
func testOperator(t *testing.T, s *vaulttest.Server, r *vaulttest.Role) {
	ctx := context.Background()
	made := s.Write(t, "auth/token/create", map[string]any{"policies": []string{r.Name + "-operator"}, "no_default_policy": true})
	settings := s.Settings(r.Mount)
	settings.Login = vault.Token(made.Auth.ClientToken)
	admin, err := vault.OpenAdmin(ctx, settings)
	if err != nil {
		t.Fatal(err)
	}
	for key, kind := range r.Keys {
		if err := admin.Create(ctx, key, kind); err != nil {
			t.Errorf("Create %s: %v", key, err)
		}
		for want := uint32(2); want <= 3; want++ {
			if v, err := admin.Rotate(ctx, key); err != nil || v != want {
				t.Errorf("Rotate %s = %d, %v", key, v, err)
			}
		}
		if err := admin.Destroy(ctx, key, 3); err != nil {
			t.Errorf("Destroy of %s: %v", key, err)
		}
		for kind, attempts := range uses(r.Mount, key) {
			for _, a := range attempts {
				if status := s.Try(t, made.Auth.ClientToken, a.method, a.path, a.body); kind != "" && status != http.StatusForbidden {
					t.Errorf("the operator may %s: status %d", a.path, status)
				}
			}
		}
		for _, body := range []map[string]any{{"exportable": true}, {"allow_plaintext_backup": true}, {"deletion_allowed": true}} {
			if status := s.Try(t, made.Auth.ClientToken, put, r.Mount+"/keys/"+string(key)+"/config", body); status != http.StatusForbidden {
				t.Errorf("the operator may set %v: status %d", body, status)
			}
		}
	}
}

func TestPlansRefuseNames(t *testing.T) {
	for _, place := range []vault.Place{
		{Mount: `a" { capabilities = ["sudo"] } path "b`}, {Mount: "a/../b"}, {Mount: "a/*"}, {Name: "a/b"}, {AppRole: "+"}, {Period: -1},
	} {
		if _, err := vault.PlanFor(seal.Matcher, place); !fault.Is(err, fault.OutOfRange) {
			t.Errorf("%+v: %v", place, err)
		}
	}
	if _, err := vault.PlanFor("nobody", vault.Place{}); !fault.Is(err, fault.OutOfRange) {
		t.Errorf("a plan for nobody: %v", err)
	}
	plan, err := vault.PlanFor(seal.Matcher, vault.Place{})
	if err != nil || strings.Contains(plan.Policy, "hmac") || strings.Contains(plan.Policy, "*") {
		t.Errorf("the matcher's policy: %v\n%s", err, plan.Policy)
	}
}

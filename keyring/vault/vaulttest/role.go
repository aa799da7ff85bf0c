package vaulttest

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/hashicorp/vault/api"

	"nod/crypto/seal"
	"nod/disk"
	"nod/keyring/vault"
)

// Settings are those of a Keyring here, but for its login.
func (s *Server) Settings(mount string) vault.Settings {
	return vault.Settings{Address: s.Address, CAFile: s.CAFile, Mount: mount}
}

// Admin is root's login for the keys of a mount. It ends with the test.
func (s *Server) Admin(t testing.TB, mount string) *vault.Admin {
	t.Helper()
	settings := s.Settings(mount)
	settings.Login = vault.Token(s.Token)
	admin, err := vault.OpenAdmin(context.Background(), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	return admin
}

// Role is a role that a server is prepared for.
type Role struct {
	vault.Plan
	server *Server
	Login  vault.AppRole
}

// Role prepares the server for a role: mounts, policies, AppRole, keys, and a first
// secret id.
func (s *Server) Role(t testing.TB, role seal.Role, place vault.Place) *Role {
	t.Helper()
	plan, err := vault.PlanFor(role, place)
	if err != nil {
		t.Fatal(err)
	}
	s.Apply(t, &plan)
	admin := s.Admin(t, plan.Mount)
	for name, kind := range plan.Keys {
		if err := admin.Create(context.Background(), name, kind); err != nil {
			t.Fatal(err)
		}
	}
	return s.LoginOf(t, plan)
}

// Apply makes the plan's mounts, policies and AppRole.
func (s *Server) Apply(t testing.TB, plan *vault.Plan) {
	t.Helper()
	for _, r := range plan.Mounts() {
		_, err := s.client.Logical().Write(r.Path, r.Body)
		var refused *api.ResponseError
		if err != nil && !(errors.As(err, &refused) && refused.StatusCode == http.StatusBadRequest) {
			t.Fatalf("writing %s: %v", r.Path, err)
		}
	}
	for _, r := range plan.Requests() {
		s.Write(t, r.Path, r.Body)
	}
}

// LoginOf reads the id of a plan's AppRole, and writes a first secret id for it.
func (s *Server) LoginOf(t testing.TB, plan vault.Plan) *Role {
	t.Helper()
	id, err := s.client.Logical().Read("auth/" + plan.AppRole + "/role/" + plan.Name + "/role-id")
	if err != nil {
		t.Fatal(err)
	}
	roleID, ok := id.Data["role_id"].(string)
	if !ok {
		t.Fatal("no role id")
	}
	r := &Role{Plan: plan, server: s, Login: vault.AppRole{
		Mount: plan.AppRole, Role: plan.Name, RoleID: roleID, SecretIDFile: filepath.Join(t.TempDir(), "secret-id"),
	}}
	r.Renew(t)
	return r
}

// Renew writes a fresh wrapped secret id, as an agent does.
func (r *Role) Renew(t testing.TB) {
	t.Helper()
	r.Put(t, r.Wrapped(t, "auth/"+r.AppRole+"/role/"+r.Name+"/secret-id"))
}

// Put writes a wrapping token into the file of the secret id.
func (r *Role) Put(t testing.TB, token string) {
	t.Helper()
	if err := disk.Replace(r.Login.SecretIDFile, []byte(token+"\n")); err != nil {
		t.Fatal(err)
	}
}

// Wrapped writes to a path as root and gives the wrapping token of the answer.
func (r *Role) Wrapped(t testing.TB, path string) string {
	t.Helper()
	wrapping, err := r.server.client.CloneWithHeaders()
	if err != nil {
		t.Fatal(err)
	}
	wrapping.SetToken(r.server.Token)
	wrapping.SetWrappingLookupFunc(func(string, string) string { return "10m" })
	secret, err := wrapping.Logical().Write(path, nil)
	if err != nil || secret.WrapInfo == nil {
		t.Fatalf("a wrapped answer of %s: %v", path, err)
	}
	return secret.WrapInfo.Token
}

// Settings are those of the role's Keyring.
func (r *Role) Settings() vault.Settings {
	settings := r.server.Settings(r.Mount)
	settings.Login = r.Login
	return settings
}

// Open logs the role in. The Keyring is closed when the test ends.
func (r *Role) Open(t testing.TB, settings vault.Settings) *vault.Keyring {
	t.Helper()
	k, err := vault.Open(context.Background(), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// Token logs in as the role does, beside its Keyring, and gives the token.
func (r *Role) Token(t testing.TB) string {
	t.Helper()
	made := r.server.Write(t, "auth/"+r.AppRole+"/role/"+r.Name+"/secret-id", nil)
	secret := r.server.Write(t, "auth/"+r.AppRole+"/login", map[string]any{"role_id": r.Login.RoleID, "secret_id": made.Data["secret_id"]})
	return secret.Auth.ClientToken
}

// Accessors are those of every token but root's.
func (s *Server) Accessors(t testing.TB) []string {
	t.Helper()
	all, err := s.client.Logical().List("auth/token/accessors")
	if err != nil {
		t.Fatal(err)
	}
	own, err := s.client.Auth().Token().LookupSelf()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	accessors, _ := all.Data["keys"].([]any)
	for _, a := range accessors {
		if text, ok := a.(string); ok && a != own.Data["accessor"] {
			out = append(out, text)
		}
	}
	return out
}

// RevokeAll revokes every token but root's.
func (s *Server) RevokeAll(t testing.TB) {
	t.Helper()
	for _, a := range s.Accessors(t) {
		s.Write(t, "auth/token/revoke-accessor", map[string]any{"accessor": a})
	}
}

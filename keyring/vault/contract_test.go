package vault_test

import (
	"testing"

	"nod/crypto/seal"
	"nod/keyring"
	"nod/keyring/keyringtest"
	"nod/keyring/vault"
	"nod/keyring/vault/vaulttest"
)

// anyKey lets a role use every key as roles use theirs. Like a role's policy it makes
// no keys: create on encrypt would.
const anyKey = `
path "transit/keys/*" { capabilities = ["read"] }
path "transit/sign/*" { capabilities = ["update"] }
path "transit/hmac/*" { capabilities = ["update"] }
path "transit/encrypt/*" { capabilities = ["update"] }
path "transit/decrypt/*" { capabilities = ["update"] }
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
`

// suite is a role that may use every key.
func suite(t *testing.T, s *vaulttest.Server) *vaulttest.Role {
	t.Helper()
	plan, err := vault.PlanFor(seal.Custodian, vault.Place{Name: "suite"})
	if err != nil {
		t.Fatal(err)
	}
	plan.Policy = anyKey
	s.Apply(t, &plan)
	return s.LoginOf(t, plan)
}

func TestContract(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t, vaulttest.Options{})
	role := suite(t, s)
	keyringtest.Run(t, func(t *testing.T) (keyring.Keyring, keyring.Admin) {
		role.Renew(t)
		return role.Open(t, role.Settings()), s.Admin(t, "transit")
	})
}

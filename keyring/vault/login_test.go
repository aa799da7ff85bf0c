package vault_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring"
	"nod/keyring/vault"
	"nod/keyring/vault/vaulttest"
)

// mac makes one MAC.
func mac(k *vault.Keyring) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	macs, err := k.MACs(ctx, keyring.Pad, 1, [][]byte{[]byte("input")})
	if err == nil {
		macs[0].Wipe()
	}
	return err
}

// becomes waits until a call has an outcome; meanwhile it may only work, or fail as
// the contract says.
func becomes(t *testing.T, what string, call func() error, want fault.Code) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		err := call()
		if fault.CodeOf(err) == want {
			return
		}
		if err != nil && !fault.Is(err, fault.KeyringUnavailable) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	t.Fatalf("%s: it does not become %q", what, want)
}

func TestLogins(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t, vaulttest.Options{})
	custodian := s.Role(t, seal.Custodian, vault.Place{})
	t.Run("Refused", func(t *testing.T) { testRefusedLogins(t, s, custodian) })
	t.Run("Revoked", func(t *testing.T) {
		custodian.Renew(t)
		k := custodian.Open(t, custodian.Settings())
		if err := mac(k); err != nil {
			t.Fatal(err)
		}
		s.RevokeAll(t)
		becomes(t, "a revoked token", func() error { return mac(k) }, fault.KeyringUnavailable)
		becomes(t, "Ready says why", func() error {
			err := k.Ready(context.Background())
			if err != nil && !strings.Contains(err.Error(), "has been used") {
				return nil
			}
			return err
		}, fault.KeyringUnavailable)
		custodian.Renew(t)
		becomes(t, "after a new login", func() error { return mac(k) }, "")
		if err := k.Ready(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Run("Permission", func(t *testing.T) {
		custodian.Renew(t)
		k := custodian.Open(t, custodian.Settings())
		if err := mac(k); err != nil {
			t.Fatal(err)
		}
		less := strings.Replace(custodian.Policy, "transit/hmac/pad", "transit/hmac/other", 1)
		s.Write(t, "sys/policies/acl/"+custodian.Name, map[string]any{"policy": less})
		becomes(t, "without the permission", func() error { return mac(k) }, fault.KeyringUnavailable)
		if err := k.Ready(context.Background()); err != nil {
			t.Errorf("the rest does not work: %v", err)
		}
		s.Write(t, "sys/policies/acl/"+custodian.Name, map[string]any{"policy": custodian.Policy})
		becomes(t, "with it again", func() error { return mac(k) }, "")
	})
	t.Run("OtherPolicies", func(t *testing.T) { testOtherPolicies(t, s) })
	t.Run("ShortTokens", func(t *testing.T) { testShortTokens(t, s) })
	t.Run("Issue", func(t *testing.T) { testIssue(t, s) })
	t.Run("Restart", func(t *testing.T) {
		custodian.Renew(t)
		k := custodian.Open(t, custodian.Settings())
		stop, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			for {
				select {
				case <-stop:
					ended <- nil
					return
				default:
				}
				if err := mac(k); err != nil && !fault.Is(err, fault.KeyringUnavailable) {
					ended <- err
					return
				}
			}
		}()
		s.Restart(t)
		becomes(t, "after a restart", func() error { return mac(k) }, "")
		close(stop)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Run("Closed", func(t *testing.T) {
		custodian.Renew(t)
		k := custodian.Open(t, custodian.Settings())
		_ = k.Close()
		for what, err := range map[string]error{"MACs": mac(k), "Ready": k.Ready(context.Background())} {
			if !fault.Is(err, fault.KeyringUnavailable) {
				t.Errorf("%s of a closed keyring: %v", what, err)
			}
		}
	})
}

func testRefusedLogins(t *testing.T, s *vaulttest.Server, custodian *vaulttest.Role) {
	other := s.Role(t, seal.Matcher, vault.Place{})
	try := func(what string, settings vault.Settings, why string) {
		t.Helper()
		k, err := vault.Open(context.Background(), settings)
		if err == nil {
			_ = k.Close()
		}
		if !fault.Is(err, fault.KeyringUnavailable) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", what, err, why)
		}
		if err != nil && strings.Contains(err.Error(), "hvs.") {
			t.Errorf("%s: the error holds a token: %v", what, err)
		}
	}
	settings, file := custodian.Settings(), custodian.Login.SecretIDFile
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	try("a file that others may read", settings, "exposed")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	try("no file", settings, "no secret id")
	custodian.Put(t, "two words")
	try("not a token", settings, "does not hold")
	custodian.Put(t, "hvs.nonsense")
	try("an unknown token", settings, "too old")
	custodian.Put(t, other.Wrapped(t, "auth/approle/role/"+other.Name+"/secret-id"))
	try("another role's", settings, "was not wrapped at")
	custodian.Put(t, custodian.Wrapped(t, "sys/wrapping/wrap"))
	try("something else", settings, "was not wrapped at")
	custodian.Renew(t)
	wrong := settings
	login := custodian.Login
	login.RoleID = other.Login.RoleID
	wrong.Login = login
	try("another role's id", wrong, "cannot log in")
	try("the same again", settings, "somebody else has unwrapped it")
	wrong = settings
	wrong.Login = vault.Token("hvs.nonsense")
	try("no token", wrong, "Forbidden")
	wrong.Address = "https://127.0.0.1:1"
	try("nobody there", wrong, "refused")
	wrong = settings
	wrong.CAFile = ""
	custodian.Renew(t)
	try("an unknown authority", wrong, "certificate")
}

// A role that gets other policies needs a new token.
func testOtherPolicies(t *testing.T, s *vaulttest.Server) {
	role := s.Role(t, seal.Custodian, vault.Place{Name: "changing"})
	settings, log := role.Settings(), &lines{}
	settings.Log = slog.New(slog.NewTextHandler(log, nil))
	k := role.Open(t, settings)
	set := func(policy string) {
		settings := role.Requests()[4]
		settings.Body["token_policies"] = []string{policy}
		s.Write(t, settings.Path, settings.Body)
	}
	s.Write(t, "sys/policies/acl/little", map[string]any{"policy": `path "auth/token/*" { capabilities = ["read", "update"] }`})
	set("little")
	s.RevokeAll(t)
	role.Renew(t)
	becomes(t, "a login under other policies", func() error {
		_ = mac(k) // which finds out that it is denied
		if !log.has("policies=[little]") {
			return fault.New(fault.KeyringUnavailable, "not yet")
		}
		return nil
	}, "")
	if err := mac(k); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("under other policies: %v", err)
	}
	set(role.Name)
	role.Renew(t)
	becomes(t, "under its own again", func() error { return mac(k) }, "")
	// Not before: OpenBao drops a token whose accessor is looked up during its login.
	becomes(t, "the token before is revoked", func() error {
		for _, a := range s.Accessors(t) {
			token, err := s.Root().Auth().Token().LookupAccessor(a)
			if err != nil {
				continue // over meanwhile
			}
			if policies, err := token.TokenPolicies(); err == nil && len(policies) == 1 && policies[0] == "little" {
				return fault.New(fault.KeyringUnavailable, "it is not")
			}
		}
		return nil
	}, "")
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(what string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), what)
}

// Tokens that live for seconds are renewed, and replaced when they cannot be renewed
// any more. The role gets its own secret ids.
func testShortTokens(t *testing.T, s *vaulttest.Server) {
	role := s.Role(t, seal.Custodian, vault.Place{Name: "short", Issue: true, Period: time.Second})
	settings := role.Requests()[4]
	settings.Body["token_explicit_max_ttl"] = 3
	s.Write(t, settings.Path, settings.Body)
	role.Login.Issue = time.Minute
	first, err := os.ReadFile(role.Login.SecretIDFile)
	if err != nil {
		t.Fatal(err)
	}
	k := role.Open(t, role.Settings())
	seen := map[string]bool{string(first): true}
	becomes(t, "three logins", func() error {
		now, err := os.ReadFile(role.Login.SecretIDFile)
		if err != nil {
			t.Fatal(err)
		}
		seen[string(now)] = true
		if len(seen) < 4 {
			return fault.New(fault.KeyringUnavailable, "not yet")
		}
		return mac(k)
	}, "")
}

// A role that gets its own secret ids starts again without anybody's help.
func testIssue(t *testing.T, s *vaulttest.Server) {
	role := s.Role(t, seal.Custodian, vault.Place{Name: "alone", Issue: true})
	role.Login.Issue = time.Hour
	for range 3 {
		used, err := os.ReadFile(role.Login.SecretIDFile)
		if err != nil {
			t.Fatal(err)
		}
		k := role.Open(t, role.Settings())
		if err := mac(k); err != nil {
			t.Fatal(err)
		}
		becomes(t, "the next secret id", func() error {
			if now, err := os.ReadFile(role.Login.SecretIDFile); err != nil || string(now) == string(used) {
				return fault.New(fault.KeyringUnavailable, "not yet: %v", err)
			}
			return nil
		}, "")
		_ = k.Close()
	}
}

func TestSettingsAreRefused(t *testing.T) {
	file := t.TempDir() + "/nothing"
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := vault.Settings{Address: "https://127.0.0.1:1", Login: vault.AppRole{Role: "r", RoleID: "id", SecretIDFile: file}}
	for what, c := range map[string]struct {
		change func(*vault.Settings)
		want   fault.Code
	}{
		"nothing wrong":    {func(*vault.Settings) {}, fault.KeyringUnavailable},
		"no login":         {func(s *vault.Settings) { s.Login = nil }, fault.OutOfRange},
		"an empty token":   {func(s *vault.Settings) { s.Login = vault.Token("") }, fault.OutOfRange},
		"no role":          {func(s *vault.Settings) { s.Login = vault.AppRole{RoleID: "id", SecretIDFile: file} }, fault.OutOfRange},
		"no role id":       {func(s *vault.Settings) { s.Login = vault.AppRole{Role: "r", SecretIDFile: file} }, fault.OutOfRange},
		"plain http":       {func(s *vault.Settings) { s.Address = "http://vault.example:8200" }, fault.OutOfRange},
		"plain http, sly":  {func(s *vault.Settings) { s.Address = "http://127.0.0.1.example:8200" }, fault.OutOfRange},
		"no address":       {func(s *vault.Settings) { s.Address = "" }, fault.OutOfRange},
		"a mount that is":  {func(s *vault.Settings) { s.Mount = "transit/../sys" }, fault.OutOfRange},
		"a namespace":      {func(s *vault.Settings) { s.Namespace = "a b" }, fault.OutOfRange},
		"batches too big":  {func(s *vault.Settings) { s.Queue.Size = 129 }, fault.OutOfRange},
		"a queue too tiny": {func(s *vault.Settings) { s.Queue.Limit = 127 }, fault.OutOfRange},
		"no flights":       {func(s *vault.Settings) { s.Queue.Flights = -1 }, fault.OutOfRange},
		"no time":          {func(s *vault.Settings) { s.Timeout = -1 }, fault.OutOfRange},
		"no authorities":   {func(s *vault.Settings) { s.CAFile = file + ".pem" }, fault.NotFound},
		"bad authorities":  {func(s *vault.Settings) { s.CAFile = file }, fault.BadEncoding},
	} {
		settings := good
		c.change(&settings)
		if k, err := vault.Open(context.Background(), settings); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, %v, want %s", what, k, err, c.want)
		}
	}
	// What a shell has in its environment changes nothing.
	t.Setenv("VAULT_ADDR", "https://127.0.0.1:2")
	t.Setenv("VAULT_TOKEN", "hvs.other")
	if _, err := vault.Open(context.Background(), good); !fault.Is(err, fault.KeyringUnavailable) || strings.Contains(err.Error(), "127.0.0.1:2") {
		t.Errorf("with an environment: %v", err)
	}
}

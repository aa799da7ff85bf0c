package vault

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"nod/disk"
	"nod/fault"
)

// AppRole logs in with a role id and a secret id that is used once. Each login reads a
// fresh one, wrapped, from a file. An agent writes it; or, with Issue, the role itself
// gets its next one while it is logged in.
type AppRole struct {
	// Mount is where the AppRole method is mounted. Default: approle.
	Mount string
	// Role is the role's name. A secret id that was wrapped elsewhere is refused.
	Role string
	// RoleID is the role's id, which is no secret.
	RoleID string
	// SecretIDFile holds the wrapping token, for its owner's eyes only (mode 0600).
	SecretIDFile string
	// Issue has the role get its own next secret id, wrapped for this long, and write
	// it to the file, after each login and when half of the time is over. A server
	// that is down for longer needs a new one from its operator. Default: an agent
	// does that.
	Issue time.Duration
}

const (
	defaultAppRole = "approle"
	maxSecretFile  = 4096
)

func (a AppRole) check() error {
	switch {
	case a.Mount != "" && !pathShape.MatchString(a.Mount):
		return fault.New(fault.OutOfRange, "AppRole mount %q", a.Mount)
	case !pathShape.MatchString(a.Role) || strings.Contains(a.Role, "/"):
		return fault.New(fault.OutOfRange, "AppRole %q", a.Role)
	case a.RoleID == "" || a.SecretIDFile == "":
		return fault.New(fault.OutOfRange, "AppRole %s needs a role id and the file of its secret id", a.Role)
	case a.Issue < 0 || a.Issue > 0 && a.Issue < time.Minute:
		return fault.New(fault.OutOfRange, "a secret id wrapped for %s, at least a minute", a.Issue)
	}
	return nil
}

func (a AppRole) start(*Settings) login {
	if a.Mount == "" {
		a.Mount = defaultAppRole
	}
	return &appRole{AppRole: a}
}

// appRole is an AppRole's login.
type appRole struct {
	AppRole
	secret string            // unwrapped, and not known to be used
	used   [sha256.Size]byte // of the wrapping token that was unwrapped last
}

// fresh implements login.
func (a *appRole) fresh() bool {
	token, err := a.read()
	return err == nil && sha256.Sum256([]byte(token)) != a.used
}

// read gives the wrapping token in the file.
func (a *appRole) read() (string, error) {
	raw, err := disk.ReadPrivate(a.SecretIDFile, maxSecretFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", noToken("there is no secret id at %s", a.SecretIDFile)
	case err != nil:
		return "", noToken("the secret id at %s: %w", a.SecretIDFile, err)
	}
	defer clear(raw)
	token := strings.TrimSpace(string(raw))
	if token == "" || strings.ContainsAny(token, " \t\r\n\x00") {
		return "", noToken("%s does not hold a wrapping token", a.SecretIDFile)
	}
	return token, nil
}

// token implements login.
func (a *appRole) token(ctx context.Context, bare *api.Client) (*api.Secret, error) {
	if a.secret == "" {
		token, err := a.read()
		if err != nil {
			return nil, err
		}
		if err := a.unwrap(ctx, bare, token); err != nil {
			return nil, err
		}
	}
	secret, err := bare.Logical().WriteWithContext(ctx, "auth/"+a.Mount+"/login", map[string]any{"role_id": a.RoleID, "secret_id": a.secret})
	if refusedForGood(err) {
		a.secret = "" // used, or no good
	}
	if err != nil {
		return nil, noToken("AppRole %s cannot log in: %w", a.Role, plain(err))
	}
	a.secret = ""
	if secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "" {
		return nil, noToken("AppRole %s got no token", a.Role)
	}
	return secret, nil
}

// unwrap turns a wrapping token into a secret id, if it was wrapped for this role.
func (a *appRole) unwrap(ctx context.Context, bare *api.Client, token string) error {
	hash := sha256.Sum256([]byte(token))
	if hash == a.used {
		return noToken("the secret id at %s has been used: nobody wrote a new one", a.SecretIDFile)
	}
	wrapped, err := bare.Logical().WriteWithContext(ctx, "sys/wrapping/lookup", map[string]any{"token": token})
	if err != nil {
		if refusedForGood(err) {
			return noToken("the secret id at %s is too old, or somebody else has unwrapped it", a.SecretIDFile)
		}
		return noToken("looking at the secret id at %s: %w", a.SecretIDFile, plain(err))
	}
	if path, want := dataOf(wrapped, "creation_path"), "auth/"+a.Mount+"/role/"+a.Role+"/secret-id"; path != want {
		return noToken("what %s holds was not wrapped at %s", a.SecretIDFile, want)
	}
	c, err := bare.CloneWithHeaders()
	if err != nil {
		return noToken("a client to unwrap with: %w", err)
	}
	c.SetToken(token)
	unwrapped, err := c.Logical().WriteWithContext(ctx, "sys/wrapping/unwrap", nil)
	if err != nil {
		if refusedForGood(err) {
			return noToken("the secret id at %s is too old, or somebody else has unwrapped it", a.SecretIDFile)
		}
		return noToken("unwrapping the secret id at %s: %w", a.SecretIDFile, plain(err))
	}
	a.used = hash
	if a.secret = dataOf(unwrapped, "secret_id"); a.secret == "" {
		return noToken("what %s holds is no secret id", a.SecretIDFile)
	}
	return nil
}

// prepare implements login.
func (a *appRole) prepare(ctx context.Context, c *caller) (time.Duration, error) {
	if a.Issue == 0 {
		return 0, nil
	}
	path := "auth/" + a.Mount + "/role/" + a.Role + "/secret-id"
	raw, err := c.wrapped(ctx, path, a.Issue)
	if err != nil {
		return 0, unavailable(path, err)
	}
	if err := disk.Replace(a.SecretIDFile, []byte(raw+"\n")); err != nil {
		return 0, err
	}
	return a.Issue / 2, nil
}

// end implements login: a token that is not used any more should not stay valid.
func (*appRole) end(ctx context.Context, c *caller) {
	_, _, _ = c.do(ctx, http.MethodPut, "auth/token/revoke-self", nil)
}

// wrapped makes a request whose answer Vault wraps, and gives the wrapping token.
func (c *caller) wrapped(ctx context.Context, path string, ttl time.Duration) (string, error) {
	var reply struct {
		Wrap struct {
			Token string `json:"token"`
		} `json:"wrap_info"`
	}
	raw, err := c.raw(withHeader(ctx, "X-Vault-Wrap-TTL", ttl.String()), http.MethodPut, path, nil)
	if err != nil {
		return "", err
	}
	defer clear(raw)
	if json.Unmarshal(raw, &reply) != nil || reply.Wrap.Token == "" {
		return "", malformed(path)
	}
	return reply.Wrap.Token, nil
}

// refusedForGood reports whether Vault answered that what was sent is wrong.
func refusedForGood(err error) bool {
	var r *api.ResponseError
	return errors.As(err, &r) && (r.StatusCode == http.StatusBadRequest || r.StatusCode == http.StatusForbidden)
}

// plain is an error of the client without what the server wrote: that might quote what
// was sent.
func plain(err error) error {
	var r *api.ResponseError
	if errors.As(err, &r) {
		return errors.New("Vault answers " + r.URL[strings.LastIndex(r.URL, "/v1/")+1:] + " with " + http.StatusText(r.StatusCode))
	}
	return err
}

func dataOf(secret *api.Secret, name string) string {
	if secret == nil {
		return ""
	}
	value, _ := secret.Data[name].(string)
	return value
}

package vault

import (
	"context"
	"time"

	"github.com/hashicorp/vault/api"

	"nod/fault"
)

// Token is a token that somebody else got and looks after: an operator's.
type Token string

// String hides the value.
func (Token) String() string { return "vault.Token(secret)" }

// GoString hides the value.
func (Token) GoString() string { return "vault.Token(secret)" }

func (t Token) check() error {
	if t == "" {
		return fault.New(fault.OutOfRange, "an empty token")
	}
	return nil
}

func (t Token) start(*Settings) login { return fixed{t} }

type fixed struct{ t Token }

// token implements login.
func (f fixed) token(ctx context.Context, bare *api.Client) (*api.Secret, error) {
	c, err := bare.CloneWithHeaders()
	if err != nil {
		return nil, noToken("a client to look at the token with: %w", err)
	}
	c.SetToken(string(f.t))
	if _, err := c.Logical().ReadWithContext(ctx, "auth/token/lookup-self"); err != nil {
		return nil, noToken("the token: %w", plain(err))
	}
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: string(f.t)}}, nil
}

// fresh implements login.
func (fixed) fresh() bool { return false }

// prepare implements login.
func (fixed) prepare(context.Context, *caller) (time.Duration, error) { return 0, nil }

// end implements login: the token is its owner's.
func (fixed) end(context.Context, *caller) {}

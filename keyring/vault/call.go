package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"nod/fault"
)

// maxReply is more than any answer that is used here: 128 MACs are 12 KB, a key with a
// thousand versions 200 KB.
const maxReply = 4 << 20

// caller makes requests to one server, with the token that its client has.
type caller struct {
	api     *api.Client // without a timeout of its own
	timeout time.Duration
	denied  atomic.Pointer[func()] // told of every 403
	lost    func()                 // told that a request got no answer
	closed  atomic.Bool
}

// refusal is an answer of the server that is not 2xx. Its text is the server's, which
// may quote what was sent: it is for Admin's faults only, whose requests hold no secret.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return http.StatusText(r.status) }

// do makes one request and gives its answer's data, which the caller wipes where it
// holds secrets. It fails with a *refusal, or with a fault: fault.Cancelled if ctx is
// over or was given up, fault.KeyringUnavailable if no answer came in time.
func (c *caller) do(ctx context.Context, method, path string, body []byte) (json.RawMessage, string, error) {
	raw, err := c.raw(ctx, method, path, body)
	if err != nil {
		return nil, "", err
	}
	defer clear(raw)
	return parseReply(path, raw)
}

// raw is do for the whole answer.
func (c *caller) raw(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	switch {
	case ctx.Err() != nil:
		return nil, fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	case c.closed.Load():
		return nil, fault.New(fault.KeyringUnavailable, "the keyring is closed")
	}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	response, err := c.send(bounded, method, path, body)
	if response != nil && response.Body != nil {
		defer response.Body.Close()
	}
	if err != nil {
		return nil, c.failed(ctx, path, err)
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNoContent {
		return nil, &refusal{status: response.StatusCode}
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		clear(raw)
		return nil, c.failed(ctx, path, err)
	}
	return raw, nil
}

func (c *caller) send(ctx context.Context, method, path string, body []byte) (*api.Response, error) {
	if method == http.MethodGet {
		return c.api.Logical().ReadRawWithContext(ctx, path)
	}
	if body == nil {
		body = []byte("{}")
	}
	return c.api.Logical().WriteRawWithContext(ctx, path, body)
}

// parseReply takes the parts of an answer that are used. Its errors do not quote it.
func parseReply(path string, raw []byte) (json.RawMessage, string, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, "", nil // 204
	}
	var reply struct {
		RequestID string          `json:"request_id"`
		Data      json.RawMessage `json:"data"`
	}
	if json.Unmarshal(raw, &reply) != nil {
		return nil, "", malformed(path)
	}
	return reply.Data, reply.RequestID, nil
}

func malformed(path string) error {
	return fault.New(fault.KeyringUnavailable, "the answer to %s is not Vault's", path)
}

// failed turns an error of the client into a refusal or a fault.
func (c *caller) failed(ctx context.Context, path string, err error) error {
	var answered *api.ResponseError
	switch {
	case errors.As(err, &answered):
		if answered.StatusCode == http.StatusForbidden {
			if told := c.denied.Load(); told != nil {
				(*told)()
			}
		}
		r := &refusal{status: answered.StatusCode}
		if len(answered.Errors) > 0 && !answered.RawError {
			r.text = answered.Errors[0]
		}
		return r
	case errors.Is(ctx.Err(), context.Canceled):
		return fault.New(fault.Cancelled, "%w", context.Cause(ctx)) // which tells nothing about the server
	}
	c.lost()
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.KeyringUnavailable, "no answer to %s in time: %w", path, context.DeadlineExceeded)
	}
	return fault.New(fault.KeyringUnavailable, "%s: %w", path, err)
}

// unavailable is the fault for a refusal that no state of a key explains. An error that
// is a fault already stays as it is.
func unavailable(path string, err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	switch r.status {
	case http.StatusForbidden:
		return fault.New(fault.KeyringUnavailable, "Vault denies %s to this login", path)
	case http.StatusServiceUnavailable:
		return fault.New(fault.KeyringUnavailable, "Vault is sealed or not active")
	case http.StatusInternalServerError:
		return fault.New(fault.KeyringUnavailable, "Vault failed at %s: look at its audit devices and its log", path)
	}
	return fault.New(fault.KeyringUnavailable, "Vault answers %d to %s", r.status, path)
}

// statusOf is a refusal's status, or 0.
func statusOf(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.status
	}
	return 0
}

// extra are headers of one call, carried by its context to the transport.
type extra struct{}

func withHeader(ctx context.Context, name, value string) context.Context {
	return context.WithValue(ctx, extra{}, [2]string{name, value})
}

// tagging is a transport that sets a call's extra header.
type tagging struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t tagging) RoundTrip(r *http.Request) (*http.Response, error) {
	if h, ok := r.Context().Value(extra{}).([2]string); ok {
		r = r.Clone(r.Context())
		r.Header.Set(h[0], h[1])
	}
	return t.RoundTripper.RoundTrip(r)
}

package wire

import (
	"context"
	"crypto/rand"
	"errors"

	"golang.org/x/crypto/cryptobyte"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
)

// Method names one call of one role, as "role/Call".
type Method string

// Caller carries a call to a role and brings the answer back: encoded messages
// only. An in-process Handler is one, a network client is another. The request is the
// Caller's, which may overwrite it; the answer is its reader's.
type Caller interface {
	Call(ctx context.Context, method Method, request []byte) (answer []byte, err error)
}

// Handler serves encoded calls of one role. The transport that feeds it has
// authenticated the peer and put it in ctx (WithPeer).
type Handler func(ctx context.Context, method Method, request []byte) (answer []byte)

// Peer is who is calling, as the transport authenticated it by its pinned
// identity key; never a name that the caller gave.
type Peer struct {
	Role     seal.Role // "" for a client outside the three roles
	Instance Instance
}

// Instance names one running process of a role: random, new at every start.
type Instance [32]byte

// NewInstance draws a name for this process.
func NewInstance() (i Instance) {
	_, _ = rand.Read(i[:])
	return i
}

type contextKey int

const (
	peerKey contextKey = iota
	chainKey
)

// WithPeer tells the methods below ctx who is calling.
func WithPeer(ctx context.Context, p Peer) context.Context {
	return context.WithValue(ctx, peerKey, p)
}

// PeerOf is who is calling; the zero Peer if the transport said nothing.
func PeerOf(ctx context.Context) Peer {
	p, _ := ctx.Value(peerKey).(Peer)
	return p
}

// Chain is the random id that joins the records of one chain of calls across the
// roles. It says nothing by itself.
func Chain(ctx context.Context) canon.Digest {
	id, _ := ctx.Value(chainKey).(canon.Digest)
	return id
}

// WithChain starts a chain of calls, or goes on with the one in ctx.
func WithChain(ctx context.Context) context.Context {
	if !Chain(ctx).IsZero() {
		return ctx
	}
	var id canon.Digest
	_, _ = rand.Read(id[:])
	return context.WithValue(ctx, chainKey, id)
}

// envelope is what a Caller carries one way: the chain and one message.
type envelope struct {
	chain canon.Digest
	body  []byte
}

func (e *envelope) fields(c *coder) {
	c.fixed(e.chain[:])
	c.bytes(&e.body, MaxMessage)
}

func (e *envelope) size() int { return len(e.chain) + 4 + len(e.body) }

// reply is what it brings back: a message, or the code of a fault. Only the code
// crosses; what happened stays in the answering role's log.
type reply struct {
	code string
	body []byte
}

func (r *reply) fields(c *coder) {
	c.text(&r.code, 64)
	c.bytes(&r.body, MaxMessage)
	if c.reading() && r.code != "" && len(r.body) != 0 {
		c.fail(fault.BadEncoding, "a fault with a body")
	}
}

func (r *reply) size() int { return 4 + len(r.code) + 4 + len(r.body) }

// Invoke makes one call. A fault of the other side comes back with its code, or
// as fault.PeerFault where the code is none that this software knows.
func Invoke(ctx context.Context, caller Caller, method Method, request, answer Message) error {
	ctx = WithChain(ctx)
	if err := ctx.Err(); err != nil {
		return fault.New(fault.Cancelled, "before %s: %w", method, err)
	}
	out, err := caller.Call(ctx, method, Marshal(&envelope{Chain(ctx), Marshal(request)}))
	if err != nil {
		return err
	}
	var r reply
	if isSecret(answer) {
		defer func() { clear(out); clear(r.body) }()
	}
	if err := Unmarshal(out, &r); err != nil {
		return err
	}
	if r.code != "" {
		code := fault.Code(r.code)
		if !code.Known() {
			code = fault.PeerFault
		}
		return fault.New(code, "answered by %s", method)
	}
	return Unmarshal(r.body, answer)
}

// wiper is an answer that holds secrets: no copy of it stays behind, encoded or not.
type wiper interface{ Wipe() }

func isSecret(answer Message) bool {
	_, ok := answer.(wiper)
	return ok
}

// serve decodes a request, runs the call, encodes its answer, and wipes the answer
// if it can be wiped.
func serve[Q, A any, PQ interface {
	*Q
	Message
}, PA interface {
	*A
	Message
}](call func(context.Context, PQ) (PA, error)) func(context.Context, []byte) ([]byte, error) {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		q := PQ(new(Q))
		if err := Unmarshal(body, q); err != nil {
			return nil, err
		}
		a, err := call(ctx, q)
		if err != nil {
			return nil, err
		}
		if secret, ok := any(a).(wiper); ok {
			defer secret.Wipe()
		}
		return Marshal(a), nil
	}
}

// invoke makes one call whose answer is an A.
func invoke[A any, PA interface {
	*A
	Message
}](ctx context.Context, caller Caller, method Method, request Message) (PA, error) {
	answer := PA(new(A))
	if err := Invoke(ctx, caller, method, request, answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// Report is called with every fault that a handler answers with, before all but
// its code is dropped: it is the role's log.
type Report func(ctx context.Context, method Method, err error)

func handler(report Report, methods map[Method]func(context.Context, []byte) ([]byte, error)) Handler {
	return func(ctx context.Context, method Method, request []byte) []byte {
		body, err := dispatch(ctx, methods, method, request)
		if err == nil {
			defer clear(body)
			return Marshal(&reply{body: body})
		}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			err = fault.New(fault.Cancelled, "%w", err)
		}
		if report != nil {
			report(ctx, method, err)
		}
		return Marshal(&reply{code: string(fault.CodeOf(err))})
	}
}

// Refuse is an answer that says only why there is none. It is for transports, which
// refuse calls before any role sees them.
func Refuse(err error) []byte { return Marshal(&reply{code: string(fault.CodeOf(err))}) }

// CodeOf is the code of the fault that an answer carries, or "" where it carries a
// message. It reads no further.
func CodeOf(answer []byte) fault.Code {
	var code string
	c := coder{in: cryptobyte.String(answer)}
	if c.text(&code, 64); c.err != nil {
		return fault.BadEncoding
	}
	return fault.Code(code)
}

func dispatch(ctx context.Context, methods map[Method]func(context.Context, []byte) ([]byte, error), method Method, request []byte) ([]byte, error) {
	call := methods[method]
	if call == nil {
		return nil, fault.New(fault.UnknownMethod, "%s", method)
	}
	var e envelope
	if err := Unmarshal(request, &e); err != nil {
		return nil, err
	}
	if !e.chain.IsZero() {
		ctx = context.WithValue(ctx, chainKey, e.chain)
	}
	return call(WithChain(ctx), e.body)
}

// InProcess is a Caller onto a handler in the same process, calling as peer.
// Nothing but encoded bytes passes.
func InProcess(h Handler, peer Peer) Caller { return &inProcess{h, peer} }

type inProcess struct {
	handler Handler
	peer    Peer
}

func (p *inProcess) Call(ctx context.Context, method Method, request []byte) ([]byte, error) {
	return p.handler(WithPeer(ctx, p.peer), method, append([]byte{}, request...)), nil
}

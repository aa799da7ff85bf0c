package process

import (
	"context"
	"crypto/ed25519"
	"sync"
	"time"

	"nod/crypto/seal"
	"nod/fault"
	"nod/rpc"
	"nod/wire"
)

// Node is a process on the network: its certificates, whom it trusts, and the roles
// that it calls.
type Node struct {
	*Parts
	pins    rpc.Pins
	leaves  *rpc.Leaves
	metrics *metrics

	mu    sync.Mutex
	peers []*peer
}

// peer is a role that this process calls.
type peer struct {
	role   seal.Role
	client *rpc.Client
	state  error // of the last hello
}

// Join pins the bundle's roles and the callers outside the roles, and certifies this
// process under its own identity, which must be one that the bundle pins.
func Join(ctx context.Context, p *Parts, bundle *seal.Bundle, callers map[string]ed25519.PublicKey) (*Node, error) {
	if err := p.Pinned(ctx, bundle); err != nil {
		return nil, err
	}
	pins, err := rpc.NewPins(bundle, callers)
	if err != nil {
		return nil, err
	}
	n := &Node{
		Parts: p, pins: pins, metrics: newMetrics(),
		leaves: rpc.NewLeaves(string(p.Role), p.Instance, p.Signer(), p.Now),
	}
	return n, n.leaves.Rotate(ctx)
}

// Dial gives a caller onto a role; it connects when it is used. It closes with the
// parts.
func (n *Node) Dial(role seal.Role, address string) (wire.Caller, error) {
	client, err := rpc.Dial(rpc.ClientConfig{Address: address, Role: role, Leaves: n.leaves, Pins: n.pins})
	if err != nil {
		return nil, err
	}
	n.Closes(client.Close)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.peers = append(n.peers, &peer{role: role, client: client, state: fault.New(fault.PeerUnavailable, "the %s was not met yet", role)})
	return n.metrics.caller(role, client), nil
}

// Meet says hello to every role that this process calls. One that cannot be reached is
// only reported: it may start later. One that is not whom the bundle pins, speaks
// other messages, or lives at another time is an error.
func (n *Node) Meet(ctx context.Context) error {
	var first error
	for _, p := range n.known() {
		err := p.client.Hello(ctx)
		n.mu.Lock()
		before := p.state
		p.state = err
		n.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return first
		case err == nil:
			if before != nil {
				n.Log.Info("met", "role", n.Role, "peer", p.role)
			}
		case fault.Is(err, fault.WrongPeer), fault.Is(err, fault.WrongVersion), fault.Is(err, fault.ClockOff):
			n.Log.Error("not the peer that it should be", "role", n.Role, "peer", p.role, "error", err)
			first = orFirst(first, err)
		case fault.CodeOf(before) != fault.CodeOf(err) || before == nil:
			n.Log.Warn("peer away", "role", n.Role, "peer", p.role, "error", err)
		}
	}
	return first
}

func orFirst(first, err error) error {
	if first != nil {
		return first
	}
	return err
}

func (n *Node) known() []*peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*peer(nil), n.peers...)
}

// Reaches is the process of a role that calls reached last, which Dial was called for;
// zero if none was.
func (n *Node) Reaches(role seal.Role) (i wire.Instance) {
	for _, p := range n.known() {
		if p.role == role {
			i = p.client.Instance()
		}
	}
	return i
}

// met is nil if every role that this process calls was met when it was last tried.
func (n *Node) met() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.peers {
		if p.state != nil {
			return p.state
		}
	}
	return nil
}

// greetings is how often peers are met again, and greeting how long one may take.
const (
	greetings = 5 * time.Second
	greeting  = 3 * time.Second
)

func (n *Node) keepMeeting(ctx context.Context) {
	tick := time.NewTicker(greetings)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			once, cancel := context.WithTimeout(ctx, greeting)
			_ = n.Meet(once) // kept, and logged
			cancel()
		}
	}
}

package rpc

import (
	"crypto/ed25519"
	"crypto/tls"
	"regexp"
	"slices"
	"time"

	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// Pins are the identity keys that an operator trusts, by the names under which they
// may call or be called: the three roles out of the trust bundle, and callers outside
// the roles. Immutable.
type Pins map[string][]ed25519.PublicKey

var nameShape = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$`)

// NewPins pins the bundle's roles and the callers. A caller may not have a role's
// name, and no key may stand under two names: fault.BadKey.
func NewPins(bundle *seal.Bundle, callers map[string]ed25519.PublicKey) (Pins, error) {
	p := Pins{}
	for _, role := range seal.Roles() {
		for _, id := range bundle.Identities(role) {
			p[string(role)] = append(p[string(role)], id.Key)
		}
	}
	for name, key := range callers {
		if len(key) != ed25519.PublicKeySize { // crypto/ed25519 would panic in a handshake
			return nil, fault.New(fault.BadKey, "the key of caller %q has %d bytes, want %d", name, len(key), ed25519.PublicKeySize)
		}
		if !nameShape.MatchString(name) || p[name] != nil {
			return nil, fault.New(fault.BadKey, "caller %q: a name has lower-case letters, digits, dots and hyphens, and is no role's", name)
		}
		for other, keys := range p {
			if slices.ContainsFunc(keys, func(k ed25519.PublicKey) bool { return k.Equal(key) }) {
				return nil, fault.New(fault.BadKey, "the key of caller %q is that of %q too", name, other)
			}
		}
		p[name] = []ed25519.PublicKey{key}
	}
	return p, nil
}

// Peer is who is at the other end of a connection, in the words of its own pinned
// identity key.
type Peer struct {
	Name     string
	Instance wire.Instance
}

// role is the peer as roles see it: a caller outside the roles has none.
func (p Peer) role() wire.Peer {
	out := wire.Peer{Role: seal.Role(p.Name), Instance: p.Instance}
	if !slices.Contains(seal.Roles(), out.Role) {
		out.Role = ""
	}
	return out
}

// verify says whose connection it is, or fails with fault.WrongPeer or
// fault.KeyExpired. want is the only name to accept; "" accepts every pinned one.
func (p Pins) verify(s *tls.ConnectionState, want string, now time.Time) (Peer, error) {
	if s.Version != tls.VersionTLS13 || s.CurveID != tls.X25519MLKEM768 || s.DidResume || s.NegotiatedProtocol != alpn {
		return Peer{}, fault.New(fault.WrongPeer, "not a full TLS 1.3 handshake with X25519MLKEM768 for HTTP/2")
	}
	if len(s.PeerCertificates) != 1 {
		return Peer{}, fault.New(fault.WrongPeer, "%d certificates, want 1", len(s.PeerCertificates))
	}
	leaf := s.PeerCertificates[0]
	peer, err := readLeaf(leaf)
	if err != nil {
		return Peer{}, err
	}
	if want != "" && peer.Name != want {
		return Peer{}, fault.New(fault.WrongPeer, "it is %q, want %q", peer.Name, want)
	}
	if !slices.ContainsFunc(p[peer.Name], func(key ed25519.PublicKey) bool {
		return ed25519.Verify(key, leaf.RawTBSCertificate, leaf.Signature)
	}) {
		return Peer{}, fault.New(fault.WrongPeer, "its certificate is not signed by an identity key that is pinned for %q", peer.Name)
	}
	if now.Before(leaf.NotBefore.Add(-Skew)) || now.After(leaf.NotAfter.Add(Skew)) {
		return Peer{}, fault.New(fault.KeyExpired, "the certificate of %q is for %s to %s", peer.Name,
			leaf.NotBefore.Format(time.RFC3339), leaf.NotAfter.Format(time.RFC3339))
	}
	return peer, nil
}

package rpc

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"sync/atomic"
	"time"

	"nod/fault"
	"nod/wire"
)

// Lifetimes of a leaf.
const (
	// Lifetime is how long a leaf is valid from when it is made.
	Lifetime = time.Hour
	// MaxLifetime is the longest that a leaf may be valid to be accepted.
	MaxLifetime = 2 * time.Hour
	// Skew is how far two clocks may be apart. It is that of crypto/seal too.
	Skew = 30 * time.Second
	// backdate is how long before it is made a leaf begins. With a fresh leaf, a clock
	// that is slow by more than Skew would see a certificate out of its time and no
	// more; now Hello can say that it is the clock.
	backdate = 5 * time.Minute
)

// Signer signs with the newest version of a caller's identity key. keyring.Signer's
// Sign and Public, applied to keyring.Identity, make one.
type Signer interface {
	Public(ctx context.Context) (ed25519.PublicKey, error)
	Sign(ctx context.Context, message []byte) ([]byte, error)
}

// Leaves are one process's short-lived TLS certificates: the keys are made in memory
// and certified by the identity key, and replaced without dropping a connection. Safe
// for concurrent use.
type Leaves struct {
	name     string
	instance wire.Instance
	signer   Signer
	now      func() time.Time
	newest   atomic.Pointer[tls.Certificate]
}

// NewLeaves is empty: Rotate fills it. name is under which name the other side pinned
// the identity key: a role's, or the name of a caller outside the roles. instance is
// this process's.
func NewLeaves(name string, instance wire.Instance, signer Signer, now func() time.Time) *Leaves {
	return &Leaves{name: name, instance: instance, signer: signer, now: now}
}

// Rotate makes a new leaf if the newest is past half its life. Call it at start and
// every minute.
func (l *Leaves) Rotate(ctx context.Context) error {
	if !nameShape.MatchString(l.name) {
		return fault.New(fault.BadKey, "%q is not a name that the other side could pin", l.name)
	}
	now := l.now()
	if c := l.newest.Load(); c != nil {
		made := c.Leaf.NotBefore.Add(backdate)
		if !now.Before(made) && now.Before(made.Add(Lifetime/2)) {
			return nil
		}
	}
	signer := &authority{ctx: ctx, signer: l.signer}
	var err error
	if signer.public, err = l.signer.Public(ctx); err != nil {
		return err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fault.New(fault.Unexpected, "TLS key: %w", err)
	}
	template, err := l.template(now)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: issuer(l.name)}, public, signer)
	if signer.err != nil {
		return signer.err
	}
	if err != nil {
		return fault.New(fault.Unexpected, "TLS certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return fault.New(fault.Unexpected, "TLS certificate: %w", err)
	}
	l.newest.Store(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf})
	return nil
}

func (l *Leaves) template(now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fault.New(fault.Unexpected, "TLS serial: %w", err)
	}
	extensions, err := extensions(Peer{l.name, l.instance})
	if err != nil {
		return nil, err
	}
	now = now.UTC().Truncate(time.Second)
	return &x509.Certificate{
		SerialNumber:    serial.Add(serial, big.NewInt(1)), // 0 is none
		Subject:         subject(l.name),
		NotBefore:       now.Add(-backdate),
		NotAfter:        now.Add(Lifetime),
		ExtraExtensions: extensions,
	}, nil
}

// current is the newest leaf, which must still be valid.
func (l *Leaves) current() (*tls.Certificate, error) {
	c := l.newest.Load()
	if c == nil || l.now().After(c.Leaf.NotAfter) {
		return nil, fault.New(fault.KeyExpired, "no valid TLS certificate: the identity key could not sign one in time")
	}
	return c, nil
}

// authority is an identity key as crypto/x509 wants it.
type authority struct {
	ctx    context.Context //nolint:containedctx // lives for one signature
	signer Signer
	public ed25519.PublicKey
	err    error // the fault, of which x509 passes on the text only
}

func (a *authority) Public() crypto.PublicKey { return a.public }

func (a *authority) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != 0 {
		return nil, fmt.Errorf("rpc: an identity key signs messages, not hashes")
	}
	var signature []byte
	if signature, a.err = a.signer.Sign(a.ctx, message); a.err != nil {
		return nil, a.err
	}
	if !ed25519.Verify(a.public, message, signature) {
		a.err = fault.New(fault.KeyringUnavailable, "the identity key was rotated meanwhile")
	}
	return signature, a.err
}

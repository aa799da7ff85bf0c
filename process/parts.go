package process

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"nod/audit"
	"nod/audit/file"
	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring"
	"nod/keyring/local"
	"nod/rpc"
	"nod/wire"
)

// Options say whose process it is. The zero value of a field is its default.
type Options struct {
	Role   seal.Role
	Folder string           // everything of the role, and of nobody else; made with mode 0700
	Log    *slog.Logger     // none
	Now    func() time.Time // time.Now
	// Make makes keys that are missing. A server of a deployment makes none: its
	// keys are made once, and their public halves pinned, before it first starts.
	Make  bool
	Hooks Hooks
}

// Hooks stand around a process's parts in tests, to count, to delay and to fail. A nil
// hook changes nothing.
type Hooks struct {
	Keyring func(keyring.Keyring) keyring.Keyring
	Audit   func(audit.Log) audit.Log
}

// Parts are what every role has of its own. Nothing of it is shared with another role.
type Parts struct {
	Role     seal.Role
	Folder   string
	Instance wire.Instance
	Keys     *local.Keyring  // as its operator holds it
	Ring     keyring.Keyring // as the role uses it
	Audit    audit.Log
	Log      *slog.Logger
	Now      func() time.Time

	closers []func() error
}

// Open opens the parts of one role: fault.StoreInUse while another process has them
// open, fault.Exposed if other users may open them, fault.UnknownKey if a key is
// missing, fault.ClockOff if the audit record was written in the future. Its start is
// on record before it returns.
func Open(ctx context.Context, o Options) (*Parts, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Parts{Role: o.Role, Folder: o.Folder, Instance: wire.NewInstance(), Log: o.Log, Now: o.Now}
	if err := p.open(ctx, &o); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Parts) open(ctx context.Context, o *Options) (err error) {
	if err := privateFolder(p.Folder); err != nil {
		return err
	}
	if p.Keys, err = local.Open(filepath.Join(p.Folder, "keyring.json"), o.Log); err != nil {
		return err
	}
	p.Closes(p.Keys.Close)
	if err := p.keys(ctx, o.Make); err != nil {
		return err
	}
	p.Ring = p.Keys
	if o.Hooks.Keyring != nil {
		p.Ring = o.Hooks.Keyring(p.Ring)
	}
	log, err := file.Open(filepath.Join(p.Folder, "audit.log"))
	if err != nil {
		return err
	}
	p.Closes(log.Close)
	// A record from the future means that the clock, or the disk, is not the one that it
	// was. It is looked for before anything is written at the wrong time.
	if ahead := log.Newest().Sub(p.Now()); ahead > rpc.Skew {
		return fault.New(fault.ClockOff, "an audit record of the %s was written %s in the future", p.Role, ahead.Round(time.Second))
	}
	p.Audit = log
	if o.Hooks.Audit != nil {
		p.Audit = o.Hooks.Audit(p.Audit)
	}
	_, err = p.Audit.Append(ctx, audit.Leaf{Operation: audit.OpStart, Time: p.Now()})
	return err
}

// wanted are the keys of a role (docs/architecture.md).
func wanted(role seal.Role) map[keyring.Name]keyring.Type {
	keys := map[keyring.Name]keyring.Type{keyring.Identity: keyring.Ed25519, keyring.KEK: keyring.AEAD}
	switch role {
	case seal.Custodian:
		keys[keyring.Pad] = keyring.HMAC
	case seal.Dealer:
		keys[keyring.Root] = keyring.HMAC
	}
	return keys
}

// keys holds the role's keys to their types. Making a key that exists changes nothing,
// and with another type fails.
func (p *Parts) keys(ctx context.Context, create bool) error {
	for name, kind := range wanted(p.Role) {
		if create {
			if err := p.Keys.Create(ctx, name, kind); err != nil {
				return err
			}
		}
		info, err := p.Keys.Describe(ctx, name)
		if err != nil {
			return err
		}
		if info.Type != kind {
			return fault.New(fault.KeyType, "key %s of the %s is of type %s, not %s", name, p.Role, info.Type, kind)
		}
	}
	return nil
}

// Closes has something closed with the parts, before what was opened earlier.
func (p *Parts) Closes(f func() error) { p.closers = append(p.closers, f) }

// Close releases everything, the newest first.
func (p *Parts) Close() (err error) {
	for i := len(p.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, p.closers[i]())
	}
	p.closers = nil
	return err
}

// Peer is this process as others know it.
func (p *Parts) Peer() wire.Peer { return wire.Peer{Role: p.Role, Instance: p.Instance} }

// Identity is the role's newest public identity key, for a trust bundle.
func (p *Parts) Identity(ctx context.Context) (seal.Identity, error) {
	info, err := p.Keys.Describe(ctx, keyring.Identity)
	if err != nil {
		return seal.Identity{}, err
	}
	public, err := p.Keys.Public(ctx, keyring.Identity, info.Latest)
	return seal.Identity{Version: info.Latest, Key: public}, err
}

// Pinned refuses to go on under an identity that the bundle does not pin for the role:
// nobody would talk to this process.
func (p *Parts) Pinned(ctx context.Context, bundle *seal.Bundle) error {
	own, err := p.Identity(ctx)
	if err != nil {
		return err
	}
	for _, id := range bundle.Identities(p.Role) {
		if id.Version == own.Version && id.Key.Equal(own.Key) {
			return nil
		}
	}
	return fault.New(fault.WrongPeer, "version %d of this %s's own identity key is not in trust bundle %d", own.Version, p.Role, bundle.Serial())
}

// Signer is the role's identity key, for its TLS certificates.
func (p *Parts) Signer() rpc.Signer { return ringSigner{p.Ring} }

type ringSigner struct{ ring keyring.Signer }

func (s ringSigner) Public(ctx context.Context) (ed25519.PublicKey, error) {
	return s.ring.Public(ctx, keyring.Identity, 0)
}

func (s ringSigner) Sign(ctx context.Context, message []byte) ([]byte, error) {
	signature, _, err := s.ring.Sign(ctx, keyring.Identity, message)
	return signature, err
}

// privateFolder makes a folder that nobody else may open, or refuses one that others
// may.
func privateFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fault.New(fault.StoreUnavailable, "%w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fault.New(fault.StoreUnavailable, "%w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fault.New(fault.Exposed, "folder %s has mode %04o", path, info.Mode().Perm())
	}
	return nil
}

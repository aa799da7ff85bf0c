package dev

import (
	"context"
	"crypto/ed25519"
	"errors"
	"path/filepath"

	"nod/admit"
	"nod/audit"
	"nod/audit/file"
	"nod/crypto/seal"
	"nod/keyring"
	"nod/keyring/keysets"
	"nod/keyring/local"
	"nod/store"
	"nod/store/pebble"
	"nod/wire"
)

// role is what every role has of its own: a folder, a keyring, a store, an audit
// log and a name for this process. Nothing of it is shared.
type role struct {
	name     seal.Role
	instance wire.Instance
	keys     *local.Keyring
	ring     keyring.Keyring // keys, as wrapped by Options.Keyring
	sets     *keysets.Keysets
	store    store.Store // encrypted; nil at the dealer, which has none
	log      audit.Log
	closers  []func() error
}

// openRole opens or makes the parts of one role.
func openRole(ctx context.Context, o *Options, name seal.Role) (*role, error) {
	r := &role{name: name, instance: wire.NewInstance()}
	if err := r.open(ctx, o); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *role) open(ctx context.Context, o *Options) (err error) {
	folder := filepath.Join(o.Folder, string(r.name))
	if err := privateFolder(folder); err != nil {
		return err
	}
	if r.keys, err = local.Open(filepath.Join(folder, "keyring.json"), o.Log); err != nil {
		return err
	}
	r.closers = append(r.closers, r.keys.Close)
	if err := r.createKeys(ctx); err != nil {
		return err
	}
	r.ring = o.Keyring(r.name, r.keys)
	if r.log, err = file.Open(filepath.Join(folder, "audit.log")); err != nil {
		return err
	}
	r.closers = append(r.closers, r.log.Close)
	if r.name == seal.Dealer {
		return nil
	}
	return r.openStore(ctx, o, folder)
}

// createKeys makes the role's keys if they are not there.
func (r *role) createKeys(ctx context.Context) error {
	wanted := map[keyring.Name]keyring.Type{keyring.Identity: keyring.Ed25519, keyring.KEK: keyring.AEAD}
	switch r.name {
	case seal.Custodian:
		wanted[keyring.Pad] = keyring.HMAC
	case seal.Dealer:
		wanted[keyring.Root] = keyring.HMAC
	}
	for key, t := range wanted {
		if err := r.keys.Create(ctx, key, t); err != nil {
			return err
		}
	}
	return nil
}

func (r *role) openStore(ctx context.Context, o *Options, folder string) error {
	shelf, err := keysets.Folder(filepath.Join(folder, "keysets"))
	if err != nil {
		return err
	}
	rows, err := pebble.Open(pebble.Options{Folder: filepath.Join(folder, "store"), Log: o.Log})
	if err != nil {
		return err
	}
	r.closers = append(r.closers, rows.Close)
	r.sets = keysets.New(string(r.name), r.keys, shelf)
	aead, err := r.sets.AEAD(ctx, keysets.Records)
	if err != nil {
		return err
	}
	r.store = o.Store(r.name, store.Encrypted(o.RawStore(r.name, rows), aead))
	return nil
}

// names opens the PRFs under which the role names citizens.
func (r *role) names(ctx context.Context) (n admit.Names, err error) {
	if n.Handles, err = r.sets.PRF(ctx, keysets.Handles); err != nil {
		return n, err
	}
	if n.Subjects, err = r.sets.PRF(ctx, keysets.Subjects); err != nil {
		return n, err
	}
	n.Pseudonyms, err = r.sets.PRF(ctx, keysets.Pseudonyms)
	return n, err
}

// identity is the role's public identity key, for the trust bundle.
func (r *role) identity(ctx context.Context) (seal.Identity, error) {
	info, err := r.keys.Describe(ctx, keyring.Identity)
	if err != nil {
		return seal.Identity{}, err
	}
	var public ed25519.PublicKey
	public, err = r.keys.Public(ctx, keyring.Identity, info.Latest)
	return seal.Identity{Version: info.Latest, Key: public}, err
}

func (r *role) peer() wire.Peer { return wire.Peer{Role: r.name, Instance: r.instance} }

// close releases everything, the newest first.
func (r *role) close() (err error) {
	for i := len(r.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, r.closers[i]())
	}
	r.closers = nil
	return err
}

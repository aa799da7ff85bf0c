// Package local is a keyring.Keyring in one file, for development and tests. It
// does what Vault's transit engine does for Nod, so that either can take the
// other's place; but whoever reads the file has every key, and nothing records
// who used which. Open says so loudly.
package local

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"nod/disk"
	"nod/fault"
	"nod/keyring"
)

// Warning is what Open logs.
const Warning = "keys are in a file, not in a Vault: for development only"

// Keyring implements keyring.Keyring and keyring.Admin. It is safe for
// concurrent use.
type Keyring struct {
	path string    // "" keeps the keys in memory only
	lock io.Closer // nil in memory

	mu     sync.RWMutex
	keys   map[keyring.Name]*key // a key is replaced, never changed
	closed bool
}

var (
	_ keyring.Keyring = (*Keyring)(nil)
	_ keyring.Admin   = (*Keyring)(nil)
)

// Open opens the keyring in a file, or makes an empty one with mode 0600, and
// logs Warning. It fails with fault.Exposed if other users may open the file,
// with fault.StoreInUse while any process has it open (PATH.lock is locked), and
// with fault.BadEncoding or fault.UnknownField if it is not exactly as written.
func Open(path string, log *slog.Logger) (*Keyring, error) {
	lock, err := disk.Lock(path+".lock", false)
	if err != nil {
		return nil, unavailable(err)
	}
	k := &Keyring{path: path, lock: lock}
	if err := tidy(path); err != nil {
		return nil, errors.Join(unavailable(err), lock.Close())
	}
	keys, exists, err := load(path)
	if err == nil && !exists {
		err = k.save(keys)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	k.keys = keys
	log.Warn(Warning, "file", path, "keys", len(keys))
	return k, nil
}

// InMemory is an empty keyring that ends with its process, for tests.
func InMemory() *Keyring { return &Keyring{keys: map[keyring.Name]*key{}} }

// String hides the keys.
func (k *Keyring) String() string { return "keyring/local.Keyring(secret)" }

// GoString hides the keys.
func (k *Keyring) GoString() string { return k.String() }

// Close wipes the keys and releases the file. Every later call fails with
// fault.KeyringUnavailable.
func (k *Keyring) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil
	}
	k.closed = true
	for _, key := range k.keys {
		key.wipe()
	}
	k.keys = nil
	if k.lock == nil {
		return nil
	}
	return k.lock.Close()
}

// use runs f on a key of a type, 0 or "" meaning any, with the lock held so that
// Close cannot wipe it meanwhile.
func (k *Keyring) use(ctx context.Context, name keyring.Name, t keyring.Type, f func(*key) error) error {
	if ctx.Err() != nil {
		return fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	found, err := k.find(name)
	if err != nil {
		return err
	}
	if t != "" && found.kind != t {
		return fault.New(fault.KeyType, "key %s is of type %s, not %s", name, found.kind, t)
	}
	return f(found)
}

func (k *Keyring) find(name keyring.Name) (*key, error) {
	if k.closed {
		return nil, fault.New(fault.KeyringUnavailable, "the keyring is closed")
	}
	found, ok := k.keys[name]
	if !ok {
		return nil, fault.New(fault.UnknownKey, "key %s", name)
	}
	return found, nil
}

// MACs implements keyring.MACer.
func (k *Keyring) MACs(ctx context.Context, name keyring.Name, version uint32, inputs [][]byte) (out []keyring.MAC, err error) {
	if len(inputs) < 1 || len(inputs) > keyring.MaxBatch {
		return nil, fault.New(fault.OutOfRange, "a batch of %d inputs, 1 to %d", len(inputs), keyring.MaxBatch)
	}
	err = k.use(ctx, name, keyring.HMAC, func(found *key) error {
		s, err := found.version(name, version)
		if err != nil {
			return err
		}
		out = make([]keyring.MAC, len(inputs))
		for i, input := range inputs {
			out[i] = s.mac(input)
		}
		return nil
	})
	return out, err
}

// Sign implements keyring.Signer.
func (k *Keyring) Sign(ctx context.Context, name keyring.Name, message []byte) (signature []byte, version uint32, err error) {
	err = k.use(ctx, name, keyring.Ed25519, func(found *key) error {
		version = found.latest()
		s, err := found.version(name, version)
		if err != nil {
			return err
		}
		private := s.signer()
		defer clear(private)
		signature = ed25519.Sign(private, message)
		return nil
	})
	return signature, version, err
}

// Public implements keyring.Signer.
func (k *Keyring) Public(ctx context.Context, name keyring.Name, version uint32) (public ed25519.PublicKey, err error) {
	err = k.use(ctx, name, keyring.Ed25519, func(found *key) error {
		if version == 0 {
			version = found.latest()
		}
		s, err := found.version(name, version)
		if err != nil {
			return err
		}
		private := s.signer()
		defer clear(private)
		public = append(ed25519.PublicKey(nil), private[ed25519.SeedSize:]...)
		return nil
	})
	return public, err
}

// Wrap implements keyring.Wrapper. The result is local:vN: and base64.
func (k *Keyring) Wrap(ctx context.Context, name keyring.Name, plaintext, associated []byte) (out []byte, err error) {
	err = k.use(ctx, name, keyring.AEAD, func(found *key) error {
		v := found.latest()
		s, err := found.version(name, v)
		if err != nil {
			return err
		}
		ciphertext := s.aead().Seal(nil, nil, plaintext, wrapContext(name, v, associated)) //nolint:gosec // this AEAD makes its nonce
		out = formatWrapped(v, ciphertext)
		return nil
	})
	return out, err
}

// Unwrap implements keyring.Wrapper. A version that is destroyed is
// fault.KeyVersion; one that was never made, like any other change,
// fault.BadCiphertext.
func (k *Keyring) Unwrap(ctx context.Context, name keyring.Name, wrapped, associated []byte) (out []byte, err error) {
	err = k.use(ctx, name, keyring.AEAD, func(found *key) error {
		v, ciphertext, err := parseWrapped(wrapped)
		if err != nil {
			return err
		}
		if v > found.latest() {
			return fault.New(fault.BadCiphertext, "key %s has no version %d yet", name, v)
		}
		s, err := found.version(name, v)
		if err != nil {
			return err
		}
		if out, err = s.aead().Open(nil, nil, ciphertext, wrapContext(name, v, associated)); err != nil {
			return fault.New(fault.BadCiphertext, "key %s, version %d", name, v)
		}
		return nil
	})
	return out, err
}

// Describe implements keyring.Keyring. Versions here are destroyed or usable,
// nothing between.
func (k *Keyring) Describe(ctx context.Context, name keyring.Name) (info keyring.Info, err error) {
	err = k.use(ctx, name, "", func(found *key) error {
		info = keyring.Info{
			Name: name, Type: found.kind, Latest: found.latest(),
			MinUse: found.first, MinAvailable: found.first,
		}
		return nil
	})
	return info, err
}

// Create implements keyring.Admin.
func (k *Keyring) Create(ctx context.Context, name keyring.Name, t keyring.Type) error {
	if err := errors.Join(checkName(name), checkType(t)); err != nil {
		return err
	}
	return k.change(ctx, name, func(found *key) (*key, error) {
		switch {
		case found == nil:
			return &key{kind: t, first: 1, secrets: []secret{newSecret()}}, nil
		case found.kind != t:
			return nil, fault.New(fault.KeyType, "key %s exists and is of type %s, not %s", name, found.kind, t)
		}
		return nil, nil
	})
}

// Rotate implements keyring.Admin.
func (k *Keyring) Rotate(ctx context.Context, name keyring.Name) (version uint32, err error) {
	err = k.change(ctx, name, func(found *key) (*key, error) {
		if found == nil {
			return nil, fault.New(fault.UnknownKey, "key %s", name)
		}
		next := found.clone()
		next.secrets = append(next.secrets, newSecret())
		version = next.latest()
		return next, nil
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

// Destroy implements keyring.Admin. The file's old contents are overwritten as
// well, which reaches the disk's old blocks only on a file system that writes in
// place; copies and backups are the operator's.
func (k *Keyring) Destroy(ctx context.Context, name keyring.Name, min uint32) error {
	return k.change(ctx, name, func(found *key) (*key, error) {
		switch {
		case found == nil:
			return nil, fault.New(fault.UnknownKey, "key %s", name)
		case min < 1 || min > found.latest():
			return nil, fault.New(fault.OutOfRange, "destroying versions of key %s below %d, at most %d", name, min, found.latest())
		case min <= found.first:
			return nil, nil
		}
		next := found.clone()
		for i := range next.secrets[:min-found.first] {
			next.secrets[i].Wipe()
		}
		next.secrets = append([]secret(nil), next.secrets[min-found.first:]...)
		next.first = min
		return next, nil
	})
}

// change replaces a key, in the file first. f is given nil if there is no such
// key, and returns nil to leave everything as it is.
func (k *Keyring) change(ctx context.Context, name keyring.Name, f func(*key) (*key, error)) error {
	if ctx.Err() != nil {
		return fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	found, err := k.find(name)
	if err != nil && !fault.Is(err, fault.UnknownKey) {
		return err
	}
	next, err := f(found)
	if err != nil || next == nil {
		return err
	}
	keys := make(map[keyring.Name]*key, len(k.keys)+1)
	for n, other := range k.keys {
		keys[n] = other
	}
	keys[name] = next
	if err := k.save(keys); err != nil {
		return err
	}
	if found != nil {
		found.wipe()
	}
	k.keys = keys
	return nil
}

// save writes all keys and then overwrites the bytes of the file before.
func (k *Keyring) save(keys map[keyring.Name]*key) error {
	if k.path == "" {
		return nil
	}
	data := encode(keys)
	defer clear(data)
	if len(data) > maxFile {
		return fault.New(fault.Oversize, "a keyring file of %d bytes, at most %d", len(data), maxFile)
	}
	old, err := os.OpenFile(k.path, os.O_WRONLY, 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return unavailable(err)
	}
	if err := disk.Replace(k.path, data); err != nil {
		if old != nil {
			err = errors.Join(err, old.Close())
		}
		return unavailable(err)
	}
	if old == nil {
		return nil
	}
	if err := overwrite(old); err != nil {
		return unavailable(fmt.Errorf("overwriting the old %s: %w", filepath.Base(k.path), err))
	}
	return nil
}

// tidy overwrites and removes what a change that was killed in the middle left beside
// the file: a copy of every key, those included that are destroyed later.
func tidy(path string) error {
	left, err := disk.Leftovers(path)
	if err != nil {
		return err
	}
	for _, name := range left {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err == nil {
			err = overwrite(f)
		}
		if err = errors.Join(err, os.Remove(name)); err != nil {
			return err
		}
	}
	return nil
}

func overwrite(f *os.File) error {
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(make([]byte, info.Size()), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

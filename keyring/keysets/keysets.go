// Package keysets keeps a role's Tink keysets: local keys for work that needs no
// call to the key's keeper, such as encrypting rows and computing handles. There
// is one keyset per role and use. Each is wrapped as a whole by the role's KEK,
// with associated data that names role and use, so that no keyset can stand in
// for another, and is opened into memory when the role starts.
//
// A keyset has one primary key, which makes new values, and may have others,
// under which old ones are still read. With several instances of a role, a new
// key must be known everywhere before it is used anywhere: Add, restart all,
// Promote, restart all, move what lies under the old key, Retire.
package keysets

import (
	"bytes"
	"context"
	"errors"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"

	"nod/crypto/canon"
	"nod/fault"
	"nod/keyring"
)

// Use is what a role's keyset is for. It is also its name on the Shelf: lower-case
// letters, digits and hyphens.
type Use string

// The uses.
const (
	Records    Use = "records"    // AEAD: values of the role's store
	Handles    Use = "handles"    // PRF: a citizen reference to the role's own handle
	Subjects   Use = "subjects"   // PRF: the blinded subject of an audit leaf
	Pseudonyms Use = "pseudonyms" // PRF: the role's part of a citizen's name at an RP
)

// Keysets opens, makes and changes the keysets of one role. It is safe for
// concurrent use if its Wrapper and Shelf are.
type Keysets struct {
	role  string
	ring  keyring.Wrapper
	shelf Shelf
}

// New is for the keysets of a role, wrapped by keyring.KEK of its keyring.
func New(role string, ring keyring.Wrapper, shelf Shelf) *Keysets {
	return &Keysets{role, ring, shelf}
}

// AEAD opens a keyset for encryption, and makes it if there is none. Keys are
// XAES-256-GCM (C2SP), whose random 192-bit nonces never need a count of
// messages; a ciphertext is 45 bytes longer than its plaintext.
//
// It fails with fault.KeysetForged if the wrapped keyset is not the one that was
// made for this role and use, with fault.KeyType if it is not an AEAD's, and
// with the faults of the Wrapper and the Shelf.
func (k *Keysets) AEAD(ctx context.Context, use Use) (tink.AEAD, error) {
	handle, err := k.openOrCreate(ctx, use, aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		return nil, err
	}
	a, err := aead.New(handle)
	if err != nil {
		return nil, fault.New(fault.KeyType, "keyset %s of role %s is not an AEAD's", use, k.role)
	}
	return a, nil
}

// PRF opens a keyset for pseudorandom functions, HMAC-SHA-256, and makes it if
// there is none. It fails as AEAD does.
func (k *Keysets) PRF(ctx context.Context, use Use) (*PRF, error) {
	handle, err := k.openOrCreate(ctx, use, prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return nil, err
	}
	set, err := prf.NewPRFSet(handle)
	if err != nil {
		return nil, fault.New(fault.KeyType, "keyset %s of role %s is not a PRF's", use, k.role)
	}
	return newPRF(handle, set)
}

// Add puts a new key of the same type into the keyset, to be read under and not
// yet used.
func (k *Keysets) Add(ctx context.Context, use Use) error {
	return k.change(ctx, use, func(m *keyset.Manager, h *keyset.Handle) error {
		template, err := templateOf(h)
		if err != nil {
			return err
		}
		_, err = m.Add(template)
		return err
	})
}

// Promote makes the newest key the primary one.
func (k *Keysets) Promote(ctx context.Context, use Use) error {
	return k.change(ctx, use, func(m *keyset.Manager, h *keyset.Handle) error {
		newest, err := h.Entry(h.Len() - 1)
		if err != nil {
			return err
		}
		return m.SetPrimary(newest.KeyID())
	})
}

// Retire deletes every key but the primary one. What lies under the others can
// never be read again, once backups of the keyset are gone too.
func (k *Keysets) Retire(ctx context.Context, use Use) error {
	return k.change(ctx, use, func(m *keyset.Manager, h *keyset.Handle) error {
		for i := range h.Len() {
			entry, err := h.Entry(i)
			if err != nil {
				return err
			}
			if entry.IsPrimary() {
				continue
			}
			if err := m.Delete(entry.KeyID()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Rewrap wraps the same keys under the KEK's latest version, which must be done
// before the version that wraps them now is destroyed.
func (k *Keysets) Rewrap(ctx context.Context, use Use) error {
	return k.change(ctx, use, func(*keyset.Manager, *keyset.Handle) error { return nil })
}

// change opens a keyset that exists, changes it, and puts it back unless another
// process was faster (fault.Conflict).
func (k *Keysets) change(ctx context.Context, use Use, f func(*keyset.Manager, *keyset.Handle) error) error {
	old, err := k.load(ctx, use)
	if err != nil {
		return err
	}
	handle, err := k.unwrap(ctx, use, old)
	if err != nil {
		return err
	}
	m := keyset.NewManagerFromHandle(handle)
	if err := f(m, handle); err != nil {
		return fault.New(fault.CodeOf(err), "keyset %s of role %s: %w", use, k.role, err)
	}
	changed, err := m.Handle()
	if err != nil {
		return fault.New(fault.Unexpected, "keyset %s of role %s: %w", use, k.role, err)
	}
	wrapped, err := k.wrap(ctx, use, changed)
	if err != nil {
		return err
	}
	return k.shelf.Swap(ctx, string(use), old, wrapped)
}

// templateOf is the template of the primary key. Tink makes keys from templates
// only, and a keyset's keys are all of the type that this package made first.
func templateOf(h *keyset.Handle) (*tinkpb.KeyTemplate, error) {
	url := h.KeysetInfo().GetKeyInfo()[0].GetTypeUrl()
	for _, template := range []*tinkpb.KeyTemplate{aead.XAES256GCM192BitNonceKeyTemplate(), prf.HMACSHA256PRFKeyTemplate()} {
		if template.GetTypeUrl() == url {
			return template, nil
		}
	}
	return nil, fault.New(fault.KeyType, "keys of type %q", url)
}

func (k *Keysets) load(ctx context.Context, use Use) ([]byte, error) {
	if err := checkName(string(use)); err != nil {
		return nil, err
	}
	return k.shelf.Load(ctx, string(use))
}

func (k *Keysets) openOrCreate(ctx context.Context, use Use, template *tinkpb.KeyTemplate) (*keyset.Handle, error) {
	wrapped, err := k.load(ctx, use)
	if fault.Is(err, fault.NotFound) {
		wrapped, err = k.create(ctx, use, template)
	}
	if err != nil {
		return nil, err
	}
	return k.unwrap(ctx, use, wrapped)
}

// create makes a keyset and returns what then lies on the shelf, which is
// another process's if that one was faster.
func (k *Keysets) create(ctx context.Context, use Use, template *tinkpb.KeyTemplate) ([]byte, error) {
	handle, err := keyset.NewHandle(template)
	if err != nil {
		return nil, fault.New(fault.Unexpected, "making keyset %s of role %s: %w", use, k.role, err)
	}
	wrapped, err := k.wrap(ctx, use, handle)
	if err != nil {
		return nil, err
	}
	switch err := k.shelf.Swap(ctx, string(use), nil, wrapped); {
	case fault.Is(err, fault.Conflict):
		return k.shelf.Load(ctx, string(use))
	case err != nil:
		return nil, err
	}
	return wrapped, nil
}

func (k *Keysets) associated(use Use) []byte {
	return canon.Encode("keyset", []byte(k.role), []byte(use))
}

func (k *Keysets) wrap(ctx context.Context, use Use, h *keyset.Handle) ([]byte, error) {
	kek, out := &kek{ring: k.ring}, bytes.Buffer{}
	err := h.WriteWithContext(ctx, keyset.NewBinaryWriter(&out), kek, k.associated(use))
	if err := errors.Join(kek.err, err); err != nil {
		return nil, fault.New(fault.CodeOf(err), "wrapping keyset %s of role %s: %w", use, k.role, err)
	}
	return out.Bytes(), nil
}

func (k *Keysets) unwrap(ctx context.Context, use Use, wrapped []byte) (*keyset.Handle, error) {
	forged := fault.New(fault.KeysetForged, "keyset %s of role %s", use, k.role)
	encrypted, err := keyset.NewBinaryReader(bytes.NewReader(wrapped)).ReadEncrypted()
	if err != nil {
		return nil, forged
	}
	kek, reader := &kek{ring: k.ring}, keyset.NewBinaryReader(bytes.NewReader(wrapped))
	handle, err := keyset.ReadWithContext(ctx, reader, kek, k.associated(use))
	if kek.err != nil && !fault.Is(kek.err, fault.BadCiphertext) {
		return nil, fault.New(fault.CodeOf(kek.err), "unwrapping keyset %s of role %s: %w", use, k.role, kek.err)
	}
	if err != nil {
		return nil, forged
	}
	// Tink's format has room for more than the ciphertext, and what stands there
	// is not authenticated: there must be nothing.
	again := bytes.Buffer{}
	if err := keyset.NewBinaryWriter(&again).WriteEncrypted(encrypted); err != nil || !bytes.Equal(again.Bytes(), wrapped) {
		return nil, forged
	}
	return handle, nil
}

// kek is the KEK as Tink wants it. It keeps the fault, of which Tink passes on
// the text only.
type kek struct {
	ring keyring.Wrapper
	err  error
}

func (k *kek) EncryptWithContext(ctx context.Context, plaintext, associated []byte) (out []byte, err error) {
	out, k.err = k.ring.Wrap(ctx, keyring.KEK, plaintext, associated)
	return out, k.err
}

func (k *kek) DecryptWithContext(ctx context.Context, ciphertext, associated []byte) (out []byte, err error) {
	out, k.err = k.ring.Unwrap(ctx, keyring.KEK, ciphertext, associated)
	return out, k.err
}

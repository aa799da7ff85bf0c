// Package keyring is the contract for keys that never leave their keeper: named,
// versioned, non-exportable. It offers what HashiCorp Vault's transit engine
// offers Nod, and nothing more, so that keyring/vault is a drop-in for
// keyring/local.
//
// Every role has a keyring of its own; see docs/spec/threat-model.md.
package keyring

import (
	"context"
	"crypto/ed25519"
)

// Name is a key's name within one role's keyring.
type Name string

// The keys of the roles. Every role has Identity and KEK.
const (
	Identity Name = "identity" // ed25519: certifies the role's short-lived keys
	KEK      Name = "kek"      // AES-256-GCM: wraps the role's keysets
	Pad      Name = "pad"      // HMAC-SHA-256: the custodian's template pads
	Root     Name = "root"     // HMAC-SHA-256: the dealer's correlations, a version a day
)

// Type is what a key can do.
type Type string

// The types of key.
const (
	HMAC    Type = "hmac"
	AEAD    Type = "aes256-gcm96"
	Ed25519 Type = "ed25519"
)

// Info describes a key. Versions count from 1. Versions below MinAvailable are
// destroyed for good; versions below MinUse exist and are refused.
type Info struct {
	Name         Name
	Type         Type
	Latest       uint32
	MinUse       uint32
	MinAvailable uint32
}

// MACSize is the size of an HMAC in bytes.
const MACSize = 32

// A MAC is one HMAC-SHA-256. It is a secret where the key is Pad or Root; the
// caller wipes it. It prints only its kind.
type MAC [MACSize]byte

// MaxBatch is the most inputs that one MACs call takes.
const MaxBatch = 128

// MACer computes HMACs.
type MACer interface {
	// MACs returns HMAC-SHA-256 of each input under exactly the stated version
	// of key, in order. A batch has 1 to MaxBatch inputs. It either answers
	// every input or fails as a whole: fault.KeyVersion for a version that is
	// destroyed, refused or not made yet; fault.KeyringUnavailable when the
	// keeper cannot be reached before ctx ends. A failed call may have been
	// executed and recorded by the keeper.
	MACs(ctx context.Context, key Name, version uint32, inputs [][]byte) ([]MAC, error)
}

// Signer signs with an ed25519 key.
type Signer interface {
	// Sign signs message (not a hash of it) with the latest version of key.
	Sign(ctx context.Context, key Name, message []byte) (signature []byte, version uint32, err error)
	// Public gives the public key of a version; 0 means the latest.
	Public(ctx context.Context, key Name, version uint32) (ed25519.PublicKey, error)
}

// Wrapper encrypts small secrets (keysets) under an AEAD key.
type Wrapper interface {
	// Wrap encrypts with the latest version; the result names the version.
	Wrap(ctx context.Context, key Name, plaintext, associated []byte) ([]byte, error)
	// Unwrap fails with fault.BadCiphertext when the ciphertext or the
	// associated data is not exactly what Wrap was given.
	Unwrap(ctx context.Context, key Name, ciphertext, associated []byte) ([]byte, error)
}

// Admin creates and retires keys. A role's own login does not include it: it is
// the operator's (nod keys, nod dev).
type Admin interface {
	// Create makes version 1 of a key. If the key exists with the same type it
	// succeeds and changes nothing; with another type it fails.
	Create(ctx context.Context, key Name, t Type) error
	// Rotate makes a new latest version and returns it.
	Rotate(ctx context.Context, key Name) (uint32, error)
	// Destroy makes every version below min unusable and irrecoverable.
	Destroy(ctx context.Context, key Name, min uint32) error
}

// Keyring is what a role is given at start.
type Keyring interface {
	MACer
	Signer
	Wrapper
	// Describe reads a key's type and versions back from the keeper.
	Describe(ctx context.Context, key Name) (Info, error)
}

package seal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"nod/crypto/canon"
	"nod/fault"
)

// MaxBundle is the most bytes that a bundle file has.
const MaxBundle = 16 << 10

const bundleFormat = "nod/trust-bundle/v1"

// bundleFile is the bundle as a file: JSON, in exactly the form that Marshal
// writes.
type bundleFile struct {
	Format     string            `json:"format"`
	Serial     uint64            `json:"serial"`
	Previous   canon.Digest      `json:"previous"`
	Matcher    []Identity        `json:"matcher"`
	Custodian  []Identity        `json:"custodian"`
	Dealer     []Identity        `json:"dealer"`
	Offline    ed25519.PublicKey `json:"offline"`
	Signatures []bundleSignature `json:"signatures"`
}

// Marshal writes the bundle's file.
func (b *Bundle) Marshal() ([]byte, error) {
	return marshalIndented(bundleFile{
		Format:     bundleFormat,
		Serial:     b.serial,
		Previous:   b.previous,
		Matcher:    b.identities[Matcher],
		Custodian:  b.identities[Custodian],
		Dealer:     b.identities[Dealer],
		Offline:    b.offline,
		Signatures: append([]bundleSignature{}, b.signatures...),
	})
}

// ParseBundle reads a bundle's file: exactly what Marshal writes, to the byte.
// It checks the form; whether to trust it is the reader's pin, or Update.
func ParseBundle(data []byte) (*Bundle, error) {
	if len(data) > MaxBundle {
		return nil, fault.New(fault.Oversize, "trust bundle of %d bytes, at most %d", len(data), MaxBundle)
	}
	var f bundleFile
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return nil, bundleFault(err)
	}
	b := &Bundle{
		serial:     f.Serial,
		identities: map[Role][]Identity{Matcher: f.Matcher, Custodian: f.Custodian, Dealer: f.Dealer},
		offline:    f.Offline,
		previous:   f.Previous,
		signatures: f.Signatures,
		seen:       newSeen(),
	}
	if f.Format != bundleFormat {
		return nil, fault.New(fault.BadEncoding, "trust bundle: format is not %q", bundleFormat)
	}
	again, err := b.Marshal()
	if err != nil {
		return nil, bundleFault(err)
	}
	if !bytes.Equal(again, data) {
		return nil, fault.New(fault.BadEncoding, "trust bundle: a field is doubled, missing, out of order or spelt another way")
	}
	return b, b.valid()
}

// valid checks what does not need the bundle before.
func (b *Bundle) valid() error {
	if len(b.identities) != len(Roles()) || b.serial == 0 || b.previous.IsZero() != (b.serial == 1) {
		return fault.New(fault.BadEncoding, "trust bundle: wrong roles, serial or previous digest")
	}
	seen := []ed25519.PublicKey{b.offline}
	for _, role := range Roles() {
		ids := b.identities[role]
		if len(ids) == 0 || len(ids) > MaxIdentities {
			return fault.New(fault.OutOfRange, "trust bundle: %d identity keys of the %s, want 1 to %d", len(ids), role, MaxIdentities)
		}
		before := uint32(0)
		for _, id := range ids {
			if id.Version <= before {
				return fault.New(fault.BadEncoding, "trust bundle: versions of the %s's identity key do not rise from 1", role)
			}
			before = id.Version
			seen = append(seen, id.Key)
		}
	}
	// Two roles with one key would be one role.
	for i, key := range seen {
		if len(key) != ed25519.PublicKeySize {
			return fault.New(fault.BadKey, "trust bundle: a key of %d bytes, want %d", len(key), ed25519.PublicKeySize)
		}
		if slices.ContainsFunc(seen[:i], func(k ed25519.PublicKey) bool { return bytes.Equal(k, key) }) {
			return fault.New(fault.BadKey, "trust bundle: a key appears twice")
		}
	}
	return validSignatures(b.signatures)
}

// validSignatures holds them to one order, each key once.
func validSignatures(list []bundleSignature) error {
	for i, s := range list {
		if len(s.Key) != ed25519.PublicKeySize || len(s.Value) != ed25519.SignatureSize {
			return fault.New(fault.BadSignature, "trust bundle: key or signature of the wrong size")
		}
		if i > 0 && bytes.Compare(list[i-1].Key, s.Key) >= 0 {
			return fault.New(fault.BadEncoding, "trust bundle: signatures are not in the order of their keys")
		}
	}
	return nil
}

func marshalIndented(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

func bundleFault(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fault.New(fault.Truncated, "trust bundle ends too soon")
	case strings.HasPrefix(err.Error(), "json: unknown field"):
		return fault.New(fault.UnknownField, "trust bundle: %w", err)
	}
	return fault.New(fault.BadEncoding, "trust bundle: %w", err)
}

package vault

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"

	"nod/fault"
	"nod/keyring"
)

// settled are a key's settings as Vault tells them.
type settled struct {
	Type          keyring.Type               `json:"type"`
	Latest        uint32                     `json:"latest_version"`
	MinAvailable  uint32                     `json:"min_available_version"`
	MinDecryption uint32                     `json:"min_decryption_version"`
	MinEncryption uint32                     `json:"min_encryption_version"`
	Size          uint32                     `json:"key_size"`
	Exportable    bool                       `json:"exportable"`
	PlainBackup   bool                       `json:"allow_plaintext_backup"`
	Deletable     bool                       `json:"deletion_allowed"`
	Derived       bool                       `json:"derived"`
	Imported      bool                       `json:"imported_key"`
	SoftDeleted   bool                       `json:"soft_deleted"`
	Keys          map[string]json.RawMessage `json:"keys"`
}

// hmacSize is the size of HMAC keys in bytes, that of the hash.
const hmacSize = 32

// nameShape is that of local's keys. It holds no slash: names become parts of paths.
var nameShape = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

func checkName(name keyring.Name) error {
	if !nameShape.MatchString(string(name)) {
		return fault.New(fault.OutOfRange, "a key's name has up to 64 lower-case letters, digits, hyphens and underscores")
	}
	return nil
}

func checkType(t keyring.Type) error {
	switch t {
	case keyring.HMAC, keyring.AEAD, keyring.Ed25519:
		return nil
	}
	return fault.New(fault.KeyType, "type %q", t)
}

// engine is the transit engine of one role.
type engine struct {
	*caller
	mount string
}

func (e *engine) path(operation string, key keyring.Name) string {
	return e.mount + "/" + operation + "/" + string(key)
}

// read reads a key's settings back: fault.UnknownKey if there is none, and
// fault.KeyExposed if Vault may give it out or drop it, or if it was made elsewhere.
func (e *engine) read(ctx context.Context, key keyring.Name) (*settled, error) {
	if checkName(key) != nil {
		return nil, fault.New(fault.UnknownKey, "key %q", key)
	}
	path := e.path("keys", key)
	data, _, err := e.do(ctx, http.MethodGet, path, nil)
	if statusOf(err) == http.StatusNotFound {
		return nil, fault.New(fault.UnknownKey, "key %s", key)
	}
	if err != nil {
		return nil, unavailable(path, err)
	}
	s := &settled{}
	if json.Unmarshal(data, s) != nil || s.Latest == 0 {
		return nil, malformed(path)
	}
	return s, s.check(key)
}

func (s *settled) check(key keyring.Name) error {
	for _, f := range []struct {
		set  bool
		what string
	}{
		{s.Exportable, "may be exported"},
		{s.PlainBackup, "may be backed up in plain text"},
		{s.Deletable, "may be deleted"},
		{s.Imported, "was made outside Vault"},
	} {
		if f.set {
			return fault.New(fault.KeyExposed, "key %s %s", key, f.what)
		}
	}
	switch {
	case s.SoftDeleted:
		return fault.New(fault.UnknownKey, "key %s is marked as deleted", key)
	case s.Derived:
		return fault.New(fault.KeyType, "key %s makes a key of its own for each context", key)
	case s.Type == keyring.HMAC && s.Size != 0 && s.Size != hmacSize:
		return fault.New(fault.KeyType, "key %s has %d bytes, not %d", key, s.Size, hmacSize)
	}
	return nil
}

// info is what the contract tells. A new key has no minimum yet, which is version 1;
// the minimum of encryption counts for HMACs alone, which are made under any version.
func (s *settled) info(key keyring.Name) keyring.Info {
	use := max(s.MinDecryption, s.MinAvailable, 1)
	if s.Type == keyring.HMAC {
		use = max(use, s.MinEncryption)
	}
	return keyring.Info{Name: key, Type: s.Type, Latest: s.Latest, MinUse: use, MinAvailable: max(s.MinAvailable, 1)}
}

// public gives the public half of one version.
func (s *settled) public(version uint32) ([]byte, bool) {
	var half struct {
		Public string `json:"public_key"`
	}
	if json.Unmarshal(s.Keys[strconv.FormatUint(uint64(version), 10)], &half) != nil {
		return nil, false
	}
	public, err := base64.StdEncoding.Strict().DecodeString(half.Public)
	return public, err == nil
}

// explain says why Vault refused a use of a key: there is no such key, it is of another
// type, or its settings are not as they must be. It is nil if none of that is so.
func (e *engine) explain(ctx context.Context, key keyring.Name, want keyring.Type) (*settled, error) {
	s, err := e.read(ctx, key)
	if err != nil {
		return nil, err
	}
	if s.Type != want {
		return nil, fault.New(fault.KeyType, "key %s is of type %s, not %s", key, s.Type, want)
	}
	return s, nil
}

// refused turns the error of a use into a fault. Where Vault answered that the use is
// wrong, or not allowed, the key's settings tell why; only ever the reason is read
// there, so a fault while reading them is not hidden. versions, if given, finds the
// fault in the versions.
func (e *engine) refused(ctx context.Context, key keyring.Name, want keyring.Type, path string, err error, versions func(*settled) error) error {
	var r *refusal
	if !errors.As(err, &r) || r.status != http.StatusBadRequest && r.status != http.StatusForbidden && r.status != http.StatusNotFound {
		return unavailable(path, err)
	}
	s, why := e.explain(ctx, key, want)
	if why == nil && r.status == http.StatusBadRequest && versions != nil {
		why = versions(s)
	}
	if why == nil {
		return unavailable(path, err)
	}
	return why
}

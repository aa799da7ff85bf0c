package local

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"nod/disk"
	"nod/fault"
	"nod/keyring"
)

// The file is JSON, exactly as encode writes it:
//
//	{
//	  "format": "nod/keyring/1",
//	  "keys": {
//	    "pad": {
//	      "type": "hmac",
//	      "first": 2,
//	      "secrets": ["base64 of 32 bytes", ...]
//	    }
//	  }
//	}
//
// Keys stand in order of their names. first is the oldest version that exists;
// secrets are of the versions from it on. A secret is an HMAC key, an AES-256
// key, or an ed25519 seed.
const (
	format   = "nod/keyring/1"
	maxFile  = 1 << 20 // bytes; a version takes about 60
	maxNames = 64      // bytes of a key's name
)

type fileJSON struct {
	Format string             `json:"format"`
	Keys   map[string]keyJSON `json:"keys"`
}

type keyJSON struct {
	Type    keyring.Type `json:"type"`
	First   uint32       `json:"first"`
	Secrets []string     `json:"secrets"`
}

var nameShape = regexp.MustCompile(`^[a-z0-9]+([-_][a-z0-9]+)*$`)

func checkName(n keyring.Name) error {
	if len(n) > maxNames || !nameShape.MatchString(string(n)) {
		return fault.New(fault.OutOfRange, "a key's name has lower-case letters, digits, hyphens and underscores")
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

func encode(keys map[keyring.Name]*key) []byte {
	f := fileJSON{Format: format, Keys: map[string]keyJSON{}}
	for name, k := range keys {
		j := keyJSON{Type: k.kind, First: k.first}
		for _, s := range k.secrets {
			j.Secrets = append(j.Secrets, base64.StdEncoding.EncodeToString(s[:]))
		}
		f.Keys[string(name)] = j
	}
	out, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		panic("keyring/local: strings and numbers have JSON: " + err.Error()) // a programmer's error
	}
	return append(out, '\n')
}

// decode accepts exactly what encode writes: fault.UnknownField or
// fault.BadEncoding otherwise. Errors quote nothing of the file.
func decode(data []byte) (map[keyring.Name]*key, error) {
	var f fileJSON
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		if strings.Contains(err.Error(), "unknown field") {
			return nil, fault.New(fault.UnknownField, "keyring file")
		}
		return nil, fault.New(fault.BadEncoding, "keyring file is not the expected JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.BadEncoding, "keyring file goes on after its end")
	}
	if f.Format != format {
		return nil, fault.New(fault.BadEncoding, "keyring file is not of format %s", format)
	}
	keys := map[keyring.Name]*key{}
	for name, j := range f.Keys {
		k, err := decodeKey(keyring.Name(name), j)
		if err != nil {
			return nil, err
		}
		keys[keyring.Name(name)] = k
	}
	if !bytes.Equal(encode(keys), data) {
		return nil, fault.New(fault.BadEncoding, "keyring file is not written as this software writes it")
	}
	return keys, nil
}

func decodeKey(name keyring.Name, j keyJSON) (*key, error) {
	if err := errors.Join(checkName(name), checkType(j.Type)); err != nil {
		return nil, fault.New(fault.BadEncoding, "keyring file: %w", err)
	}
	if j.First < 1 || len(j.Secrets) < 1 || uint64(j.First)+uint64(len(j.Secrets)) > 1<<32 {
		return nil, fault.New(fault.BadEncoding, "keyring file: key %s has no versions", name)
	}
	k := &key{kind: j.Type, first: j.First}
	for _, text := range j.Secrets {
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(raw) != secretSize {
			return nil, fault.New(fault.BadEncoding, "keyring file: a secret of key %s is not 32 bytes", name)
		}
		k.secrets = append(k.secrets, secret(raw))
		clear(raw)
	}
	return k, nil
}

// load reads the file, or says that there is none.
func load(path string) (keys map[keyring.Name]*key, exists bool, err error) {
	data, err := disk.ReadPrivate(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return map[keyring.Name]*key{}, false, nil
	}
	if err != nil {
		return nil, false, unavailable(err)
	}
	defer clear(data)
	keys, err = decode(data)
	return keys, true, err
}

// unavailable gives an error of the file system a code, and leaves a fault's.
func unavailable(err error) error {
	if fault.CodeOf(err) != fault.Unexpected {
		return err
	}
	return fault.New(fault.KeyringUnavailable, "keyring file: %w", err)
}

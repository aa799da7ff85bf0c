// Package vault is a keyring.Keyring whose keys are in HashiCorp Vault or OpenBao, in
// the transit engine. No key ever leaves it, and every use of one stands in its own
// audit log. See docs/vault.md.
//
// A role's Keyring logs in with an AppRole that may do exactly what the role needs
// (PlanFor), and logs in again whenever its token ends, without a restart. While Vault
// does not answer, or refuses the login, every call fails with fault.KeyringUnavailable
// within its deadline.
package vault

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"sync"

	"nod/fault"
	"nod/keyring"
)

// Keyring implements keyring.Keyring. It is safe for concurrent use.
type Keyring struct {
	engine
	recorder Recorder
	session  *session
	queue    *queue
	hmacs    sync.Map // keyring.Name of those known to be for HMACs
}

var _ keyring.Keyring = (*Keyring)(nil)

// Open logs in. It fails with fault.KeyringUnavailable if that does not work, and with
// fault.OutOfRange, fault.NotFound or fault.BadEncoding if the settings cannot.
func Open(ctx context.Context, settings Settings) (*Keyring, error) {
	s, err := settings.withDefaults()
	if err != nil {
		return nil, err
	}
	login, err := openSession(ctx, &s)
	if err != nil {
		return nil, err
	}
	k := &Keyring{engine: engine{login.calls, s.Mount}, recorder: s.Recorder, session: login}
	k.queue = newQueue(s.Queue, k.send)
	return k, nil
}

// String hides the login.
func (k *Keyring) String() string { return "keyring/vault.Keyring(secret)" }

// GoString hides the login.
func (k *Keyring) GoString() string { return k.String() }

// Close answers what is in the queue, gives the token back, and ends the login. Every
// later call fails with fault.KeyringUnavailable.
func (k *Keyring) Close() error {
	k.queue.close()
	k.session.close()
	return nil
}

// Ready makes a call that Vault must put into its audit log before it answers, and
// fails with fault.KeyringUnavailable, saying why, if there is no good answer before
// ctx ends. Vault's own health tells less: it is good while an audit device blocks
// everything else.
func (k *Keyring) Ready(ctx context.Context) error {
	_, err := k.explain(ctx, keyring.Identity, keyring.Ed25519)
	if why := k.session.trouble(); err != nil && why != nil {
		return fault.New(fault.CodeOf(err), "%w; the last login failed: %v", err, why)
	}
	return err
}

// Describe implements keyring.Keyring. It fails with fault.KeyExposed if Vault may give
// the key out or drop it.
func (k *Keyring) Describe(ctx context.Context, key keyring.Name) (keyring.Info, error) {
	return k.describe(ctx, key)
}

func (e *engine) describe(ctx context.Context, key keyring.Name) (keyring.Info, error) {
	s, err := e.read(ctx, key)
	if err != nil {
		return keyring.Info{}, err
	}
	return s.info(key), nil
}

// Sign implements keyring.Signer.
func (k *Keyring) Sign(ctx context.Context, key keyring.Name, message []byte) (signature []byte, version uint32, err error) {
	if err := known(key); err != nil {
		return nil, 0, err
	}
	use := Use{Operation: "sign", Key: key, Items: 1}
	err = k.use(ctx, use, fields(field{"input", message}), func(data json.RawMessage) (int, error) {
		var reply struct {
			Signature string `json:"signature"`
		}
		var ok bool
		if json.Unmarshal(data, &reply) == nil {
			version, signature, ok = parseValue(reply.Signature)
		}
		if !ok || len(signature) != ed25519.SignatureSize {
			return 0, malformed("sign")
		}
		return 1, nil
	})
	if err != nil {
		return nil, 0, k.refused(ctx, key, keyring.Ed25519, k.path("sign", key), err, nil)
	}
	return signature, version, nil
}

// Public implements keyring.Signer.
func (k *Keyring) Public(ctx context.Context, key keyring.Name, version uint32) (ed25519.PublicKey, error) {
	s, err := k.explain(ctx, key, keyring.Ed25519)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		version = s.Latest
	}
	if i := s.info(key); version < i.MinUse || version > i.Latest {
		return nil, fault.New(fault.KeyVersion, "key %s has versions %d to %d, not %d", key, i.MinUse, i.Latest, version)
	}
	public, ok := s.public(version)
	if !ok || len(public) != ed25519.PublicKeySize {
		return nil, malformed(k.path("keys", key))
	}
	return public, nil
}

// Wrap implements keyring.Wrapper. The request and its answer are those of Tink's
// hcvault, whose AEAD takes no context and so no deadline.
func (k *Keyring) Wrap(ctx context.Context, key keyring.Name, plaintext, associated []byte) (wrapped []byte, err error) {
	if err := known(key); err != nil {
		return nil, err
	}
	body := fields(field{"plaintext", plaintext}, field{"associated_data", associated})
	use := Use{Operation: "encrypt", Key: key, Items: 1}
	err = k.use(ctx, use, body, func(data json.RawMessage) (int, error) {
		var reply struct {
			Ciphertext string `json:"ciphertext"`
		}
		if json.Unmarshal(data, &reply) != nil {
			return 0, malformed("encrypt")
		}
		if _, _, ok := parseValue(reply.Ciphertext); !ok {
			return 0, malformed("encrypt")
		}
		wrapped = []byte(reply.Ciphertext)
		return 1, nil
	})
	if err != nil {
		return nil, k.refused(ctx, key, keyring.AEAD, k.path("encrypt", key), err, nil)
	}
	return wrapped, nil
}

// Unwrap implements keyring.Wrapper. A version that is destroyed is fault.KeyVersion;
// one that was never made, like any other change, fault.BadCiphertext.
func (k *Keyring) Unwrap(ctx context.Context, key keyring.Name, wrapped, associated []byte) (plaintext []byte, err error) {
	if err := known(key); err != nil {
		return nil, err
	}
	version, _, ok := parseValue(string(wrapped))
	if !ok {
		return nil, fault.New(fault.BadCiphertext, "not wrapped by Vault")
	}
	body := append([]byte(`{"ciphertext":"`), wrapped...)
	body = append(body, `",`...)
	body = append(body, fields(field{"associated_data", associated})[1:]...)
	use := Use{Operation: "decrypt", Key: key, Items: 1}
	err = k.use(ctx, use, body, func(data json.RawMessage) (int, error) {
		plaintext, err = parsePlaintext(data)
		return 1, err
	})
	if err == nil {
		return plaintext, nil
	}
	return nil, k.refused(ctx, key, keyring.AEAD, k.path("decrypt", key), err, func(s *settled) error {
		if i := s.info(key); version < i.MinUse {
			return fault.New(fault.KeyVersion, "key %s has versions %d to %d, not %d", key, i.MinUse, i.Latest, version)
		}
		return fault.New(fault.BadCiphertext, "key %s, version %d", key, version)
	})
}

// parsePlaintext reads what decrypt answers. Vault leaves an empty plaintext out.
func parsePlaintext(data json.RawMessage) ([]byte, error) {
	var reply struct {
		Plaintext text `json:"plaintext"`
	}
	if json.Unmarshal(data, &reply) != nil {
		return nil, malformed("decrypt")
	}
	defer clear(reply.Plaintext)
	out := make([]byte, base64.StdEncoding.DecodedLen(len(reply.Plaintext)))
	n, err := base64.StdEncoding.Strict().Decode(out, reply.Plaintext)
	if err != nil {
		clear(out)
		return nil, malformed("decrypt")
	}
	return out[:n], nil
}

// known refuses names that cannot be a key's: they become parts of paths.
func known(key keyring.Name) error {
	if checkName(key) != nil {
		return fault.New(fault.UnknownKey, "key %q", key)
	}
	return nil
}

// field is a name and bytes, which travel as base64.
type field struct {
	name  string
	value []byte
}

// fields is a JSON object.
func fields(all ...field) []byte {
	out := []byte{'{'}
	for _, f := range all {
		out = append(append(append(out, '"'), f.name...), `":"`...)
		out = append(base64.StdEncoding.AppendEncode(out, f.value), `",`...)
	}
	out[len(out)-1] = '}'
	return out
}

package local

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"

	"nod/crypto/canon"
	"nod/fault"
	"nod/keyring"
)

const secretSize = 32

// secret is one version of a key.
type secret [secretSize]byte

// String hides the value.
func (secret) String() string { return "keyring/local.secret" }

// GoString hides the value.
func (secret) GoString() string { return "keyring/local.secret" }

// Equal compares in constant time.
func (s *secret) Equal(o *secret) bool { return subtle.ConstantTimeCompare(s[:], o[:]) == 1 }

// Wipe overwrites the value.
func (s *secret) Wipe() { clear(s[:]) }

func newSecret() (s secret) {
	// Read of crypto/rand never fails: it ends the process instead.
	_, _ = rand.Read(s[:])
	return s
}

// key is a named key with its versions from first on.
type key struct {
	kind    keyring.Type
	first   uint32
	secrets []secret
}

func (k *key) latest() uint32 { return k.first + uint32(len(k.secrets)) - 1 }

// version gives one version's secret, or fault.KeyVersion.
func (k *key) version(name keyring.Name, v uint32) (*secret, error) {
	if v < k.first || v > k.latest() {
		return nil, fault.New(fault.KeyVersion, "key %s has versions %d to %d, not %d", name, k.first, k.latest(), v)
	}
	return &k.secrets[v-k.first], nil
}

// clone copies a key, so that a change can be given up.
func (k *key) clone() *key {
	return &key{k.kind, k.first, append([]secret(nil), k.secrets...)}
}

func (k *key) wipe() {
	for i := range k.secrets {
		k.secrets[i].Wipe()
	}
}

func (s *secret) mac(input []byte) (out keyring.MAC) {
	h := hmac.New(sha256.New, s[:])
	h.Write(input)
	h.Sum(out[:0])
	return out
}

func (s *secret) signer() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(s[:]) }

// aead is AES-256-GCM with a random 96-bit nonce in front of the ciphertext. It
// wraps keysets, of which there will never be 2^32.
func (s *secret) aead() cipher.AEAD {
	block, err := aes.NewCipher(s[:])
	if err != nil {
		panic("keyring/local: 32 bytes are an AES key") // a programmer's error
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("keyring/local: AES has GCM") // a programmer's error
	}
	return a
}

// wrapContext is what a ciphertext is bound to: its key's name and version, and
// what the caller says.
func wrapContext(name keyring.Name, version uint32, associated []byte) []byte {
	return canon.Encode("local-wrap", []byte(name), canon.Uint64(uint64(version)), associated)
}

const (
	wrapPrefix = "local:v"
	gcmGrowth  = 12 + 16 // nonce and tag
)

// formatWrapped writes what Wrap returns, in the shape of Vault's: local:vN: and
// base64.
func formatWrapped(version uint32, ciphertext []byte) []byte {
	out := strconv.AppendUint([]byte(wrapPrefix), uint64(version), 10)
	out = append(out, ':')
	return base64.StdEncoding.AppendEncode(out, ciphertext)
}

// parseWrapped accepts exactly what formatWrapped writes: fault.BadCiphertext
// otherwise.
func parseWrapped(data []byte) (version uint32, ciphertext []byte, err error) {
	bad := func(why string) (uint32, []byte, error) {
		return 0, nil, fault.New(fault.BadCiphertext, "%s", why)
	}
	rest, ok := strings.CutPrefix(string(data), wrapPrefix)
	if !ok {
		return bad("not wrapped by a local keyring")
	}
	number, encoded, ok := strings.Cut(rest, ":")
	v, numberErr := strconv.ParseUint(number, 10, 32)
	if !ok || numberErr != nil || v == 0 || strconv.FormatUint(v, 10) != number {
		return bad("no version")
	}
	// Strict still skips line ends, so the text is compared as well.
	ciphertext, decodeErr := base64.StdEncoding.Strict().DecodeString(encoded)
	if decodeErr != nil || base64.StdEncoding.EncodeToString(ciphertext) != encoded || len(ciphertext) < gcmGrowth {
		return bad("not a ciphertext")
	}
	return uint32(v), ciphertext, nil
}

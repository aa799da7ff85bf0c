package orders

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"

	"github.com/go-jose/go-jose/v4"

	"nod/fault"
)

// MaxJWK is the most bytes that a key's file has.
const MaxJWK = 1024

// coordinateSize is the size of a P-256 coordinate or scalar, and of an Ed25519
// key or seed.
const coordinateSize = 32

// PublicKey verifies the signatures of a relying party, station, bureau or
// client: ECDSA on P-256, or Ed25519. Its algorithm follows from the key and is
// never taken from a message. Immutable.
type PublicKey struct {
	ec *ecdsa.PublicKey  // either this,
	ed ed25519.PublicKey // or this
}

// ParsePublicKey reads a JWK (RFC 7517) of kty EC and crv P-256, or kty OKP and
// crv Ed25519. It may carry alg and kid, which must be ES256 or EdDSA to match,
// and the key's RFC 7638 thumbprint. Any other member, a private one above all,
// is refused.
func ParsePublicKey(jwk []byte) (*PublicKey, error) {
	o, err := parseJWK(jwk, "alg?", "kid?")
	if err != nil {
		return nil, err
	}
	return o.publicKey()
}

// jwkObject is a JWK whose members are of the right kind.
type jwkObject struct {
	*object
	ec bool
}

// parseJWK finds out the type first, because it decides the members.
func parseJWK(data []byte, more ...string) (*jwkObject, error) {
	if len(data) > MaxJWK {
		return nil, fault.New(fault.Oversize, "JWK of %d bytes, at most %d", len(data), MaxJWK)
	}
	o := parseObject("JWK", data, append([]string{"kty", "crv", "x", "y?"}, more...)...)
	kty, crv := o.text("kty", 1, 16), o.text("crv", 1, 16)
	if o.err != nil {
		return nil, o.err
	}
	isEC, isOKP := kty == "EC" && crv == "P-256", kty == "OKP" && crv == "Ed25519"
	if !isEC && !isOKP || isEC != o.has("y") {
		return nil, fault.New(fault.BadKey, "JWK: want kty EC with crv P-256, x and y, or kty OKP with crv Ed25519 and x")
	}
	return &jwkObject{o, isEC}, nil
}

func (o *jwkObject) publicKey() (*PublicKey, error) {
	k := new(PublicKey)
	x := o.bytes("x", coordinateSize)
	if o.ec {
		y := o.bytes("y", coordinateSize)
		if o.err != nil {
			return nil, o.err
		}
		point := append(append([]byte{4}, x...), y...)
		var err error
		if k.ec, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point); err != nil {
			return nil, fault.New(fault.BadKey, "JWK: x, y is not a point on P-256")
		}
	} else {
		k.ed = ed25519.PublicKey(x)
	}
	if o.has("alg") && o.text("alg", 1, 16) != k.Algorithm() {
		o.fail(fault.BadAlgorithm, "alg is not %s", k.Algorithm())
	}
	if o.has("kid") && o.text("kid", 1, 64) != k.ID() {
		o.fail(fault.BadKey, "kid is not the key's RFC 7638 thumbprint")
	}
	return k, o.err
}

// Algorithm is the one JWS algorithm of the key: ES256 or EdDSA.
func (k *PublicKey) Algorithm() string {
	if k.ec != nil {
		return string(jose.ES256)
	}
	return string(jose.EdDSA)
}

// JWK is the key in its shortest form, the one that RFC 7638 hashes.
func (k *PublicKey) JWK() []byte {
	if k.ec != nil {
		point := k.point()
		return fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`,
			encodeBase64(point[1:1+coordinateSize]), encodeBase64(point[1+coordinateSize:]))
	}
	return fmt.Appendf(nil, `{"crv":"Ed25519","kty":"OKP","x":"%s"}`, encodeBase64(k.ed))
}

// point is the uncompressed point.
func (k *PublicKey) point() []byte {
	b, err := k.ec.Bytes()
	if err != nil {
		panic("orders: " + err.Error()) // a parsed or generated key is on its curve
	}
	return b
}

// ID is the key's RFC 7638 thumbprint: 43 characters of base64url. It is the kid
// of everything that the key signs.
func (k *PublicKey) ID() string {
	sum := sha256.Sum256(k.JWK())
	return encodeBase64(sum[:])
}

// Equal reports whether both are the same key.
func (k *PublicKey) Equal(o *PublicKey) bool { return k.ID() == o.ID() }

// find is the key of that id, or nil.
func find(keys []*PublicKey, id string) *PublicKey {
	for _, k := range keys {
		if k.ID() == id {
			return k
		}
	}
	return nil
}

// verify checks a signature as JWS writes it: Ed25519, or r and s of 32 bytes
// each with the lower of the two possible s, so that nobody can make a second
// signature out of the first.
func (k *PublicKey) verify(message, signature []byte) error {
	if k.ec == nil {
		if !ed25519.Verify(k.ed, message, signature) {
			return fault.New(fault.BadSignature, "the Ed25519 signature does not verify")
		}
		return nil
	}
	if len(signature) != 2*coordinateSize {
		return fault.New(fault.BadSignature, "ES256 signature of %d bytes, want %d", len(signature), 2*coordinateSize)
	}
	r := new(big.Int).SetBytes(signature[:coordinateSize])
	s := new(big.Int).SetBytes(signature[coordinateSize:])
	if isHigh(s) {
		return fault.New(fault.BadSignature, "the ES256 signature has the higher s")
	}
	hash := sha256.Sum256(message)
	if !ecdsa.Verify(k.ec, hash[:], r, s) {
		return fault.New(fault.BadSignature, "the ES256 signature does not verify")
	}
	return nil
}

// isHigh reports whether s is above half of the group's order.
func isHigh(s *big.Int) bool {
	half := new(big.Int).Rsh(elliptic.P256().Params().N, 1)
	return s.Cmp(half) > 0
}

// PrivateKey signs for a relying party, station, bureau or client. Secret: it
// prints only its kind.
type PrivateKey struct {
	public *PublicKey
	ec     *ecdsa.PrivateKey
	ed     ed25519.PrivateKey
}

// NewPrivateKey makes a key for the algorithm "ES256" or "EdDSA".
func NewPrivateKey(algorithm string) (*PrivateKey, error) {
	switch jose.SignatureAlgorithm(algorithm) {
	case jose.ES256:
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fault.New(fault.Unexpected, "P-256 key: %w", err)
		}
		return &PrivateKey{public: &PublicKey{ec: &k.PublicKey}, ec: k}, nil
	case jose.EdDSA:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fault.New(fault.Unexpected, "Ed25519 key: %w", err)
		}
		return &PrivateKey{public: &PublicKey{ed: public}, ed: private}, nil
	}
	return nil, fault.New(fault.BadAlgorithm, "want ES256 or EdDSA")
}

// ParsePrivateKey reads a JWK with the member d, and otherwise as
// ParsePublicKey. The public members must be those of d.
func ParsePrivateKey(jwk []byte) (*PrivateKey, error) {
	o, err := parseJWK(jwk, "d", "alg?", "kid?")
	if err != nil {
		return nil, err
	}
	public, err := o.publicKey()
	if err != nil {
		return nil, err
	}
	d := o.bytes("d", coordinateSize)
	if o.err != nil {
		return nil, o.err
	}
	defer clear(d)
	k := new(PrivateKey)
	if o.ec {
		if k.ec, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), d); err != nil {
			return nil, fault.New(fault.BadKey, "JWK: d is not a P-256 scalar")
		}
		k.public = &PublicKey{ec: &k.ec.PublicKey}
	} else {
		k.ed = ed25519.NewKeyFromSeed(d)
		k.public = &PublicKey{ed: bytes.Clone(k.ed[ed25519.SeedSize:])}
	}
	if !k.public.Equal(public) {
		return nil, fault.New(fault.BadKey, "JWK: the public members are not those of d")
	}
	return k, nil
}

// MarshalSecret writes the private JWK, for a file that only its owner reads.
func (k *PrivateKey) MarshalSecret() ([]byte, error) {
	d := k.ed
	if k.ec != nil {
		var err error
		if d, err = k.ec.Bytes(); err != nil {
			return nil, fault.New(fault.BadKey, "private key: %w", err)
		}
	} else {
		d = d.Seed()
	}
	defer clear(d)
	public := k.public.JWK()
	return fmt.Appendf(public[:len(public)-1], `,"d":"%s"}`, encodeBase64(d)), nil
}

// Public is the key that verifies.
func (k *PrivateKey) Public() *PublicKey { return k.public }

// sign signs as verify expects.
func (k *PrivateKey) sign(message []byte) ([]byte, error) {
	if k.ec == nil {
		return ed25519.Sign(k.ed, message), nil
	}
	hash := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, k.ec, hash[:])
	if err != nil {
		return nil, fault.New(fault.Unexpected, "ES256: %w", err)
	}
	if isHigh(s) {
		s.Sub(elliptic.P256().Params().N, s)
	}
	out := make([]byte, 2*coordinateSize)
	r.FillBytes(out[:coordinateSize])
	s.FillBytes(out[coordinateSize:])
	return out, nil
}

// Wipe overwrites an Ed25519 key, and drops a P-256 key, which the standard
// library gives no way to overwrite. The key can not be used afterwards.
func (k *PrivateKey) Wipe() {
	clear(k.ed)
	k.ec, k.ed = nil, nil
}

// String hides the key.
func (*PrivateKey) String() string { return "orders.PrivateKey(secret)" }

// GoString hides the key.
func (*PrivateKey) GoString() string { return "orders.PrivateKey(secret)" }

// Format hides the key under every verb.
func (k *PrivateKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

func encodeBase64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// decodeBase64 reads unpadded base64url in its one form: no line breaks, and no
// set bits after the last byte.
func decodeBase64(text []byte) ([]byte, error) {
	out, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil || encodeBase64(out) != string(text) {
		return nil, fault.New(fault.BadEncoding, "not unpadded base64url")
	}
	return out, nil
}

package orders

import (
	"bytes"

	"github.com/go-jose/go-jose/v4"

	"nod/fault"
)

// MaxJWS is the most bytes that a compact JWS has.
const MaxJWS = 8 << 10

// A token is a compact JWS taken apart, not verified.
type token struct {
	what    string
	compact []byte
	header  []byte
	payload []byte
}

// parseCompact takes apart three parts of strict base64url. what names the
// token in faults.
func parseCompact(what string, compact []byte) (*token, error) {
	if len(compact) > MaxJWS {
		return nil, fault.New(fault.Oversize, "%s of %d bytes, at most %d", what, len(compact), MaxJWS)
	}
	parts := bytes.Split(compact, []byte{'.'})
	if len(parts) != 3 {
		return nil, fault.New(fault.BadEncoding, "%s is not a compact JWS", what)
	}
	decoded := make([][]byte, len(parts))
	for i, part := range parts {
		b, err := decodeBase64(part)
		if err != nil || len(b) == 0 {
			return nil, fault.New(fault.BadEncoding, "%s: part %d is not unpadded base64url", what, i+1)
		}
		decoded[i] = b
	}
	return &token{what: what, compact: compact, header: decoded[0], payload: decoded[1]}, nil
}

// parseHeader reads a header of exactly alg, typ, kid and more, and holds typ to
// the one expected. A key inside the header (jwk, x5c, jku) is an unknown field.
func (t *token) parseHeader(typ string, more ...string) (*object, error) {
	o := parseObject(t.what+" header", t.header, append([]string{"alg", "typ", "kid"}, more...)...)
	if got := o.text("typ", 1, 64); o.err == nil && got != typ {
		return nil, fault.New(fault.BadType, "%s: typ is not %q", t.what, typ)
	}
	return o, o.err
}

// verify checks that alg is the key's own, and the signature.
func (t *token) verify(header *object, key *PublicKey) error {
	if alg := header.text("alg", 1, 16); header.err != nil {
		return header.err
	} else if alg != key.Algorithm() {
		return fault.New(fault.BadAlgorithm, "%s: alg is not %s, as its key is", t.what, key.Algorithm())
	}
	parsed, err := jose.ParseSignedCompact(string(t.compact), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(key.Algorithm())})
	if err != nil {
		return fault.New(fault.BadEncoding, "%s is not a compact JWS", t.what)
	}
	payload, err := parsed.Verify(joseVerifier{key})
	if err != nil || !bytes.Equal(payload, t.payload) {
		return fault.New(fault.BadSignature, "%s: the signature does not verify, or is not in its one form", t.what)
	}
	return nil
}

// verifyByOneOf verifies with the key that the header's kid names, out of those
// that the signer may use.
func (t *token) verifyByOneOf(header *object, keys []*PublicKey, signer string) error {
	kid := header.text("kid", 1, 64)
	if header.err != nil {
		return header.err
	}
	key := find(keys, kid)
	if key == nil {
		return fault.New(fault.UnknownKey, "%s: kid is no key of the %s", t.what, signer)
	}
	return t.verify(header, key)
}

// signCompact signs payload; the header has alg, kid and typ.
func signCompact(key *PrivateKey, typ string, payload []byte) ([]byte, error) {
	options := new(jose.SignerOptions).WithType(jose.ContentType(typ))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.public.Algorithm()), Key: joseSigner{key}}, options)
	if err != nil {
		return nil, fault.New(fault.BadKey, "JWS: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return nil, fault.New(fault.BadKey, "JWS: %w", err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		return nil, fault.New(fault.BadEncoding, "JWS: %w", err)
	}
	if len(compact) > MaxJWS {
		return nil, fault.New(fault.Oversize, "JWS of %d bytes, at most %d", len(compact), MaxJWS)
	}
	return []byte(compact), nil
}

// joseSigner lets go-jose sign with low s.
type joseSigner struct{ key *PrivateKey }

func (s joseSigner) Public() *jose.JSONWebKey {
	public := s.key.public
	out := &jose.JSONWebKey{KeyID: public.ID(), Algorithm: public.Algorithm(), Key: public.ed}
	if public.ec != nil {
		out.Key = public.ec
	}
	return out
}

func (s joseSigner) Algs() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.SignatureAlgorithm(s.key.public.Algorithm())}
}

func (s joseSigner) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	return s.key.sign(payload)
}

// joseVerifier lets go-jose verify with our rules.
type joseVerifier struct{ key *PublicKey }

func (v joseVerifier) VerifyPayload(payload, signature []byte, _ jose.SignatureAlgorithm) error {
	return v.key.verify(payload, signature)
}

package orders

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"time"

	"nod/crypto/seal"
	"nod/fault"
)

// A verdict travels as a JWS in general JSON serialization (RFC 7515, section
// 7.2.1), without white space, the matcher's signature first. Each signature's
// protected header names the role, the key, and carries the key's certificate:
//
//	{"payload":"...","signatures":[{"protected":"...","signature":"..."},{...}]}

type generalJWS struct {
	Payload    string             `json:"payload"`
	Signatures []generalSignature `json:"signatures"`
}

type generalSignature struct {
	Protected string `json:"protected"`
	Signature string `json:"signature"`
}

// verdictHeader is a signature's protected header, in the order written.
type verdictHeader struct {
	Algorithm string     `json:"alg"`
	Cert      string     `json:"cert"`
	Key       seal.KeyID `json:"kid"`
	Role      seal.Role  `json:"role"`
	Type      string     `json:"typ"`
}

// SignVerdict signs a payload for the role of s. The result is a compact JWS
// without its payload (RFC 7515, appendix F). It counts for nothing without the
// other role's.
func SignVerdict(s *seal.Signers, payload []byte, now time.Time) ([]byte, error) {
	var protected string
	signature, err := s.SignWith(now, func(cert *seal.Cert) ([]byte, error) {
		header, err := json.Marshal(verdictHeader{"EdDSA", encodeBase64(cert.Bytes()), cert.KeyID(), cert.Role, VerdictType})
		if err != nil {
			return nil, fault.New(fault.BadEncoding, "verdict header: %w", err)
		}
		protected = encodeBase64(header)
		return []byte(protected + "." + encodeBase64(payload)), nil
	})
	if err != nil {
		return nil, err
	}
	return []byte(protected + ".." + encodeBase64(signature.Value)), nil
}

// CheckVerdict is how one server checks the other's signature over the payload
// that both worked out. Faults: as VerifyVerdict.
func CheckVerdict(payload, signature []byte, role seal.Role, bundle *seal.Bundle, at time.Time) error {
	part, err := newVerdictPart(payload, signature)
	if err != nil {
		return err
	}
	return part.verify(bundle, role, at)
}

// CombineVerdict is the verdict as it travels, out of both servers' signatures.
func CombineVerdict(payload, matcher, custodian []byte) ([]byte, error) {
	out := generalJWS{Payload: encodeBase64(payload)}
	for _, signature := range [][]byte{matcher, custodian} {
		protected, value, ok := bytes.Cut(signature, []byte(".."))
		if !ok {
			return nil, fault.New(fault.BadEncoding, "verdict: not a compact JWS without payload")
		}
		out.Signatures = append(out.Signatures, generalSignature{string(protected), string(value)})
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, fault.New(fault.BadEncoding, "verdict: %w", err)
	}
	_, err = parseVerdict(data)
	return data, err
}

// verdictPart is the payload with one of its signatures, not verified.
type verdictPart struct {
	*token
	header *object
}

// signedVerdict is a verdict that was only parsed.
type signedVerdict struct {
	payload []byte
	parts   [2]*verdictPart
}

func parseVerdict(data []byte) (*signedVerdict, error) {
	if len(data) > MaxVerdict {
		return nil, fault.New(fault.Oversize, "verdict of %d bytes, at most %d", len(data), MaxVerdict)
	}
	o := parseObject("verdict", data, "payload", "signatures")
	if o.err != nil {
		return nil, o.err
	}
	var jws generalJWS
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&jws); err != nil {
		return nil, fault.New(fault.BadEncoding, "verdict: %w", err)
	}
	if again, err := json.Marshal(jws); err != nil || !bytes.Equal(again, data) {
		return nil, fault.New(fault.BadEncoding, "verdict: not in the one form that docs/spec/orders.md states")
	}
	payload, err := decodeBase64([]byte(jws.Payload))
	if err != nil {
		return nil, fault.New(fault.BadEncoding, "verdict: payload is not unpadded base64url")
	}
	if len(jws.Signatures) != 2 {
		return nil, fault.New(fault.NotCosigned, "verdict with %d signatures, want 2", len(jws.Signatures))
	}
	v := &signedVerdict{payload: payload}
	for i, s := range jws.Signatures {
		if v.parts[i], err = newVerdictPart(payload, []byte(s.Protected+".."+s.Signature)); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// newVerdictPart puts the payload back into a compact JWS.
func newVerdictPart(payload, signature []byte) (*verdictPart, error) {
	protected, value, ok := bytes.Cut(signature, []byte(".."))
	if !ok {
		return nil, fault.New(fault.BadEncoding, "verdict: not a compact JWS without payload")
	}
	compact := bytes.Join([][]byte{protected, []byte(encodeBase64(payload)), value}, []byte("."))
	t, err := parseCompact("verdict", compact)
	if err != nil {
		return nil, err
	}
	header, err := t.parseHeader(VerdictType, "role", "cert")
	if err != nil {
		return nil, err
	}
	return &verdictPart{t, header}, nil
}

// verify checks one signature: by this role, with a verdict key that this role's
// own identity key certified for the time at.
func (p *verdictPart) verify(bundle *seal.Bundle, role seal.Role, at time.Time) error {
	named, kid := seal.Role(p.header.text("role", 1, 16)), p.header.text("kid", 64, 64)
	encoded := p.header.text("cert", 1, 2*seal.MaxCert)
	if p.header.err != nil {
		return p.header.err
	}
	if named != role {
		return fault.New(fault.NotCosigned, "a signature by another role in the place of the %s's", role)
	}
	data, err := decodeBase64([]byte(encoded))
	if err != nil {
		return fault.New(fault.BadEncoding, "verdict: cert is not unpadded base64url")
	}
	cert, err := bundle.Check(data, role, seal.ForVerdict, at)
	if err != nil {
		return err
	}
	if cert.KeyID().String() != kid {
		return fault.New(fault.BadCertificate, "verdict: kid is not the certified key's")
	}
	return p.token.verify(p.header, &PublicKey{ed: ed25519.PublicKey(cert.PublicKey)})
}

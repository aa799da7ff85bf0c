package orders

import (
	"encoding/json"
	"time"

	"nod/crypto/canon"
	"nod/fault"
)

// AttestationType is the typ of a capture attestation.
const AttestationType = "nod-capture+jwt"

// AttestationWindow is the longest time from an attestation's iat to its exp.
const AttestationWindow = 5 * time.Minute

// CaptureBinding is what a capture attestation must name: this request, this
// session and both ciphertexts, by their SHA-256. Bound to less, an attestation
// of one face would go with the code of another.
func CaptureBinding(q canon.RequestHash, session canon.SessionID, hash0, hash1 canon.Digest) canon.Digest {
	return canon.Digest(canon.Sum("capture", q[:], session[:], hash0[:], hash1[:]))
}

type attestationClaims struct {
	Capture canon.Digest `json:"capture"`
	Iat     int64        `json:"iat"`
	Exp     int64        `json:"exp"`
}

// SignAttestation is the compact JWS by which a capture component says that what
// it sealed was captured live.
func SignAttestation(key *PrivateKey, binding canon.Digest, issued, expiry time.Time) ([]byte, error) {
	payload, err := json.Marshal(attestationClaims{binding, issued.Unix(), expiry.Unix()})
	if err != nil {
		return nil, fault.New(fault.BadEncoding, "attestation: %w", err)
	}
	return signCompact(key, AttestationType, payload)
}

// VerifyAttestation is a server's check of a capture attestation: its form, its
// signature by one of the keys that the server's own operator trusts to attest
// captures, its times, and that it names this binding. Faults: as VerifyOrder,
// and WrongRequest for another binding.
func VerifyAttestation(attestation []byte, captures []*PublicKey, binding canon.Digest, now time.Time) error {
	t, err := parseCompact("attestation", attestation)
	if err != nil {
		return err
	}
	header, err := t.parseHeader(AttestationType)
	if err != nil {
		return err
	}
	o := parseObject("attestation", t.payload, "capture", "iat", "exp")
	named, issued, expiry := canon.Digest(o.hash("capture")), o.seconds("iat"), o.seconds("exp")
	if o.err != nil {
		return o.err
	}
	if err := t.verifyByOneOf(header, captures, "capture component"); err != nil {
		return err
	}
	if named != binding {
		return fault.New(fault.WrongRequest, "the attestation is of another capture")
	}
	return checkTimes("attestation", issued, expiry, now, AttestationWindow)
}

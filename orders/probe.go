package orders

import (
	"crypto/sha256"

	"nod/crypto/canon"
)

// Probe is what a client sends, as far as its signature covers it: all of it.
type Probe struct {
	Request     canon.RequestHash
	Session     canon.SessionID
	Sealed0     []byte // to the matcher
	Sealed1     []byte // to the custodian
	Attestation []byte // of the capture; empty where there is none
}

// signedProbe is what the client's one-time key signs. A server has one of the halves
// and the hash of the other.
func signedProbe(q canon.RequestHash, session canon.SessionID, hash0, hash1 canon.Digest, attestation []byte) []byte {
	attested := sha256.Sum256(attestation)
	return canon.Encode("probe-signature", q[:], session[:], hash0[:], hash1[:], attested[:])
}

// SignProbe signs with the client's one-time key, the one that the request
// names.
func SignProbe(key *PrivateKey, p *Probe) ([]byte, error) {
	return key.sign(signedProbe(p.Request, p.Session, sha256.Sum256(p.Sealed0), sha256.Sum256(p.Sealed1), p.Attestation))
}

// VerifyProbe is a server's check that a probe comes from the client that r
// names, for this request and session, both halves (by their SHA-256) together.
// Faults: BadSignature.
func VerifyProbe(r *Request, session canon.SessionID, hash0, hash1 canon.Digest, attestation, signature []byte) error {
	return r.Client.verify(signedProbe(r.Hash(), session, hash0, hash1, attestation), signature)
}

package orders

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"

	"nod/crypto/canon"
	"nod/fault"
)

// RequestType is the typ of a request.
const RequestType = "nod-session+jwt"

// Limits of a request.
const (
	RequestWindow = 60 * time.Second // longest time from iat to exp
	maxParty      = 128
	maxPurpose    = 64
	maxConsent    = 128
	minJTI        = 16
	maxJTI        = 64
)

// Request is a relying party's wish to verify a citizen: the claims of a compact
// JWS that it signed. Consent and citizen are references, not names.
type Request struct {
	RP       string
	Citizen  Citizen
	Purpose  string
	Consent  string
	Model    canon.ModelID // the model of the policy's first slot
	Policy   canon.PolicyID
	Client   *PublicKey // the client's one-time key (RFC 7800)
	JTI      string     // never used twice by one relying party
	IssuedAt time.Time  // whole seconds, as Expiry
	Expiry   time.Time

	hash canon.RequestHash
}

// Hash is q: SHA-256 of the exact bytes that the request was read from, the
// signature included.
func (r *Request) Hash() canon.RequestHash { return r.hash }

// HashRequest is q of a compact request.
func HashRequest(compact []byte) canon.RequestHash { return sha256.Sum256(compact) }

// Party is a relying party as a server's own operator registered it.
type Party struct {
	Keys     []*PublicKey
	Purposes []string
}

// Parties looks up relying parties by id. It comes from the server's own
// operator.
type Parties func(rp string) (Party, bool)

// requestClaims are the claims in the order in which SignRequest writes them.
type requestClaims struct {
	RP      string         `json:"rp"`
	Citizen string         `json:"citizen"`
	Purpose string         `json:"purpose"`
	Consent string         `json:"consent"`
	Model   canon.ModelID  `json:"model"`
	Policy  canon.PolicyID `json:"policy"`
	Cnf     confirmation   `json:"cnf"`
	JTI     string         `json:"jti"`
	Iat     int64          `json:"iat"`
	Exp     int64          `json:"exp"`
}

type confirmation struct {
	JWK json.RawMessage `json:"jwk"`
}

// SignRequest is the compact JWS of r, signed by a relying party's key.
func SignRequest(key *PrivateKey, r *Request) ([]byte, error) {
	if r.Client == nil {
		return nil, fault.New(fault.BadKey, "request without the client's key")
	}
	payload, err := json.Marshal(requestClaims{
		RP:      r.RP,
		Citizen: r.Citizen.Reveal(),
		Purpose: r.Purpose,
		Consent: r.Consent,
		Model:   r.Model,
		Policy:  r.Policy,
		Cnf:     confirmation{r.Client.JWK()},
		JTI:     r.JTI,
		Iat:     r.IssuedAt.Unix(),
		Exp:     r.Expiry.Unix(),
	})
	if err != nil {
		return nil, fault.New(fault.BadEncoding, "request: %w", err)
	}
	defer clear(payload)
	compact, err := signCompact(key, RequestType, payload)
	if err != nil {
		return nil, err
	}
	_, err = ParseRequest(compact) // what a server would refuse is not sent
	return compact, err
}

// ParseRequest reads the claims of a request and verifies nothing but the form:
// for the relying party that made it, and for its client, who have it from
// themselves. A server calls VerifyRequest.
func ParseRequest(compact []byte) (*Request, error) {
	r, _, _, err := parseRequest(compact)
	return r, err
}

func parseRequest(compact []byte) (*Request, *token, *object, error) {
	t, err := parseCompact("request", compact)
	if err != nil {
		return nil, nil, nil, err
	}
	header, err := t.parseHeader(RequestType)
	if err != nil {
		return nil, nil, nil, err
	}
	o := parseObject("request", t.payload, "rp", "citizen", "purpose", "consent", "model", "policy", "cnf", "jti", "iat", "exp")
	r := &Request{
		RP:       o.text("rp", 1, maxParty),
		Purpose:  o.text("purpose", 1, maxPurpose),
		Consent:  o.text("consent", 1, maxConsent),
		Model:    o.hash("model"),
		Policy:   o.hash("policy"),
		JTI:      o.text("jti", minJTI, maxJTI),
		IssuedAt: o.seconds("iat"),
		Expiry:   o.seconds("exp"),
		hash:     HashRequest(compact),
	}
	reference := o.text("citizen", 1, MaxCitizen)
	if o.err != nil {
		return nil, nil, nil, o.err
	}
	r.Citizen = Citizen{&reference}
	cnf := parseObject("request cnf", o.fields["cnf"], "jwk")
	if cnf.err != nil {
		return nil, nil, nil, cnf.err
	}
	jwk, err := parseJWK(cnf.fields["jwk"])
	if err != nil {
		return nil, nil, nil, err
	}
	r.Client, err = jwk.publicKey()
	return r, t, header, err
}

// VerifyRequest is a server's check of a request: its form, its signature by a
// key that the server's own operator registered for its rp, its purpose, and its
// times. Whether its jti was seen before is admit's to say. Faults: Oversize,
// Truncated, BadEncoding, UnknownField, BadType, BadAlgorithm, BadKey,
// UnknownParty, UnknownKey, BadSignature, PurposeRefused, OutOfRange,
// NotYetValid, Expired.
func VerifyRequest(compact []byte, parties Parties, now time.Time) (*Request, error) {
	r, t, header, err := parseRequest(compact)
	if err != nil {
		return nil, err
	}
	party, ok := parties(r.RP)
	if !ok {
		return nil, fault.New(fault.UnknownParty, "no relying party %q", r.RP)
	}
	if err := t.verifyByOneOf(header, party.Keys, "relying party"); err != nil {
		return nil, err
	}
	if !slices.Contains(party.Purposes, r.Purpose) {
		return nil, fault.New(fault.PurposeRefused, "relying party %q may not ask for %q", r.RP, r.Purpose)
	}
	if err := checkTimes("request", r.IssuedAt, r.Expiry, now, RequestWindow); err != nil {
		return nil, err
	}
	return r, nil
}

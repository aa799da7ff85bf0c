package orders

import (
	"bytes"
	"encoding/json"
	"time"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/fault"
)

// VerdictType is the typ of a verdict's two signatures.
const VerdictType = "nod-verdict+jwt"

// Limits of a verdict.
const (
	VerdictWindow = 10 * time.Minute // longest time from iat to exp
	MaxVerdict    = 8 << 10          // bytes
)

// Pseudonym is what a relying party knows a citizen by: another one for each
// relying party, SHA-256(canonical(P_0, P_1)) of the servers' two PRF outputs.
func Pseudonym(matcher, custodian [32]byte) canon.Digest {
	return canon.Digest(canon.Sum("pseudonym", matcher[:], custodian[:]))
}

// Verdict is what a verification ends with. It never holds a score. Both servers
// sign its Payload.
type Verdict struct {
	Request   canon.RequestHash
	Session   canon.SessionID
	RP        string
	Pseudonym canon.Digest
	Purpose   string
	Model     canon.ModelID
	Policy    canon.PolicyID
	FMR       code.FMRClass // the loosest of the policy's slots
	IssuedAt  time.Time     // whole seconds, as Expiry
	Expiry    time.Time
	Leaves    [2]canon.Digest // hashes of the matcher's and the custodian's audit leaves
	Match     bool
}

// verdictClaims are the claims, in the one order in which they are written.
type verdictClaims struct {
	Request   canon.RequestHash `json:"q"`
	Session   canon.SessionID   `json:"session"`
	RP        string            `json:"rp"`
	Pseudonym canon.Digest      `json:"sub"`
	Purpose   string            `json:"purpose"`
	Model     canon.ModelID     `json:"model"`
	Policy    canon.PolicyID    `json:"policy"`
	FMR       code.FMRClass     `json:"fmr"`
	Iat       int64             `json:"iat"`
	Exp       int64             `json:"exp"`
	Leaves    [2]canon.Digest   `json:"leaves"`
	Match     bool              `json:"match"`
}

// Payload is the verdict's one encoding, the same at both servers. It is JSON
// without white space, but for one space before the last brace when match is
// true: so a yes and a no have the same length.
func (v *Verdict) Payload() ([]byte, error) {
	payload, err := json.Marshal(verdictClaims{
		Request:   v.Request,
		Session:   v.Session,
		RP:        v.RP,
		Pseudonym: v.Pseudonym,
		Purpose:   v.Purpose,
		Model:     v.Model,
		Policy:    v.Policy,
		FMR:       v.FMR,
		Iat:       v.IssuedAt.Unix(),
		Exp:       v.Expiry.Unix(),
		Leaves:    v.Leaves,
		Match:     v.Match,
	})
	if err != nil {
		return nil, fault.New(fault.BadEncoding, "verdict: %w", err)
	}
	if v.Match {
		payload = append(payload[:len(payload)-1], ' ', '}')
	}
	return payload, nil
}

// ParsePayload reads exactly what Payload writes. It verifies nothing but the
// form.
func ParsePayload(payload []byte) (*Verdict, error) {
	if len(payload) > MaxVerdict {
		return nil, fault.New(fault.Oversize, "verdict of %d bytes, at most %d", len(payload), MaxVerdict)
	}
	if o := parseObject("verdict", payload, "q", "session", "rp", "sub", "purpose", "model", "policy", "fmr", "iat", "exp",
		"leaves", "match"); o.err != nil {
		return nil, o.err
	}
	var c verdictClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, fault.New(fault.BadEncoding, "verdict: %w", err)
	}
	v := &Verdict{
		Request:   c.Request,
		Session:   c.Session,
		RP:        c.RP,
		Pseudonym: c.Pseudonym,
		Purpose:   c.Purpose,
		Model:     c.Model,
		Policy:    c.Policy,
		FMR:       c.FMR,
		IssuedAt:  time.Unix(c.Iat, 0).UTC(),
		Expiry:    time.Unix(c.Exp, 0).UTC(),
		Leaves:    c.Leaves,
		Match:     c.Match,
	}
	if again, err := v.Payload(); err != nil || !bytes.Equal(again, payload) {
		return nil, fault.New(fault.BadEncoding, "verdict: not in the one form that docs/spec/orders.md states")
	}
	if _, err := code.ParseFMRClass(string(v.FMR)); err != nil {
		return nil, err
	}
	for _, check := range []error{
		checkText("verdict: rp", v.RP, 1, maxParty),
		checkText("verdict: purpose", v.Purpose, 1, maxPurpose),
	} {
		if check != nil {
			return nil, check
		}
	}
	return v, nil
}

// Expected is what a relying party holds a verdict to, besides the request that
// it is about: its own settings, not the request's claims.
type Expected struct {
	RP      string
	Purpose string
	Model   canon.ModelID
	Policy  canon.PolicyID
}

// VerifyVerdict is a relying party's check of a verdict about its own request,
// against its pinned bundle. It needs no network. Faults: those of the encoding;
// NotCosigned for one signature, or two by one role; BadCertificate, KeyExpired
// and BadSignature; WrongRequest for another request's verdict; WrongParty,
// WrongPolicy where request or verdict is not as expected; Expired, NotYetValid,
// OutOfRange for its time.
func VerifyVerdict(request, verdict []byte, bundle *seal.Bundle, now time.Time, want Expected) (*Verdict, error) {
	asked, err := ParseRequest(request)
	if err != nil {
		return nil, err
	}
	signed, err := parseVerdict(verdict)
	if err != nil {
		return nil, err
	}
	v, err := ParsePayload(signed.payload)
	if err != nil {
		return nil, err
	}
	for i, role := range servers() {
		if err := signed.parts[i].verify(bundle, role, v.IssuedAt); err != nil {
			return nil, err
		}
	}
	switch {
	case v.Request != asked.Hash():
		return nil, fault.New(fault.WrongRequest, "the verdict is about another request")
	case v.RP != want.RP || asked.RP != want.RP:
		return nil, fault.New(fault.WrongParty, "the verdict or the request is another relying party's")
	case v.Purpose != want.Purpose || asked.Purpose != want.Purpose:
		return nil, fault.New(fault.WrongPolicy, "the verdict or the request is for another purpose")
	case v.Model != want.Model || asked.Model != want.Model || v.Policy != want.Policy || asked.Policy != want.Policy:
		return nil, fault.New(fault.WrongPolicy, "the verdict or the request is under another model or policy")
	case v.IssuedAt.Before(asked.IssuedAt.Add(-Skew)):
		return nil, fault.New(fault.WrongRequest, "the verdict is older than the request")
	}
	if err := checkTimes("verdict", v.IssuedAt, v.Expiry, now, VerdictWindow); err != nil {
		return nil, err
	}
	return v, nil
}

package orders

import (
	"crypto/rand"
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
)

// MaxSession is the longest time that an answer may give a session.
const MaxSession = 10 * time.Minute

// Nonce is one server's part in a session's name.
type Nonce [32]byte

// NewNonce draws a nonce.
func NewNonce() (n Nonce) {
	_, _ = rand.Read(n[:]) // never fails: it crashes the program instead
	return n
}

// Session is the name of a session: SHA-256(canonical(q, nonce_0, nonce_1)).
func Session(q canon.RequestHash, matcher, custodian Nonce) canon.SessionID {
	return canon.SessionID(canon.Sum("session", q[:], matcher[:], custodian[:]))
}

// Answer is what both servers say to a request: the session, and the keys to
// seal to. Index 0 is the matcher's, 1 the custodian's.
type Answer struct {
	Request    canon.RequestHash
	Nonces     [2]Nonce
	Model      canon.ModelID
	Policy     canon.PolicyID
	Expiry     time.Time // of the session, whole seconds
	Recipients [2][]byte // certificates
}

// Session names the session that the answer opens.
func (a *Answer) Session() canon.SessionID { return Session(a.Request, a.Nonces[0], a.Nonces[1]) }

// Bytes is what both servers sign.
func (a *Answer) Bytes() []byte {
	session := a.Session()
	return canon.Encode("answer", a.Request[:], session[:], a.Nonces[0][:], a.Nonces[1][:], a.Model[:], a.Policy[:],
		canon.Time(a.Expiry), a.Recipients[0], a.Recipients[1])
}

// ParseAnswer reads what Bytes writes. It verifies nothing but the form and the
// session's name.
func ParseAnswer(data []byte) (*Answer, error) {
	var session canon.SessionID
	a := new(Answer)
	r := canon.NewReader("answer", data)
	r.Fixed(a.Request[:])
	r.Fixed(session[:])
	r.Fixed(a.Nonces[0][:])
	r.Fixed(a.Nonces[1][:])
	r.Fixed(a.Model[:])
	r.Fixed(a.Policy[:])
	a.Expiry = r.Time()
	for i := range a.Recipients {
		a.Recipients[i] = append([]byte(nil), r.Bytes(1, seal.MaxCert)...)
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	if session != a.Session() {
		return nil, fault.New(fault.WrongRequest, "answer: the session is not of this request and these nonces")
	}
	return a, nil
}

// CombineAnswer is the answer as it travels: what both signed, with both
// signatures.
func CombineAnswer(a *Answer, matcher, custodian seal.Signature) []byte {
	c := cosigned{a.Bytes(), [2]seal.Signature{matcher, custodian}}
	return c.encode()
}

// Opened is an answer that was verified: the session is open, and these are the
// keys to seal to.
type Opened struct {
	Answer
	Asked     *Request
	Matcher   *seal.RecipientKey
	Custodian *seal.RecipientKey
}

// Context is what a probe of this session is sealed under.
func (o *Opened) Context() seal.Context {
	return seal.Context{
		Kind:    seal.Probe,
		Request: o.Request,
		Place:   o.Session(),
		Party:   o.Asked.RP,
		Model:   o.Model,
		Expiry:  o.Expiry,
	}
}

// VerifyAnswer is the client's check of an answer to request, against its pinned
// bundle. It computes q from the request itself, and the session from q. Faults:
// those of ParseRequest and of the encoding; NotCosigned, BadCertificate,
// KeyExpired, BadSignature; WrongRequest for an answer to another request;
// WrongPolicy under another model or policy; Expired, OutOfRange for its time.
func VerifyAnswer(answer, request []byte, bundle *seal.Bundle, now time.Time) (*Opened, error) {
	asked, err := ParseRequest(request)
	if err != nil {
		return nil, err
	}
	signed, err := parseCosigned(answer)
	if err != nil {
		return nil, err
	}
	if err := signed.verify(bundle, now); err != nil {
		return nil, err
	}
	a, err := ParseAnswer(signed.body)
	if err != nil {
		return nil, err
	}
	switch {
	case a.Request != asked.Hash():
		return nil, fault.New(fault.WrongRequest, "the answer is to another request")
	case a.Model != asked.Model || a.Policy != asked.Policy:
		return nil, fault.New(fault.WrongPolicy, "the answer is for another model or policy than the request")
	case now.After(a.Expiry.Add(Skew)):
		return nil, fault.New(fault.Expired, "the session ended at %s", a.Expiry.Format(time.RFC3339))
	case a.Expiry.After(now.Add(MaxSession + Skew)):
		return nil, fault.New(fault.OutOfRange, "the session lasts until %s", a.Expiry.Format(time.RFC3339))
	}
	o := &Opened{Answer: *a, Asked: asked}
	if o.Matcher, err = bundle.Recipient(a.Recipients[0], seal.Matcher, now); err != nil {
		return nil, err
	}
	if o.Custodian, err = bundle.Recipient(a.Recipients[1], seal.Custodian, now); err != nil {
		return nil, err
	}
	return o, nil
}

package attack_test

import (
	"context"
	"crypto/rand"
	"time"

	"nod/client"
	"nod/crypto/code"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/crypto/share"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

// attempt is an open session of a client that the attacker controls. The attacker
// got the relying party to sign the request.
type attempt struct {
	s       *stage
	request []byte
	key     *orders.PrivateKey
	opened  *orders.Opened
}

// request has the relying party sign one for a client of the attacker.
func (s *stage) request(citizen orders.Citizen) ([]byte, *orders.PrivateKey) {
	s.T.Helper()
	key, err := orders.NewPrivateKey("EdDSA")
	if err != nil {
		s.T.Fatal(err)
	}
	request, err := s.RP.Request(citizen, "consent-1", key.Public(), s.Clock.Now())
	if err != nil {
		s.T.Fatal(err)
	}
	return request, key
}

// openAt opens a session for a request at a matcher.
func (s *stage) openAt(m wire.Matcher, request []byte, key *orders.PrivateKey) (*attempt, error) {
	answer, err := m.Open(context.Background(), &wire.OpenRequest{Request: request})
	if err != nil {
		return nil, err
	}
	opened, err := orders.VerifyAnswer(answer.Answer, request, s.Bundle, s.Clock.Now())
	return &attempt{s, request, key, opened}, err
}

// open opens a session for a citizen.
func (s *stage) open(citizen orders.Citizen) *attempt {
	s.T.Helper()
	request, key := s.request(citizen)
	a, err := s.openAt(s.Matcher, request, key)
	if err != nil {
		s.T.Fatal(err)
	}
	return a
}

// halves seals a code of the attacker's choice: the matcher's half and the
// custodian's.
func (s *stage) halves(matcher, custodian *seal.RecipientKey, c seal.Context, x code.Code) (sealed0, sealed1 []byte) {
	s.T.Helper()
	x0, seed := share.Split(x)
	sealed0, err := seal.Seal(matcher, c, x0[0].Bytes())
	if err != nil {
		s.T.Fatal(err)
	}
	if sealed1, err = seal.Seal(custodian, c, seed[:]); err != nil {
		s.T.Fatal(err)
	}
	return sealed0, sealed1
}

// probe seals and signs a code of the attacker's choice.
func (a *attempt) probe(x code.Code) *wire.ProbeRequest {
	a.s.T.Helper()
	return a.sign(a.s.halves(a.opened.Matcher, a.opened.Custodian, a.opened.Context(), x))
}

// sign signs any two ciphertexts as the probe.
func (a *attempt) sign(sealed0, sealed1 []byte) *wire.ProbeRequest {
	a.s.T.Helper()
	p := orders.Probe{Request: a.opened.Request, Session: a.opened.Session(), Sealed0: sealed0, Sealed1: sealed1}
	signature, err := orders.SignProbe(a.key, &p)
	if err != nil {
		a.s.T.Fatal(err)
	}
	return &wire.ProbeRequest{Session: p.Session, Sealed0: sealed0, Sealed1: sealed1, Signature: signature}
}

// send has a probe compared, and checks the verdict as the relying party does.
func (a *attempt) send(p *wire.ProbeRequest) (match bool, err error) {
	return a.sendTo(a.s.Matcher, p)
}

func (a *attempt) sendTo(m wire.Matcher, p *wire.ProbeRequest) (match bool, err error) {
	done, err := m.Verify(context.Background(), p)
	if err != nil {
		return false, err
	}
	v, err := a.s.RP.Verdict(a.request, done.Verdict, a.s.Clock.Now())
	if err != nil {
		return false, err
	}
	return v.Match, nil
}

// show opens a session for a citizen and shows it a code.
func (s *stage) show(citizen orders.Citizen, x code.Code) (match bool, err error) {
	a := s.open(citizen)
	return a.send(a.probe(x))
}

// enrolment is a station's order, as it was when it was signed.
type enrolment struct {
	*orders.Enrolment
	*wire.EnrolRequest
	keys client.Keys
}

// order has the station sign an enrolment of somebody's portrait under a name, a
// second after everything before it.
func (s *stage) order(name orders.Citizen, p world.Person) *enrolment {
	s.T.Helper()
	s.Clock.Advance(time.Second)
	now := s.Clock.Now()
	e := &enrolment{Enrolment: &orders.Enrolment{
		Station: s.Station.ID, Citizen: name, Model: s.Model.ID(), JTI: rand.Text(), IssuedAt: now, Expiry: now.Add(5 * time.Minute),
	}}
	certificates, err := s.Matcher.Keys(context.Background(), &wire.KeysRequest{})
	if err != nil {
		s.T.Fatal(err)
	}
	if e.keys, err = client.VerifyKeys(certificates, s.Bundle, now); err != nil {
		s.T.Fatal(err)
	}
	if e.EnrolRequest, err = client.Enrol(s.Station.Key, e.Enrolment, e.keys, s.Model, s.Portrait(p)); err != nil {
		s.T.Fatal(err)
	}
	return e
}

// deliver delivers a station's order.
func (s *stage) deliver(e *enrolment) error {
	_, err := s.Matcher.Enrol(context.Background(), e.EnrolRequest)
	return err
}

// must stops a test whose own steps fail.
func (s *stage) must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

// matched is a verification that has to come to a verdict.
func (s *stage) matched(match bool, err error) bool {
	s.T.Helper()
	s.must(err)
	return match
}

// unseal decrypts what was sealed to a server, as its operator can.
func (s *stage) unseal(r *seal.Recipients, c seal.Context, sealed []byte, size int) []byte {
	s.T.Helper()
	plain, err := r.Open(c, sealed, size, s.Clock.Now())
	s.must(err)
	return plain
}

// expand is the code that a seed of the custodian's half stands for.
func (s *stage) expand(seed []byte) code.Code {
	k := prg.Seed(seed)
	return share.Expand(&k, s.Model.Bits())[0]
}

func (s *stage) code(data []byte) code.Code {
	s.T.Helper()
	c, err := code.CodeFromBytes(s.Model.Bits(), data)
	s.must(err)
	return c
}

func xor(a code.Code, more ...code.Code) code.Code {
	out := a.Clone()
	for _, b := range more {
		out.Xor(b)
	}
	return out
}

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
	s.must(err)
	request, err := s.RP.Request(citizen, "consent-1", key.Public(), s.Clock.Now())
	s.must(err)
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
	s.must(err)
	return a
}

// probe seals and signs codes of the attacker's choice, one a model of the policy.
func (a *attempt) probe(codes ...code.Code) *wire.ProbeRequest {
	a.s.T.Helper()
	x0, seed := share.Split(codes...)
	var half []byte
	for _, x := range x0 {
		half = append(half, x.Bytes()...)
	}
	sealed0, err := seal.Seal(a.opened.Matcher, a.opened.Context(), half)
	a.s.must(err)
	sealed1, err := seal.Seal(a.opened.Custodian, a.opened.Context(), seed[:])
	a.s.must(err)
	return a.sign(sealed0, sealed1)
}

// sign signs any two ciphertexts as the probe.
func (a *attempt) sign(sealed0, sealed1 []byte) *wire.ProbeRequest {
	a.s.T.Helper()
	p := orders.Probe{Request: a.opened.Request, Session: a.opened.Session(), Sealed0: sealed0, Sealed1: sealed1}
	signature, err := orders.SignProbe(a.key, &p)
	a.s.must(err)
	return &wire.ProbeRequest{Session: p.Session, Sealed0: sealed0, Sealed1: sealed1, Signature: signature}
}

// send has a probe compared, and checks the verdict as the relying party does.
func (a *attempt) send(p *wire.ProbeRequest) (match bool, err error) {
	done, err := a.s.Matcher.Verify(context.Background(), p)
	if err != nil {
		return false, err
	}
	v, err := a.s.RP.Verdict(a.request, done.Verdict, a.s.Clock.Now())
	if err != nil {
		return false, err
	}
	return v.Match, nil
}

// show opens a session for a citizen and shows it a code, or one a model.
func (s *stage) show(citizen orders.Citizen, codes ...code.Code) (match bool, err error) {
	s.T.Helper()
	a := s.open(citizen)
	return a.send(a.probe(codes...))
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
	s.must(err)
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

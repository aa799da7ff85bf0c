package hostile_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"nod/client"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/crypto/share"
	"nod/dev"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

// asked is a request that a relying party signed, for a client whose key we have.
type asked struct {
	raw     []byte
	rp      *client.RelyingParty
	citizen string
	key     *orders.PrivateKey
	jti     string
	expiry  time.Time
}

// String names it without its citizen's reference.
func (a *asked) String() string { return fmt.Sprintf("a request of %s, jti %s", a.rp.ID, a.jti) }

// ask has a relying party sign a request. change, if set, has the last word on it.
func (s *stage) ask(rp *client.RelyingParty, who world.Person, change func(*orders.Request)) *asked {
	s.T.Helper()
	key, err := orders.NewPrivateKey("EdDSA")
	s.must(err)
	now := s.Clock.Now()
	r := &orders.Request{
		RP: rp.ID, Citizen: who.Name, Purpose: dev.Purpose, Consent: "consent-1", Model: rp.Model, Policy: rp.Policy,
		Client: key.Public(), JTI: rand.Text(), IssuedAt: now, Expiry: now.Add(orders.RequestWindow),
	}
	if change != nil {
		change(r)
	}
	raw, err := orders.SignRequest(rp.Key, r)
	s.must(err)
	a := &asked{raw, rp, who.Name.Reveal(), key, r.JTI, r.Expiry}
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	s.watch.asked[orders.HashRequest(raw)] = a
	return a
}

// visit is an open session.
type visit struct {
	*asked
	opened *orders.Opened
}

// open opens a session, as a client does.
func (s *stage) open(ctx context.Context, a *asked) (*visit, error) {
	answer, err := s.Matcher.Open(ctx, &wire.OpenRequest{Request: a.raw})
	if err != nil {
		return nil, err
	}
	opened, err := orders.VerifyAnswer(answer.Answer, a.raw, s.Bundle, s.Clock.Now())
	if err != nil {
		return nil, err
	}
	return &visit{a, opened}, nil
}

// probe seals and signs a code.
func (s *stage) probe(v *visit, x code.Code) *wire.ProbeRequest {
	s.T.Helper()
	sealed0, sealed1 := s.seal(v, v.opened.Context(), x)
	return s.sign(v, v.key, sealed0, sealed1, x)
}

// seal seals both halves of a code under a context.
func (s *stage) seal(v *visit, c seal.Context, x code.Code) (sealed0, sealed1 []byte) {
	s.T.Helper()
	x0, seed := share.Split(x)
	sealed0, err := seal.Seal(v.opened.Matcher, c, x0[0].Bytes())
	s.must(err)
	sealed1, err = seal.Seal(v.opened.Custodian, c, seed[:])
	s.must(err)
	return sealed0, sealed1
}

// sign signs two ciphertexts as a session's probe. It counts as shown if the key is
// the client's.
func (s *stage) sign(v *visit, key *orders.PrivateKey, sealed0, sealed1 []byte, x code.Code) *wire.ProbeRequest {
	s.T.Helper()
	p := orders.Probe{Request: v.opened.Request, Session: v.opened.Session(), Sealed0: sealed0, Sealed1: sealed1}
	signature, err := orders.SignProbe(key, &p)
	s.must(err)
	if key == v.key {
		s.watch.mu.Lock()
		hashes := [2]canon.Digest{sha256.Sum256(sealed0), sha256.Sum256(sealed1)}
		s.watch.shown[p.Session] = append(s.watch.shown[p.Session], &shown{hashes, x})
		s.watch.mu.Unlock()
	}
	return &wire.ProbeRequest{Session: p.Session, Sealed0: sealed0, Sealed1: sealed1, Signature: signature}
}

// send has a probe compared, and checks the verdict as the relying party does.
func (s *stage) send(ctx context.Context, v *visit, p *wire.ProbeRequest) (bool, error) {
	done, err := s.Matcher.Verify(ctx, p)
	if err != nil {
		return false, err
	}
	verdict, err := v.rp.Verdict(v.raw, done.Verdict, s.Clock.Now())
	if err != nil {
		return false, err
	}
	return verdict.Match, nil
}

// visits opens a session that must open.
func (s *stage) visits(rp int, who world.Person) *visit {
	s.T.Helper()
	v, err := s.open(context.Background(), s.ask(s.rps[rp], who, nil))
	s.must(err)
	return v
}

// show verifies a code as a citizen.
func (s *stage) show(ctx context.Context, rp int, who world.Person, x code.Code) (bool, error) {
	v, err := s.open(ctx, s.ask(s.rps[rp], who, nil))
	if err != nil {
		return false, err
	}
	return s.send(ctx, v, s.probe(v, x))
}

// near is a code of a person by another photo, one that is like the portrait.
func (s *stage) near(p world.Person) code.Code {
	s.T.Helper()
	check, bound, asked := s.Model.Plausibility()
	for range 1000 {
		x, err := s.Model.Encode(s.Photo(p)[s.Model.Network()][0])
		s.must(err)
		u := x.Clone()
		u.Xor(s.Code(p))
		if s.Model.Match().Distance(u) < s.bound && (!asked || check.Distance(x) < bound) {
			return x
		}
	}
	s.T.Fatal("no photo is like the portrait")
	return nil
}

// miss is a plausible code that a looser bound of the model takes for a person, and
// the policy's does not.
func (s *stage) miss(template code.Code) code.Code {
	s.T.Helper()
	check, bound, asked := s.Model.Plausibility()
	match := s.Model.Match()
	for range 10_000 {
		x, u := template.Clone(), code.NewCode(template.Bits())
		for match.Distance(u) < s.bound {
			j := s.rng.IntN(template.Bits())
			u[j/64] |= 1 << (j % 64)
		}
		x.Xor(u)
		if match.Distance(u) < match.MaxT && (!asked || check.Distance(x) < bound) {
			return x
		}
	}
	s.T.Fatal("no code between the two bounds")
	return nil
}

// enrol enrols a face under a name, a second after every order before it.
func (s *stage) enrol(ctx context.Context, name, face world.Person) error {
	p, err := s.enrolment(ctx, name, face)
	if err != nil {
		return err
	}
	return s.deliver(ctx, p)
}

// enrolment has the station sign an order.
func (s *stage) enrolment(ctx context.Context, name, face world.Person) (*paper, error) {
	s.T.Helper()
	keys, err := s.keys(ctx)
	if err != nil {
		return nil, err
	}
	s.Clock.Advance(time.Second)
	now := s.Clock.Now()
	e := &orders.Enrolment{
		Station: s.Station.ID, Citizen: name.Name, Model: s.Model.ID(), JTI: rand.Text(), IssuedAt: now, Expiry: now.Add(5 * time.Minute),
	}
	request, err := client.Enrol(s.Station.Key, e, keys, s.Model, s.Portrait(face))
	s.must(err)
	return s.ledger.sign(&paper{
		id: e.RowID(), citizen: name.Name.Reveal(), issued: now, expiry: e.Expiry, code: s.Code(face), enrolment: request,
	}), nil
}

func (s *stage) keys(ctx context.Context) (client.Keys, error) {
	certificates, err := s.Matcher.Keys(ctx, &wire.KeysRequest{})
	if err != nil {
		return client.Keys{}, err
	}
	return client.VerifyKeys(certificates, s.Bundle, s.Clock.Now())
}

// order has the bureau sign an order.
func (s *stage) order(kind orders.OrderKind, p world.Person) *paper {
	s.T.Helper()
	raw := s.SignOrder(kind, p)
	now := s.Clock.Now()
	return s.ledger.sign(&paper{
		id: orders.HashOrder(raw), citizen: p.Name.Reveal(), kind: kind, issued: now, expiry: now.Add(time.Hour), raw: raw,
	})
}

// deliver delivers an order, and checks the receipt as station and bureau do.
func (s *stage) deliver(ctx context.Context, p *paper) error {
	var answer *wire.ReceiptAnswer
	var err error
	kind := map[orders.OrderKind]orders.ReceiptKind{
		"": orders.Enrolled, orders.Erase: orders.Erased, orders.Lock: orders.Locked,
		orders.Unlock: orders.Unlocked, orders.Lift: orders.Lifted,
	}[p.kind]
	if p.kind == "" {
		answer, err = s.Matcher.Enrol(ctx, p.enrolment)
	} else {
		answer, err = s.Matcher.Order(ctx, &wire.OrderRequest{Order: p.raw})
	}
	if err != nil {
		return err
	}
	_, err = orders.VerifyReceipt(answer.Receipt, s.Bundle, kind, p.id)
	return err
}

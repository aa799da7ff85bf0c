package attack_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/custodian"
	"nod/enrol"
	"nod/fault"
	"nod/matcher"
	"nod/orders"
	"nod/wire"
)

// A corrupt matcher swaps two sessions of one relying party: the accomplice, who is
// who he says, makes a yes for the victim's request. The twin's relying party takes
// the request from the verdict.
func TestAttackSwappedVerdict(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), nil)
		victim, accomplice := s.victims()
		thief, own := s.open(victim.Name), s.open(accomplice.Name)
		done, err := s.Matcher.Verify(t.Context(), own.probe(s.Code(accomplice)))
		s.must(err)
		about := thief.request
		if twin {
			about = own.request
		}
		v, err := s.RP.Verdict(about, done.Verdict, s.Clock.Now())
		if err != nil && !fault.Is(err, fault.WrongRequest) {
			t.Fatal(err)
		}
		return err == nil && v.Match
	})
}

// instances starts another process of both servers, over the same stores and keys.
func (s *stage) instances() wire.Matcher {
	s.T.Helper()
	ctx := context.Background()
	c := custodian.New(s.CustodianRole.Config)
	s.must(c.Maintain(ctx))
	config := s.MatcherRole.Config
	// Correlations stay with the first instances; opening a session needs none.
	config.Custodian = wire.CustodianClient{Caller: wire.InProcess(wire.ServeCustodian(c, nil),
		wire.Peer{Role: seal.Matcher, Instance: wire.NewInstance()})}
	m := matcher.New(config)
	s.must(m.Maintain(ctx))
	return m
}

// One signature of a relying party is worth one session. An attacker who has one
// opens a second, at instances that never saw the first, and one of whose servers
// does not remember requests.
func TestAttackRequestReplayed(t *testing.T) {
	playEach(t, func(t *testing.T, without ...seal.Role) bool {
		s := newStage(t, small(), nil)
		p := s.Person("citizen")
		s.Enrol(p)
		s.forget("replay", without...)
		request, key := s.request(p.Name)
		_, err := s.openAt(s.Matcher, request, key)
		s.must(err)
		_, err = s.openAt(s.instances(), request, key)
		if err != nil && !fault.Is(err, fault.SessionGone) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// The same, by a corrupt matcher that asks the honest custodian itself again, with
// another nonce.
func TestAttackSecondSessionOfARequest(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), nil)
		p := s.Person("citizen")
		s.Enrol(p)
		var opening *wire.SessionOpen
		s.between.opens = func(m *wire.SessionOpen) { opening = m }
		first := s.open(p.Name)
		opening.Random[0] ^= 1
		asked := s.custodian
		if twin {
			// One that remembers neither the session nor the request.
			s.pads.forget("replay")
			forgetful := custodian.New(s.CustodianRole.Config)
			s.must(forgetful.Maintain(t.Context()))
			asked = wire.CustodianClient{Caller: wire.InProcess(wire.ServeCustodian(forgetful, nil), wire.Peer{Role: seal.Matcher})}
		}
		second, err := asked.Open(t.Context(), opening)
		if err != nil {
			if !fault.Is(err, fault.SessionUsed) {
				t.Fatal(err)
			}
			return false
		}
		return second.Nonce != [32]byte(first.opened.Nonces[1])
	})
}

// A relying party signs again under a jti that it used, as a client that retries
// may have it do: only one of the two is a session, if one server remembers.
func TestAttackJTIReplayed(t *testing.T) {
	playEach(t, func(t *testing.T, without ...seal.Role) bool {
		s := newStage(t, small(), nil)
		p := s.Person("citizen")
		s.Enrol(p)
		s.forget("replay", without...)
		request, key := s.request(p.Name)
		_, err := s.openAt(s.Matcher, request, key)
		s.must(err)
		r, err := orders.ParseRequest(request)
		s.must(err)
		r.Consent = "consent-2"
		again, err := orders.SignRequest(s.RP.Key, r)
		s.must(err)
		_, err = s.openAt(s.Matcher, again, key)
		if err != nil && !fault.Is(err, fault.Replayed) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// front is a corrupt matcher in front of a station: it hands out recipient keys of
// its own under both servers' names, with a trust bundle that fits them.
type front struct {
	wire.Matcher
	certificates wire.KeysAnswer
	recipients   [2]*seal.Recipients // the matcher's, the custodian's
	bundle       *seal.Bundle
	caught       *wire.EnrolRequest
}

func (s *stage) front() *front {
	s.T.Helper()
	f := new(front)
	identities := map[seal.Role][]seal.Identity{}
	sign := map[seal.Role]seal.SignFunc{}
	for _, role := range seal.Roles() {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		s.must(err)
		identities[role] = []seal.Identity{{Version: 1, Key: public}}
		sign[role] = func(_ context.Context, message []byte) ([]byte, uint32, error) {
			return ed25519.Sign(private, message), 1, nil
		}
	}
	for i, role := range []seal.Role{seal.Matcher, seal.Custodian} {
		f.recipients[i] = seal.NewRecipients(role)
		s.must(f.recipients[i].Rotate(context.Background(), s.Clock.Now(), sign[role]))
		certificate, err := f.recipients[i].Certificate(s.Clock.Now())
		s.must(err)
		*[]*[]byte{&f.certificates.Matcher, &f.certificates.Custodian}[i] = certificate
	}
	offline, _, err := ed25519.GenerateKey(rand.Reader)
	s.must(err)
	f.bundle, err = seal.NewBundle(identities, offline)
	s.must(err)
	return f
}

func (f *front) Keys(context.Context, *wire.KeysRequest) (*wire.KeysAnswer, error) {
	return &f.certificates, nil
}

func (f *front) Enrol(_ context.Context, m *wire.EnrolRequest) (*wire.ReceiptAnswer, error) {
	f.caught = m
	return nil, errAbort
}

// A corrupt matcher serves a bundle in which every key is its own. The station has
// the one that it was shipped with; the twin takes the one that it is served, and
// seals both halves to the attacker.
func TestAttackServedBundle(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), nil)
		f := s.front()
		station := &enrol.Station{ID: s.Station.ID, Key: s.Station.Key, Bundle: s.Bundle, Matcher: f, Now: s.Clock.Now}
		if twin {
			station.Bundle = f.bundle
		}
		p := s.Person("citizen")
		_, err := station.Enrol(t.Context(), p.Name, 0, s.Model, s.Portrait(p))
		if f.caught == nil {
			if !fault.Is(err, fault.BadCertificate) {
				t.Fatal(err)
			}
			return false
		}
		e, err := orders.VerifyEnrolment(f.caught.Order, sha256.Sum256(f.caught.Sealed0), sha256.Sum256(f.caught.Sealed1),
			func(string) ([]*orders.PublicKey, bool) { return []*orders.PublicKey{s.Station.Key.Public()}, true }, s.Clock.Now())
		s.must(err)
		y0 := s.code(s.unseal(f.recipients[0], e.Context(), f.caught.Sealed0, s.Model.Bits()/8))
		y1 := s.expand(s.unseal(f.recipients[1], e.Context(), f.caught.Sealed1, prg.Size))
		return xor(y0, y1).Equal(s.Code(p))
	})
}

package attack_test

import (
	"testing"

	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// recorded is a pair of ciphertexts that a corrupt server, or somebody on the way,
// kept, with what they were sealed under.
type recorded struct {
	sealed0, sealed1 []byte
	context          seal.Context
}

// movable is what a twin would have recorded, whose seals name neither kind nor
// place: it opens under any context.
func (s *stage) movable(r recorded, to seal.Context, matcher, custodian *seal.RecipientKey) recorded {
	s.T.Helper()
	y0 := s.unseal(s.MatcherRole.Recipients, r.context, r.sealed0, s.Model.Bits()/8)
	seed := s.unseal(s.CustodianRole.Recipients, r.context, r.sealed1, prg.Size)
	sealed0, err := seal.Seal(matcher, to, y0)
	s.must(err)
	sealed1, err := seal.Seal(custodian, to, seed)
	s.must(err)
	return recorded{sealed0, sealed1, to}
}

// replay sends recorded ciphertexts as a probe of a new session for a citizen,
// signed by a client of the attacker.
func (s *stage) replay(citizen orders.Citizen, r recorded, twin bool) (match bool) {
	s.T.Helper()
	a := s.open(citizen)
	if twin {
		r = s.movable(r, a.opened.Context(), a.opened.Matcher, a.opened.Custodian)
	}
	match, err := a.send(a.sign(r.sealed0, r.sealed1))
	if err != nil && !fault.Is(err, fault.BadCiphertext) {
		s.T.Fatal(err)
	}
	return match
}

// The victim's enrolment, recorded, sent as a probe: it matches itself.
func TestAttackEnrolmentAsProbe(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), nil)
		victim := s.Person("victim")
		e := s.order(victim.Name, victim)
		s.must(s.deliver(e))
		return s.replay(victim.Name, recorded{e.Sealed0, e.Sealed1, e.Context()}, twin)
	})
}

// The victim's probe, recorded, sent in another session.
func TestAttackProbeReplayed(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), nil)
		victim := s.Person("victim")
		s.Enrol(victim)
		a := s.open(victim.Name)
		p := a.probe(s.Code(victim))
		if !s.matched(a.send(p)) {
			t.Fatal("the victim is not matched")
		}
		return s.replay(victim.Name, recorded{p.Sealed0, p.Sealed1, a.opened.Context()}, twin)
	})
}

// The victim's probe, recorded, enrolled by a corrupt station under another name: the
// victim's face of today is somebody else's template.
func TestAttackProbeEnrolled(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), nil)
		victim, other := s.Person("victim"), s.Person("other")
		s.Enrol(victim)
		a := s.open(victim.Name)
		p := a.probe(s.Code(victim))
		s.matched(a.send(p))

		e := s.order(other.Name, other)
		r := recorded{p.Sealed0, p.Sealed1, a.opened.Context()}
		if twin {
			r = s.movable(r, e.Context(), a.opened.Matcher, a.opened.Custodian)
		}
		order, err := orders.SignEnrolment(s.Station.Key, e.Enrolment, r.sealed0, r.sealed1)
		s.must(err)
		e.EnrolRequest = &wire.EnrolRequest{Order: order, Sealed0: r.sealed0, Sealed1: r.sealed1}
		if err := s.deliver(e); err != nil && !fault.Is(err, fault.BadCiphertext) {
			t.Fatal(err)
		}
		return s.matched(s.show(other.Name, s.Code(victim)))
	})
}

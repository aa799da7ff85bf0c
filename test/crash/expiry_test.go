package crash_test

import (
	"crypto/rand"
	"testing"
	"time"

	"nod/client"
	"nod/crypto/seal"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

// enrolUntil is an enrolment whose order expires soon.
func (s *stage) enrolUntil(p world.Person, expiry time.Time) error {
	ctx, cancel := s.within()
	defer cancel()
	answer, err := s.Matcher.Keys(ctx, &wire.KeysRequest{})
	if err != nil {
		return err
	}
	keys, err := client.VerifyKeys(answer, s.Bundle, time.Now())
	if err != nil {
		return err
	}
	order, err := client.Enrol(s.Station.Key, &orders.Enrolment{
		Station: s.Station.ID, Citizen: p.Name, Model: s.Model.ID(), JTI: rand.Text(),
		IssuedAt: time.Now().Truncate(time.Millisecond), Expiry: expiry,
	}, keys, s.Model, s.Portrait(p))
	if err != nil {
		return err
	}
	_, err = s.Matcher.Enrol(ctx, order)
	return err
}

// Decision 0018 over a crash of the matcher: until a re-enrolment's order expires one
// face works, the one that the matcher holds. Then the custodian puts the new pad in use,
// told or not: if the matcher never stored the new template, neither face works, and the
// station, which has no receipt, enrols again.
func TestUnreportedEnrolmentTakesItsSlot(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for name, after := range map[string]bool{"matcher has not stored it": false, "matcher has stored it": true} {
		old := s.named(s.faces[0])
		_, err := s.enrol(old)
		must(t, err)
		fresh := as(old, s.faces[1])
		expiry := time.Now().Add(4 * time.Second).Truncate(time.Second)
		s.arm(seal.Matcher, moment{Layer: disk, At: 2, After: after}) // the record, then the template
		if err := s.enrolUntil(fresh, expiry); err == nil {
			t.Fatalf("%s: acknowledged by a matcher that was killed", name)
		}
		if !s.dead(seal.Matcher) {
			t.Fatalf("%s: the matcher lives on", name)
		}
		s.start(seal.Matcher, nil)
		s.settle()
		if time.Now().Before(expiry.Add(-time.Second)) { // or else this machine is too slow to look
			s.expect(old, !after)
			s.expect(fresh, after)
		}
		time.Sleep(time.Until(expiry) + 100*time.Millisecond)
		s.expect(old, false)
		s.expect(fresh, after)
		s.enrolAgain(fresh)
		s.expect(old, false)
	}
}

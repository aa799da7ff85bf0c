package attack_test

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"nod/crypto/code"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/crypto/share"
	"nod/fault"
	"nod/orders"
	"nod/store"
	"nod/test/world"
	"nod/wire"
)

// Two orders for one citizen: the first puts the accomplice's face under the
// victim's name, by mistake or by fraud; the second puts it right.
func (s *stage) wrongAndRight() (victim, accomplice world.Person, wrong, right *enrolment) {
	s.T.Helper()
	victim, accomplice = s.Person("victim"), s.Person("accomplice")
	return victim, accomplice, s.order(victim.Name, accomplice), s.order(victim.Name, victim)
}

// orderless has servers forget when the newest order was given.
func (s *stage) orderless(servers ...seal.Role) {
	for _, role := range servers {
		s.stores[role].change(func(table store.Table, r *store.Record) {
			if table == "standing" {
				locked, _ := readStanding(s.T, r.Value)
				r.Value = standing(locked, 0)
			}
		})
	}
}

// An enrolment is delivered again after a newer one, to bring the wrong face back.
// Each server takes an order once, and none that is older than the newest.
func TestAttackEnrolmentReplayed(t *testing.T) {
	playEach(t, func(t *testing.T, without ...seal.Role) bool {
		s := newStage(t, small(), nil)
		victim, accomplice, wrong, right := s.wrongAndRight()
		s.must(s.deliver(wrong))
		s.must(s.deliver(right))
		s.Expect(victim, victim, true)
		s.orderless(without...)
		s.forget("order", without...)
		if err := s.deliver(wrong); err != nil && !fault.Is(err, fault.StaleOrder) {
			t.Fatal(err)
		}
		return s.matched(s.show(victim.Name, s.Code(accomplice)))
	})
}

// The same with an enrolment that was held back, and is delivered for the first time
// after the newer one.
func TestAttackEnrolmentWithheld(t *testing.T) {
	playEach(t, func(t *testing.T, without ...seal.Role) bool {
		s := newStage(t, small(), nil)
		victim, accomplice, wrong, right := s.wrongAndRight()
		s.must(s.deliver(right))
		s.orderless(without...)
		if err := s.deliver(wrong); err != nil && !fault.Is(err, fault.StaleOrder) {
			t.Fatal(err)
		}
		return s.matched(s.show(victim.Name, s.Code(accomplice)))
	})
}

// Somebody holds an unlock back, and delivers it after the citizen locked again.
func TestAttackUnlockWithheld(t *testing.T) {
	playEach(t, func(t *testing.T, without ...seal.Role) bool {
		s := newStage(t, small(), nil)
		p := s.Person("citizen")
		s.Enrol(p)
		s.Order(orders.Lock, p)
		unlock := s.SignOrder(orders.Unlock, p)
		s.Order(orders.Lock, p)
		s.Expect(p, p, false)
		s.orderless(without...)
		if err := s.Deliver(unlock); err != nil && !fault.Is(err, fault.StaleOrder) {
			t.Fatal(err)
		}
		return s.matched(s.show(p.Name, s.Code(p)))
	})
}

// A corrupt matcher takes the custodian's delta for the order that puts a wrong face
// right, and never reports the new row; it goes on with the old one, and names it to
// the custodian in every way there is. The station misses its receipt, and once the
// order's time is over the old row has lost its salt. The twin's custodian keeps the
// pad in use until it is told of another.
func TestAttackRowNeverReported(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), nil)
		victim, accomplice := s.Person("victim"), s.Person("accomplice")
		wrong := s.order(victim.Name, accomplice)
		s.must(s.deliver(wrong))
		old := s.held(victim)

		s.between.enrols = func(*wire.EnrolStart, *wire.EnrolDelta) error { return errAbort }
		if twin {
			s.pads.freeze("pad")
		}
		if s.deliver(s.order(victim.Name, victim)) == nil {
			t.Fatal("the station got a receipt")
		}
		if !twin { // where it need not, it does not
			_, err := s.custodian.Stored(t.Context(), &wire.RowStored{Row: old.Row, Counter: old.Counter})
			s.must(err)
			_, err = s.RotatePad(t.Context())
			s.must(err)
			renewed, err := s.Matcher.Renew(t.Context(), &wire.RenewRequest{Limit: 10})
			s.must(err)
			if renewed.Renewed != 1 || !s.matched(s.show(victim.Name, s.Code(accomplice))) {
				t.Fatal("the old row is gone before the order's time is over")
			}
		}

		s.Clock.Advance(wrong.Expiry.Sub(wrong.IssuedAt) + time.Minute)
		won := s.matched(s.show(victim.Name, s.Code(accomplice)))
		s.must(s.Maintain(t.Context()))
		if rest := s.held(victim); !twin && rest.Row == old.Row {
			t.Error("the salt of the old row is still in the store")
		}
		return won
	})
}

// A renewal between the two halves of an enrolment does not undo the enrolment: the
// matcher names the old row honestly then.
func TestRenewalDuringEnrolment(t *testing.T) {
	s := newStage(t, small(), nil)
	p, before := s.Person("citizen"), s.Person("before")
	s.must(s.deliver(s.order(p.Name, before)))
	s.between.enrols = func(*wire.EnrolStart, *wire.EnrolDelta) error {
		_, err := s.RotatePad(t.Context())
		s.must(err)
		renewed, err := s.Matcher.Renew(t.Context(), &wire.RenewRequest{Limit: 10})
		s.must(err)
		if renewed.Renewed != 1 {
			t.Error("the old template was not renewed")
		}
		return nil
	}
	s.must(s.deliver(s.order(p.Name, p)))
	s.Expect(p, p, true)
	s.Expect(p, before, false)
}

// A corrupt matcher that is told it may retry wants a second delta under one pad. It
// knows the second half of what it retries with (a corrupt station signs it), so the
// delta gives it the pad, and the pad the template. Each server takes a row once; even
// if it did not, the salt would be fresh. The twin's custodian retries with the old
// order's salt.
func TestAttackSaltReused(t *testing.T) {
	for name, c := range map[string]struct{ again, reused, wins bool }{
		"nod":                         {false, false, false},
		"a row is taken twice":        {true, false, false},
		"twin: twice, under one salt": {true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, small(), nil)
			var first []byte
			s.ring.macs = func(input []byte) []byte {
				if first == nil || !c.reused {
					first = input
				}
				return first
			}
			p := s.Person("citizen")
			e := s.order(p.Name, p)
			s.must(s.deliver(e))
			masked, err := s.MatcherRole.Held(t.Context(), p.Name)
			s.must(err)

			if c.again {
				s.orderless(seal.Custodian)
				s.forget("order", seal.Custodian)
			}
			delta, known, err := s.retry(e)
			if err != nil && !fault.Is(err, fault.Replayed) {
				t.Fatal(err)
			}
			won := err == nil && xor(masked[0].Masked, delta, known).Equal(s.Code(p))
			if won != c.wins {
				t.Errorf("the attacker has the template: %v, want %v", won, c.wins)
			}
		})
	}
}

// retry asks the custodian for a delta about the row of an order again, over a half
// that the attacker made. It gives the delta and that half.
func (s *stage) retry(e *enrolment) (delta, known code.Code, err error) {
	s.T.Helper()
	s.Clock.Advance(time.Second)
	again := *e.Enrolment
	again.IssuedAt = s.Clock.Now() // no part of the row's name
	if again.RowID() != e.RowID() {
		s.T.Fatal("the retry names another row")
	}
	seed := prg.New()
	sealed1, err := seal.Seal(e.keys.Custodian, again.Context(), seed[:])
	s.must(err)
	order, err := orders.SignEnrolment(s.Station.Key, &again, e.Sealed0, sealed1)
	s.must(err)
	out, err := s.custodian.Enrol(context.Background(), &wire.EnrolStart{
		Order: order, Hash0: sha256.Sum256(e.Sealed0), Sealed1: sealed1,
	})
	if err != nil {
		return nil, nil, err
	}
	return out.Delta, share.Expand(&seed, s.Model.Bits())[0], nil
}

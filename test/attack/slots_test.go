package attack_test

import (
	"testing"

	"nod/admit"
	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/crypto/share"
	"nod/custodian"
	"nod/fault"
	"nod/orders"
	"nod/store"
	"nod/test/world"
	"nod/wire"
)

// victims are two enrolled citizens: the victim, whose account the attacker wants,
// and the accomplice, whose face the camera sees.
func (s *stage) victims() (victim, accomplice world.Person) {
	s.T.Helper()
	victim, accomplice = s.Person("victim"), s.Person("accomplice")
	s.Enrol(victim)
	s.Enrol(accomplice)
	s.Expect(victim, victim, true)
	s.Expect(accomplice, accomplice, true)
	s.Expect(victim, accomplice, false)
	return victim, accomplice
}

// held is what the custodian holds of a citizen's only template.
func (s *stage) held(p world.Person) custodian.Held {
	s.T.Helper()
	held, err := s.CustodianRole.Held(s.T.Context(), p.Name)
	s.must(err)
	if len(held) != 1 {
		s.T.Fatalf("the custodian holds %d templates", len(held))
	}
	return held[0]
}

// anywhere has the custodian find a row by its id in whatever citizen's slot it
// stands, and not under its own handle for the request's citizen.
func (s *stage) anywhere(people ...world.Person) {
	s.T.Helper()
	where := map[canon.RowID]admit.Handle{}
	for _, p := range people {
		where[s.held(p).Row] = s.CustodianRole.Desk.Handle(p.Name)
	}
	var named canon.RowID
	s.between.opens = func(m *wire.SessionOpen) { named = m.Slots[0].Row }
	s.pads.redirect(func(row store.Row) store.Row {
		if h, known := where[named]; known && row.Table == "pad" {
			row.Partition = h[:]
		}
		return row
	})
}

// foreignTemplate has the matcher read the accomplice's masked template as the
// victim's.
func (s *stage) foreignTemplate(victim, accomplice world.Person) {
	desk := s.MatcherRole.Desk
	s.matchers.redirect(moved("template", desk.Handle(victim.Name), desk.Handle(accomplice.Name)))
}

// A corrupt custodian swaps the accomplice's pad in. The matcher finds the template
// under its own handle; the twin's matcher goes where the custodian's handle leads.
func TestAttackHandleOfThePeer(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), nil)
		victim, accomplice := s.victims()
		pad := s.held(accomplice)
		s.ring.macs = func([]byte) []byte { return share.PadInput(pad.Row, pad.Counter, pad.Model, pad.Salt) }
		s.anywhere(victim, accomplice)
		if twin {
			s.foreignTemplate(victim, accomplice)
		}
		return s.matched(s.show(victim.Name, s.Code(accomplice)))
	})
}

// A corrupt matcher names the accomplice's row in the victim's session, and goes on
// with the accomplice's template. The custodian counts a row only if it stands under
// its own handle for the citizen of the request.
func TestAttackRowOfAnAccomplice(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), nil)
		victim, accomplice := s.victims()
		s.foreignTemplate(victim, accomplice)
		if twin {
			s.anywhere(victim, accomplice)
		}
		return s.matched(s.show(victim.Name, s.Code(accomplice)))
	})
}

// A corrupt matcher keeps a masked template that was erased, or replaced, and names
// it. Without the salt it is noise; the twin's custodian keeps salts.
func TestAttackTemplateKept(t *testing.T) {
	for name, end := range map[string]func(s *stage, p world.Person) error{
		"erased":   func(s *stage, p world.Person) error { return s.Deliver(s.SignOrder(orders.Erase, p)) },
		"replaced": func(s *stage, p world.Person) error { return s.deliver(s.order(p.Name, s.Person("somebody"))) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, twin bool) bool {
				s := newStage(t, small(), nil)
				p := s.Person("citizen")
				s.Enrol(p)
				s.matchers.freeze("template")
				if twin {
					s.pads.freeze("pad")
				}
				// A custodian that kept the old salt does not know the new row.
				if err := end(s, p); err != nil && !(twin && fault.Is(err, fault.RowMismatch)) {
					t.Fatal(err)
				}
				return s.matched(s.show(p.Name, s.Code(p)))
			})
		})
	}
}

// One server ignores a lock. The other has its own.
func TestAttackLockIgnored(t *testing.T) {
	playEach(t, func(t *testing.T, without ...seal.Role) bool {
		s := newStage(t, small(), nil)
		p := s.Person("citizen")
		s.Enrol(p)
		s.Order(orders.Lock, p)
		s.Expect(p, p, false)
		for _, role := range without {
			s.stores[role].change(func(table store.Table, r *store.Record) {
				if table == "standing" {
					_, newest := readStanding(t, r.Value)
					r.Value = standing(0, newest)
				}
			})
		}
		return s.matched(s.show(p.Name, s.Code(p)))
	})
}

// standing is a server's record of a citizen's lock and newest order, and
// readStanding reads it.
func standing(locked, newest uint64) []byte {
	return canon.Encode("standing", canon.Uint64(locked), canon.Uint64(newest))
}

func readStanding(t testing.TB, record []byte) (locked, newest uint64) {
	t.Helper()
	r := canon.NewReader("standing", record)
	locked, newest = r.Uint64(), r.Uint64()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return locked, newest
}

// The operator of a keyring counts as its role: with the pad key and everything that
// the custodian stores it has the pad, which is noise to it. In the twin one operator
// has the keyrings, and so the rows, of both servers.
func TestAttackOperatorOfAKeyring(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), nil)
		p := s.Person("citizen")
		s.Enrol(p)
		halves, err := s.Halves(t.Context(), p.Name)
		s.must(err)
		guess := halves.Pad
		if twin {
			guess = xor(halves.Pad, halves.Matcher.Masked)
		}
		return guess.Equal(s.Code(p)) || s.matched(s.show(p.Name, guess))
	})
}

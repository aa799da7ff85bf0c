package crash_test

import (
	"fmt"
	"slices"
	"time"

	"nod/crypto/seal"
	"nod/orders"
	"nod/store"
	"nod/test/world"
)

// enrolment is of a citizen who has no template.
func enrolment() operation {
	return operation{"enrolment", func(s *stage) attempt {
		citizen := s.named(s.faces[0])
		return attempt{
			run: func() error { _, err := s.enrol(citizen); return err },
			check: func(err error) string {
				yes := s.says(citizen)
				if err == nil && !yes {
					s.T.Error("acknowledged and lost")
				}
				s.expect(as(citizen, s.faces[2]), false)
				if err == nil {
					return "yes"
				}
				s.enrolAgain(citizen)
				return yesNo(yes) + "; enrolled again: yes"
			},
		}
	}}
}

// enrolAgain is what a station does that missed its receipt: a new order, with a new
// salt. It ends with a template that works, and with nothing pending.
func (s *stage) enrolAgain(citizen world.Person) {
	s.T.Helper()
	before := s.salts()
	done, err := s.enrol(citizen)
	must(s.T, err)
	s.expect(citizen, true)
	_, at := s.handles(done.Row)
	for _, r := range s.rows(seal.Custodian, "pad") {
		active, pending := s.slot(r.Value)
		if r.Partition == at && (active == nil || active.row != done.Row || len(pending) > 0 || slices.Contains(before, active.salt)) {
			s.T.Error("after an acknowledged enrolment the slot has other pads than its own, or an old salt")
		}
	}
}

// salts are all that the custodian holds.
func (s *stage) salts() (out []string) {
	for _, r := range s.rows(seal.Custodian, "pad") {
		active, pending := s.slot(r.Value)
		if active != nil {
			out = append(out, active.salt)
		}
		for _, p := range pending {
			out = append(out, p.salt)
		}
	}
	return out
}

// replacement is an enrolment of a citizen who has a template.
func replacement() operation {
	return operation{"re-enrolment", func(s *stage) attempt {
		old := s.named(s.faces[0])
		_, err := s.enrol(old)
		must(s.T, err)
		fresh := as(old, s.faces[1])
		return attempt{
			run: func() error { _, err := s.enrol(fresh); return err },
			check: func(err error) string {
				was, is := s.says(old), s.says(fresh)
				switch {
				case err == nil && (was || !is):
					s.T.Errorf("acknowledged, and the old face gets %v, the new one %v", was, is)
				case was == is:
					s.T.Errorf("the old face gets %v, and so does the new one", was)
				}
				s.expect(as(old, s.faces[2]), false)
				if err != nil {
					s.enrolAgain(fresh)
					s.expect(old, false)
				}
				return fmt.Sprintf("old face %s, new face %s", yesNo(was), yesNo(is))
			},
		}
	}}
}

// erasure is of a citizen who has a template.
func erasure() operation {
	return operation{"erasure", func(s *stage) attempt {
		citizen := s.named(s.faces[0])
		done, err := s.enrol(citizen)
		must(s.T, err)
		m, k := s.handles(done.Row)
		order := s.order(orders.Erase, citizen)
		run := func() error { return s.deliver(order, orders.Erased) }
		return attempt{run, func(err error) string {
			seen := "no"
			if err != nil {
				seen = yesNo(s.says(citizen)) + "; delivered again: no"
				must(s.T, run())
			}
			s.expect(citizen, false)
			for role, handle := range map[seal.Role]string{seal.Matcher: m, seal.Custodian: k} {
				if s.holds(role, handle) {
					s.T.Errorf("the %s still has rows of an erased citizen", role)
				}
			}
			return seen
		}}
	}}
}

// holds reports whether a role has something of a template under a handle.
func (s *stage) holds(role seal.Role, handle string) bool {
	tables := []store.Table{"template"}
	if role == seal.Custodian {
		tables = []store.Table{"pad", "waiting"}
	}
	return slices.ContainsFunc(s.rows(role, tables...), func(r row) bool { return r.Partition == handle })
}

// locking locks, or unlocks somebody locked.
func locking(kind orders.OrderKind) operation {
	return operation{string(kind), func(s *stage) attempt {
		citizen := s.named(s.faces[0])
		_, err := s.enrol(citizen)
		must(s.T, err)
		receipt, after := orders.Locked, false
		if kind == orders.Unlock {
			must(s.T, s.deliver(s.order(orders.Lock, citizen), orders.Locked))
			receipt, after = orders.Unlocked, true
		}
		time.Sleep(2 * time.Millisecond) // an order is newer than the one before
		order := s.order(kind, citizen)
		run := func() error { return s.deliver(order, receipt) }
		return attempt{run, func(err error) string {
			seen := yesNo(s.says(citizen))
			if err != nil {
				must(s.T, run())
				seen += "; delivered again: " + yesNo(after)
			}
			s.expect(citizen, after)
			return seen
		}}
	}}
}

// renewal moves all templates, which are two, to a new version of the pad key.
func renewal() operation {
	return operation{"renewal", func(s *stage) attempt {
		s.rotate()
		return attempt{s.renew, func(err error) string {
			s.expect(s.renewed, true)
			s.expect(s.sentinel, true)
			seen := "both yes"
			if err != nil {
				must(s.T, s.renew())
				s.expect(s.renewed, true)
				s.expect(s.sentinel, true)
				seen += "; renewed again: both yes, same counters"
			}
			s.sameCounters()
			return seen
		}}
	}}
}

// sameCounters holds that both servers have every row at the same counter, and that
// nothing waits.
func (s *stage) sameCounters() {
	s.T.Helper()
	at := map[string]uint64{}
	for _, r := range s.rows(seal.Matcher, "template") {
		p := s.template(r.Value)
		at[p.row.String()] = p.counter
	}
	for _, r := range s.rows(seal.Custodian, "pad") {
		active, pending := s.slot(r.Value)
		if active == nil || len(pending) > 0 || at[active.row.String()] != active.counter {
			s.T.Error("after a renewal the servers hold a row at different counters, or a pad waits")
		}
		delete(at, active.row.String())
	}
	if len(at) > 0 {
		s.T.Errorf("%d templates of the matcher have no pad", len(at))
	}
}

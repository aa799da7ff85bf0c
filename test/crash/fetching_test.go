package crash_test

import (
	"testing"

	"nod/crypto/seal"
)

// fetching is the name of the operation in the table.
const fetching = "correlations"

// dieFetching has a role die at each write with which correlations are fetched. A
// matcher that starts opens a channel for each of its checks and fetches a batch for
// each, side by side, so which check a write belongs to is not fixed; how many writes
// there are is.
func (s *stage) dieFetching(t *testing.T) (out table) {
	n := 0
	for _, p := range s.fetchingPoints() {
		n++
		if !long() && n%every != 0 {
			continue
		}
		t.Run(fetching+"/"+p.String(), func(t *testing.T) {
			defer func(before testing.TB) { s.T = before }(s.T)
			s.T = t
			out.add(fetching, p, s.dieWhileFetching(p))
		})
		if t.Failed() {
			break
		}
	}
	return out
}

// fetchingPoints counts the writes of one start of a matcher.
func (s *stage) fetchingPoints() (out []point) {
	s.T.Helper()
	count := moment{Correlations: true}
	s.kill(seal.Matcher)
	for _, role := range []seal.Role{seal.Custodian, seal.Dealer} {
		s.arm(role, count)
	}
	s.start(seal.Matcher, &count)
	s.settle()
	for _, role := range seal.Roles() {
		for i := range s.arm(role, moment{}) {
			for _, after := range []bool{false, true} {
				out = append(out, point{role, "of a channel or a batch", moment{Layer: disk, At: i + 1, After: after, Correlations: true}})
			}
		}
	}
	return out
}

func (s *stage) dieWhileFetching(p point) string {
	s.T.Helper()
	s.kill(seal.Matcher)
	if p.role == seal.Matcher {
		s.start(seal.Matcher, &p.moment)
	} else {
		s.arm(p.role, p.moment)
		s.start(seal.Matcher, nil)
	}
	if !s.dead(p.role) {
		s.T.Fatalf("the %s did not come to write %d", p.role, p.At)
	}
	s.start(p.role, nil)
	s.settle()
	s.expect(as(s.sentinel, s.faces[2]), false)
	s.witness.hold(s.T)
	s.fetchedOnce()
	return "fetched anew"
}

// fetchedOnce holds that both servers name the same batches, and that none of them asks
// for one that it has asked for before: a row is made once.
func (s *stage) fetchedOnce() {
	s.T.Helper()
	known := map[string]bool{}
	for _, r := range s.rows(seal.Matcher, "batch") {
		known[r.Partition+r.Key] = true
	}
	for _, r := range s.rows(seal.Custodian, "batch") {
		if !known[r.Partition+r.Key] {
			s.T.Error("the custodian fetched a batch that the matcher did not fetch before")
		}
	}
}

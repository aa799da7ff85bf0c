package attack_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"nod/admit"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

// scarce is a budget of a few answers.
const scarce = 12

func limited(o *dev.Options) {
	o.Limits = admit.Defaults()
	o.Limits.Consecutive, o.Limits.NoMatches, o.Limits.Answers = 1000, 1000, scarce
}

// Forty sessions are opened while the budget is untouched, and their probes sent at
// once. Each server debits, in one conditional write with the session, before its
// first message that depends on the result; the twins go by the count that they saw
// when the session was opened.
func TestAttackParallelSessions(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), limited)
		p := s.Person("citizen")
		s.Enrol(p)
		var attempts []*attempt
		for range 40 {
			attempts = append(attempts, s.open(p.Name))
		}
		if twin {
			s.forget("budget", seal.Matcher, seal.Custodian)
		}
		var yes atomic.Int64
		var all sync.WaitGroup
		for _, a := range attempts {
			probe := a.probe(s.Code(p))
			all.Go(func() {
				match, err := a.send(probe)
				if err != nil {
					t.Error(err)
				}
				if match {
					yes.Add(1)
				}
			})
		}
		all.Wait()
		t.Logf("%d answers about the citizen in %d sessions at once, %d allowed", yes.Load(), len(attempts), scarce)
		if yes.Load() == 0 { // fewer than allowed is possible: each server chooses by itself
			t.Error("no answer at all")
		}
		return yes.Load() > scarce
	})
}

// One corrupt server does not count, and reads the template from the outcomes that
// it sees, with probes of its own choice. The other server counts for itself; the
// twin takes the corrupt one's word.
func TestAttackCountedByOneServer(t *testing.T) {
	playEach(t, func(t *testing.T, without ...seal.Role) bool {
		s := newStage(t, codetest.Shape{Bits: 64}, limited)
		p := s.Person("citizen")
		s.Enrol(p)
		s.forget("budget", without...)
		answers := 0
		read := climb(s.photo(p), func(x code.Code) bool {
			answers++
			match, err := s.show(p.Name, x)
			if fault.Is(err, fault.Tampered) {
				// A decoy of only 64 bits matches by chance, 4 times in 100,000: then
				// the servers do not agree.
				return false
			}
			return s.matched(match, err)
		})
		t.Logf("%d sessions for a template of %d bits, %d answers allowed", answers, read.Bits(), scarce)
		return read.Equal(s.Code(p))
	})
}

// photo is the code of a face that the attacker begins with: one that matches, and
// is not the template's.
func (s *stage) photo(p world.Person) code.Code {
	s.T.Helper()
	for {
		x, err := s.Model.Encode(codetest.Near(s.Rand, p.Face, 0.3))
		s.must(err)
		if !x.Equal(s.Code(p)) {
			return x
		}
	}
}

// climb reads a template of an unweighted model, given a code that matches and an
// oracle that says which codes do: it goes to the edge of what matches, and there
// every bit of the code tells by one answer whether it is the template's. It is
// about as many answers as bits (docs/spec/threat-model.md, section 3).
func climb(start code.Code, matches func(code.Code) bool) code.Code {
	n := start.Bits()
	first := func(k int) code.Code { // start with its first k bits turned
		x := start.Clone()
		for j := range k {
			flip(x, j)
		}
		return x
	}
	yes, no := 0, n
	for no-yes > 1 {
		if k := (yes + no) / 2; matches(first(k)) {
			yes = k
		} else {
			no = k
		}
	}
	edge := first(yes) // one bit further from the template, and it does not match
	read := edge.Clone()
	for j := range n {
		x := edge.Clone()
		if flip(x, j); matches(x) {
			flip(read, j)
		}
	}
	return read
}

func flip(x code.Code, j int) { x[j/64] ^= 1 << (j % 64) }

// A corrupt custodian does not count, and ends every comparison as soon as it knows
// the outcome. The matcher has debited before; the twin debits when a comparison
// ends well.
func TestAttackAbortWhenKnown(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, small(), limited)
		p := s.Person("citizen")
		s.Enrol(p)
		s.forget("budget", seal.Custodian)
		if twin {
			s.forget("budget", seal.Matcher) // nothing ends well here
		}
		known := 0
		s.between.closed = func(m *wire.CompareClosed) error {
			v, err := orders.ParsePayload(m.Payload)
			s.must(err)
			if v.Match {
				known++
			}
			return errAbort
		}
		for range 3 * scarce {
			if match, err := s.show(p.Name, s.Code(p)); err == nil || match {
				t.Fatal("a verdict after an abort")
			}
		}
		t.Logf("the custodian knows %d outcomes of %d aborted comparisons, %d allowed", known, 3*scarce, scarce)
		return known > scarce
	})
}

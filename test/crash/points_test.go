package crash_test

import (
	"fmt"
	"strings"
	"testing"

	"nod/crypto/seal"
	"nod/fault"
)

// operation is something that a caller asks for and that writes durably.
type operation struct {
	name string
	// prepare makes a citizen ready for one attempt.
	prepare func(s *stage) attempt
}

// attempt is the operation once, and what must hold of it.
type attempt struct {
	run func() error // as its caller makes it; nil: acknowledged
	// check is called when all three run again, with run's error. It fails the test,
	// and says in a few words what was seen.
	check func(err error) (seen string)
}

// point is one place to die.
type point struct {
	role  seal.Role
	write string
	moment
}

func (p point) String() string {
	when := "before"
	if p.After {
		when = "after"
	}
	return fmt.Sprintf("%s-%d-%s-%s", p.role, p.At, when, p.Layer)
}

// line is one row of the table: a write, and what was seen around it.
type line struct {
	operation, write string
	role             seal.Role
	cells            [2]string // before, after; "" if not tried
	kills            int
}

// table collects what was seen.
type table []line

func (t *table) add(o string, p point, seen string) {
	i := 0
	if p.After {
		i = 1
	}
	if n := len(*t); n == 0 || (*t)[n-1].operation != o || (*t)[n-1].role != p.role || (*t)[n-1].write != numbered(p) {
		*t = append(*t, line{operation: o, write: numbered(p), role: p.role})
	}
	l := &(*t)[len(*t)-1]
	merge(&l.cells[i], seen)
	l.kills++
}

func numbered(p point) string { return fmt.Sprintf("%d. %s", p.At, p.write) }

// merge joins what was seen at the same write in two layers: once, if it is the same.
func merge(into *string, text string) {
	switch {
	case *into == "":
		*into = text
	case !strings.Contains(*into, text):
		*into += " / " + text
	}
}

// points are all places to die in an operation: it is run once unharmed, and counted.
func (s *stage) points(o operation) (out []point) {
	s.T.Helper()
	a := o.prepare(s)
	both := []seal.Role{seal.Matcher, seal.Custodian}
	for _, role := range both {
		s.arm(role, moment{})
	}
	must(s.T, a.run())
	for _, role := range both {
		for i, write := range s.arm(role, moment{}) {
			for _, l := range []layer{disk, roles} {
				if l == roles && (!long() || strings.HasPrefix(write, "audit")) {
					continue // a record has one layer
				}
				for _, after := range []bool{false, true} {
					out = append(out, point{role, write, moment{Layer: l, At: i + 1, After: after}})
				}
			}
		}
	}
	a.check(nil)
	return out
}

// every is how many points of an operation the everyday run takes: one in so many.
const every = 3

// dieEverywhere runs operations, and has a role die at each point of each.
func (s *stage) dieEverywhere(t *testing.T, operations ...operation) (out table) {
	n := 0
	for _, o := range operations {
		for _, p := range s.points(o) {
			n++
			if !long() && n%every != 0 {
				continue
			}
			t.Run(strings.ReplaceAll(o.name, " ", "-")+"/"+p.String(), func(t *testing.T) {
				defer func(before testing.TB) { s.T = before }(s.T)
				s.T = t
				out.add(o.name, p, s.die(o, p))
			})
			if t.Failed() {
				return out
			}
		}
	}
	return out
}

// die runs an operation, kills a role at a point of it, and looks at what is left.
func (s *stage) die(o operation, p point) (seen string) {
	s.T.Helper()
	a := o.prepare(s)
	s.arm(p.role, p.moment)
	err := a.run()
	if !s.dead(p.role) {
		s.T.Fatalf("the %s did not come to write %d, %s", p.role, p.At, p.write)
	}
	s.start(p.role, nil)
	s.settle()
	seen = a.check(err)
	s.witness.hold(s.T)
	if !fault.Is(err, fault.PeerUnavailable) {
		seen = outcome(err) + "; " + seen
	}
	return seen
}

package crash_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/fault"
	"nod/orders"
	"nod/test/world"
)

// none stands for a citizen without a template.
const none = -1

// account is what must be true of one citizen, by what was acknowledged.
type account struct {
	citizen orders.Citizen
	// may are the faces, by number, that a verification may recognise: one after an
	// acknowledged change, more while nobody knows whether a change was made.
	may []int
	// erasure is an order that not both servers have acknowledged.
	erasure []byte
}

// known is a change that was acknowledged.
func (a *account) known(face int) { a.may = []int{face} }

// perhaps is one that was not. It may also leave a citizen without a template that
// works, once the order has expired (docs/decisions/0018).
func (a *account) perhaps(face int) {
	for _, f := range []int{face, none} {
		if !slices.Contains(a.may, f) {
			a.may = append(a.may, f)
		}
	}
}

// allows reports whether a verdict on a face can be right.
func (a *account) allows(face int, yes bool) bool {
	if yes {
		return slices.Contains(a.may, face)
	}
	return slices.ContainsFunc(a.may, func(f int) bool { return f != face })
}

// ledger is what the test itself knows. Safe for concurrent use.
type ledger struct {
	t testing.TB

	mu       sync.Mutex
	sessions map[canon.SessionID]bool
	counts   map[string]int
	progress int // verdicts and acknowledgements
}

func newLedger(t testing.TB) *ledger {
	return &ledger{t: t, sessions: map[canon.SessionID]bool{}, counts: map[string]int{}}
}

func (l *ledger) count(what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.counts[what+" not acknowledged"]++
		l.counts["fault "+string(fault.CodeOf(err))]++
		return
	}
	l.counts[what+" acknowledged"]++
	l.progress++
}

func (l *ledger) done() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.progress
}

// opened records a session, which nobody has seen before.
func (l *ledger) opened(id canon.SessionID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[id] {
		l.t.Errorf("session %v was opened twice", id)
	}
	l.sessions[id] = true
}

// verdict holds one to what the account allows.
func (l *ledger) verdict(a *account, face int, yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !a.allows(face, yes) {
		l.t.Errorf("a wrong verdict: %v on face %d, though the template can be %v", yes, face, a.may)
		l.counts["wrong verdicts"]++
	}
	l.counts["verdicts "+yesNo(yes)]++
	l.progress++
}

// worker enrols, verifies and erases citizens of its own, one after the other.
type worker struct {
	outsider
	ledger   *ledger
	rand     *rand.Rand
	faces    [][]float32
	accounts []*account
}

// step does something.
func (w *worker) step() {
	a := w.accounts[w.rand.IntN(len(w.accounts))]
	if err := w.act(a); err != nil { // whoever calls waits a little, too
		time.Sleep(time.Duration(w.rand.IntN(120)) * time.Millisecond)
	}
}

func (w *worker) act(a *account) error {
	empty := len(a.may) == 1 && a.may[0] == none
	switch n := w.rand.IntN(100); {
	case a.erasure != nil && n < 60:
		return w.erase(a)
	case a.erasure == nil && (n < 15 || empty && n < 60):
		return w.replace(a, w.rand.IntN(len(w.faces)))
	case a.erasure == nil && !empty && n < 22:
		a.erasure = w.order(orders.Erase, w.person(a, 0))
		return w.erase(a)
	case a.may[0] != none && n < 75:
		return w.verify(a, a.may[0])
	}
	return w.verify(a, w.rand.IntN(len(w.faces)))
}

// replace enrols a face.
func (w *worker) replace(a *account, face int) (err error) {
	_, err = w.enrol(w.person(a, face))
	w.ledger.count("enrolments", err)
	if err == nil {
		a.known(face)
	} else {
		a.perhaps(face)
	}
	return err
}

// erase delivers the order that the account waits for.
func (w *worker) erase(a *account) (err error) {
	err = w.deliver(a.erasure, orders.Erased)
	w.ledger.count("erasures", err)
	if err == nil {
		a.known(none)
		a.erasure = nil
	} else {
		a.perhaps(none)
	}
	return err
}

// verify shows a face; now and then the probe is sent again, which gives the same
// verdict or none.
func (w *worker) verify(a *account, face int) (err error) {
	var others []world.Person
	for f := range w.faces {
		if f != face {
			others = append(others, w.person(a, f))
		}
	}
	p, err := w.play(w.person(a, face), others...)
	if err != nil {
		w.ledger.count("verifications", err)
	}
	if p.probe == nil {
		return err
	}
	w.ledger.opened(p.probe.Session)
	if p.signed != nil {
		w.ledger.verdict(a, face, w.outsider.verdict(p))
	}
	if w.rand.IntN(3) > 0 {
		return err
	}
	had := p.signed != nil
	again := w.show(p)
	switch {
	case again == nil && !had:
		w.ledger.verdict(a, face, w.outsider.verdict(p))
	case again != nil && had && !away(again):
		w.T.Errorf("a verdict that was given is not repeated: %v", again)
	}
	return err
}

// away reports whether a call found no matcher to answer it.
func away(err error) bool {
	return fault.Is(err, fault.PeerUnavailable) || fault.Is(err, fault.Cancelled)
}

// settle holds the account to what can be known once everything runs, and ends with a
// template that works.
func (w *worker) settle(a *account) error {
	for a.erasure != nil {
		if err := w.erase(a); err != nil {
			return fmt.Errorf("an erasure that was not acknowledged: %w", err)
		}
	}
	for face := range w.faces {
		if err := w.verify(a, face); err != nil {
			return fmt.Errorf("verifying: %w", err)
		}
	}
	if err := w.replace(a, 0); err != nil {
		return fmt.Errorf("enrolling again: %w", err)
	}
	for face := range w.faces {
		if err := w.verify(a, face); err != nil {
			return fmt.Errorf("verifying what was enrolled again: %w", err)
		}
	}
	return nil
}

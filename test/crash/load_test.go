package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"nod/crypto/seal"
	"nod/test/world"
)

// Sizes of the load.
const (
	workers  = 4
	citizens = 10 // of each worker
	faces    = 5
)

// kills is how many, over all three roles.
func kills() int {
	if long() {
		return 200
	}
	return 6
}

// seed is NOD_TEST_SEED, or of the moment.
func seed(t *testing.T) uint64 {
	n := uint64(time.Now().UnixNano())
	if text := os.Getenv("NOD_TEST_SEED"); text != "" {
		var err error
		n, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("NOD_TEST_SEED=%d", n)
	return n
}

// load is three real programs under load.
type load struct {
	*world.Three
	witness *witness
	ledger  *ledger
	rand    *rand.Rand
	workers []*worker
}

func newLoad(t *testing.T, seed uint64) *load {
	t.Helper()
	l := &load{Three: &world.Three{Programs: programs, Log: t.Output()}, ledger: newLedger(t), rand: rand.New(rand.NewPCG(seed, 0))}
	l.Layout, l.People = lay(t)
	l.witness = newWitness(t, l.Layout)
	l.Up()
	var pool [][]float32
	for i := range faces {
		pool = append(pool, l.Person(fmt.Sprintf("face-%d", i)).Face)
	}
	for i := range workers {
		rng := rand.New(rand.NewPCG(seed, uint64(i+1)))
		people := l.People
		people.Rand = rng
		w := &worker{outsider: connect(t, l.Layout, people), ledger: l.ledger, rand: rng, faces: pool}
		t.Cleanup(func() { must(t, w.Close()) })
		for c := range citizens {
			w.accounts = append(w.accounts, &account{citizen: l.Citizen(fmt.Sprintf("citizen-%d-%d", i, c)), may: []int{none}})
		}
		l.workers = append(l.workers, w)
	}
	return l
}

// person is the account's citizen with a face.
func (w *worker) person(a *account, face int) world.Person {
	return world.Person{Name: a.citizen, Face: w.faces[face]}
}

// Matcher, custodian and dealer are killed at random while citizens are enrolled,
// verified and erased. Nothing that was acknowledged is lost, no verdict is wrong, and
// no session or correlation is used twice.
func TestKillsUnderLoad(t *testing.T) {
	l := newLoad(t, seed(t))
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, w := range l.workers {
		running.Go(func() {
			for ctx.Err() == nil {
				w.step()
			}
		})
	}
	began := time.Now()
	killed := map[seal.Role]int{}
	for n := 0; n < kills() && !t.Failed(); {
		l.work(1 + l.rand.IntN(40))
		victims := l.victims(kills() - n)
		l.bounce(victims)
		for _, role := range victims {
			killed[role]++
		}
		n += len(victims)
	}
	stop()
	running.Wait()
	took := time.Since(began)
	must(t, l.Processes.Ready(t.Context()))
	l.settle()
	l.witness.hold(t)
	must(t, l.Processes.Stop())
	l.report(killed, took, l.offline())
}

// work returns once so many calls have succeeded, or after a while: the next kill may
// well come before anything works again.
func (l *load) work(calls int) {
	until, end := l.ledger.done()+calls, time.Now().Add(time.Duration(1+l.rand.IntN(6))*time.Second)
	for l.ledger.done() < until && time.Now().Before(end) {
		time.Sleep(time.Duration(l.rand.IntN(20)) * time.Millisecond)
	}
}

// victims is a role, or now and then two, to kill; at most some.
func (l *load) victims(most int) []seal.Role {
	order := l.rand.Perm(3)
	n := 1
	if most > 1 && l.rand.IntN(6) == 0 {
		n = 2
	}
	var out []seal.Role
	for _, i := range order[:n] {
		out = append(out, seal.Roles()[i])
	}
	return out
}

// bounce kills roles and starts them again, at once or a little later.
func (l *load) bounce(victims []seal.Role) {
	for _, role := range victims {
		must(l.T, l.Processes.Kill(role))
	}
	for _, role := range victims {
		time.Sleep(time.Duration(l.rand.IntN(300)) * time.Millisecond)
		must(l.T, l.Processes.Start(role))
	}
}

// settle verifies all citizens against the ledger, once everything runs.
func (l *load) settle() {
	l.T.Helper()
	// The first verification after the last kill may still find out about it.
	w := l.workers[0]
	for end := time.Now().Add(time.Minute); w.verify(w.accounts[0], 0) != nil; {
		if time.Now().After(end) {
			l.T.Fatal("no verification works after the last kill")
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, w := range l.workers {
		for _, a := range w.accounts {
			if err := w.settle(a); err != nil {
				l.T.Errorf("a citizen whose template can be %v: %v", a.may, err)
			}
		}
	}
}

// report prints the figures, and publishes them.
func (l *load) report(killed map[seal.Role]int, took time.Duration, kept map[seal.Role]kept) {
	rows := [][2]string{
		{"kills", fmt.Sprintf("%d: matcher %d, custodian %d, dealer %d", killed[seal.Matcher]+killed[seal.Custodian]+killed[seal.Dealer],
			killed[seal.Matcher], killed[seal.Custodian], killed[seal.Dealer])},
		{"time under load", took.Round(time.Second).String()},
	}
	counts := l.ledger.counts
	var names []string
	for name := range counts {
		if name != "wrong verdicts" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		rows = append(rows, [2]string{name, strconv.Itoa(counts[name])})
	}
	rows = append(rows, [][2]string{
		{"sessions opened, all different", strconv.Itoa(len(l.ledger.sessions))},
		{"of them compared by the custodian, once each", strconv.Itoa(len(l.witness.started))},
		{"correlation indices accepted by the custodian, once each", strconv.Itoa(len(l.witness.used))},
		{"attempts counted at the matcher, at the custodian", fmt.Sprintf("%d, %d", kept[seal.Matcher].answers, kept[seal.Custodian].answers)},
		{"records in the audit chains of matcher, custodian, dealer",
			fmt.Sprintf("%d, %d, %d", kept[seal.Matcher].leaves, kept[seal.Custodian].leaves, kept[seal.Dealer].leaves)},
		{"wrong verdicts, also of what was acknowledged before a kill", strconv.Itoa(counts["wrong verdicts"])},
		{"correlations, sessions or pads used twice", strconv.Itoa(l.witness.found)},
	}...)
	text := "| what | figure |\n|---|---|\n"
	for _, r := range rows {
		l.T.Logf("%-60s %s", r[0], r[1])
		text += fmt.Sprintf("| %s | %s |\n", r[0], r[1])
	}
	if t, ok := l.T.(*testing.T); ok && *update && long() && !t.Failed() {
		replace(t, "the kills", measured("TestKillsUnderLoad")+text)
	}
}

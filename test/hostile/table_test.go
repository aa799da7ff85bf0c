// Package hostile plays peers that send anything. Every party of Nod in turn is
// corrupt: the matcher, the custodian, the dealer, and those outside (clients,
// relying parties, stations). The attacker stands on every link on which that party
// speaks (link), and may change, drop, delay, repeat, replay and invent calls; the
// others run their own code, and are watched (watch, ledger): what they may never do,
// whatever they are sent, is stated there.
//
// TestAttacks plays a table of attacks, one by one; docs/hostile-peers.md shows it.
// TestFuzz plays them and everything else at random. To repeat or to lengthen it:
//
//	NOD_FUZZ_SEED=7 go test ./test/hostile -run TestFuzz -v
//	NOD_FUZZ_TIME=10m go test ./test/hostile -run TestFuzz -v -timeout 20m
package hostile_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"nod/crypto/seal"
	"nod/fault"
)

// attack is one row of the table.
type attack struct {
	who   string // the attacker
	tried string
	// server refuses with code. No code: nothing is refused, and did says what
	// happens.
	server string
	code   fault.Code
	did    string
	alarm  bool // an honest server raises one
	ends   bool // the alarm stops the channel: nothing is compared any more
	play   func(s *stage)
}

// corrupt is the role that a row's attacker has.
func (a *attack) corrupt() seal.Role {
	switch a.who {
	case "matcher", "custodian", "dealer":
		return seal.Role(a.who)
	}
	return outsider
}

// attacks is the whole table.
func attacks() (out []attack) {
	for _, rows := range [][]attack{
		clientAttacks(), partyAttacks(), stationAttacks(),
		matcherSessionAttacks(), matcherCompareAttacks(), matcherChannelAttacks(), matcherRowAttacks(),
		custodianAttacks(), custodianChannelAttacks(), dealerAttacks(), anyAttacks(),
	} {
		out = append(out, rows...)
	}
	return out
}

var update = flag.Bool("update", false, "write the table of attacks into docs/hostile-peers.md")

// Every attack: the honest server does what the table says, an alarm is raised or
// not, nothing that must not happen happens, and honest sessions go on.
func TestAttacks(t *testing.T) {
	t.Run("table", func(t *testing.T) {
		for _, role := range []seal.Role{outsider, seal.Matcher, seal.Custodian, seal.Dealer} {
			t.Run(corruptName(role), func(t *testing.T) {
				t.Parallel()
				playRows(t, role)
			})
		}
	})
	t.Log("\n" + table())
}

// playRows plays the rows of one corrupt party, on one deployment as long as no alarm
// stops it.
func playRows(t *testing.T, role seal.Role) {
	shared := newStage(t, role, 1, nil)
	for i, a := range attacks() {
		if a.corrupt() != role {
			continue
		}
		t.Run(fmt.Sprintf("%d", i+1), func(t *testing.T) {
			s := shared
			if a.ends {
				s = newStage(t, role, uint64(i), nil)
			}
			s.T = t
			s.try(&a)
		})
	}
}

// try plays one row.
func (s *stage) try(a *attack) {
	s.T.Helper()
	s.settle()
	s.found(s.inspect())
	s.journal.forget()
	alarms := s.ledger.raised
	a.play(s)
	s.mu.Lock()
	s.tricks = nil
	s.mu.Unlock()
	if a.ends {
		s.eventually("the alarm", func() bool { s.ledger.records(); return s.ledger.raised > alarms })
	}
	s.found(s.inspect())
	if got := s.ledger.raised > alarms; got != a.alarm {
		s.T.Errorf("%s: alarm %v, want %v", a.tried, got, a.alarm)
	}
	if !s.answers(a) {
		s.T.Errorf("%s: the %s does not answer %s: %v", a.tried, a.server, a.code, s.journal.all())
	}
	s.goesOn(a)
	s.found(s.inspect())
}

// answers reports whether the honest server did what the row says: it answered with
// the code, or raised an alarm with it.
func (s *stage) answers(a *attack) bool {
	if a.ends && s.watch.alarmed(a.code) {
		return true
	}
	inside := a.server == "matcher" || a.server == "custodian" || a.server == "dealer"
	return a.code == "" || !inside || s.journal.has(seal.Role(a.server), a.code)
}

// goesOn has an honest client verified, or refused where an alarm stopped everything.
func (s *stage) goesOn(a *attack) {
	s.T.Helper()
	if a.ends && s.corrupt == seal.Matcher {
		// The custodian has stopped, and the matcher that lied tries in vain.
		s.eventually("refusal of a new channel", func() bool { return s.journal.has(seal.Custodian, fault.ChannelStopped) })
		return
	}
	if a.ends {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		// A matcher whose custodian has stopped waits for correlations until its caller
		// gives up.
		match, err := s.show(ctx, 0, s.alma(), s.near(s.alma()))
		s.fails(err, fault.ChannelStopped, fault.CorrelationsExhausted, fault.Cancelled)
		s.no(match, err)
		return
	}
	for i, shown := range s.people {
		match, err := s.show(s.soon(), i, s.alma(), s.near(shown))
		if err != nil || match != (i == 0) {
			s.T.Errorf("after %q an honest session ends with %v, %v", a.tried, match, err)
		}
	}
}

// settle waits until correlations are in stock.
func (s *stage) settle() {
	s.T.Helper()
	s.eventually("a stock of correlations", func() bool { return s.Source.Stats().Stock >= 24 })
}

func (s *stage) eventually(what string, reached func() bool) {
	s.T.Helper()
	for range 3000 {
		if reached() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.T.Fatalf("no %s: %+v %v", what, s.Source.Stats(), s.journal.all())
}

func (s *stage) found(findings []string) {
	s.T.Helper()
	for _, f := range findings {
		s.T.Error(f)
	}
}

// soon bounds a call that may hang.
func (s *stage) soon() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	s.T.Cleanup(cancel)
	return ctx
}

// table is the table as Markdown.
func table() string {
	var b strings.Builder
	b.WriteString("| # | attacker | tried | the honest side | alarm | won |\n|---|---|---|---|---|---|\n")
	for i, a := range attacks() {
		did := a.did
		if a.code != "" {
			did = fmt.Sprintf("%s: `%s`", a.server, a.code)
			if a.did != "" {
				did += "; " + a.did
			}
		}
		alarm := "no"
		if a.alarm {
			alarm = "yes"
		}
		if a.ends {
			alarm = "yes, and stops the channel"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | no |\n", i+1, a.who, a.tried, did, alarm)
	}
	return b.String()
}

// The table in docs/hostile-peers.md is the one that TestAttacks plays.
func TestDocumentShowsTheTable(t *testing.T) {
	const path, begin, end = "../../docs/hostile-peers.md", "<!-- attacks -->\n", "<!-- end of attacks -->"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	shown, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the document has no place for the table")
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+table()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if shown != table() {
		t.Error("docs/hostile-peers.md shows another table; run go test ./test/hostile -run TestDocument -update")
	}
}

// After everything is closed, nothing of the attacks goes on running.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	status := m.Run()
	for range 500 {
		if runtime.NumGoroutine() <= before {
			os.Exit(status)
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Fprintf(os.Stderr, "%d goroutines, %d before\n", runtime.NumGoroutine(), before)
	os.Exit(1)
}

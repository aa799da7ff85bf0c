package hostile_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"nod/channel"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// watch sees every call as the honest parties see it, and holds what they may never
// do, whatever the corrupt one sends:
//
//   - a comparison is run for a request that a relying party signed, in time, under
//     one jti, in one session; on a probe that its client signed; once
//   - every index of a channel is used once, by the instance whose channel it is
//   - a server signs a yes only if the probe matches a template that it holds for the
//     citizen, who is not locked; and one verdict a session
//   - each party gets its own halves from the dealer
//
// What lies in the servers' stores, records and logs is looked at after every
// action: inspection.
type watch struct {
	s  *stage
	mu sync.Mutex

	findings []string
	asked    map[canon.RequestHash]*asked
	shown    map[canon.SessionID][]*shown
	jtis     map[seal.Role]map[string]canon.RequestHash
	sessions map[seal.Role]map[canon.SessionID]*watched
	byQ      map[seal.Role]map[canon.RequestHash]canon.SessionID
	owners   map[canon.ChannelID]owner
	used     map[seal.Role]map[index]bool
	alarms   []channel.Alarm
}

// shown is a probe that a client signed.
type shown struct {
	hashes [2]canon.Digest
	code   code.Code
}

// watched is a session at one server.
type watched struct {
	id       canon.SessionID
	q        canon.RequestHash
	expiry   time.Time
	instance wire.Instance // that opened it; zero: the matcher's own
	newest   time.Time     // order about the citizen, when it was opened
	may      bool          // say yes, as things stood when it was compared
	compared int           // answers that depend on the templates
	said     []byte        // what the server signed
}

type owner struct {
	instance wire.Instance
	own      bool // the matcher's own
}

type index struct {
	channel canon.ChannelID
	number  uint64
}

func newWatch(s *stage) *watch {
	w := &watch{
		s: s, asked: map[canon.RequestHash]*asked{}, shown: map[canon.SessionID][]*shown{},
		owners: map[canon.ChannelID]owner{}, jtis: map[seal.Role]map[string]canon.RequestHash{},
		sessions: map[seal.Role]map[canon.SessionID]*watched{}, byQ: map[seal.Role]map[canon.RequestHash]canon.SessionID{},
		used: map[seal.Role]map[index]bool{},
	}
	for _, role := range []seal.Role{seal.Matcher, seal.Custodian} {
		w.jtis[role], w.sessions[role] = map[string]canon.RequestHash{}, map[canon.SessionID]*watched{}
		w.byQ[role], w.used[role] = map[canon.RequestHash]canon.SessionID{}, map[index]bool{}
	}
	return w
}

// violated notes what an honest party should never have done.
func (w *watch) violated(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.findings = append(w.findings, fmt.Sprintf(format, args...))
}

// take gives what was found so far.
func (w *watch) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.findings
	w.findings = nil
	return out
}

func (w *watch) alarm(a channel.Alarm) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarms = append(w.alarms, a)
}

// alarmed reports whether an alarm with a code was told to an operator.
func (w *watch) alarmed(code fault.Code) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.alarms, func(a channel.Alarm) bool { return a.Code == code })
}

// sent sees what a caller says, before the attacker does.
func (w *watch) sent(l *link, method wire.Method, request []byte) {
	if l.from != seal.Matcher || !w.s.honest(seal.Matcher) || method != wire.CustodianStart {
		return
	}
	var m wire.CompareStart
	_, body, _ := unwrap(request)
	if err := wire.Unmarshal(body, &m); err != nil {
		w.violated("the matcher sends what does not decode: %v", err)
		return
	}
	w.compares(seal.Matcher, &m, w.allowed(seal.Matcher, &m))
}

// allowed is whether a server may say yes to a probe.
func (w *watch) allowed(role seal.Role, m *wire.CompareStart) bool {
	w.mu.Lock()
	at := w.sessions[role][m.Session]
	var a *asked
	if at != nil {
		a = w.asked[at.q]
	}
	x := w.probe(m)
	w.mu.Unlock()
	if a == nil || x == nil || w.s.spent(role, a.citizen, m.Session) {
		return false
	}
	_, newest := w.s.standing(role, a.citizen)
	return newest.Equal(at.newest) && w.s.matches(role, a.citizen, x.code)
}

// probe is the signed probe of a comparison. mu is held.
func (w *watch) probe(m *wire.CompareStart) *shown {
	want := [2]canon.Digest{m.Hash0, sha256.Sum256(m.Sealed1)}
	for _, p := range w.shown[m.Session] {
		if p.hashes == want {
			return p
		}
	}
	return nil
}

// unsigned reports whether the client's signature does not verify. mu is held.
func (w *watch) unsigned(q canon.RequestHash, m *wire.CompareStart) bool {
	r, err := orders.ParseRequest(w.asked[q].raw)
	return err != nil || orders.VerifyProbe(r, m.Session, m.Hash0, sha256.Sum256(m.Sealed1), m.Attestation, m.Signature) != nil
}

// compares notes that a server lets go of something that depends on its templates.
func (w *watch) compares(role seal.Role, m *wire.CompareStart, may bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	note := func(format string, args ...any) {
		w.findings = append(w.findings, string(role)+": "+fmt.Sprintf(format, args...))
	}
	at := w.sessions[role][m.Session]
	if at == nil {
		note("a comparison in session %v, which it did not open", m.Session)
		return
	}
	if at.compared++; at.compared > 1 {
		note("%d comparisons in session %v", at.compared, m.Session)
	}
	if w.s.Clock.Now().After(at.expiry) {
		note("a comparison in a session that is over")
	}
	if w.probe(m) == nil || w.unsigned(at.q, m) {
		note("a comparison of a probe that its client did not sign")
	}
	at.may = may
	for _, c := range m.Checks {
		i := index{c.Channel, c.Index}
		if w.used[role][i] {
			note("index %d of channel %v is used twice", c.Index, c.Channel)
		}
		w.used[role][i] = true
	}
}

// opens notes a session.
func (w *watch) opens(role seal.Role, q canon.RequestHash, session *watched) {
	w.mu.Lock()
	a := w.asked[q]
	w.mu.Unlock()
	if a != nil {
		_, session.newest = w.s.standing(role, a.citizen)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	note := func(format string, args ...any) {
		w.findings = append(w.findings, string(role)+": "+fmt.Sprintf(format, args...))
	}
	if a == nil {
		note("a session for a request that no relying party signed")
		return
	}
	if known, ok := w.byQ[role][q]; ok {
		if known != session.id {
			note("two sessions of one request")
		}
		return
	}
	if w.s.Clock.Now().After(a.expiry.Add(orders.Skew)) {
		note("a session for a request that has expired")
	}
	key := a.rp.ID + " " + a.jti
	if other, ok := w.jtis[role][key]; ok && other != q {
		note("two requests with one jti")
	}
	session.q = q
	w.jtis[role][key], w.byQ[role][q] = q, session.id
	w.sessions[role][session.id] = session
}

// says notes what a server signed about a session.
func (w *watch) says(role seal.Role, id canon.SessionID, v *orders.Verdict, signed []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	note := func(format string, args ...any) {
		w.findings = append(w.findings, string(role)+": "+fmt.Sprintf(format, args...))
	}
	at := w.sessions[role][id]
	switch {
	case at == nil || at.compared == 0:
		note("a verdict without a comparison")
		return
	case v.Request != at.q || v.Session != id:
		note("a verdict about another request or session")
	case role == seal.Custodian && w.s.Clock.Now().After(at.expiry):
		note("a verdict in a session that is over")
	case v.Match && !at.may:
		note("a yes that is none: %s", w.asked[at.q])
	case !v.Match && w.s.corrupt == outsider && w.bothMay(id):
		note("a no that is none: %s", w.asked[at.q])
	}
	if at.said != nil && string(at.said) != string(signed) {
		note("two verdicts in one session")
	}
	at.said = append([]byte{}, signed...)
}

// bothMay reports whether both servers may say yes in a session: then they must. mu
// is held.
func (w *watch) bothMay(id canon.SessionID) bool {
	for _, role := range []seal.Role{seal.Matcher, seal.Custodian} {
		if at := w.sessions[role][id]; at == nil || !at.may {
			return false
		}
	}
	return true
}

// holds reports whether the calling instance is the one that opened a session or a
// channel.
func (l *link) holds(instance wire.Instance, own bool) bool {
	if l.peer == nil {
		return own
	}
	return !own && l.peer.Instance == instance
}

// matches is the plaintext answer, by what a server holds: the probe is plausible,
// the citizen is not locked, and one of the rows matches it.
func (s *stage) matches(role seal.Role, citizen string, x code.Code) bool {
	check, bound, asked := s.Model.Plausibility()
	if asked && check.Distance(x) >= bound {
		return false
	}
	for _, template := range s.templates(role, citizen) {
		u := x.Clone()
		u.Xor(template)
		if s.Model.Match().Distance(u) < s.bound {
			return true
		}
	}
	return false
}

// rows is what a server holds of a citizen.
func (s *stage) rows(role seal.Role, citizen string) (out []held) {
	ctx, name := context.Background(), s.Citizen(citizen)
	if role == seal.Matcher {
		rows, err := s.MatcherRole.Held(ctx, name)
		if err != nil {
			s.watch.violated("matcher: its rows cannot be read: %v", fault.CodeOf(err))
		}
		for _, r := range rows {
			out = append(out, held{r.Row, r.Counter, r.Masked.Bytes()})
		}
		return out
	}
	rows, err := s.CustodianRole.Held(ctx, name)
	if err != nil {
		s.watch.violated("custodian: its rows cannot be read: %v", fault.CodeOf(err))
	}
	for _, r := range rows {
		out = append(out, held{r.Row, r.Counter, r.Salt[:]})
	}
	return out
}

// held is one row: its name, and what it is worth.
type held struct {
	row     canon.RowID
	counter uint64
	secret  []byte // f, or the salt
}

package hostile_test

import (
	"context"
	"encoding/binary"

	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/seal"
)

// inspect looks into the honest servers after an action, and gives everything that
// is not as it must be.
func (s *stage) inspect() []string {
	for _, role := range s.servers() {
		s.ledger.inspect(role)
	}
	s.ledger.records()
	if text := s.journal.names(references()...); text != "" {
		s.watch.violated("a log names a citizen: %s", text)
	}
	source, server := s.Source.Stats(), s.CustodianRole.Correlations.Stats()
	if s.honest(seal.Matcher) && source.Dealt != source.Sacrificed+source.Used+source.Discarded+uint64(source.Stock) {
		s.watch.violated("matcher: correlations do not add up: %+v", source)
	}
	if s.honest(seal.Custodian) && server.Dealt != server.Sacrificed+server.Used+server.Discarded+uint64(server.Stock) {
		s.watch.violated("custodian: correlations do not add up: %+v", server)
	}
	return s.watch.take()
}

// days is how many days a budget's window has (package admit).
const days = 31

// inspectBudget holds a citizen's budget to the comparisons that were answered, and
// refunds to the yeses among them.
func (l *ledger) inspectBudget(role seal.Role, name string, a *account) {
	note := l.s.watch.violated
	h := l.s.desk(role).Handle(l.s.Citizen(name))
	rows, err := l.s.stores[role].Partition(context.Background(), "session", h[:], nil, 4096)
	if err != nil {
		note("%s: sessions cannot be read", role)
		return
	}
	refunds := 0
	for _, r := range rows {
		id := canon.SessionID(r.Key)
		a.debits[id] = true
		v := canon.NewReader("consumed", r.Value)
		_, refunded := v.Uint64(), v.Uint64() == 1
		if !refunded {
			continue
		}
		refunds++
		if at := l.s.watch.session(role, id); at == nil || !at.may {
			note("%s: a refund without a yes", role)
		}
	}
	for id, at := range l.s.watch.compared(role, name) {
		if !a.debits[id] {
			note("%s: a comparison that no budget was debited for (session %v)", role, at.id)
		}
	}
	record, _ := l.s.read(role, "budget", name, []byte("budget"))
	answers, noMatches := 0, 0
	for d := 0; d < days && len(record.Value) >= 4*days; d++ {
		answers += int(binary.BigEndian.Uint16(record.Value[4*d:]))
		noMatches += int(binary.BigEndian.Uint16(record.Value[4*d+2:]))
	}
	if a.lifted {
		return
	}
	if answers != min(len(a.debits), l.s.limits.Answers) || noMatches < answers-refunds && len(rows) == len(a.debits) {
		note("%s: a budget of %d answers, %d no-matches after %d comparisons with %d refunds", role, answers, noMatches, len(a.debits), refunds)
	}
}

// spent reports whether a citizen's budget at a server was spent before a session.
func (s *stage) spent(role seal.Role, name string, id canon.SessionID) bool {
	h := s.desk(role).Handle(s.Citizen(name))
	rows, err := s.stores[role].Partition(context.Background(), "session", h[:], nil, 4096)
	if err != nil {
		s.watch.violated("%s: sessions cannot be read", role)
	}
	before := map[canon.SessionID]bool{}
	for _, r := range rows {
		before[canon.SessionID(r.Key)] = true
	}
	for known := range s.ledger.accounts[role][name].debits {
		before[known] = true
	}
	delete(before, id)
	return len(before) >= s.limits.Answers
}

func (w *watch) session(role seal.Role, id canon.SessionID) *watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sessions[role][id]
}

// compared lists the sessions about a citizen in which a server let go of something.
func (w *watch) compared(role seal.Role, name string) map[canon.SessionID]*watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[canon.SessionID]*watched{}
	for id, at := range w.sessions[role] {
		if at.compared > 0 && w.asked[at.q].citizen == name {
			out[id] = at
		}
	}
	return out
}

// records reads on in the honest servers' records: whoever is accused must be the
// one that is corrupt. A matcher takes its custodian's word that the dealer cheated.
func (l *ledger) records() {
	for _, role := range l.s.servers() {
		log := l.s.MatcherRole.Audit
		if role == seal.Custodian {
			log = l.s.CustodianRole.Audit
		}
		for {
			leaves, err := log.Read(context.Background(), l.leaves[role], 256)
			if err != nil {
				l.s.watch.violated("%s: its record cannot be read: %v", role, err)
			}
			for _, leaf := range leaves {
				l.leaves[role] = leaf.Serial + 1
				if leaf.Operation == audit.OpAlarm {
					l.raised++
					l.accused(role, seal.Role(leaf.Party))
				}
			}
			if len(leaves) < 256 {
				break
			}
		}
	}
}

func (l *ledger) accused(by, party seal.Role) {
	corrupt := l.s.corrupt
	switch {
	case corrupt == outsider:
		l.s.watch.violated("%s: an alarm where nobody among the roles is corrupt", by)
	case party != seal.Matcher && party != seal.Custodian && party != seal.Dealer:
		// A comparison that was tampered with names its relying party.
	case party != corrupt && !(by == seal.Matcher && corrupt == seal.Custodian && party == seal.Dealer):
		l.s.watch.violated("%s: accuses the %s, and the %s is corrupt", by, party, corrupt)
	}
}

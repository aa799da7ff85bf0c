package crash_test

import (
	"os"
	"path/filepath"

	"nod/audit/file"
	"nod/crypto/seal"
	"nod/process"
	"nod/process/rows"
)

// kept is what a role has on its disk after everything.
type kept struct {
	answers  int // attempts that budgets count
	sessions map[string]bool
	leaves   uint64 // of the audit record
}

// offline reads the disks of roles that have stopped, and holds them to what the witness
// saw: whose share left has counted the attempt, and used the session up.
func (l *load) offline() map[seal.Role]kept {
	l.T.Helper()
	out := map[seal.Role]kept{}
	for _, role := range seal.Roles() {
		out[role] = l.read(role)
	}
	m, c := out[seal.Matcher], out[seal.Custodian]
	for id := range l.witness.asked {
		if !m.sessions[id.String()] {
			l.T.Errorf("c_0 of session %v left the matcher, which did not count it", id)
		}
	}
	for id := range l.witness.started {
		if !c.sessions[id.String()] {
			l.T.Errorf("c_1 of session %v left the custodian, which did not count it", id)
		}
	}
	for role, k := range map[seal.Role]kept{seal.Matcher: m, seal.Custodian: c} {
		if k.answers != len(k.sessions) {
			l.T.Errorf("the %s counts %d attempts, and %d sessions used", role, k.answers, len(k.sessions))
		}
	}
	return out
}

func (l *load) read(role seal.Role) (k kept) {
	t := l.T
	t.Helper()
	folder := filepath.Join(l.Layout.Role(role), "data")
	record, err := os.Open(filepath.Join(folder, "audit.log"))
	must(t, err)
	defer record.Close()
	summary, err := file.Verify(record)
	must(t, err)
	k.leaves = summary.Count
	if summary.Torn != 0 {
		t.Errorf("the audit record of a %s that stopped ends in the middle", role)
	}
	if role == seal.Dealer {
		return k
	}
	ctx := t.Context()
	p, err := process.Open(ctx, process.Options{Role: role, Folder: folder})
	must(t, err)
	defer func() { must(t, p.Close()) }()
	r, err := rows.Open(ctx, p, rows.Hooks{})
	must(t, err)
	budgets, err := all(ctx, r.Store, "budget")
	must(t, err)
	for _, b := range budgets {
		k.answers += answersOf(b.Value)
	}
	sessions, err := all(ctx, r.Store, "session")
	must(t, err)
	k.sessions = map[string]bool{}
	for _, s := range sessions {
		k.sessions[s.Key] = true
	}
	return k
}

package hostile_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/store"
	"nod/wire"
)

// paper is an order that station or bureau signed, and may be delivered at any time.
type paper struct {
	id             [32]byte // the row of an enrolment, the hash of an order
	citizen        string
	kind           orders.OrderKind // "" for an enrolment
	issued, expiry time.Time
	code           code.Code // of an enrolment
	applied        map[seal.Role]bool
	raw            []byte // of an order
	enrolment      *wire.EnrolRequest
}

// account is what a server must hold of a citizen after the orders that it carried
// out.
type account struct {
	newest time.Time
	locked bool
	rows   []canon.RowID // since the last erasure, oldest first
	lifted bool
	debits map[canon.SessionID]bool // sessions that were compared
	worth  map[string][]byte        // row and counter: f, or the salt
}

// ledger is every signed order, and the accounts that follow from it.
type ledger struct {
	s        *stage
	papers   []*paper
	accounts map[seal.Role]map[string]*account
	gone     map[seal.Role]map[string]bool // what rows were worth, that are gone
	leaves   map[seal.Role]uint64          // of the record, that were read
	raised   int                           // alarms in the records
}

func newLedger(s *stage) *ledger {
	l := &ledger{s: s, accounts: map[seal.Role]map[string]*account{}, gone: map[seal.Role]map[string]bool{}, leaves: map[seal.Role]uint64{}}
	for _, role := range []seal.Role{seal.Matcher, seal.Custodian} {
		l.accounts[role], l.gone[role] = map[string]*account{}, map[string]bool{}
		for _, name := range references() {
			l.accounts[role][name] = &account{
				newest: time.UnixMilli(0), debits: map[canon.SessionID]bool{}, worth: map[string][]byte{},
			}
		}
	}
	return l
}

func (l *ledger) sign(p *paper) *paper {
	p.applied = map[seal.Role]bool{}
	l.papers = append(l.papers, p)
	return p
}

// template is the code that a row was enrolled with.
func (l *ledger) template(row canon.RowID) (code.Code, bool) {
	for _, p := range l.papers {
		if p.kind == "" && p.id == row {
			return p.code, true
		}
	}
	return nil, false
}

// newest is the code that was enrolled last under a name.
func (l *ledger) newest(citizen string) (x code.Code) {
	for _, p := range l.papers {
		if p.kind == "" && p.citizen == citizen && len(p.applied) > 0 {
			x = p.code
		}
	}
	return x
}

// templates are the codes of the rows that a server holds of a citizen, who is not
// locked there; and what both servers really hold between them, which a corrupt
// custodian may have shifted when it gave a delta (docs/spec/threat-model.md, section 3).
func (s *stage) templates(role seal.Role, citizen string) (out []code.Code) {
	locked, _ := s.standing(role, citizen)
	if locked {
		return nil
	}
	for _, r := range s.rows(role, citizen) {
		if x, ok := s.ledger.template(r.row); ok {
			out = append(out, x)
		}
	}
	if s.corrupt != seal.Custodian || len(out) == 0 {
		return out
	}
	if h, err := s.Halves(context.Background(), s.Citizen(citizen)); err == nil && h.Matcher.Row == h.Custodian.Row {
		x := h.Matcher.Masked.Clone()
		x.Xor(h.Pad)
		out = append(out, x)
	}
	return out
}

// standing reads what a server keeps of orders about a citizen.
func (s *stage) standing(role seal.Role, citizen string) (locked bool, newest time.Time) {
	record, ok := s.read(role, "standing", citizen, []byte("standing"))
	if !ok {
		return false, time.UnixMilli(0)
	}
	r := canon.NewReader("standing", record.Value)
	locked = r.Uint(1) == 1
	return locked, time.UnixMilli(int64(r.Uint64()))
}

func (s *stage) read(role seal.Role, table store.Table, citizen string, key []byte) (store.Record, bool) {
	h := s.desk(role).Handle(s.Citizen(citizen))
	record, err := s.stores[role].Get(context.Background(), store.Row{Table: table, Partition: h[:], Key: key})
	if err != nil && !fault.Is(err, fault.NotFound) {
		s.watch.violated("%s: table %s cannot be read: %v", role, table, fault.CodeOf(err))
	}
	return record, err == nil
}

// sync brings the accounts of a server up to the orders that it carried out since.
func (l *ledger) sync(role seal.Role) {
	var carried []*paper
	for _, p := range l.papers {
		if _, done := l.s.read(role, "order", p.citizen, p.id[:]); done && !p.applied[role] {
			p.applied[role] = true
			carried = append(carried, p)
		}
	}
	slices.SortFunc(carried, func(a, b *paper) int { return a.issued.Compare(b.issued) })
	for _, p := range carried {
		a := l.accounts[role][p.citizen]
		if !p.issued.After(a.newest) {
			l.s.watch.violated("%s: carries out an order that is not newer than the newest", role)
		}
		if l.s.Clock.Now().After(p.expiry.Add(orders.Skew)) {
			l.s.watch.violated("%s: carries out an order that has expired", role)
		}
		a.newest = p.issued
		switch p.kind {
		case "":
			a.rows = append(a.rows, p.id)
		case orders.Lock:
			a.locked = true
		case orders.Unlock:
			a.locked = false
		case orders.Erase:
			a.rows = nil
		case orders.Lift:
			a.lifted = true
		}
	}
}

// inspect holds a server's rows to its accounts.
func (l *ledger) inspect(role seal.Role) {
	l.sync(role)
	for name, a := range l.accounts[role] {
		locked, newest := l.s.standing(role, name)
		if locked != a.locked || !newest.Equal(a.newest) {
			l.s.watch.violated("%s: a citizen is locked %v, ordered %v, by no order (%v, %v)", role, locked, newest, a.locked, a.newest)
		}
		l.inspectRows(role, name, a)
		l.inspectBudget(role, name, a)
	}
}

func (l *ledger) inspectRows(role seal.Role, name string, a *account) {
	note := l.s.watch.violated
	rows := l.s.rows(role, name)
	present := map[string]bool{}
	for _, r := range rows {
		if !slices.Contains(a.rows, r.row) {
			note("%s: holds a row that no order put there, or that was erased", role)
		}
		key := fmt.Sprint(r.row, r.counter)
		present[key] = true
		switch before, known := a.worth[key]; {
		case known && !bytes.Equal(before, r.secret):
			note("%s: a row changed", role)
		case !known && l.gone[role][string(r.secret)]:
			note("%s: what was deleted has come back", role)
		case !known && role == seal.Custodian && l.salted(r.secret):
			note("custodian: one salt for two rows")
		}
		a.worth[key] = r.secret
	}
	for key, secret := range a.worth {
		if !present[key] {
			delete(a.worth, key)
			l.gone[role][string(secret)] = true
		}
	}
	if len(a.rows) == 0 {
		return
	}
	last := a.rows[len(a.rows)-1]
	if !slices.ContainsFunc(rows, func(r held) bool { return r.row == last }) {
		note("%s: the newest row is gone without an order", role)
	}
	if role == seal.Matcher && len(rows) != 1 {
		note("matcher: holds %d rows of one slot", len(rows))
	}
}

func (l *ledger) salted(salt []byte) bool {
	for _, a := range l.accounts[seal.Custodian] {
		for _, worth := range a.worth {
			if bytes.Equal(worth, salt) {
				return true
			}
		}
	}
	return false
}

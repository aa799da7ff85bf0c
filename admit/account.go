package admit

import (
	"context"
	"time"

	"nod/crypto/canon"
	"nod/fault"
	"nod/store"
)

// Handle is a server's own name for a citizen: PRF(its own handle key, citizen
// reference). It never leaves the server, and is never taken from another.
type Handle [32]byte

// The tables. Partitions are handles, so that one write can consume a session
// and debit the budget; but for replays, whose partition is (rp, jti).
const (
	tableReplay   store.Table = "replay"
	tableSession  store.Table = "session"
	tableBudget   store.Table = "budget"
	tableStanding store.Table = "standing"
	tableOrder    store.Table = "order"
)

// retries bounds how often a conditional write is tried again because another
// session of the same citizen wrote in between.
const retries = 64

func budgetRow(h Handle) store.Row {
	return store.Row{Table: tableBudget, Partition: h[:], Key: []byte("budget")}
}

func sessionRow(h Handle, id canon.SessionID) store.Row {
	return store.Row{Table: tableSession, Partition: h[:], Key: id[:]}
}

// read gets a row, and reports a missing one as version 0.
func read(ctx context.Context, s store.Store, row store.Row) (store.Record, error) {
	record, err := s.Get(ctx, row)
	if fault.Is(err, fault.NotFound) {
		return store.Record{}, nil
	}
	return record, err
}

// at is the condition that a row is still as it was read.
func at(r store.Record) store.Condition {
	if r.Version == 0 {
		return store.Absent
	}
	return store.At(r.Version)
}

func (d *Desk) budget(ctx context.Context, h Handle) (budget, store.Record, error) {
	record, err := read(ctx, d.store, budgetRow(h))
	if err != nil || record.Version == 0 {
		return budget{}, record, err
	}
	b, err := decodeBudget(record.Value)
	return b, record, err
}

// Consume uses a session up and debits its citizen's budget, in one durable
// conditional write, before anything that depends on the result leaves this
// server. It fails with fault.SessionUsed the second time. It reports whether the
// citizen may not be verified any more, because the budget is spent or an order
// (lock, erasure, enrolment) came since the admission: then the server goes on
// with random bits. What is written has the same rows and sizes either way.
func (d *Desk) Consume(ctx context.Context, a *Admission, id canon.SessionID) (unusable bool, err error) {
	h := a.Handle
	for range retries {
		s, _, err := d.standing(ctx, h)
		if err != nil {
			return false, err
		}
		b, record, err := d.budget(ctx, h)
		if err != nil {
			return false, err
		}
		now := d.now()
		spent := b.debit(&d.limits, now)
		err = d.store.Apply(ctx,
			store.Write{Row: sessionRow(h, id), If: store.Absent, Value: consumed(b.today, false), Expires: now.Add(d.keep())},
			store.Write{Row: budgetRow(h), If: at(record), Value: b.encode()})
		switch {
		case err == nil:
			return spent || !s.newest.Equal(a.newest), nil
		case !fault.Is(err, fault.Conflict):
			return false, err
		}
		used, err := read(ctx, d.store, sessionRow(h, id))
		if err != nil {
			return false, err
		}
		if used.Version != 0 {
			return false, fault.New(fault.SessionUsed, "session was compared before")
		}
	}
	return false, fault.New(fault.StoreUnavailable, "budget is written by too many sessions at once")
}

// Refund takes back the no-match of one consumed session, once, for a yes that
// this server verified.
func (d *Desk) Refund(ctx context.Context, a *Admission, id canon.SessionID) error {
	h := a.Handle
	for range retries {
		session, err := d.store.Get(ctx, sessionRow(h, id))
		if err != nil {
			return err
		}
		debited, refunded, err := readConsumed(session.Value)
		if err != nil || refunded {
			return err
		}
		b, record, err := d.budget(ctx, h)
		if err != nil {
			return err
		}
		b.refund(&d.limits, debited, d.now())
		err = d.store.Apply(ctx,
			store.Write{Row: sessionRow(h, id), If: store.At(session.Version), Value: consumed(debited, true), Expires: session.Expires},
			store.Write{Row: budgetRow(h), If: at(record), Value: b.encode()})
		if !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return fault.New(fault.StoreUnavailable, "budget is written by too many sessions at once")
}

// keep is how long a consumed session is remembered: longer than any session
// lives, whatever the clocks of two instances say.
func (d *Desk) keep() time.Duration { return d.limits.Session + time.Hour }

// consumed is the record of a used session: the day of its debit, and whether it
// was refunded.
func consumed(day uint32, refunded bool) []byte {
	flag := uint64(0)
	if refunded {
		flag = 1
	}
	return canon.Encode("consumed", canon.Uint64(uint64(day)), canon.Uint64(flag))
}

func readConsumed(data []byte) (day uint32, refunded bool, err error) {
	r := canon.NewReader("consumed", data)
	day = uint32(r.Uint(1<<32 - 1))
	refunded = r.Uint(1) == 1
	return day, refunded, r.Close()
}

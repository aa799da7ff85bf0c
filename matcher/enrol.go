package matcher

import (
	"context"
	"crypto/sha256"
	"errors"

	"nod/admit"
	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/fault"
	"nod/orders"
	"nod/store"
	"nod/wire"
)

// Enrol stores a template that a station signed: f = y_0 xor delta, where the
// custodian gives delta = b xor y_1. Both are uniform to this server. After a
// lost answer the station makes a new order.
func (m *Matcher) Enrol(ctx context.Context, r *wire.EnrolRequest) (*wire.ReceiptAnswer, error) {
	hash0 := canon.Digest(sha256.Sum256(r.Sealed0))
	e, err := m.Desk.AdmitEnrolment(ctx, r.Order, hash0, sha256.Sum256(r.Sealed1))
	if err != nil {
		return nil, err
	}
	if int(e.Slot) >= wire.MaxSlots {
		return nil, fault.New(fault.OutOfRange, "slot %d, at most %d", e.Slot, wire.MaxSlots-1)
	}
	model, err := m.Desk.Model(e.Model)
	if err != nil {
		return nil, err
	}
	plain, err := m.Recipients.Open(e.Context(), r.Sealed0, model.Bits()/8, m.Now())
	if err != nil {
		return nil, err
	}
	masked, err := code.CodeFromBytes(model.Bits(), plain)
	plain.Wipe()
	if err != nil {
		return nil, err
	}
	defer masked.Wipe()
	enrolled, err := m.Custodian.Enrol(ctx, &wire.EnrolStart{Order: r.Order, Hash0: hash0, Sealed1: r.Sealed1})
	if err != nil {
		return nil, err
	}
	if enrolled.Delta.Bits() != model.Bits() {
		return nil, fault.New(fault.BadDimension, "delta of %d bits", enrolled.Delta.Bits())
	}
	masked.Xor(enrolled.Delta)
	return m.storeTemplate(ctx, e, &template{row: e.Row, model: e.Model, masked: masked})
}

// storeTemplate puts the template in the place of what the slot held, tells the
// custodian, and returns both servers' receipt.
func (m *Matcher) storeTemplate(ctx context.Context, e *admit.Enrolment, t *template) (*wire.ReceiptAnswer, error) {
	if _, err := m.Record(ctx, audit.Leaf{
		Operation: audit.OpEnrol, Subject: e.Subject, Party: e.Station, Session: canon.Digest(e.Row),
	}); err != nil {
		return nil, err
	}
	lock := m.rows.of(e.Handle[:])
	lock.Lock()
	defer lock.Unlock()
	var removed []canon.RowID
	err := m.Desk.ApplyEnrolment(ctx, e, func(ctx context.Context) ([]store.Write, []byte, error) {
		old, record, err := m.template(ctx, e.Handle, e.Slot)
		if err != nil {
			return nil, nil, err
		}
		removed = nil
		if old != nil {
			removed = []canon.RowID{old.row}
		}
		return []store.Write{putTemplate(templateRow(e.Handle, e.Slot), t, record)}, nil, nil
	})
	if err != nil {
		return nil, m.Failure(ctx, audit.Leaf{Subject: e.Subject, Party: e.Station, Session: canon.Digest(e.Row)}, err)
	}
	promoted, err := m.Custodian.Stored(ctx, &wire.RowStored{Row: t.row})
	if err != nil {
		return nil, err
	}
	return m.receipt(orders.Statement{Kind: orders.Enrolled, Order: e.Row, Removed: removed}, promoted.Statement)
}

// Renew moves a page of templates to the custodian's newest pad key. Killed at any
// point, it goes on from any cursor: a template that moved is known by its counter.
func (m *Matcher) Renew(ctx context.Context, r *wire.RenewRequest) (*wire.RenewAnswer, error) {
	after, err := parseCursor(r.Cursor)
	if err != nil {
		return nil, err
	}
	if r.Limit < 1 || r.Limit > wire.MaxRenewals {
		return nil, fault.New(fault.OutOfRange, "%d renewals at once, from 1 to %d are", r.Limit, wire.MaxRenewals)
	}
	entries, err := m.Store.Scan(ctx, tableTemplate, after, int(r.Limit))
	if err != nil {
		return nil, err
	}
	out := new(wire.RenewAnswer)
	for _, e := range entries {
		moved, err := m.renew(ctx, e.Row)
		switch {
		case fault.Is(err, fault.RowMismatch):
			out.Failed++
		case err != nil:
			return nil, err
		case moved:
			out.Renewed++
		}
		out.Seen++
	}
	if len(entries) == int(r.Limit) {
		last := entries[len(entries)-1].Row
		out.Cursor = canon.Encode("cursor", last.Partition, last.Key)
	}
	return out, nil
}

func parseCursor(cursor []byte) (row store.Row, err error) {
	if len(cursor) == 0 {
		return row, nil
	}
	r := canon.NewReader("cursor", cursor)
	row = store.Row{Table: tableTemplate, Partition: r.Bytes(1, 128), Key: r.Bytes(1, 128)}
	return row, r.Close()
}

// renew moves one template. f xor (b_old xor b_new) is masked by the new pad alone.
func (m *Matcher) renew(ctx context.Context, row store.Row) (moved bool, err error) {
	lock := m.rows.of(row.Partition)
	lock.Lock()
	defer lock.Unlock()
	record, err := m.Store.Get(ctx, row)
	if fault.Is(err, fault.NotFound) {
		return false, nil // erased meanwhile
	}
	if err != nil {
		return false, err
	}
	t, err := decodeTemplate(record.Value)
	if err != nil {
		return false, err
	}
	defer t.masked.Wipe()
	next, err := m.Custodian.Renew(ctx, &wire.RenewStart{Row: t.row, Counter: t.counter})
	if err != nil || next.Current {
		return false, err
	}
	if next.Counter != t.counter+1 || next.Delta.Bits() != t.masked.Bits() {
		return false, fault.New(fault.RowMismatch, "the custodian renews another row")
	}
	t.masked.Xor(next.Delta)
	t.counter = next.Counter
	if _, err := m.Record(ctx, audit.Leaf{Operation: audit.OpRenew, Session: canon.Digest(t.row)}); err != nil {
		return false, err
	}
	if err := m.Store.Apply(ctx, putTemplate(row, t, record)); err != nil {
		if fault.Is(err, fault.Conflict) {
			return false, nil // enrolled or erased meanwhile
		}
		return false, err
	}
	_, err = m.Custodian.Stored(ctx, &wire.RowStored{Row: t.row, Counter: t.counter})
	return err == nil, err
}

// Order carries out an order of the bureau, on both sides. An erasure deletes the
// masked templates in the same write as the order's tombstone. It is delivered
// until both have signed.
func (m *Matcher) Order(ctx context.Context, r *wire.OrderRequest) (*wire.ReceiptAnswer, error) {
	o, err := m.Desk.AdmitOrder(r.Order)
	if err != nil {
		return nil, err
	}
	operation, kind := o.Did()
	if _, err := m.Record(ctx, audit.Leaf{Operation: operation, Subject: o.Subject, Session: canon.Digest(o.Hash())}); err != nil {
		return nil, err
	}
	note, err := m.Desk.ApplyOrder(ctx, o, func(ctx context.Context) ([]store.Write, []byte, error) {
		if o.Kind != orders.Erase {
			return nil, nil, nil
		}
		return m.erase(ctx, o.Handle)
	})
	if err != nil {
		// The record says what was to be done; nothing was.
		err = m.Failure(ctx, audit.Leaf{Subject: o.Subject, Session: canon.Digest(o.Hash())}, err)
	}
	// An order that is stale or over here may still be wanted there, and the other
	// way round: each server answers for itself, and both must sign.
	done, theirs := m.Custodian.Order(ctx, r)
	if err := errors.Join(err, theirs); err != nil {
		return nil, err
	}
	return m.receipt(orders.Statement{Kind: kind, Order: o.Hash(), Removed: admit.ParseRows(note)}, done.Statement)
}

// erase gives the writes that delete every slot of a citizen, and the rows in them.
func (m *Matcher) erase(ctx context.Context, h admit.Handle) (writes []store.Write, note []byte, err error) {
	var removed []canon.RowID
	for n := range uint8(wire.MaxSlots) {
		t, record, err := m.template(ctx, h, n)
		if err != nil {
			return nil, nil, err
		}
		if t != nil {
			removed = append(removed, t.row)
			writes = append(writes, store.Write{Row: templateRow(h, n), If: store.At(record.Version), Delete: true})
		}
	}
	return writes, admit.Rows(removed), nil
}

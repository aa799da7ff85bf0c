package admit

import (
	"context"
	"time"

	"nod/audit"
	"nod/crypto/canon"
	"nod/fault"
	"nod/orders"
	"nod/store"
)

// standing is what orders made of a citizen at this server: whether verification
// is locked, and when the newest order was issued. One size, whatever it holds.
type standing struct {
	locked bool
	newest time.Time // whole milliseconds
}

func standingRow(h Handle) store.Row {
	return store.Row{Table: tableStanding, Partition: h[:], Key: []byte("standing")}
}

func (s *standing) encode() []byte {
	locked := uint64(0)
	if s.locked {
		locked = 1
	}
	return canon.Encode("standing", canon.Uint64(locked), canon.Uint64(uint64(max(s.newest.UnixMilli(), 0))))
}

func (d *Desk) standing(ctx context.Context, h Handle) (standing, store.Record, error) {
	record, err := read(ctx, d.store, standingRow(h))
	if err != nil || record.Version == 0 {
		return standing{newest: time.UnixMilli(0)}, record, err
	}
	r := canon.NewReader("standing", record.Value)
	s := standing{locked: r.Uint(1) == 1, newest: time.UnixMilli(int64(r.Uint(1<<53 - 1))).UTC()}
	return s, record, r.Close()
}

// Enrolment is a station's order that this server verified.
type Enrolment struct {
	*orders.Enrolment
	Row     canon.RowID
	Handle  Handle
	Subject canon.Digest
}

// AdmitEnrolment verifies a station's order over the hashes of both halves, and
// that nothing newer was ordered for its citizen. It writes nothing.
func (d *Desk) AdmitEnrolment(ctx context.Context, order []byte, hash0, hash1 canon.Digest) (*Enrolment, error) {
	e, err := orders.VerifyEnrolment(order, hash0, hash1, d.config.Stations, d.now())
	if err != nil {
		return nil, err
	}
	if _, err := d.Model(e.Model); err != nil {
		return nil, err
	}
	out := &Enrolment{Enrolment: e, Row: e.RowID(), Handle: d.Handle(e.Citizen), Subject: d.Subject(e.Citizen)}
	s, _, err := d.standing(ctx, out.Handle)
	if err != nil {
		return nil, err
	}
	return out, orders.Follows(e.IssuedAt, s.newest)
}

// Effect is what a role does to its own rows (of the same partition) with an order,
// and a note about it that is kept with the order. It is called anew for every
// attempt to write.
type Effect func(context.Context) (writes []store.Write, note []byte, err error)

// ApplyEnrolment marks an enrolment as the newest order of its citizen, together
// with its effect, all or none. It is applied once: fault.Replayed the second
// time, fault.StaleOrder if something newer came in between.
func (d *Desk) ApplyEnrolment(ctx context.Context, e *Enrolment, effect Effect) error {
	_, again, err := d.apply(ctx, e.Handle, e.Row[:], e.IssuedAt, e.Expiry, nil, effect)
	if again {
		return fault.New(fault.Replayed, "the enrolment was applied before")
	}
	return err
}

// Order is an order of the bureau that this server verified.
type Order struct {
	*orders.Order
	Handle  Handle
	Subject canon.Digest
}

// AdmitOrder verifies an order of the bureau. It writes nothing.
func (d *Desk) AdmitOrder(order []byte) (*Order, error) {
	o, err := orders.VerifyOrder(order, d.config.Bureau, d.now())
	if err != nil {
		return nil, err
	}
	return &Order{Order: o, Handle: d.Handle(o.Citizen), Subject: d.Subject(o.Citizen)}, nil
}

// Did is what an order's audit record and receipt call it.
func (o *Order) Did() (audit.Operation, orders.ReceiptKind) {
	switch o.Kind {
	case orders.Lock:
		return audit.OpLock, orders.Locked
	case orders.Unlock:
		return audit.OpUnlock, orders.Unlocked
	case orders.Lift:
		return audit.OpLift, orders.Lifted
	}
	return audit.OpErase, orders.Erased
}

// ApplyOrder changes the citizen's standing or budget as the order says, together
// with its effect, all or none. It is applied once by its hash; the note is that
// of the first time, however often it is delivered.
func (d *Desk) ApplyOrder(ctx context.Context, o *Order, effect Effect) (note []byte, err error) {
	hash := o.Hash()
	change := func(ctx context.Context, s *standing) ([]store.Write, error) {
		switch o.Kind {
		case orders.Lock:
			s.locked = true
		case orders.Unlock:
			s.locked = false
		case orders.Lift:
			record, err := read(ctx, d.store, budgetRow(o.Handle))
			if err != nil {
				return nil, err
			}
			return []store.Write{{Row: budgetRow(o.Handle), If: at(record), Value: new(budget).encode()}}, nil
		}
		return nil, nil
	}
	note, _, err = d.apply(ctx, o.Handle, hash[:], o.IssuedAt, o.Expiry, change, effect)
	return note, err
}

// apply makes one durable write of: the order's tombstone, the citizen's standing,
// and what the order and the caller add.
func (d *Desk) apply(ctx context.Context, h Handle, id []byte, issued, expiry time.Time,
	change func(context.Context, *standing) ([]store.Write, error), effect Effect,
) (note []byte, again bool, err error) {
	tombstone := store.Row{Table: tableOrder, Partition: h[:], Key: id}
	for range retries {
		known, err := read(ctx, d.store, tombstone)
		if err != nil {
			return nil, false, err
		}
		if known.Version != 0 {
			return known.Value, true, nil
		}
		s, record, err := d.standing(ctx, h)
		if err != nil {
			return nil, false, err
		}
		if err := orders.Follows(issued, s.newest); err != nil {
			return nil, false, err
		}
		s.newest = issued
		batch, note, err := effect(ctx)
		if err != nil {
			return nil, false, err
		}
		if change != nil {
			more, err := change(ctx, &s)
			if err != nil {
				return nil, false, err
			}
			batch = append(batch, more...)
		}
		batch = append(batch,
			store.Write{Row: tombstone, If: store.Absent, Value: note, Expires: expiry.Add(tombstoneKeep)},
			store.Write{Row: standingRow(h), If: at(record), Value: s.encode()})
		if err := d.store.Apply(ctx, batch...); !fault.Is(err, fault.Conflict) {
			return note, false, err
		}
	}
	return nil, false, fault.New(fault.StoreUnavailable, "citizen is written by too many orders at once")
}

// tombstoneKeep is how long after an order's own expiry its tombstone stays: past
// it the order is refused by its time.
const tombstoneKeep = 24 * time.Hour

// Rows is a note that lists rows.
func Rows(rows []canon.RowID) []byte {
	out := make([]byte, 0, 32*len(rows))
	for _, r := range rows {
		out = append(out, r[:]...)
	}
	return out
}

// ParseRows reads a note of Rows.
func ParseRows(note []byte) (out []canon.RowID) {
	for ; len(note) >= 32; note = note[32:] {
		out = append(out, canon.RowID(note[:32]))
	}
	return out
}

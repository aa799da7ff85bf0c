package admit

import (
	"context"
	"time"

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
	out := &Enrolment{Enrolment: e, Row: e.RowID()}
	if out.Handle, err = d.Handle(e.Citizen); err != nil {
		return nil, err
	}
	if out.Subject, err = d.Subject(e.Citizen); err != nil {
		return nil, err
	}
	s, _, err := d.standing(ctx, out.Handle)
	if err != nil {
		return nil, err
	}
	return out, orders.Follows(e.IssuedAt, s.newest)
}

// ApplyEnrolment marks an enrolment as the newest order of its citizen and makes
// the caller's own writes (rows of the same partition) with it, all or none. It
// is applied once: fault.Replayed the second time, fault.StaleOrder if something
// newer came in between. writes is called anew for every attempt.
func (d *Desk) ApplyEnrolment(ctx context.Context, e *Enrolment, writes func(context.Context) ([]store.Write, error)) error {
	return d.apply(ctx, e.Handle, e.Row[:], e.IssuedAt, e.Expiry, nil, writes)
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
	out := &Order{Order: o}
	if out.Handle, err = d.Handle(o.Citizen); err != nil {
		return nil, err
	}
	out.Subject, err = d.Subject(o.Citizen)
	return out, err
}

// ApplyOrder changes the citizen's standing or budget as the order says, and makes
// the caller's own writes (for an erasure) with it, all or none. It is applied
// once by its hash; again, it reports that it was applied before.
func (d *Desk) ApplyOrder(ctx context.Context, o *Order, writes func(context.Context) ([]store.Write, error)) (again bool, err error) {
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
	err = d.apply(ctx, o.Handle, hash[:], o.IssuedAt, o.Expiry, change, writes)
	if fault.Is(err, fault.Replayed) {
		return true, nil
	}
	return false, err
}

// apply makes one durable write of: the order's tombstone, the citizen's standing,
// and what the order and the caller add.
func (d *Desk) apply(ctx context.Context, h Handle, id []byte, issued, expiry time.Time,
	change func(context.Context, *standing) ([]store.Write, error),
	writes func(context.Context) ([]store.Write, error),
) error {
	tombstone := store.Row{Table: tableOrder, Partition: h[:], Key: id}
	for range retries {
		known, err := read(ctx, d.store, tombstone)
		if err != nil {
			return err
		}
		if known.Version != 0 {
			return fault.New(fault.Replayed, "the order was applied before")
		}
		s, record, err := d.standing(ctx, h)
		if err != nil {
			return err
		}
		if err := orders.Follows(issued, s.newest); err != nil {
			return err
		}
		s.newest = issued
		batch := []store.Write{}
		if change != nil {
			if batch, err = change(ctx, &s); err != nil {
				return err
			}
		}
		if writes != nil {
			more, err := writes(ctx)
			if err != nil {
				return err
			}
			batch = append(batch, more...)
		}
		batch = append(batch,
			store.Write{Row: tombstone, If: store.Absent, Value: canon.Encode("applied"), Expires: expiry.Add(tombstoneKeep)},
			store.Write{Row: standingRow(h), If: at(record), Value: s.encode()})
		if err := d.store.Apply(ctx, batch...); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return fault.New(fault.StoreUnavailable, "citizen is written by too many orders at once")
}

// tombstoneKeep is how long after an order's own expiry its tombstone stays: past
// it the order is refused by its time.
const tombstoneKeep = 24 * time.Hour

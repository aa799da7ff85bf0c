package custodian

import (
	"context"
	"crypto/sha256"

	"nod/admit"
	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/prg"
	"nod/crypto/share"
	"nod/fault"
	"nod/keyring"
	"nod/orders"
	"nod/store"
	"nod/wire"
)

// Enrol stores a pending pad, with a fresh salt, for a template that a station
// signed, and gives delta = b xor y_1. The order is taken once, so that no pad
// ever masks two deltas: after a lost answer the station makes a new order.
func (c *Custodian) Enrol(ctx context.Context, m *wire.EnrolStart) (*wire.EnrolDelta, error) {
	if _, err := matcherOnly(ctx); err != nil {
		return nil, err
	}
	e, err := c.Desk.AdmitEnrolment(ctx, m.Order, m.Hash0, sha256.Sum256(m.Sealed1))
	if err != nil {
		return nil, err
	}
	if int(e.Slot) >= wire.MaxSlots {
		return nil, fault.New(fault.OutOfRange, "slot %d, at most %d", e.Slot, wire.MaxSlots-1)
	}
	model, err := c.Desk.Model(e.Model)
	if err != nil {
		return nil, err
	}
	plain, err := c.Recipients.Open(e.Context(), m.Sealed1, prg.Size, c.Now())
	if err != nil {
		return nil, err
	}
	seed := prg.Seed(plain)
	plain.Wipe()
	defer seed.Wipe()

	p := pad{row: e.Row, model: e.Model, salt: newSalt(), version: c.latest.Load(), expiry: e.Expiry}
	b, err := c.pad(ctx, &p, model.Bits())
	if err != nil {
		return nil, err
	}
	if _, err := c.Record(ctx, audit.Leaf{
		Operation: audit.OpEnrol, Subject: e.Subject, Party: e.Station, Session: canon.Digest(e.Row),
		Key: string(keyring.Pad), KeyVersion: p.version, Count: 1,
	}); err != nil {
		return nil, err
	}
	if err := c.Store.Apply(ctx, putIndex(e.Row, e.Handle, e.Slot, e.Subject)); err != nil {
		return nil, err
	}
	err = c.Desk.ApplyEnrolment(ctx, e, func(ctx context.Context) ([]store.Write, []byte, error) {
		s, record, err := c.slot(ctx, e.Handle, e.Slot)
		if err != nil {
			return nil, nil, err
		}
		if err := s.enrol(p); err != nil {
			return nil, nil, err
		}
		return putSlot(e.Handle, e.Slot, &s, record), nil, nil
	})
	if err != nil {
		b.Wipe()
		return nil, c.Failure(ctx, audit.Leaf{
			Subject: e.Subject, Party: e.Station, Session: canon.Digest(e.Row), Key: string(keyring.Pad), KeyVersion: p.version,
		}, err)
	}
	y1 := share.Expand(&seed, model.Bits())[0]
	defer y1.Wipe()
	b.Xor(y1)
	return &wire.EnrolDelta{Delta: b}, nil
}

// Stored puts the row in use that the matcher holds: every older row of the slot
// loses its salt, and the receipt says so. Told again, it signs that the row is in
// use, and that nothing more was removed.
func (c *Custodian) Stored(ctx context.Context, m *wire.RowStored) (*wire.RowPromoted, error) {
	if _, err := matcherOnly(ctx); err != nil {
		return nil, err
	}
	at, err := c.place(ctx, m.Row)
	if err != nil {
		return nil, err
	}
	version, removed, err := c.promote(ctx, at, m)
	if err != nil || m.Counter != 0 {
		return &wire.RowPromoted{}, err
	}
	statement, err := c.statement(orders.Statement{
		Kind: orders.Enrolled, Order: m.Row, KeyVersion: version, Removed: removed,
	})
	return &wire.RowPromoted{Statement: statement}, err
}

// promote puts the row in use. It reports the row's key version and the rows that
// lost their salt.
func (c *Custodian) promote(ctx context.Context, at place, m *wire.RowStored) (version uint32, removed []canon.RowID, err error) {
	for {
		s, record, err := c.slot(ctx, at.handle, at.slot)
		if err != nil {
			return 0, nil, err
		}
		told := s.active != nil && s.active.holds(m.Row, m.Counter) && len(s.lost) == 0
		if !s.promote(m.Row, m.Counter) {
			return 0, nil, fault.New(fault.RowMismatch, "the row is not, or not any more, one of this slot")
		}
		if told {
			return s.active.version, nil, nil
		}
		err = c.Store.Apply(ctx, putSlot(at.handle, at.slot, &s, record)...)
		if !fault.Is(err, fault.Conflict) {
			return s.active.version, s.lost, err
		}
	}
}

// settleAll puts enrolments in use whose orders have expired unreported, so that the
// rows that they replace lose their salts for good. Sessions do not wait for it:
// reading a slot settles it.
func (c *Custodian) settleAll(ctx context.Context) error {
	var after store.Row
	for {
		entries, err := c.Store.Scan(ctx, tableWaiting, after, settlePage)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := c.settle(ctx, e.Row); err != nil {
				return err
			}
			after = e.Row
		}
		if len(entries) < settlePage {
			return nil
		}
	}
}

// settlePage is how many waiting rows are read at once.
const settlePage = 256

func (c *Custodian) settle(ctx context.Context, waiting store.Row) error {
	h, n := admit.Handle(waiting.Partition), waiting.Key[0]
	s, record, err := c.slot(ctx, h, n)
	if err != nil || len(s.lost) == 0 && s.waits() {
		return err
	}
	for _, row := range s.lost {
		at, err := c.place(ctx, row)
		if err != nil {
			return err
		}
		if _, err := c.Record(ctx, audit.Leaf{Operation: audit.OpErase, Subject: at.subject, Session: canon.Digest(row)}); err != nil {
			return err
		}
	}
	err = c.Store.Apply(ctx, putSlot(h, n, &s, record)...)
	if fault.Is(err, fault.Conflict) {
		return nil // somebody else wrote the slot, settled
	}
	return err
}

package custodian

import (
	"context"

	"nod/audit"
	"nod/crypto/canon"
	"nod/fault"
	"nod/keyring"
	"nod/wire"
)

// Renew stores the next pad of a row, under the newest key version, and gives
// b_old xor b_new. It is stored before it is given, so a retry gives identical
// bytes: one salt, one delta.
func (c *Custodian) Renew(ctx context.Context, m *wire.RenewStart) (*wire.RenewDelta, error) {
	if _, err := matcherOnly(ctx); err != nil {
		return nil, err
	}
	at, err := c.place(ctx, m.Row)
	if err != nil {
		return nil, err
	}
	old, next, err := c.prepareRenewal(ctx, at, m)
	if err != nil {
		return nil, err
	}
	if next == nil {
		return &wire.RenewDelta{Counter: old.counter, Current: true}, nil
	}
	model, err := c.Desk.Model(old.model)
	if err != nil {
		return nil, err
	}
	for _, p := range []*pad{old, next} {
		if _, err := c.Record(ctx, audit.Leaf{
			Operation: audit.OpRenew, Subject: at.subject, Session: canon.Digest(m.Row),
			Key: string(keyring.Pad), KeyVersion: p.version, Count: 1,
		}); err != nil {
			return nil, err
		}
	}
	delta, err := c.pad(ctx, old, model.Bits())
	if err != nil {
		return nil, err
	}
	b, err := c.pad(ctx, next, model.Bits())
	if err != nil {
		delta.Wipe()
		return nil, err
	}
	delta.Xor(b)
	b.Wipe()
	return &wire.RenewDelta{Counter: next.counter, Delta: delta}, nil
}

// prepareRenewal finds the pad in use and the one that follows it, made and
// stored if it is not waiting already; none if the one in use is the newest.
func (c *Custodian) prepareRenewal(ctx context.Context, at place, m *wire.RenewStart) (old, next *pad, err error) {
	for {
		s, record, err := c.slot(ctx, at.handle, at.slot)
		if err != nil {
			return nil, nil, err
		}
		// That the matcher names a row at a counter tells that it holds it.
		told := s.active != nil && s.active.holds(m.Row, m.Counter)
		if !told && !s.promote(m.Row, m.Counter) {
			return nil, nil, fault.New(fault.RowMismatch, "the row is not one of this slot at this counter")
		}
		old := s.active
		if p := s.find(m.Row, m.Counter+1); p != nil {
			return old, p, nil
		}
		var next *pad
		if latest := c.latest.Load(); old.version < latest {
			next = &pad{row: old.row, counter: old.counter + 1, model: old.model, salt: newSalt(), version: latest}
			if err := s.renew(*next); err != nil {
				return nil, nil, err
			}
		} else if told {
			return old, nil, nil
		}
		err = c.Store.Apply(ctx, putSlot(at.handle, at.slot, &s, record)...)
		if err == nil {
			return old, next, nil
		}
		if !fault.Is(err, fault.Conflict) {
			return nil, nil, err
		}
	}
}

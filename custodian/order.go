package custodian

import (
	"context"

	"nod/admit"
	"nod/audit"
	"nod/crypto/canon"
	"nod/orders"
	"nod/store"
	"nod/wire"
)

// Order carries out an order of the bureau. For an erasure every salt of the
// citizen is deleted, in the same write as the order's tombstone. Delivered again,
// it signs the same again.
func (c *Custodian) Order(ctx context.Context, m *wire.OrderRequest) (*wire.OrderDone, error) {
	if _, err := matcherOnly(ctx); err != nil {
		return nil, err
	}
	o, err := c.Desk.AdmitOrder(m.Order)
	if err != nil {
		return nil, err
	}
	operation, kind := o.Did()
	if _, err := c.Record(ctx, audit.Leaf{Operation: operation, Subject: o.Subject, Session: canon.Digest(o.Hash())}); err != nil {
		return nil, err
	}
	note, err := c.Desk.ApplyOrder(ctx, o, func(ctx context.Context) ([]store.Write, []byte, error) {
		if o.Kind != orders.Erase {
			return nil, nil, nil
		}
		return c.erase(ctx, o.Handle)
	})
	if err != nil {
		// The record says what was to be done; nothing was.
		return nil, c.Failure(ctx, audit.Leaf{Subject: o.Subject, Session: canon.Digest(o.Hash())}, err)
	}
	statement, err := c.statement(orders.Statement{Kind: kind, Order: o.Hash(), Removed: admit.ParseRows(note)})
	return &wire.OrderDone{Statement: statement}, err
}

// erase gives the writes that delete every slot of a citizen, and the rows in them.
func (c *Custodian) erase(ctx context.Context, h admit.Handle) (writes []store.Write, note []byte, err error) {
	var removed []canon.RowID
	for n := range uint8(wire.MaxSlots) {
		s, record, err := c.slot(ctx, h, n)
		if err != nil {
			return nil, nil, err
		}
		removed = append(removed, append(s.lost, s.rows()...)...)
		if record.Version != 0 {
			writes = append(writes,
				store.Write{Row: slotRow(h, n), If: store.At(record.Version), Delete: true},
				store.Write{Row: waitingRow(h, n), If: store.Any, Delete: true})
		}
	}
	return writes, admit.Rows(removed), nil
}

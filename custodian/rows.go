package custodian

import (
	"context"

	"nod/admit"
	"nod/crypto/canon"
	"nod/crypto/share"
	"nod/fault"
	"nod/orders"
	"nod/store"
	"nod/wire"
)

// The custodian's own tables. A slot's partition is the handle of its citizen; an
// index row's is the row id, and says whose slot it stands in. A waiting row stands
// beside every slot in which an enrolment waits.
const (
	tableSlot    store.Table = "pad"
	tableIndex   store.Table = "row"
	tableWaiting store.Table = "waiting"
)

func slotRow(h admit.Handle, slot uint8) store.Row {
	return store.Row{Table: tableSlot, Partition: h[:], Key: []byte{slot}}
}

func indexRow(id canon.RowID) store.Row {
	return store.Row{Table: tableIndex, Partition: id[:], Key: []byte("slot")}
}

func waitingRow(h admit.Handle, slot uint8) store.Row {
	return store.Row{Table: tableWaiting, Partition: h[:], Key: []byte{slot}}
}

// slot reads one slot, settled; a missing one is empty, at version 0.
func (c *Custodian) slot(ctx context.Context, h admit.Handle, n uint8) (slot, store.Record, error) {
	record, err := c.Store.Get(ctx, slotRow(h, n))
	if fault.Is(err, fault.NotFound) {
		return slot{}, store.Record{}, nil
	}
	if err != nil {
		return slot{}, record, err
	}
	s, err := decodeSlot(record.Value)
	s.settle(c.Now())
	return s, record, err
}

// putSlot is the writes that replace a slot as it was read.
func putSlot(h admit.Handle, n uint8, s *slot, read store.Record) []store.Write {
	condition := store.Absent
	if read.Version != 0 {
		condition = store.At(read.Version)
	}
	return []store.Write{
		{Row: slotRow(h, n), If: condition, Value: s.encode()},
		{Row: waitingRow(h, n), If: store.Any, Delete: !s.waits(), Value: []byte{}},
	}
}

// putIndex is the write that says whose slot a row stands in. It is made before
// the row exists: an index row alone means nothing.
func putIndex(id canon.RowID, h admit.Handle, slot uint8, subject canon.Digest) store.Write {
	return store.Write{Row: indexRow(id), If: store.Any, Value: canon.Encode("row-index", h[:], []byte{slot}, subject[:])}
}

// place is where a row stands.
type place struct {
	handle  admit.Handle
	slot    uint8
	subject canon.Digest
}

func (c *Custodian) place(ctx context.Context, id canon.RowID) (p place, err error) {
	record, err := c.Store.Get(ctx, indexRow(id))
	if fault.Is(err, fault.NotFound) {
		return p, fault.New(fault.RowMismatch, "no such row here")
	}
	if err != nil {
		return p, err
	}
	r := canon.NewReader("row-index", record.Value)
	r.Fixed(p.handle[:])
	p.slot = append(r.Bytes(1, 1), 0)[0]
	r.Fixed(p.subject[:])
	return p, r.Close()
}

// Held is one template as this server keeps it: what its HMAC key is applied to.
type Held struct {
	Slot       int
	Row        canon.RowID
	Counter    uint64
	Model      canon.ModelID
	Salt       [share.SaltSize]byte
	KeyVersion uint32
	Waiting    bool // not acknowledged by a matcher yet
}

// Held gives what this server keeps of a citizen, after decryption of its rows: for
// audits of what one server alone could learn.
func (c *Custodian) Held(ctx context.Context, citizen orders.Citizen) (out []Held, err error) {
	for n := range uint8(wire.MaxSlots) {
		s, _, err := c.slot(ctx, c.Desk.Handle(citizen), n)
		if err != nil {
			return nil, err
		}
		if p := s.active; p != nil {
			out = append(out, Held{int(n), p.row, p.counter, p.model, p.salt, p.version, false})
		}
		for _, p := range s.pending {
			out = append(out, Held{int(n), p.row, p.counter, p.model, p.salt, p.version, true})
		}
	}
	return out, nil
}

package matcher

import (
	"context"
	"sync"

	"nod/admit"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/fault"
	"nod/orders"
	"nod/store"
	"nod/wire"
)

// The matcher's own tables. A template's partition is the handle of its citizen, a
// verdict's the session.
const (
	tableTemplate store.Table = "template"
	tableVerdict  store.Table = "verdict"
)

// template is everything that the matcher keeps of a citizen's slot: f = y xor b,
// uniform to anybody without the pad.
type template struct {
	row     canon.RowID
	counter uint64
	model   canon.ModelID
	masked  code.Code
}

func templateRow(h admit.Handle, slot uint8) store.Row {
	return store.Row{Table: tableTemplate, Partition: h[:], Key: []byte{slot}}
}

func (t *template) encode() []byte {
	return canon.Encode("template", t.row[:], canon.Uint64(t.counter), t.model[:], t.masked.Bytes())
}

func decodeTemplate(data []byte) (*template, error) {
	r := canon.NewReader("template", data)
	t := new(template)
	r.Fixed(t.row[:])
	t.counter = r.Uint64()
	r.Fixed(t.model[:])
	bits := r.Bytes(code.MinBits/8, code.MaxBits/8)
	if err := r.Close(); err != nil {
		return nil, err
	}
	var err error
	t.masked, err = code.CodeFromBytes(8*len(bits), bits)
	return t, err
}

// template reads one slot; nil, at version 0, if it is empty.
func (m *Matcher) template(ctx context.Context, h admit.Handle, slot uint8) (*template, store.Record, error) {
	record, err := m.Store.Get(ctx, templateRow(h, slot))
	if fault.Is(err, fault.NotFound) {
		return nil, store.Record{}, nil
	}
	if err != nil {
		return nil, record, err
	}
	t, err := decodeTemplate(record.Value)
	return t, record, err
}

// putTemplate is the write that replaces a slot as it was read.
func putTemplate(row store.Row, t *template, read store.Record) store.Write {
	condition := store.Absent
	if read.Version != 0 {
		condition = store.At(read.Version)
	}
	return store.Write{Row: row, If: condition, Value: t.encode()}
}

// stripes keep a renewal from moving a row between the moment a session reads it
// and the moment the custodian fetches its pad.
type stripes [64]sync.RWMutex

func (s *stripes) of(partition []byte) *sync.RWMutex {
	if len(partition) == 0 {
		return &s[0]
	}
	return &s[int(partition[0])%len(s)]
}

// Held is one template as this server keeps it.
type Held struct {
	Slot    int
	Row     canon.RowID
	Counter uint64
	Model   canon.ModelID
	Masked  code.Code
}

// Held gives what this server keeps of a citizen, after decryption of its rows: for
// audits of what one server alone could learn.
func (m *Matcher) Held(ctx context.Context, c orders.Citizen) (out []Held, err error) {
	for n := range uint8(wire.MaxSlots) {
		t, _, err := m.template(ctx, m.Desk.Handle(c), n)
		if err != nil {
			return nil, err
		}
		if t != nil {
			out = append(out, Held{int(n), t.row, t.counter, t.model, t.masked})
		}
	}
	return out, nil
}

package custodian

import (
	"slices"
	"time"

	"nod/crypto/canon"
	"nod/crypto/share"
	"nod/fault"
)

// pad is everything that the custodian keeps of one template: what its HMAC key is
// applied to, and under which version. The pad itself is never stored.
type pad struct {
	row     canon.RowID
	counter uint64
	model   canon.ModelID
	salt    [share.SaltSize]byte
	version uint32    // of the pad key
	expiry  time.Time // of the enrolment order, while it waits; zero for a renewal
}

// input is what the pad key is applied to.
func (p *pad) input() []byte { return share.PadInput(p.row, p.counter, p.model, p.salt) }

// holds reports whether this is the pad of the row at the counter.
func (p *pad) holds(row canon.RowID, counter uint64) bool {
	return p.row == row && p.counter == counter
}

// late reports whether the order of an enrolment that waits has expired.
func (p *pad) late(now time.Time) bool { return !p.expiry.IsZero() && !now.Before(p.expiry) }

// slot is the record of one template slot of one citizen: the pad in use, and
// those that a matcher may hold since an enrolment or a renewal that was not
// acknowledged (docs/spec/protocol.md, section 4), oldest first. A renewal is of
// the pad in use, so it stands before every enrolment that waits. Erasing is
// writing none.
type slot struct {
	active  *pad
	pending []pad

	lost []canon.RowID // rows that lost their salt since the record was read
}

// maxPending bounds the orders of one slot that wait for an acknowledgement.
const maxPending = 4

const slotKind canon.Kind = "pad-slot"

func (p *pad) fields() [][]byte {
	expiry := uint64(0)
	if !p.expiry.IsZero() {
		expiry = uint64(p.expiry.Unix())
	}
	return [][]byte{p.row[:], canon.Uint64(p.counter), p.model[:], p.salt[:],
		canon.Uint64(uint64(p.version)), canon.Uint64(expiry)}
}

func readPad(r *canon.Reader) (p pad) {
	r.Fixed(p.row[:])
	p.counter = r.Uint64()
	r.Fixed(p.model[:])
	r.Fixed(p.salt[:])
	p.version = uint32(r.Uint(1<<32 - 1))
	if at := r.Uint(1 << 40); at != 0 {
		p.expiry = time.Unix(int64(at), 0).UTC()
	}
	return p
}

func (s *slot) encode() []byte {
	active := uint64(0)
	if s.active != nil {
		active = 1
	}
	fields := [][]byte{canon.Uint64(active), canon.Uint64(uint64(len(s.pending)))}
	if s.active != nil {
		fields = append(fields, s.active.fields()...)
	}
	for i := range s.pending {
		fields = append(fields, s.pending[i].fields()...)
	}
	return canon.Encode(slotKind, fields...)
}

func decodeSlot(data []byte) (slot, error) {
	r := canon.NewReader(slotKind, data)
	var s slot
	active, pending := r.Uint(1), r.Uint(maxPending)
	if active == 1 {
		p := readPad(r)
		s.active = &p
	}
	for range pending {
		s.pending = append(s.pending, readPad(r))
	}
	return s, r.Close()
}

// find gives the pad of a row at a counter, in use or waiting.
func (s *slot) find(row canon.RowID, counter uint64) *pad {
	if s.active != nil && s.active.holds(row, counter) {
		return s.active
	}
	for i := range s.pending {
		if p := &s.pending[i]; p.holds(row, counter) {
			return p
		}
	}
	return nil
}

// enrol puts a pad behind all others.
func (s *slot) enrol(p pad) error {
	if len(s.pending) >= maxPending {
		return fault.New(fault.SlotBusy, "%d orders wait for an acknowledgement", maxPending)
	}
	s.pending = append(s.pending, p)
	return nil
}

// renew puts the next pad of the row in use right behind it.
func (s *slot) renew(p pad) error {
	if len(s.pending) >= maxPending {
		return fault.New(fault.SlotBusy, "%d orders wait for an acknowledgement", maxPending)
	}
	s.pending = slices.Insert(s.pending, 0, p)
	return nil
}

// promote puts the pad that the matcher holds in use: every older one loses its
// salt. A newer enrolment goes on waiting, so a matcher cannot undo a station's
// order by naming the row that the order replaces. It reports whether the matcher
// can hold that pad.
func (s *slot) promote(row canon.RowID, counter uint64) bool {
	if s.active != nil && s.active.holds(row, counter) {
		return true
	}
	for i := range s.pending {
		if s.pending[i].holds(row, counter) {
			s.take(i)
			return true
		}
	}
	return false
}

// settle puts the newest enrolment whose order has expired in use, told or not: a
// matcher that never reports a new row does not keep the old one alive.
func (s *slot) settle(now time.Time) {
	for i := len(s.pending) - 1; i >= 0; i-- {
		if s.pending[i].late(now) {
			s.take(i)
			return
		}
	}
}

// take puts a pad that waits in use, and drops all that stand before it.
func (s *slot) take(i int) {
	kept := s.pending[i]
	kept.expiry = time.Time{}
	for _, row := range (&slot{active: s.active, pending: s.pending[:i]}).rows() {
		if row != kept.row {
			s.lost = append(s.lost, row)
		}
	}
	s.active, s.pending = &kept, s.pending[i+1:]
}

// rows lists the rows of the slot, each once.
func (s *slot) rows() (out []canon.RowID) {
	add := func(id canon.RowID) {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	if s.active != nil {
		add(s.active.row)
	}
	for i := range s.pending {
		add(s.pending[i].row)
	}
	return out
}

// waits reports whether an enrolment waits for an acknowledgement.
func (s *slot) waits() bool {
	return slices.ContainsFunc(s.pending, func(p pad) bool { return !p.expiry.IsZero() })
}

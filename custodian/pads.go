package custodian

import (
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

// live reports whether a pad may still be promoted: one of an enrolment until its
// order expires, one of a renewal (no expiry) for as long as it waits.
func (p *pad) live(now time.Time) bool { return p.expiry.IsZero() || now.Before(p.expiry) }

// slot is the record of one template slot of one citizen: the pad in use, and
// those that a matcher may hold since an enrolment or a renewal that was not
// acknowledged (docs/spec/protocol.md, section 4). Erasing is writing none.
type slot struct {
	active  *pad
	pending []pad
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
func (s *slot) find(row canon.RowID, counter uint64, now time.Time) *pad {
	if s.active != nil && s.active.holds(row, counter) {
		return s.active
	}
	for i := range s.pending {
		if p := &s.pending[i]; p.holds(row, counter) && p.live(now) {
			return p
		}
	}
	return nil
}

// add puts a pad among those that wait, and drops the ones that waited too long.
func (s *slot) add(p pad, now time.Time) error {
	s.expire(now)
	if len(s.pending) == maxPending {
		return fault.New(fault.SlotBusy, "%d enrolments wait for an acknowledgement", maxPending)
	}
	s.pending = append(s.pending, p)
	return nil
}

// expire drops the pads whose order has expired: their templates, if a matcher
// holds any, are unrecoverable from then on.
func (s *slot) expire(now time.Time) {
	kept := s.pending[:0]
	for _, p := range s.pending {
		if p.live(now) {
			kept = append(kept, p)
		}
	}
	s.pending = kept
}

// promote makes the pad that the matcher holds the only one of the slot: every
// other row loses its salt. It reports whether the matcher can hold that pad.
func (s *slot) promote(row canon.RowID, counter uint64, now time.Time) bool {
	p := s.find(row, counter, now)
	if p == nil {
		return false
	}
	kept := *p
	kept.expiry = time.Time{}
	s.active, s.pending = &kept, nil
	return true
}

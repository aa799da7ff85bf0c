package custodian

import (
	"bytes"
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/fault"
)

var now = time.Unix(1_790_000_000, 0)

func waiting(id byte, counter uint64) pad {
	return pad{row: canon.RowID{id}, counter: counter, model: canon.ModelID{1}, salt: newSalt(), version: 1, expiry: now.Add(time.Minute)}
}

// Every older row of a slot loses its salt when one is promoted, and only then.
func TestPromote(t *testing.T) {
	var s slot
	a, b, c := waiting(1, 0), waiting(2, 0), waiting(3, 0)
	for _, p := range []pad{a, b, c} {
		if err := s.enrol(p); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []pad{a, b, c} {
		if s.find(p.row, 0) == nil {
			t.Fatal("what waits can be found: the matcher may hold it")
		}
	}
	if s.promote(canon.RowID{9}, 0) || s.promote(a.row, 1) {
		t.Fatal("promoted what is not there")
	}
	if !s.promote(b.row, 0) || s.active.salt != b.salt {
		t.Fatal("not promoted")
	}
	if s.find(a.row, 0) != nil {
		t.Error("the older row kept its salt")
	}
	if s.find(c.row, 0) == nil {
		t.Error("the newer order was undone")
	}
}

// An order that is over takes its slot, told or not: a matcher that keeps silent
// does not keep the old row alive.
func TestSettle(t *testing.T) {
	var s slot
	for id := range byte(2) {
		if err := s.enrol(waiting(id, 0)); err != nil {
			t.Fatal(err)
		}
	}
	s.promote(canon.RowID{0}, 0)
	s.settle(now)
	if !s.active.holds(canon.RowID{0}, 0) || len(s.pending) != 1 {
		t.Fatal("settled before the order was over")
	}
	s.settle(now.Add(time.Hour))
	if !s.active.holds(canon.RowID{1}, 0) || len(s.pending) != 0 || s.find(canon.RowID{0}, 0) != nil {
		t.Error("the old row outlived the order that replaces it")
	}
}

func TestRenewalWaitsForAsLongAsItTakes(t *testing.T) {
	var s slot
	if err := s.enrol(waiting(1, 0)); err != nil {
		t.Fatal(err)
	}
	s.promote(canon.RowID{1}, 0)
	renewal := waiting(1, 1)
	renewal.expiry = time.Time{}
	if err := s.renew(renewal); err != nil {
		t.Fatal(err)
	}
	s.settle(now.Add(1000 * time.Hour))
	if s.find(canon.RowID{1}, 0) == nil || s.find(canon.RowID{1}, 1) == nil {
		t.Error("the matcher may hold either until it says which")
	}
}

func TestAtMostFourWait(t *testing.T) {
	var s slot
	for i := range byte(maxPending) {
		if err := s.enrol(waiting(i, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.enrol(waiting(9, 0)); !fault.Is(err, fault.SlotBusy) {
		t.Errorf("a fifth: %v", err)
	}
	if err := s.renew(waiting(0, 1)); !fault.Is(err, fault.SlotBusy) {
		t.Errorf("a renewal: %v", err)
	}
}

func FuzzDecodeSlot(f *testing.F) {
	var s slot
	f.Add(s.encode())
	_ = s.enrol(waiting(1, 0))
	f.Add(s.encode())
	s.promote(canon.RowID{1}, 0)
	_ = s.enrol(waiting(2, 0))
	f.Add(s.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeSlot(data)
		if err == nil && !bytes.Equal(s.encode(), data) {
			t.Fatal("decodes, and encodes to something else")
		}
	})
}

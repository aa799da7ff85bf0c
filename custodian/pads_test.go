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

// Every other row of a slot loses its salt when one is promoted, and only then.
func TestPromote(t *testing.T) {
	var s slot
	a, b := waiting(1, 0), waiting(2, 0)
	for _, p := range []pad{a, b} {
		if err := s.add(p, now); err != nil {
			t.Fatal(err)
		}
	}
	if s.find(a.row, 0, now) == nil || s.find(b.row, 0, now) == nil {
		t.Fatal("what waits can be found: the matcher may hold it")
	}
	if s.promote(canon.RowID{9}, 0, now) || s.promote(a.row, 1, now) {
		t.Fatal("promoted what is not there")
	}
	if !s.promote(b.row, 0, now) {
		t.Fatal("not promoted")
	}
	if s.find(a.row, 0, now) != nil || len(s.pending) != 0 || s.active.salt != b.salt {
		t.Error("the other row kept its salt")
	}
	if s.find(b.row, 0, now.Add(time.Hour)) == nil {
		t.Error("a row in use does not expire")
	}
}

func TestWaitingRowsExpire(t *testing.T) {
	var s slot
	if err := s.add(waiting(1, 0), now); err != nil {
		t.Fatal(err)
	}
	later := now.Add(2 * time.Minute)
	if s.find(canon.RowID{1}, 0, later) != nil || s.promote(canon.RowID{1}, 0, later) {
		t.Error("an order that expired was promoted")
	}
	renewal := waiting(1, 1)
	renewal.expiry = time.Time{}
	if err := s.add(renewal, later); err != nil {
		t.Fatal(err)
	}
	if len(s.pending) != 1 {
		t.Errorf("%d rows wait, want the renewal alone", len(s.pending))
	}
	if s.find(canon.RowID{1}, 1, later.Add(1000*time.Hour)) == nil {
		t.Error("a renewal waits for as long as it takes")
	}
}

func TestAtMostFourWait(t *testing.T) {
	var s slot
	for i := range byte(maxPending) {
		if err := s.add(waiting(i, 0), now); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.add(waiting(9, 0), now); !fault.Is(err, fault.SlotBusy) {
		t.Errorf("a fifth: %v", err)
	}
	if err := s.add(waiting(9, 0), now.Add(time.Hour)); err != nil {
		t.Errorf("after the others expired: %v", err)
	}
}

func FuzzDecodeSlot(f *testing.F) {
	var s slot
	f.Add(s.encode())
	_ = s.add(waiting(1, 0), now)
	f.Add(s.encode())
	s.promote(canon.RowID{1}, 0, now)
	_ = s.add(waiting(2, 0), now)
	f.Add(s.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeSlot(data)
		if err == nil && !bytes.Equal(s.encode(), data) {
			t.Fatal("decodes, and encodes to something else")
		}
	})
}

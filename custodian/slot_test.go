package custodian

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nod/crypto/canon"
)

// Whatever happens to a slot, in whatever order: it holds the newest row that the
// matcher named or whose order's time was over, and every later one, by age; and the
// record reads as it was written.
func TestSlotGoesForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s slot
		now, next, oldest := time.Unix(1_800_000_000, 0).UTC(), byte(1), byte(0)
		holds := map[canon.RowID]uint64{} // the newest counter that a matcher can hold
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0: // a station's order
				row := canon.RowID{next}
				if s.enrol(pad{row: row, expiry: now.Add(5 * time.Minute)}) == nil {
					holds[row] = 0
					next++
				}
			case 1: // a renewal, as prepareRenewal makes it
				if p := s.active; p != nil && s.find(p.row, p.counter+1) == nil && s.renew(pad{row: p.row, counter: p.counter + 1}) == nil {
					holds[p.row] = p.counter + 1
				}
			case 2: // the matcher names a row, of this slot or not
				row := canon.RowID{byte(rapid.IntRange(1, int(next)).Draw(t, "row"))}
				known := slices.Contains(s.rows(), row)
				if s.promote(row, holds[row]) {
					oldest = max(oldest, row[0])
				} else if known {
					t.Fatal("a row of the slot is not known at its newest counter")
				}
			case 3: // time goes by
				now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds")) * time.Second)
				for _, p := range s.pending {
					if p.late(now) {
						oldest = max(oldest, p.row[0])
					}
				}
				s.settle(now)
				if slices.ContainsFunc(s.pending, func(p pad) bool { return p.late(now) }) {
					t.Fatal("an order whose time is over still waits")
				}
			}
			var want []canon.RowID // in order of age, which the first byte tells
			for id := max(oldest, 1); id < next; id++ {
				want = append(want, canon.RowID{id})
			}
			if got := s.rows(); !slices.Equal(got, want) {
				t.Fatalf("rows %v, want %v", got, want)
			}
			again, err := decodeSlot(s.encode())
			if err != nil || !bytes.Equal(again.encode(), s.encode()) {
				t.Fatalf("the record does not read as it was written: %v", err)
			}
		}
	})
}

package wire

import (
	"encoding/binary"
	"runtime"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/fault"
)

func TestStrict(t *testing.T) {
	number := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	join := func(parts ...[]byte) (out []byte) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	id := make([]byte, 32)
	for _, c := range []struct {
		name string
		data []byte
		m    Message
		want fault.Code
	}{
		{"field over its limit", join(number(MaxRequest+1), make([]byte, MaxRequest+1)), new(OpenRequest), fault.Oversize},
		{"field at its limit", join(number(MaxRequest), make([]byte, MaxRequest)), new(OpenRequest), ""},
		{"length of 2^32-1", number(1<<32 - 1), new(OpenRequest), fault.Oversize},
		{"length of 2^31", number(1 << 31), new(envelope), fault.Truncated},
		{"length beyond the end", join(number(5), make([]byte, 4)), new(OpenRequest), fault.Truncated},
		{"list over its limit", join(number(MaxSlots+1), make([]byte, 40*(MaxSlots+1))), new(slotsOnly), fault.Oversize},
		{"count without elements", join(id, make([]byte, 8), number(1)), new(BatchSacrifice), fault.Oversize},
		{"huge count", join(id, make([]byte, 8), number(MaxBatch), make([]byte, 32)), new(BatchSacrifice), fault.Oversize},
		{"count of 2^32-1", join(id, make([]byte, 8), number(1<<32-1), make([]byte, 32)), new(BatchSacrifice), fault.Oversize},
		{"flag of 2", join(make([]byte, 8), []byte{2}), new(RenewDelta), fault.BadEncoding},
		{"flag of 255", join(make([]byte, 8), []byte{255}), new(RenewDelta), fault.BadEncoding},
		{"delta where there is none", join(make([]byte, 8), []byte{1}, number(8), make([]byte, 8)), new(RenewDelta), fault.Oversize},
		{"no delta where there is one", join(make([]byte, 8), []byte{0}), new(RenewDelta), fault.Truncated},
		{"share of no bits", number(0), new(EnrolDelta), fault.BadEncoding},
		{"share of 72 bits", join(number(9), make([]byte, 9)), new(EnrolDelta), fault.BadEncoding},
		{"share of 4,160 bits", join(number(520), make([]byte, 520)), new(EnrolDelta), fault.Oversize},
		{"share of 4,096 bits", join(number(512), make([]byte, 512)), new(EnrolDelta), ""},
		{"text with a line feed", join(number(1), []byte("\n"), number(0)), new(reply), fault.BadEncoding},
		{"text beyond ASCII", join(number(2), []byte("\xc3\xa9"), number(0)), new(reply), fault.BadEncoding},
		{"text with DEL", join(number(1), []byte{0x7f}, number(0)), new(reply), fault.BadEncoding},
		{"fault with a body", join(number(1), []byte("x"), number(1), []byte{0}), new(reply), fault.BadEncoding},
		{"neither fault nor body", join(number(0), number(0)), new(reply), ""},
		{"nothing", nil, new(OpenRequest), fault.Truncated},
		{"nothing, for a message of nothing", nil, new(KeysRequest), ""},
		{"something, for a message of nothing", []byte{0}, new(KeysRequest), fault.Oversize},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fault.CodeOf(Unmarshal(c.data, c.m)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// slotsOnly is the list of a SessionOpen alone.
type slotsOnly struct{ slots []SlotName }

func (m *slotsOnly) fields(c *coder) {
	list(c, &m.slots, MaxSlots, 40, func(s *SlotName) {
		c.fixed(s.Row[:])
		c.uint64(&s.Counter)
	})
}

// A count or a length does not allocate what is not there.
func TestHostileLengthsAllocateLittle(t *testing.T) {
	huge := make([]byte, 4+4)
	binary.BigEndian.PutUint32(huge[4:], MaxBatch)
	for _, empty := range messages {
		for _, data := range [][]byte{
			append(huge, make([]byte, 200)...),
			binary.BigEndian.AppendUint32(nil, 1<<32-1),
			binary.BigEndian.AppendUint32(make([]byte, 32), MaxMessage),
			binary.BigEndian.AppendUint32(make([]byte, 40), MaxBatch),
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_ = Unmarshal(data, empty())
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 {
				t.Errorf("%s: %d bytes of input allocate %d", nameOf(empty()), len(data), grown)
			}
		}
	}
}

// Limits hold where a message is written, too: what this software sends, it reads.
func TestMarshalPanicsOverALimit(t *testing.T) {
	for name, m := range map[string]Message{
		"field": &OpenRequest{make([]byte, MaxRequest+1)},
		"list":  &SessionOpen{Slots: make([]SlotName, MaxSlots+1)},
		"text":  &reply{code: string(make([]byte, 65))},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was written")
				}
			}()
			Marshal(m)
		})
	}
}

// The largest batch that the protocol allows by default fits in a message, for every
// length of code.
func TestDefaultBatchFits(t *testing.T) {
	const size = 4096
	for _, bits := range []int{64, 1024, 2048, code.MaxBits} {
		a := make([]int32, bits)
		for j := range a {
			a[j] = 31
		}
		if bits > 2048 {
			for j := range a {
				a[j] = 1
			}
		}
		check, err := code.NewCheck(canon.ModelID{}, code.Match, 0, a, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		corrections := compare.CorrectionsSize(check, compare.Custodian)
		if corrections > MaxCorrections {
			t.Errorf("%d bits: corrections of %d bytes, at most %d", bits, corrections, MaxCorrections)
		}
		if total := size * (corrections + 4*32 + 32 + 4); total > MaxMessage-MaxSignature-1024 {
			t.Errorf("%d bits: a batch of %d takes %d bytes", bits, size, total)
		}
	}
}

package admin

import (
	"bytes"
	"testing"

	"nod/fault"
)

func FuzzState(f *testing.F) {
	for _, s := range []any{
		&renewal{Format: renewalFormat, Version: 3, Cursor: []byte("cursor"), Renewed: Renewed{9, 8, 1}},
		&erasures{Format: erasuresFormat, Orders: []erasure{{"4711", "a.b.c"}}},
		&receiptFile{receiptFormat, "a.b.c", []byte("receipt")},
	} {
		data, err := encode(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, s := range []any{new(renewal), new(erasures), new(receiptFile)} {
			err := decode(data, s)
			if err == nil {
				if again, err := encode(s); err != nil || !bytes.Equal(again, data) {
					t.Fatalf("%q decodes and encodes to %q", data, again)
				}
			} else if !fault.Is(err, fault.BadEncoding) {
				t.Fatal(err)
			}
		}
	})
}

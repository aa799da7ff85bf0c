package matcher

import (
	"bytes"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/share"
)

func FuzzDecodeTemplate(f *testing.F) {
	t := template{row: canon.RowID{1}, counter: 2, model: canon.ModelID{3}, masked: share.Random(code.MinBits)}
	f.Add(t.encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeTemplate(data)
		if err == nil && !bytes.Equal(got.encode(), data) {
			t.Fatal("decodes, and encodes to something else")
		}
	})
}

func TestCursor(t *testing.T) {
	if _, err := parseCursor(canon.Encode("cursor", []byte("p"), []byte("k"))); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]byte{{1}, canon.Encode("cursor", []byte("p")), canon.Encode("other", []byte("p"), []byte("k"))} {
		if _, err := parseCursor(bad); err == nil {
			t.Errorf("cursor %x accepted", bad)
		}
	}
}

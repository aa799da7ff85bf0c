package prg

import (
	"bytes"
	"crypto/aes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"nod/crypto/canon"
)

func seedOf(label string) Seed { return sha256.Sum256([]byte(label)) }

// Expand is the keystream by its definition: block i is AES of the counter block
// plus i, as one big-endian number of 128 bits that wraps.
func TestExpandIsCounterMode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := seedOf(rapid.String().Draw(t, "seed"))
		if rapid.Bool().Draw(t, "near the end of the counter") {
			for i := 16; i < 31; i++ {
				seed[i] = 0xff
			}
		}
		n := rapid.IntRange(0, 9000).Draw(t, "bytes")
		got := bytes.Repeat([]byte{0xa5}, n) // what was there does not matter
		seed.Expand(got)

		block, err := aes.NewCipher(seed[:16])
		if err != nil {
			t.Fatal(err)
		}
		high, low := binary.BigEndian.Uint64(seed[16:]), binary.BigEndian.Uint64(seed[24:])
		var want []byte
		for len(want) < n {
			var counter, out [16]byte
			binary.BigEndian.PutUint64(counter[:], high)
			binary.BigEndian.PutUint64(counter[8:], low)
			block.Encrypt(out[:], counter[:])
			want = append(want, out[:]...)
			if low++; low == 0 {
				high++
			}
		}
		if !bytes.Equal(got, want[:n]) {
			t.Fatal("not the counter mode keystream")
		}
	})
}

// A derived seed depends on every argument.
func TestDeriveDependsOnEverything(t *testing.T) {
	type arguments struct {
		root    string
		kind    canon.Kind
		channel byte
		index   uint64
	}
	derive := func(a arguments) Seed {
		return Derive([]byte(a.root), a.kind, canon.ChannelID{a.channel}, a.index)
	}
	base := arguments{"root", "kind", 1, 1}
	seen := map[Seed]arguments{}
	for _, a := range []arguments{base, {"soot", "kind", 1, 1}, {"root", "kinds", 1, 1}, {"root", "kind", 2, 1}, {"root", "kind", 1, 2}, {"root", "kind", 1, 1 << 63}} {
		s := derive(a)
		if other, twice := seen[s]; twice {
			t.Errorf("%v and %v derive one seed", a, other)
		}
		if again := derive(a); !again.Equal(&s) {
			t.Errorf("%v derives two seeds", a)
		}
		seen[s] = a
	}
}

func TestSeedIsASecret(t *testing.T) {
	s := New()
	other := New()
	if s.Equal(&other) || !s.Equal(&s) {
		t.Error("Equal")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, s); got != "prg.Seed(secret)" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
	s.Wipe()
	if s != (Seed{}) {
		t.Error("not wiped")
	}
}

func BenchmarkExpand16KiB(b *testing.B) {
	seed, dst := New(), make([]byte, 16<<10)
	b.SetBytes(int64(len(dst)))
	for b.Loop() {
		seed.Expand(dst)
	}
}

package compare

import (
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"runtime"
	"testing"

	"nod/crypto/code"
	"nod/crypto/prg"
)

// benchScene is a comparison of n bits, ready to be played again and again, in a
// process that holds as much as a server does: one batch of 4,096 halves. Without
// it the collector would run every few thousand comparisons, which no server does.
func benchScene(b *testing.B, n int, lo, hi int32) (*scene, *messages) {
	b.Helper()
	stock := make([]byte, 36<<20)
	b.Cleanup(func() { runtime.KeepAlive(stock) })
	r := rand.New(rand.NewPCG(31, uint64(n)))
	check := testCheck(b, r, n, lo, hi)
	u := randomCode(r, n)
	u0, u1 := split(r, u)
	s := &scene{deal(b, r, check, 9), u0, u1, u, check.Distance(u) + 1, true}
	m := &messages{m1: M1{code.NewCode(n)}, m2: M2{C: code.NewCode(n)}}
	return s, m
}

// benchParty plays the matcher's side of one recorded comparison: expansion of its
// half, both its steps, the outcome, and wiping.
func benchParty(b *testing.B, s *scene, m *messages) {
	if _, err := s.run(m, nil); err != nil {
		b.Fatal(err)
	}
	x, out := s.p.ready[0], M3{}
	c0 := M1{code.NewCode(s.u.Bits())}
	b.ReportAllocs()
	for b.Loop() {
		if err := x.Load(9, &s.p.halves[0]); err != nil {
			b.Fatal(err)
		}
		if err := x.Open(s.u0, s.bound, &c0); err != nil {
			b.Fatal(err)
		}
		if err := x.Reply(&m.m2, &out); err != nil {
			b.Fatal(err)
		}
		if yes, err := x.Conclude(&m.m4); err != nil || !bool(yes) {
			b.Fatal(yes, err)
		}
	}
}

// BenchmarkParty1024 is the matcher's whole comparison of 1,024 bits with learned
// weights.
func BenchmarkParty1024(b *testing.B) {
	s, m := benchScene(b, 1024, 0, 31)
	benchParty(b, s, m)
}

// BenchmarkParty2048 is the same for 2,048 signs.
func BenchmarkParty2048(b *testing.B) {
	s, m := benchScene(b, 2048, 1, 1)
	benchParty(b, s, m)
}

// BenchmarkOnline1024 is the part of Party1024 on the request path: the half is
// expanded beforehand.
func BenchmarkOnline1024(b *testing.B) {
	s, m := benchScene(b, 1024, 0, 31)
	if _, err := s.run(m, nil); err != nil {
		b.Fatal(err)
	}
	x, out := s.p.ready[0], M3{}
	c0 := M1{code.NewCode(1024)}
	b.ReportAllocs()
	for b.Loop() {
		x.state = loaded
		if err := x.Open(s.u0, s.bound, &c0); err != nil {
			b.Fatal(err)
		}
		if err := x.Reply(&m.m2, &out); err != nil {
			b.Fatal(err)
		}
		if yes, err := x.Conclude(&m.m4); err != nil || !bool(yes) {
			b.Fatal(yes, err)
		}
	}
}

// BenchmarkDeal1024 is the dealer's work for one correlation of 1,024 bits, without
// the digests of its signed list (BenchmarkDigests1024).
func BenchmarkDeal1024(b *testing.B) {
	s, _ := benchScene(b, 1024, 0, 31)
	d := NewDealer(s.p.channel.Check, s.p.channel.ID)
	seeds := [2]prg.Seed{s.p.halves[0].Seed, s.p.halves[1].Seed}
	corrections := [2][]byte{s.p.halves[0].Corrections, s.p.halves[1].Corrections}
	b.ReportAllocs()
	for b.Loop() {
		d.Deal(9, &seeds, &corrections)
	}
}

// BenchmarkDigests1024 is the four SHA-256 of one correlation in the signed list.
func BenchmarkDigests1024(b *testing.B) {
	s, _ := benchScene(b, 1024, 0, 31)
	b.ReportAllocs()
	for b.Loop() {
		s.p.halves[0].Digests()
		s.p.halves[1].Digests()
	}
}

// BenchmarkYardstick is AES-128-CTR over 16 KiB by crypto/cipher, with a ready
// stream and buffer.
func BenchmarkYardstick(b *testing.B) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		b.Fatal(err)
	}
	stream := cipher.NewCTR(block, make([]byte, 16))
	buffer := make([]byte, 16<<10)
	b.SetBytes(int64(len(buffer)))
	b.ReportAllocs()
	for b.Loop() {
		stream.XORKeyStream(buffer, buffer)
	}
}

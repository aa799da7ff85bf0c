package dcf

import (
	"math/rand/v2"
	"testing"

	"nod/crypto/canon"
)

func block(r *rand.Rand) Block { return Block{r.Uint64(), r.Uint64()} }

func pair(t testing.TB, g *PRG, r *rand.Rand, levels int, alpha uint32, beta Block) (cw []byte, roots [2]Block) {
	t.Helper()
	for i := range roots {
		b := make([]byte, BlockSize)
		block(r).Put(b)
		roots[i] = Root(b)
	}
	cw = make([]byte, Size(levels))
	var w Scratch
	g.Gen(&w, cw, levels, alpha, beta, roots[0], roots[1])
	if err := Check(cw, levels); err != nil {
		t.Fatal(err)
	}
	return cw, roots
}

func eval(g *PRG, cw []byte, roots [2]Block, levels int, x uint32) Block {
	var w Scratch
	return g.Eval(&w, cw, levels, 0, roots[0], x).Xor(g.Eval(&w, cw, levels, 1, roots[1], x))
}

// Every alpha and every x over seven bits.
func TestExhaustive(t *testing.T) {
	const levels = 7
	r := rand.New(rand.NewPCG(1, 7))
	g := NewPRG(canon.ChannelID{1})
	for alpha := range uint32(1 << levels) {
		beta := block(r)
		cw, roots := pair(t, g, r, levels, alpha, beta)
		for x := range uint32(1 << levels) {
			want := Block{}
			if x < alpha {
				want = beta
			}
			if got := eval(g, cw, roots, levels, x); got != want {
				t.Fatalf("alpha %d, x %d: wrong output", alpha, x)
			}
		}
	}
}

// Edges and random points at every number of levels that a check can ask for.
func TestEdges(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	for levels := 1; levels <= MaxLevels; levels++ {
		top := uint32(1<<levels - 1)
		g := NewPRG(canon.ChannelID{byte(levels)})
		for range 50 {
			alpha := r.Uint32() & top
			beta := block(r)
			cw, roots := pair(t, g, r, levels, alpha, beta)
			for _, x := range []uint32{0, 1, top, top - 1, alpha, alpha - 1, alpha + 1, r.Uint32()} {
				x &= top
				want := Block{}
				if x < alpha {
					want = beta
				}
				if eval(g, cw, roots, levels, x) != want {
					t.Fatalf("levels %d, alpha %d, x %d: wrong output", levels, alpha, x)
				}
			}
		}
	}
}

// A walk that leaves the special path must yield blocks that agree, whatever the
// roots: flipping any bit of a correction word makes some output neither 0 nor
// beta, and never turns one into the other.
func TestFlippedCorrection(t *testing.T) {
	const levels = 6
	r := rand.New(rand.NewPCG(3, 3))
	g := NewPRG(canon.ChannelID{3})
	beta := block(r)
	cw, roots := pair(t, g, r, levels, 37, beta)
	noticed, refused := 0, 0
	for bit := range 8 * len(cw) {
		cw[bit/8] ^= 1 << (bit % 8)
		if Check(cw, levels) != nil {
			refused++
		} else {
			spoilt := false
			for x := range uint32(1 << levels) {
				want := Block{}
				if x < 37 {
					want = beta
				}
				got := eval(g, cw, roots, levels, x)
				if got == want {
					continue
				}
				if got.IsZero() || got == beta {
					t.Fatalf("bit %d turned the answer at x=%d", bit, x)
				}
				spoilt = true
			}
			if spoilt {
				noticed++
			}
		}
		cw[bit/8] ^= 1 << (bit % 8)
	}
	if want := levels * 7; refused != want {
		t.Errorf("%d flips refused by Check, want %d", refused, want)
	}
	if noticed+refused != 8*len(cw) {
		t.Errorf("%d flips changed an output, %d were refused, of %d", noticed, refused, 8*len(cw))
	}
}

func TestAllocations(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	g := NewPRG(canon.ChannelID{4})
	cw, roots := pair(t, g, r, 17, 99, block(r))
	w := new(Scratch)
	if n := testing.AllocsPerRun(100, func() { g.Eval(w, cw, 17, 1, roots[1], 12345) }); n != 0 {
		t.Errorf("Eval allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { g.Gen(w, cw, 17, 99, Block{1, 2}, roots[0], roots[1]) }); n != 0 {
		t.Errorf("Gen allocates %v times", n)
	}
}

func BenchmarkEval17(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 5))
	g := NewPRG(canon.ChannelID{5})
	cw, roots := pair(b, g, r, 17, 99, block(r))
	w := new(Scratch)
	b.ReportAllocs()
	for b.Loop() {
		g.Eval(w, cw, 17, 0, roots[0], 4711)
	}
}

func BenchmarkGen17(b *testing.B) {
	r := rand.New(rand.NewPCG(6, 6))
	g := NewPRG(canon.ChannelID{6})
	cw, roots := pair(b, g, r, 17, 99, block(r))
	w := new(Scratch)
	b.ReportAllocs()
	for b.Loop() {
		g.Gen(w, cw, 17, 99, Block{1, 2}, roots[0], roots[1])
	}
}

package compare

import (
	"math/rand/v2"
	"testing"

	"nod/crypto/code"
	"nod/crypto/dcf"
	"nod/fault"
)

// scene is one comparison whose every byte gets flipped in turn.
type scene struct {
	p      *parties
	u0, u1 code.Code
	u      code.Code
	bound  int32
	honest Outcome
}

func newScene(t *testing.T, r *rand.Rand, check *code.Check, yes bool) *scene {
	t.Helper()
	u := randomCode(r, check.Bits())
	bound := check.Distance(u)
	if yes {
		bound++
	}
	u0, u1 := split(r, u)
	return &scene{deal(t, r, check, 9), u0, u1, u, bound, Outcome(yes)}
}

func (s *scene) reload(t *testing.T) {
	t.Helper()
	for i := range s.p.ready {
		if err := s.p.ready[i].Load(9, &s.p.halves[i]); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *scene) run(m *messages, tamper func(int)) ([2]Outcome, error) {
	return run(s.p, s.u0, s.u1, s.bound, s.bound, m, tamper)
}

// Every bit of every message flipped: abort, always.
func TestFlipEveryMessageBit(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 1))
	check := testCheck(t, r, flipBits, 0, 31)
	for _, yes := range []bool{false, true} {
		s := newScene(t, r, check, yes)
		m := new(messages)
		flips := func(step int) []func(bit uint) {
			words := func(c code.Code) (out []func(uint)) {
				for w := range c {
					out = append(out, func(bit uint) { c[w] ^= 1 << bit })
				}
				return out
			}
			blocks := func(b *dcf.Block) []func(uint) {
				return []func(uint){func(bit uint) { b.Lo ^= 1 << bit }, func(bit uint) { b.Hi ^= 1 << bit }}
			}
			switch step {
			case 1:
				return words(m.m1.C)
			case 2:
				return append(words(m.m2.C), func(bit uint) { m.m2.Z ^= 1 << bit }, func(bit uint) { m.m2.G ^= 1 << bit })
			case 3:
				return append(blocks(&m.m3.O), func(bit uint) { m.m3.Z ^= 1 << bit }, func(bit uint) { m.m3.G ^= 1 << bit })
			}
			return blocks(&m.m4.O)
		}
		count := map[int]int{}
		for step := 1; step <= 4; step++ {
			for word := 0; ; word++ {
				done := false
				for bit := range uint(64) {
					s.reload(t)
					_, err := s.run(m, func(at int) {
						if at != step {
							return
						}
						all := flips(step)
						if done = word >= len(all); !done {
							all[word](bit)
						}
					})
					if done {
						break
					}
					if !fault.Is(err, fault.Tampered) {
						t.Fatalf("yes %v, message %d, word %d, bit %d: %v instead of an abort", yes, step, word, bit, err)
					}
					count[step]++
				}
				if done {
					break
				}
			}
		}
		t.Logf("honest verdict %v: bits flipped in M1 %d, M2 %d, M3 %d, M4 %d: all aborted",
			yes, count[1], count[2], count[3], count[4])
		for step, want := range map[int]int{1: flipBits, 2: flipBits + 128, 3: 256, 4: 128} {
			if count[step] != want {
				t.Errorf("message %d: %d bits flipped, want %d", step, count[step], want)
			}
		}
	}
}

// Every message of one session in the place of the same message of another.
func TestSwapMessagesBetweenSessions(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 1))
	check := testCheck(t, r, flipBits, 0, 31)
	for range 50 {
		a, b := newScene(t, r, check, true), newScene(t, r, check, true)
		other := new(messages)
		if _, err := b.run(other, nil); err != nil {
			t.Fatal(err)
		}
		for step := 1; step <= 4; step++ {
			a.reload(t)
			m := new(messages)
			_, err := a.run(m, func(at int) {
				if at != step {
					return
				}
				switch step {
				case 1:
					m.m1 = other.m1
				case 2:
					m.m2 = other.m2
				case 3:
					m.m3 = other.m3
				case 4:
					m.m4 = other.m4
				}
			})
			if !fault.Is(err, fault.Tampered) {
				t.Fatalf("message %d of another session: %v instead of an abort", step, err)
			}
		}
	}
}

// Every byte of a half flipped, as stored (seed and corrections) and as expanded:
// abort, or the honest verdict where the byte has no part in this run, or the
// verdict of a changed probe where it is a bit of r. Nothing else; and the digest
// of a stored half no longer fits the dealer's list.
func TestFlipEveryByteOfHalves(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 1))
	check := testCheck(t, r, flipBits, 0, 31)
	for _, yes := range []bool{false, true} {
		for party := range 2 {
			s := newScene(t, r, check, yes)
			c := maskedDifference(s)
			stored, expanded := map[string]int{}, map[string]int{}
			half := &s.p.halves[party]
			digests := half.Digests()
			for at := range len(half.Seed) + len(half.Corrections) {
				bytes := append(append([]byte(nil), half.Seed[:]...), half.Corrections...)
				bytes[at] ^= 1 << r.UintN(8)
				changed := Half{Corrections: bytes[len(half.Seed):]}
				copy(changed.Seed[:], bytes)
				if got := changed.Digests(); got == digests || got.Full == digests.Full {
					t.Fatalf("byte %d of half %d: the digest still fits", at, party)
				}
				s.reload(t)
				if err := s.p.ready[party].Load(9, &changed); err != nil {
					if !fault.Is(err, fault.BadEncoding) {
						t.Fatal(err)
					}
					stored["refused"]++
					continue
				}
				out, err := s.run(new(messages), nil)
				stored[s.classify(t, out, err, s.honest, at)]++
			}
			l := &s.p.ready[party].layout
			for at := range l.expanded {
				s.reload(t)
				bit := r.UintN(8)
				x := s.p.ready[party]
				x.expansion[at] ^= 1 << bit
				x.refresh()
				want, kind := s.honest, "honest verdict, no part in the run"
				if at < l.r+flipBits/8 {
					u := s.u.Clone()
					u[at/8] ^= 1 << (uint(at%8)*8 + bit)
					want, kind = Outcome(check.Distance(u) < s.bound), "verdict of a changed probe (a bit of r)"
				}
				out, err := s.run(new(messages), nil)
				got := s.classify(t, out, err, want, at)
				if got != "abort" {
					got = kind
				}
				expanded[got]++
			}
			if n := expanded["verdict of a changed probe (a bit of r)"]; n != flipBits/8 {
				t.Errorf("%d bytes of r gave the verdict of a changed probe, want all %d", n, flipBits/8)
			}
			t.Logf("honest verdict %v, party %d (%d bits of c set): stored half, by byte: %v; expanded half: %v",
				yes, party, popcount(c), stored, expanded)
		}
	}
}

// classify says what a flipped byte led to, and fails the test where it is neither
// an abort nor the verdict that is right for it, on both sides.
func (s *scene) classify(t *testing.T, out [2]Outcome, err error, want Outcome, at int) string {
	t.Helper()
	switch {
	case fault.Is(err, fault.Tampered):
		return "abort"
	case err != nil:
		t.Fatalf("byte %d: %v", at, err)
	case out[0] != want || out[1] != want:
		t.Fatalf("byte %d: verdict %v, want %v", at, out, want)
	}
	return "honest verdict, no part in the run"
}

// refresh takes the fields that Load reads once from the expansion again.
func (r *Ready) refresh() {
	l := &r.layout
	r.m = macKey(r.expansion, l.m)
	r.beta = dcf.BlockFrom(r.expansion[l.beta:])
	r.root = dcf.Root(r.expansion[l.root:])
	if r.party == Matcher {
		r.gamma = dcf.BlockFrom(r.expansion[l.gamma:])
	}
}

func maskedDifference(s *scene) code.Code {
	c := s.u.Clone()
	for _, x := range s.p.ready {
		for w := range c {
			c[w] ^= word(x.expansion, x.layout.r+8*w)
		}
	}
	return c
}

func popcount(c code.Code) (n int) {
	for j := range c.Bits() {
		if c.Bit(j) {
			n++
		}
	}
	return n
}

package compare

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/prg"
	"nod/fault"
)

// testCheck is a check of n bits with weights in lo..hi, open to every bound.
func testCheck(t testing.TB, r *rand.Rand, n int, lo, hi int32) *code.Check {
	t.Helper()
	a := make([]int32, n)
	for j := range a {
		a[j] = lo + r.Int32N(hi-lo+1)
	}
	a0 := r.Int32N(100) - 50
	check, err := code.NewCheck(canon.ModelID{byte(n)}, code.Match, a0, a, -2000, 9000)
	if err != nil {
		t.Fatal(err)
	}
	return check
}

func randomCode(r *rand.Rand, n int) code.Code {
	c := code.NewCode(n)
	for i := range c {
		c[i] = r.Uint64()
	}
	return c
}

func seedFrom(r *rand.Rand) (s prg.Seed) {
	for i := range s {
		s[i] = byte(r.Uint32())
	}
	return s
}

// parties is a dealt correlation, loaded on both sides.
type parties struct {
	channel *Channel
	halves  [2]Half
	ready   [2]*Ready
}

func deal(t testing.TB, r *rand.Rand, check *code.Check, index uint64) *parties {
	t.Helper()
	p := &parties{channel: NewChannel(canon.ChannelID{7}, check)}
	seeds := [2]prg.Seed{seedFrom(r), seedFrom(r)}
	var corrections [2][]byte
	for i := range corrections {
		corrections[i] = make([]byte, CorrectionsSize(check, Party(i)))
	}
	NewDealer(check, p.channel.ID).Deal(index, &seeds, &corrections)
	for i := range p.halves {
		p.halves[i] = Half{seeds[i], corrections[i]}
		p.ready[i] = NewReady(p.channel, Party(i))
		if err := p.ready[i].Load(index, &p.halves[i]); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// messages of one run, for tests that look at or change them.
type messages struct {
	m1 M1
	m2 M2
	m3 M3
	m4 M4
}

// run plays one comparison; tamper, if set, is called after each message 1 to 4.
// An error of either side is returned with the outcomes so far.
func run(p *parties, u0, u1 code.Code, t0, t1 int32, m *messages, tamper func(step int)) (out [2]Outcome, err error) {
	n := p.channel.Check.Bits()
	m.m1.C, m.m2.C = code.NewCode(n), code.NewCode(n)
	if tamper == nil {
		tamper = func(int) {}
	}
	if err = p.ready[0].Open(u0, t0, &m.m1); err != nil {
		return out, err
	}
	tamper(1)
	if err = p.ready[1].Answer(u1, t1, &m.m1, &m.m2); err != nil {
		return out, err
	}
	tamper(2)
	if err = p.ready[0].Reply(&m.m2, &m.m3); err != nil {
		return out, err
	}
	tamper(3)
	if out[1], err = p.ready[1].Close(&m.m3, &m.m4); err != nil {
		return out, err
	}
	tamper(4)
	out[0], err = p.ready[0].Conclude(&m.m4)
	return out, err
}

func split(r *rand.Rand, u code.Code) (u0, u1 code.Code) {
	u0 = randomCode(r, u.Bits())
	u1 = u0.Clone()
	u1.Xor(u)
	return u0, u1
}

// Decisions equal the plaintext comparison, at and around the bound, for weights
// of both signs and lengths from 64 to 4,096.
func TestEqualsPlaintext(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	yes, no := 0, 0
	for _, shape := range []struct {
		n      int
		lo, hi int32
	}{{64, 1, 1}, {64, -31, 31}, {128, 0, 31}, {1024, 0, 31}, {1024, -8, 9}, {2048, 1, 1}, {4096, 1, 1}} {
		check := testCheck(t, r, shape.n, shape.lo, shape.hi)
		for i := range 60 {
			u := randomCode(r, shape.n)
			d := check.Distance(u)
			for _, bound := range []int32{d - 1, d, d + 1, d + r.Int32N(400) - 200} {
				bound = min(max(bound, check.MinT), check.MaxT)
				p := deal(t, r, check, uint64(i))
				u0, u1 := split(r, u)
				out, err := run(p, u0, u1, bound, bound, new(messages), nil)
				if err != nil {
					t.Fatal(err)
				}
				want := Outcome(d < bound)
				if out[0] != want || out[1] != want {
					t.Fatalf("n %d, D %d, T %d: got %v, want %v", shape.n, d, bound, out, want)
				}
				if want {
					yes++
				} else {
					no++
				}
			}
		}
	}
	if yes == 0 || no == 0 {
		t.Fatal("the test saw one kind of outcome only")
	}
}

// Every rho, T and D on a domain of seven bits: the gate's sign is right
// everywhere, and only, inside the domain. [A: T out of range]
func TestEveryRhoOnSevenBits(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	// 64 bits, of which the first 62 weigh 1 so that D runs over 0..62.
	a := make([]int32, 64)
	for j := range 62 {
		a[j] = 1
	}
	check, err := code.NewCheck(canon.ModelID{1}, code.Match, 0, a, 0, 63)
	if err != nil {
		t.Fatal(err)
	}
	if check.Domain != 7 {
		t.Fatalf("domain %d, want 7", check.Domain)
	}
	seen := map[uint64]bool{}
	for i := 0; len(seen) < 128; i++ {
		p := deal(t, r, check, uint64(i))
		rho := rhoOf(p)
		if seen[rho] {
			continue
		}
		seen[rho] = true
		for d := range int32(63) {
			u := code.NewCode(64)
			for j := range d {
				u[0] |= 1 << j
			}
			for bound := check.MinT; bound <= check.MaxT; bound += 3 {
				for i := range p.ready {
					if err := p.ready[i].Load(uint64(i), &p.halves[i]); err != nil {
						t.Fatal(err)
					}
				}
				p.ready[0].index, p.ready[1].index = uint64(i), uint64(i)
				u0, u1 := split(r, u)
				out, err := run(p, u0, u1, bound, bound, new(messages), nil)
				if err != nil || out[0] != Outcome(d < bound) || out[1] != out[0] {
					t.Fatalf("rho %d, D %d, T %d: got %v, %v", rho, d, bound, out, err)
				}
			}
		}
	}
}

// rhoOf is rho mod 2^N, from both halves.
func rhoOf(p *parties) uint64 {
	check := p.channel.Check
	var rho uint64
	r := code.NewCode(check.Bits())
	for _, x := range p.ready {
		rho += word(x.expansion, x.layout.w)
		for w := range r {
			r[w] ^= word(x.expansion, x.layout.r+8*w)
		}
	}
	rho -= uint64(int64(check.Distance(r) - check.A0))
	return rho & (1<<check.Domain - 1)
}

func TestBoundsDisagree(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 1))
	check := testCheck(t, r, 1024, 0, 31)
	aborts := 0
	for i := range 200 {
		u := randomCode(r, 1024)
		d := check.Distance(u)
		u0, u1 := split(r, u)
		// One server believes yes, the other no.
		_, err := run(deal(t, r, check, uint64(i)), u0, u1, d+1, d, new(messages), nil)
		if fault.Is(err, fault.Tampered) {
			aborts++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if aborts != 200 {
		t.Errorf("%d of 200 runs with different bounds aborted", aborts)
	}
}

func TestRefusals(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 1))
	check := testCheck(t, r, 128, 0, 3)
	u0, u1 := split(r, randomCode(r, 128))
	m := new(messages)
	cases := []struct {
		name string
		want fault.Code
		do   func(p *parties) error
	}{
		{"bound above", fault.OutOfRange, func(p *parties) error {
			_, err := run(p, u0, u1, check.MaxT+1, 0, m, nil)
			return err
		}},
		{"bound below, custodian", fault.OutOfRange, func(p *parties) error {
			_, err := run(p, u0, u1, 0, check.MinT-1, m, nil)
			return err
		}},
		{"short share", fault.BadDimension, func(p *parties) error {
			_, err := run(p, u0[:1], u1, 0, 0, m, nil)
			return err
		}},
		{"short c0", fault.BadDimension, func(p *parties) error {
			_, err := run(p, u0, u1, 0, 0, m, func(step int) {
				if step == 1 {
					m.m1.C = m.m1.C[:1]
				}
			})
			return err
		}},
		{"short c1", fault.BadDimension, func(p *parties) error {
			_, err := run(p, u0, u1, 0, 0, m, func(step int) {
				if step == 2 {
					m.m2.C = m.m2.C[:1]
				}
			})
			return err
		}},
		{"used twice", fault.WrongStep, func(p *parties) error {
			if _, err := run(p, u0, u1, 0, 0, m, nil); err != nil {
				return err
			}
			_, err := run(p, u0, u1, 0, 0, m, nil)
			return err
		}},
		{"opened twice", fault.WrongStep, func(p *parties) error {
			m.m1.C = code.NewCode(128)
			if err := p.ready[0].Open(u0, 0, &m.m1); err != nil {
				return err
			}
			return p.ready[0].Open(u0, 0, &m.m1)
		}},
		{"wrong party", fault.WrongStep, func(p *parties) error {
			p.ready[0], p.ready[1] = p.ready[1], p.ready[0]
			_, err := run(p, u0, u1, 0, 0, m, nil)
			return err
		}},
		{"half of another channel", fault.Tampered, func(p *parties) error {
			q := deal(t, r, check, 0)
			p.ready[1] = q.ready[1]
			_, err := run(p, u0, u1, 0, 0, m, nil)
			return err
		}},
		{"truncated corrections", fault.BadEncoding, func(p *parties) error {
			h := p.halves[0]
			h.Corrections = h.Corrections[1:]
			return p.ready[0].Load(0, &h)
		}},
		{"wiped", fault.WrongStep, func(p *parties) error {
			p.ready[0].Wipe()
			_, err := run(p, u0, u1, 0, 0, m, nil)
			return err
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.do(deal(t, r, check, 3)); !fault.Is(err, c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// Secrets print only their kind, however they are printed.
func TestSecretsPrintTheirKind(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 1))
	p := deal(t, r, testCheck(t, r, 64, 1, 1), 0)
	for _, v := range []any{p.halves[0], &p.halves[0], p.ready[0], p.halves[0].Seed} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, v); len(got) > 40 {
				t.Errorf("%s of %T prints %d characters", verb, v, len(got))
			}
		}
	}
}

func TestAllocations(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 1))
	check := testCheck(t, r, 1024, 0, 31)
	p := deal(t, r, check, 0)
	u0, u1 := split(r, randomCode(r, 1024))
	m := messages{m1: M1{code.NewCode(1024)}, m2: M2{C: code.NewCode(1024)}}
	n := testing.AllocsPerRun(50, func() {
		p.ready[0].state, p.ready[1].state = loaded, loaded
		_ = p.ready[0].Open(u0, 5000, &m.m1)
		_ = p.ready[1].Answer(u1, 5000, &m.m1, &m.m2)
		if err := p.ready[0].Reply(&m.m2, &m.m3); err != nil {
			t.Fatal(err)
		}
		if _, err := p.ready[1].Close(&m.m3, &m.m4); err != nil {
			t.Fatal(err)
		}
		if _, err := p.ready[0].Conclude(&m.m4); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("both parties of a comparison allocate %v times", n)
	}
	d := NewDealer(check, p.channel.ID)
	seeds := [2]prg.Seed{seedFrom(r), seedFrom(r)}
	corrections := [2][]byte{p.halves[0].Corrections, p.halves[1].Corrections}
	// Two objects an expansion (a key schedule and a CTR), which crypto/cipher needs.
	if n := testing.AllocsPerRun(50, func() { d.Deal(1, &seeds, &corrections) }); n > 4 {
		t.Errorf("dealing allocates %v times", n)
	}
}

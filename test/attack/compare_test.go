package attack_test

import (
	"math/rand/v2"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/prg"
	"nod/fault"
)

// match is a match check of n bits with weights of 1 to 31.
func match(t *testing.T, r *rand.Rand, n int, minT, maxT int32) *code.Check {
	t.Helper()
	a := make([]int32, n)
	for j := range a {
		a[j] = 1 + r.Int32N(31)
	}
	check, err := code.NewCheck(canon.ModelID{1}, code.Match, 0, a, minT, maxT)
	if err != nil {
		t.Fatal(err)
	}
	return check
}

// stranger is a code as far from a template as strangers are.
func stranger(r *rand.Rand, n int) code.Code {
	u := code.NewCode(n)
	for i := range u {
		u[i] = r.Uint64()
	}
	return u
}

// duel is one comparison of u, with each side's bound, over a fresh correlation of an
// honest dealer. An output is what the custodian opened its gate to before it judged
// it: zero for a no.
func duel(t *testing.T, r *rand.Rand, check *code.Check, u code.Code, bounds [2]int32) (yes bool, opened bool, err error) {
	t.Helper()
	seeds := [2]prg.Seed{prg.New(), prg.New()}
	channel := compare.NewChannel(canon.ChannelID{9}, check)
	var corrections [2][]byte
	for p := range corrections {
		corrections[p] = make([]byte, compare.CorrectionsSize(check, compare.Party(p)))
	}
	compare.NewDealer(check, channel.ID).Deal(0, &seeds, &corrections)
	var ready [2]*compare.Ready
	for p := range ready {
		ready[p] = compare.NewReady(channel, compare.Party(p))
		if err := ready[p].Load(0, &compare.Half{Seed: seeds[p], Corrections: corrections[p]}); err != nil {
			t.Fatal(err)
		}
	}
	n := check.Bits()
	u0 := stranger(r, n)
	m1, m2 := compare.M1{C: code.NewCode(n)}, compare.M2{C: code.NewCode(n)}
	var m3 compare.M3
	var m4 compare.M4
	if err := ready[0].Open(u0, bounds[0], &m1); err != nil {
		return false, false, err
	}
	if err := ready[1].Answer(xor(u, u0), bounds[1], &m1, &m2); err != nil {
		return false, false, err
	}
	if err := ready[0].Reply(&m2, &m3); err != nil {
		return false, false, err
	}
	outcome, err := ready[1].Close(&m3, &m4)
	return bool(outcome), !m3.O.Xor(m4.O).IsZero(), err
}

// How often strangers play, each over a correlation of its own.
const duels = 64

// A corrupt operator puts a bound outside the model's range into a policy: outside
// the domain the sign of D - T is wrong, and a bound far below every distance lets
// everybody in. Both sides refuse it. The twin's check allows every bound without
// proving its domain.
func TestAttackBoundOutsideTheDomain(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		r := rand.New(rand.NewPCG(1, 1))
		check := match(t, r, 256, 500, 2000)
		half := int32(1) << (check.Domain - 1)
		if twin {
			loose := *check
			loose.MinT = -2 * half
			check = &loose
		}
		won := 0
		for range duels {
			u := stranger(r, 256)
			bound := check.Distance(u) - half - 1 - r.Int32N(half/2) // far below: a no
			yes, _, err := duel(t, r, check, u, [2]int32{bound, bound})
			if err != nil && !fault.Is(err, fault.OutOfRange) {
				t.Fatal(err)
			}
			if yes {
				won++
			}
		}
		t.Logf("strangers let in: %d of %d", won, duels)
		return won == duels
	})
}

// A model whose weights need more than the 32 bits of a folded weight: the words of
// the two halves wrap, and the sign is a coin. Loading such a model is refused, and
// one of 18 bits decides right. The twin's check has a domain of 33 bits.
func TestAttackWeightsThatWrap(t *testing.T) {
	heavy := make([]int32, 4096)
	for j := range heavy {
		heavy[j] = 1 << 19
	}
	if _, err := code.NewCheck(canon.ModelID{1}, code.Match, 0, heavy, 0, 1<<30); !fault.Is(err, fault.OutOfRange) {
		t.Fatalf("weights of 20 bits: %v", err)
	}
	play(t, func(t *testing.T, twin bool) bool {
		r := rand.New(rand.NewPCG(2, 2))
		check := match(t, r, 4096, 0, 100_000)
		if check.Domain != code.MaxDomain {
			t.Fatalf("a domain of %d bits", check.Domain)
		}
		if twin {
			wide := *check
			wide.Domain = 33
			check = &wide
		}
		won := 0
		for range duels {
			u := stranger(r, 4096)
			bound := check.Distance(u) / 2
			yes, _, err := duel(t, r, check, u, [2]int32{bound, bound})
			if err != nil {
				t.Fatal(err)
			}
			if yes {
				won++
			}
		}
		t.Logf("strangers let in: %d of %d", won, duels)
		return won > 0
	})
}

// A corrupt matcher goes by a bound that a stranger passes. Its gate does not fit the
// custodian's, and what the two open to is neither zero nor the preimage of the
// dealer's commitment. The twin takes everything but zero for a yes.
func TestAttackBoundsDisagree(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		r := rand.New(rand.NewPCG(3, 3))
		check := match(t, r, 256, 0, 4000)
		won := 0
		for range duels {
			u := stranger(r, 256)
			d := check.Distance(u)
			yes, opened, err := duel(t, r, check, u, [2]int32{d + 100, d - 100})
			if !fault.Is(err, fault.Tampered) || yes {
				t.Fatalf("a stranger gets %v, %v", yes, err)
			}
			if twin && opened {
				won++
			}
		}
		t.Logf("strangers let in: %d of %d", won, duels)
		return won > 0
	})
}

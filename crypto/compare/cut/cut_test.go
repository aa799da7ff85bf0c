package cut

import (
	"crypto/sha256"
	"math"
	"testing"

	"pgregory.net/rapid"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/prg"
	"nod/fault"
)

func testCheck(t *testing.T) *code.Check {
	t.Helper()
	a := make([]int32, 64)
	for j := range a {
		a[j] = int32(j%4) + 1
	}
	check, err := code.NewCheck(canon.ModelID{1}, code.Match, 0, a, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	return check
}

// batch deals n correlations; spoil may change one before it is listed.
func batch(check *code.Check, n int, spoil func(i int, halves *[2]compare.Half)) (*List, [][2]compare.Half) {
	list := &List{Root: 1, Channel: canon.ChannelID{2}, Batch: 3}
	dealer := compare.NewDealer(check, list.Channel)
	halves := make([][2]compare.Half, n)
	list.Halves = make([][2]compare.Digests, n)
	for i := range halves {
		seeds := [2]prg.Seed{prg.New(), prg.New()}
		var corrections [2][]byte
		for p := range corrections {
			corrections[p] = make([]byte, compare.CorrectionsSize(check, compare.Party(p)))
		}
		dealer.Deal(list.First()+uint64(i), &seeds, &corrections)
		for p := range halves[i] {
			halves[i][p] = compare.Half{Seed: seeds[p], Corrections: corrections[p]}
		}
		if spoil != nil {
			spoil(i, &halves[i])
		}
		for p := range halves[i] {
			list.Halves[i][p] = halves[i][p].Digests()
		}
	}
	return list, halves
}

func TestHonestBatch(t *testing.T) {
	check := testCheck(t)
	list, halves := batch(check, 16, nil)
	dealer := compare.NewDealer(check, list.Channel)
	for i := range halves {
		for p := range compare.Party(2) {
			if err := list.CheckHalf(i, p, &halves[i][p]); err != nil {
				t.Fatal(err)
			}
			if err := CheckSacrifice(dealer, check, list, i, p, &halves[i][p].Seed, &halves[i][p.Peer()].Seed); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A dealer that changes anything of a half is named when that half is opened, and
// a party that opens another seed is named instead.
func TestWhoIsAccused(t *testing.T) {
	check := testCheck(t)
	size := compare.CorrectionsSize(check, compare.Custodian)
	for at := range size {
		list, halves := batch(check, 2, func(i int, h *[2]compare.Half) {
			if i == 1 {
				h[1].Corrections[at] ^= 1
			}
		})
		dealer := compare.NewDealer(check, list.Channel)
		for p := range compare.Party(2) {
			if err := list.CheckHalf(1, p, &halves[1][p]); err != nil {
				t.Fatal("the list is consistent with what was sent:", err)
			}
			err := CheckSacrifice(dealer, check, list, 1, p, &halves[1][p].Seed, &halves[1][p.Peer()].Seed)
			if !fault.Is(err, fault.DealerCheated) {
				t.Fatalf("byte %d spoilt: %v", at, err)
			}
			wrong := halves[0][p.Peer()].Seed
			if err := CheckSacrifice(dealer, check, list, 1, p, &halves[1][p].Seed, &wrong); !fault.Is(err, fault.PeerSeed) {
				t.Fatalf("another seed: %v", err)
			}
		}
	}
}

func TestCheckHalfNoticesEveryByte(t *testing.T) {
	check := testCheck(t)
	list, halves := batch(check, 1, nil)
	for p := range compare.Party(2) {
		h := halves[0][p]
		for i := range h.Corrections {
			h.Corrections[i] ^= 4
			if !fault.Is(list.CheckHalf(0, p, &h), fault.Tampered) {
				t.Fatalf("byte %d of half %d", i, p)
			}
			h.Corrections[i] ^= 4
		}
		for i := range h.Seed {
			h.Seed[i] ^= 4
			if !fault.Is(list.CheckHalf(0, p, &h), fault.Tampered) {
				t.Fatalf("byte %d of seed %d", i, p)
			}
			h.Seed[i] ^= 4
		}
	}
}

func TestSignedBytesCoverTheList(t *testing.T) {
	check := testCheck(t)
	list, _ := batch(check, 3, nil)
	before := list.Hash()
	changes := []func(){
		func() { list.Root++ },
		func() { list.Channel[0]++ },
		func() { list.Batch++ },
		func() { list.Halves[2][1].Full[31]++ },
		func() { list.Halves[0][0].Seed[0]++ },
		func() { list.Halves[0], list.Halves[1] = list.Halves[1], list.Halves[0] },
		func() { list.Halves = list.Halves[:2] },
	}
	for i, change := range changes {
		change()
		if list.Hash() == before {
			t.Errorf("change %d is not covered", i)
		}
		before = list.Hash()
	}
}

func TestCoin(t *testing.T) {
	list := canon.Digest{1}
	matcher, custodian := NewCoin(), NewCoin()
	commitment := matcher.Commit(compare.Matcher, list)
	if err := CheckOpening(compare.Matcher, list, commitment, &matcher); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another coin":          CheckOpening(compare.Matcher, list, commitment, &custodian),
		"another list":          CheckOpening(compare.Matcher, canon.Digest{2}, commitment, &matcher),
		"the other one's, back": CheckOpening(compare.Custodian, list, commitment, &matcher),
	} {
		if !fault.Is(err, fault.Tampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if Sigma(list, &matcher, &custodian) == Sigma(list, &custodian, &matcher) {
		t.Error("sigma does not tell the parties apart")
	}
}

func TestOrderIsAPermutation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5000).Draw(t, "n")
		seed := prg.Seed(sha256.Sum256([]byte(rapid.String().Draw(t, "seed"))))
		seen := make([]bool, n)
		for _, i := range Order(&seed, n) {
			if i < 0 || i >= n || seen[i] {
				t.Fatalf("not a permutation of %d", n)
			}
			seen[i] = true
		}
	})
}

// Every index is sacrificed equally often: chi-square over 64 indices, 6,400
// permutations, at a significance of 1e-6.
func TestOrderIsUniform(t *testing.T) {
	const n, s, runs = 64, 4, 6400
	var counts [n]float64
	for range runs {
		seed := prg.New()
		for _, i := range Order(&seed, n)[:s] {
			counts[i]++
		}
	}
	want, chi := float64(runs*s)/n, 0.0
	for _, c := range counts {
		chi += (c - want) * (c - want) / want
	}
	// The statistic of sampling without replacement is a little smaller than
	// chi-square with n-1 = 63 degrees, whose 1-1e-6 quantile is 131.
	if chi > 131 {
		t.Errorf("chi-square %.1f", chi)
	}
}

// The claim of the package's comment: the best a dealer can do against 64
// sacrifices, by the exact hypergeometric
// sum (channel plays it out: TestSpoiltCorrelationsAreCaught).
func TestBestCheat(t *testing.T) {
	for p, claim := range map[Params]float64{
		Default:                      0.006,
		{Batch: 1024, Sacrifice: 64}: 0.006,
		{Batch: 256, Sacrifice: 64}:  0.007, // the embedded demo's
	} {
		best, at := 0.0, 0
		for k := 1; k <= p.Batch-p.Sacrifice; k++ {
			log := 0.0
			for i := range p.Sacrifice {
				log += math.Log(float64(p.Batch-k-i)) - math.Log(float64(p.Batch-i))
			}
			// Spoilt correlations are among the B-s that are used.
			if win := math.Exp(log) * float64(k) / float64(p.Batch-p.Sacrifice); win > best {
				best, at = win, k
			}
		}
		t.Logf("batch %d, sacrifice %d: best is %d bad, a given check spoilt and unnoticed with %.3f %%", p.Batch, p.Sacrifice, at, 100*best)
		if best > claim {
			t.Errorf("batch %d: %.4f is above the claim of %.3f", p.Batch, best, claim)
		}
	}
}

func TestParams(t *testing.T) {
	for _, p := range []Params{{}, {1, 1}, {64, 64}, {64, 0}, {1 << 17, 64}} {
		if !fault.Is(p.Valid(), fault.OutOfRange) {
			t.Errorf("%+v accepted", p)
		}
	}
	if err := Default.Valid(); err != nil {
		t.Error(err)
	}
}

//go:build !race

// Package accuracy holds the accuracy claims of the README to real data.
package accuracy_test

import (
	"cmp"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"nod/calibrate"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/prg"
	"nod/crypto/share"
	"nod/models"
)

const pairs = 100_000

// pair is a comparison of two photos of the data set.
type pair struct {
	a, b     int
	distance int32
}

// testData is the folder of evaluation data.
func testData(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv("NOD_TEST_DATA")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "data")
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no evaluation data: set NOD_TEST_DATA to the folder that holds %s", name)
	}
	return path
}

// 100,000 pairs of real photos, the 20,000 closest to the bound among them, go
// through the real two-party comparison, sharing, pads, dealer and all: every
// decision equals that of the codes in the clear.
func TestDecisionsEqualPlaintext(t *testing.T) {
	data, err := calibrate.ReadFile(testData(t, "lfw-dlib.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	model, err := models.Default()
	if err != nil {
		t.Fatal(err)
	}
	codes := make([]code.Code, len(data.Photos))
	for i, p := range data.Photos {
		if codes[i], err = model.Encode(p.Features); err != nil {
			t.Fatal(err)
		}
	}
	bound, ok := model.Bound(code.FMR1e3)
	if !ok {
		t.Fatal("the model states no bound at 1e-3")
	}
	chosen := choose(model.Match(), codes, bound)
	jobs := make(chan pair, 1024)
	results := make([]tally, runtime.GOMAXPROCS(0))
	var workers sync.WaitGroup
	for w := range results {
		workers.Go(func() { results[w] = work(t, model, codes, bound, jobs) })
	}
	for _, p := range chosen {
		jobs <- p
	}
	close(jobs)
	workers.Wait()
	var sum tally
	for _, r := range results {
		sum.compared += r.compared
		sum.yes += r.yes
		sum.plausible += r.plausible
		sum.differ += r.differ
	}
	margin := int32(0)
	for _, p := range chosen[:pairs/5] {
		margin = max(margin, max(p.distance-bound, bound-p.distance))
	}
	t.Logf("%d pairs, %d of them within %d of the bound %d: %d yes, %d plausible probes, %d decisions differ from the plaintext",
		sum.compared, pairs/5, margin, bound, sum.yes, sum.plausible, sum.differ)
	if sum.differ != 0 || sum.compared != pairs || sum.yes == 0 || sum.yes == pairs {
		t.Fail()
	}
}

// choose takes the fifth of the pairs closest to the bound, and the others at
// random.
func choose(check *code.Check, codes []code.Code, bound int32) []pair {
	var near, all []pair
	u := code.NewCode(check.Bits())
	rng := rand.New(rand.NewPCG(2026, 11))
	for width := int32(4); len(near) < pairs/5; width *= 2 {
		near, all = near[:0], all[:0]
		for i := range codes {
			for j := range i {
				for w := range u {
					u[w] = codes[i][w] ^ codes[j][w]
				}
				p := pair{i, j, check.Distance(u)}
				if p.distance-bound < width && bound-p.distance < width {
					near = append(near, p)
				} else if rng.IntN(150) == 0 {
					all = append(all, p)
				}
			}
		}
	}
	slices.SortFunc(near, func(a, b pair) int {
		return cmp.Compare(max(a.distance-bound, bound-a.distance), max(b.distance-bound, bound-b.distance))
	})
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return append(near[:pairs/5:pairs/5], all[:pairs-pairs/5]...)
}

type tally struct{ compared, yes, plausible, differ int }

// side is one check with a dealer and memory for both parties.
type side struct {
	check       *code.Check
	bound       int32
	dealer      *compare.Dealer
	ready       [2]*compare.Ready
	corrections [2][]byte
	m1          compare.M1
	m2          compare.M2
}

func newSide(check *code.Check, bound int32) *side {
	channel := compare.NewChannel(canon.ChannelID(prg.New()), check)
	s := &side{check: check, bound: bound, dealer: compare.NewDealer(check, channel.ID)}
	for p := range s.ready {
		s.ready[p] = compare.NewReady(channel, compare.Party(p))
		s.corrections[p] = make([]byte, compare.CorrectionsSize(check, compare.Party(p)))
	}
	s.m1.C, s.m2.C = code.NewCode(check.Bits()), code.NewCode(check.Bits())
	return s
}

// run is the whole comparison of the shares u0 and u1.
func (s *side) run(index uint64, u0, u1 code.Code) (compare.Outcome, error) {
	seeds := [2]prg.Seed{prg.New(), prg.New()}
	s.dealer.Deal(index, &seeds, &s.corrections)
	for p := range s.ready {
		if err := s.ready[p].Load(index, &compare.Half{Seed: seeds[p], Corrections: s.corrections[p]}); err != nil {
			return false, err
		}
	}
	var m3 compare.M3
	var m4 compare.M4
	if err := s.ready[0].Open(u0, s.bound, &s.m1); err != nil {
		return false, err
	}
	if err := s.ready[1].Answer(u1, s.bound, &s.m1, &s.m2); err != nil {
		return false, err
	}
	if err := s.ready[0].Reply(&s.m2, &m3); err != nil {
		return false, err
	}
	if _, err := s.ready[1].Close(&m3, &m4); err != nil {
		return false, err
	}
	return s.ready[0].Conclude(&m4)
}

func work(t *testing.T, model *code.Model, codes []code.Code, bound int32, jobs <-chan pair) (sum tally) {
	match := newSide(model.Match(), bound)
	var plausibility *side
	if check, t, ok := model.Plausibility(); ok {
		plausibility = newSide(check, t)
	}
	for p := range jobs {
		if t.Failed() {
			continue // drain
		}
		// Enrolment of a, probe of b.
		mac := prg.New()
		pad := share.Expand(&mac, model.Bits())[0]
		masked := codes[p.a].Clone()
		masked.Xor(pad)
		x0, seed := share.Split(codes[p.b])
		x1 := share.Expand(&seed, model.Bits())[0]
		u0, u1 := x0[0].Clone(), x1.Clone()
		u0.Xor(masked)
		u1.Xor(pad)
		yes, err := match.run(uint64(sum.compared), u0, u1)
		if err != nil {
			t.Error(err)
			continue
		}
		if bool(yes) != (p.distance < bound) {
			sum.differ++
		}
		if yes {
			sum.yes++
		}
		if plausibility != nil {
			ok, err := plausibility.run(uint64(sum.compared), x0[0], x1)
			if err != nil {
				t.Error(err)
				continue
			}
			if bool(ok) != (plausibility.check.Distance(codes[p.b]) < plausibility.bound) {
				sum.differ++
			}
			if ok {
				sum.plausible++
			}
		}
		sum.compared++
	}
	return sum
}

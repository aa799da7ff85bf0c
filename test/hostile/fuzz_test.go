package hostile_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
	"nod/test/world"
	"nod/wire"
)

// The everyday run plays everydayEpochs deployments side by side, one a corrupt party,
// of epochActions actions each.
const (
	everydayEpochs = 4
	epochActions   = 60
)

// fuzzer plays one epoch: one deployment with one corrupt party, and actions of
// honest and hostile parties at random.
type fuzzer struct {
	*stage
	rng     *rand.Rand
	actions []string
	visits  []*visit
	probes  []*wire.ProbeRequest
	papers  []*paper // signed and held back
	starved int      // calls that waited for correlations in vain
}

// action is one kind of step. It says what it did.
type action struct {
	weight int
	only   []seal.Role // corrupt parties that it needs; nil: any
	play   func(f *fuzzer) string
}

// TestFuzz plays epochs with seeds one after the other. A finding names its epoch's
// own seed: with it the same actions are drawn again (keys and timing are not).
func TestFuzz(t *testing.T) {
	seed := rand.Uint64N(1 << 40)
	if v := os.Getenv("NOD_FUZZ_SEED"); v != "" {
		var err error
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Time{}
	if v := os.Getenv("NOD_FUZZ_TIME"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			t.Fatal(err)
		}
		end = time.Now().Add(d)
	}
	fmt.Fprintf(os.Stderr, "hostile: NOD_FUZZ_SEED=%d\n", seed)
	before, epochs, batch := heap(), 0, everydayEpochs
	if !end.IsZero() {
		batch *= 4
	}
	var total atomic.Int64
	for !t.Failed() && (epochs == 0 || time.Now().Before(end)) {
		t.Run("epochs", func(t *testing.T) {
			for range batch {
				at := seed + uint64(epochs)
				t.Run(fmt.Sprintf("seed %d", at), func(t *testing.T) {
					t.Parallel()
					total.Add(int64(epoch(t, at)))
				})
				epochs++
			}
		})
		if epochs%100 == 0 {
			fmt.Fprintf(os.Stderr, "hostile: %d epochs, %d actions\n", epochs, total.Load())
		}
	}
	grown := int64(heap()) - int64(before)
	t.Logf("%d epochs from seed %d, %d actions; memory grew by %d KiB", epochs, seed, total.Load(), grown>>10)
	if grown > 64<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// roles in the order of seeds.
func roles() []seal.Role {
	return []seal.Role{outsider, seal.Matcher, seal.Custodian, seal.Dealer}
}

// epoch plays one deployment, and gives the number of actions.
func epoch(t *testing.T, seed uint64) int {
	corrupt := roles()[seed%4]
	f := &fuzzer{rng: rand.New(rand.NewPCG(seed, 1))}
	scarce := f.rng.IntN(4) == 0
	f.stage = newStage(t, corrupt, seed, func(o *dev.Options) {
		if scarce {
			o.Limits.Answers = 12
		}
	})
	all := actions()
	for range epochActions {
		a := f.draw(all)
		before := len(f.actions)
		f.actions = append(f.actions, "")
		f.actions[before] = a.play(f)
		if strings.HasSuffix(f.actions[before], string(fault.CorrelationsExhausted)) {
			f.starved++
		}
		f.lift(new(trick))
		if findings := f.inspect(); len(findings) > 0 {
			f.report(seed, findings)
			break
		}
		if f.dead() {
			break
		}
	}
	if !t.Failed() && corrupt == outsider {
		f.last()
		if findings := f.inspect(); len(findings) > 0 {
			f.report(seed, findings)
		}
	}
	return len(f.actions)
}

// draw chooses an action.
func (f *fuzzer) draw(all []action) action {
	for {
		a := all[f.rng.IntN(len(all))]
		if a.only != nil && !slices.Contains(a.only, f.corrupt) {
			continue
		}
		if f.rng.IntN(10) < a.weight {
			return a
		}
	}
}

// report shows what was found, and how to see it again.
func (f *fuzzer) report(seed uint64, findings []string) {
	f.T.Errorf("found after %d actions, with %s corrupt; NOD_FUZZ_SEED=%d plays them again", len(f.actions), corruptName(f.corrupt), seed)
	for _, finding := range findings {
		f.T.Error(finding)
	}
	for i, a := range f.actions {
		f.T.Logf("%3d %s", i+1, a)
	}
}

// dead reports whether an alarm, or a corrupt party's refusals, stopped everything.
func (f *fuzzer) dead() bool {
	stats := f.Source.Stats()
	return stats.Stopped || f.CustodianRole.Correlations.Stats().Stopped || f.corrupt != outsider && (stats.Stock < 4 || f.starved > 1)
}

// last is an honest verification at the end of an epoch: after all that outsiders
// did, it ends as it must.
func (f *fuzzer) last() {
	f.settle()
	for i, p := range f.people {
		f.verify(i, p, f.near(p))
	}
}

// patience is how long a call may take.
func (f *fuzzer) patience() (context.Context, context.CancelFunc) {
	if f.corrupt == outsider {
		return context.WithTimeout(context.Background(), 30*time.Second)
	}
	return context.WithTimeout(context.Background(), 500*time.Millisecond)
}

// verify plays a whole verification. Where nobody among the roles is corrupt it must
// end, and as the plaintext says (watch).
func (f *fuzzer) verify(rp int, who world.Person, x code.Code) string {
	ctx, cancel := f.patience()
	defer cancel()
	match, err := f.show(ctx, rp, who, x)
	if err != nil && f.corrupt == outsider {
		f.watch.violated("an honest verification ends with %v", err)
	}
	return result(match, err)
}

// result is an outcome in words.
func result(match bool, err error) string {
	if err != nil {
		return string(fault.CodeOf(err))
	}
	return strconv.FormatBool(match)
}

// Package tamper changes what passes between the parties of a verification: every
// byte flipped in turn, every message dropped, doubled, and put in the place of
// another session's.
package tamper_test

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nod/admit"
	"nod/client"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/compare/cut"
	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// place is one message of a verification: a call's request or its answer.
type place struct {
	method wire.Method
	answer bool
}

func (p place) String() string {
	if p.answer {
		return string(p.method) + " answer"
	}
	return string(p.method) + " request"
}

// The messages of a verification, in order.
var places = []place{
	{wire.MatcherOpen, false},
	{wire.CustodianOpen, false},
	{wire.CustodianOpen, true},
	{wire.MatcherOpen, true},
	{wire.MatcherVerify, false},
	{wire.CustodianStart, false},
	{wire.CustodianStart, true},
	{wire.CustodianClose, false},
	{wire.CustodianClose, true},
	{wire.MatcherVerify, true},
}

// wiretap sees every message, and may change it. It counts calls.
type wiretap struct {
	mu     sync.Mutex
	seen   map[place][]byte
	change func(place, []byte) []byte // nil answer: the message is lost
	double wire.Method                // this call is made twice
	second []byte                     // what the second call answered
}

type tapped struct {
	*wiretap
	next wire.Caller
}

func (w *wiretap) pass(p place, message []byte) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[p] = append([]byte{}, message...)
	if w.change != nil {
		message = w.change(p, message)
	}
	if message == nil {
		return nil, fault.New(fault.Cancelled, "lost on the way")
	}
	return message, nil
}

func (t tapped) Call(ctx context.Context, method wire.Method, request []byte) ([]byte, error) {
	request, err := t.pass(place{method, false}, request)
	if err != nil {
		return nil, err
	}
	answer, err := t.next.Call(ctx, method, request)
	if err != nil {
		return nil, err
	}
	if t.double == method {
		if t.second, err = t.next.Call(ctx, method, request); err != nil {
			return nil, err
		}
	}
	return t.pass(place{method, true}, answer)
}

type world struct {
	*dev.Deployment
	runs  int
	ahead atomic.Int64 // of the real clock, in nanoseconds
	tap   *wiretap
	rng   *rand.Rand
	model *code.Model
	alice orders.Citizen
	face  []float32
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{tap: &wiretap{seen: map[place][]byte{}}, rng: rand.New(rand.NewPCG(5, 5))}
	w.model = codetest.Model(w.rng, codetest.Shape{Bits: 64, MaxWeight: 7, Plausibility: true})
	limits := admit.Defaults()
	limits.Consecutive, limits.NoMatches, limits.Answers = 60_000, 60_000, 60_000
	d, err := dev.Open(t.Context(), dev.Options{
		Folder: t.TempDir(), Models: []*code.Model{w.model}, Policy: codetest.Policy(code.FMR1e3, w.model),
		Params: cut.Params{Batch: 512, Sacrifice: 16}, Limits: limits,
		Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
		Caller: func(_, to seal.Role, c wire.Caller) wire.Caller {
			if to == seal.Dealer {
				return c
			}
			return tapped{w.tap, c}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	w.Deployment = d
	if w.alice, err = orders.NewCitizen("alice"); err != nil {
		t.Fatal(err)
	}
	w.face = codetest.Features(w.rng, w.model.Dimension())
	if _, err := d.Station.Enrol(t.Context(), w.alice, 0, w.model, w.features()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) features() client.Features {
	return client.Features{w.model.Network(): {append([]float32(nil), w.face...)}}
}

// verify runs one genuine verification under a change.
func (w *world) verify(t *testing.T, change func(place, []byte) []byte) (match bool, err error) {
	t.Helper()
	if w.runs++; w.runs%1000 == 0 {
		// Sessions that a flip left open end: the servers hold so many only.
		w.ahead.Add(int64(200 * time.Second))
	}
	w.tap.mu.Lock()
	w.tap.change = change
	w.tap.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	v, err := w.Verify(ctx, w.alice, w.features())
	w.tap.mu.Lock()
	w.tap.change = nil
	w.tap.mu.Unlock()
	if err != nil {
		return false, err
	}
	return v.Verdict.Match, nil
}

// chainSize is the part of a request that names the chain of calls in the records:
// it has no part in the run.
const chainSize = 32

// Every byte of every message: no verdict. The everyday run takes every 29th byte,
// from a random one on; NOD_TEST_LONG=1 takes all.
func TestFlipEveryByte(t *testing.T) {
	w := newWorld(t)
	if match, err := w.verify(t, nil); err != nil || !match {
		t.Fatal(match, err)
	}
	stride := 29
	if os.Getenv("NOD_TEST_LONG") != "" {
		stride = 1
	}
	sizes := map[place]int{}
	for p, message := range w.tap.seen {
		sizes[p] = len(message)
	}
	total, codes := 0, map[fault.Code]int{}
	for _, p := range places {
		flipped, tracing := 0, 0
		for at := rand.IntN(stride); at < sizes[p]; at += stride {
			mask := byte(1) << rand.IntN(8)
			match, err := w.verify(t, func(q place, message []byte) []byte {
				if q == p && at < len(message) {
					message[at] ^= mask
				}
				return message
			})
			switch inChain := !p.answer && at < chainSize; {
			case inChain && err == nil && match:
				tracing++
			case err == nil || fault.Is(err, fault.Overloaded):
				t.Fatalf("%s: byte %d xor %#x: verdict %v, %v", p, at, mask, match, err)
			default:
				flipped++
				codes[fault.CodeOf(err)]++
			}
		}
		total += flipped
		t.Logf("%-26s %5d bytes: %5d flips, no verdict; %d flips of the tracing id, honest verdict", p, sizes[p], flipped, tracing)
	}
	t.Logf("%d flips without a verdict, by code: %v", total, codes)
	if match, err := w.verify(t, nil); err != nil || !match {
		t.Fatal("after all that, an honest verification:", match, err)
	}
}

func TestDropEveryMessage(t *testing.T) {
	w := newWorld(t)
	for _, p := range places {
		_, err := w.verify(t, func(q place, message []byte) []byte {
			if q == p {
				return nil
			}
			return message
		})
		if err == nil {
			t.Errorf("%s lost: a verdict all the same", p)
		}
	}
}

// Each call delivered twice: the second is refused, or answered as the first was.
func TestDoubleEveryCall(t *testing.T) {
	w := newWorld(t)
	for _, method := range []wire.Method{
		wire.MatcherOpen, wire.CustodianOpen, wire.MatcherVerify, wire.CustodianStart, wire.CustodianClose,
	} {
		w.tap.double, w.tap.second = method, nil
		match, err := w.verify(t, nil)
		if err != nil || !match {
			t.Fatalf("%s doubled: %v, %v", method, match, err)
		}
		first, refused := w.tap.seen[place{method, true}], false
		w.tap.double = ""
		again := string(first) == string(w.tap.second)
		// The codes stand in clear in a refusal.
		for _, c := range []fault.Code{fault.SessionUsed, fault.UnknownSession} {
			refused = refused || containsCode(w.tap.second, c)
		}
		if !again && !refused {
			t.Errorf("%s doubled: the second call was answered anew", method)
		}
		t.Logf("%-18s delivered twice: same answer %v, refused %v", method, again, refused)
	}
}

func containsCode(reply []byte, c fault.Code) bool {
	return len(reply) < 64 && len(reply) > len(c) && string(reply[4:4+len(c)]) == string(c)
}

// Every message of another session in the place of this one's.
func TestSwapSessions(t *testing.T) {
	w := newWorld(t)
	if match, err := w.verify(t, nil); err != nil || !match {
		t.Fatal(match, err)
	}
	other := map[place][]byte{}
	for p, message := range w.tap.seen {
		other[p] = message
	}
	for _, p := range places {
		match, err := w.verify(t, func(q place, message []byte) []byte {
			if q == p {
				return append([]byte{}, other[p]...)
			}
			return message
		})
		if err == nil {
			t.Errorf("%s of another session: verdict %v", p, match)
		}
	}
}

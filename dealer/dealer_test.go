package dealer_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"reflect"
	"testing"
	"time"

	"nod/audit"
	"nod/audit/audittest"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/dealer"
	"nod/fault"
	"nod/keyring"
	"nod/wire"
)

// Both callers get the same signed list, each its own halves, and those are what an
// honest dealer lists.
func TestBatch(t *testing.T) {
	r := newRig(t, codetest.Shape{Bits: 128, MaxWeight: 31, Plausibility: true})
	plausibility, _, _ := r.model.Plausibility()
	for _, check := range []*code.Check{r.check, plausibility} {
		q := r.request(50)
		q.Check = check.ID
		answers := [2]*wire.BatchAnswer{ask(t, r.dealer, matcher, q), ask(t, r.dealer, custodian, q)}
		list := answers[0].List(q)
		if !reflect.DeepEqual(answers[1].List(q), list) || list.First() != 7*50 {
			t.Fatal("two lists for one batch")
		}
		public, err := r.keys.Public(t.Context(), keyring.Identity, answers[0].Identity)
		if err != nil {
			t.Fatal(err)
		}
		again := compare.NewDealer(check, q.Channel())
		for i := range 50 {
			var seeds [2]prg.Seed
			for p, a := range answers {
				if !ed25519.Verify(public, list.Signed(), a.Signature) {
					t.Fatal("the list is not signed")
				}
				if err := list.CheckHalf(i, compare.Party(p), &a.Halves[i]); err != nil {
					t.Fatal(err)
				}
				seeds[p] = a.Halves[i].Seed
			}
			if cut.Recompute(again, check, list.First()+uint64(i), &seeds) != list.Halves[i] {
				t.Fatalf("correlation %d is not what its seeds give", i)
			}
		}
	}
}

// What is dealt is a function of root version, channel, batch and size, in every
// process; and of each of them.
func TestStateless(t *testing.T) {
	r := newRig(t, codetest.Shape{})
	q := r.request(20)
	first := ask(t, r.dealer, matcher, q)
	if again := ask(t, r.open(t), matcher, q); !reflect.DeepEqual(again, first) {
		t.Error("another process of the dealer deals something else")
	}
	if _, err := r.keys.Rotate(t.Context(), keyring.Root); err != nil {
		t.Fatal(err)
	}
	named := *q
	named.Root = 1
	if again := ask(t, r.dealer, matcher, &named); !reflect.DeepEqual(again, first) {
		t.Error("the named version deals something else")
	}
	seen := map[prg.Seed]string{}
	note := func(what string, a *wire.BatchAnswer) {
		for _, h := range a.Halves {
			if other, twice := seen[h.Seed]; twice {
				t.Errorf("a seed of %s is also one of %s", what, other)
			}
			seen[h.Seed] = what
		}
	}
	note("the first", first)
	note("the other half", ask(t, r.dealer, custodian, &named))
	for what, change := range map[string]func(q *wire.BatchRequest){
		"the latest version": func(q *wire.BatchRequest) { q.Root = 0 },
		"another nonce":      func(q *wire.BatchRequest) { q.Nonce0[5]++ },
		"another peer":       func(q *wire.BatchRequest) { q.Custodian[5]++ },
		"another batch":      func(q *wire.BatchRequest) { q.Batch++ },
		"another size":       func(q *wire.BatchRequest) { q.Size++ },
	} {
		other := named
		change(&other)
		note(what, ask(t, r.dealer, matcher, &other))
	}
}

// Which half a caller gets follows who it is, and only the two instances of the
// channel get any.
func TestOnlyTheTwoInstances(t *testing.T) {
	r := newRig(t, codetest.Shape{})
	for name, peer := range map[string]wire.Peer{
		"nobody":                      {},
		"a client":                    {Instance: matcher.Instance},
		"the dealer":                  {Role: seal.Dealer, Instance: matcher.Instance},
		"another matcher":             {Role: seal.Matcher, Instance: wire.Instance{9}},
		"another custodian":           {Role: seal.Custodian, Instance: wire.Instance{9}},
		"a matcher as the custodian":  {Role: seal.Matcher, Instance: custodian.Instance},
		"a custodian as the matcher":  {Role: seal.Custodian, Instance: matcher.Instance},
		"a role that does not exist ": {Role: "auditor", Instance: matcher.Instance},
	} {
		if _, err := r.dealer.Batch(wire.WithPeer(t.Context(), peer), r.request(10)); !fault.Is(err, fault.NotAllowed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r.counts.Counts()[keyring.Root].MACs != 0 || len(r.leaves(t)) != 0 {
		t.Error("a refused call used a key or was recorded as dealt")
	}
}

func TestLimits(t *testing.T) {
	r := newRig(t, codetest.Shape{})
	r.cfg.MaxBatch = 64
	d := r.open(t)
	for name, c := range map[string]struct {
		change func(q *wire.BatchRequest)
		want   fault.Code
	}{
		"none":              {func(q *wire.BatchRequest) { q.Size = 0 }, fault.OutOfRange},
		"one":               {func(q *wire.BatchRequest) { q.Size = 1 }, fault.OutOfRange},
		"more than allowed": {func(q *wire.BatchRequest) { q.Size = 65 }, fault.OutOfRange},
		"far more":          {func(q *wire.BatchRequest) { q.Size = 1<<32 - 1 }, fault.OutOfRange},
		"last batch ever":   {func(q *wire.BatchRequest) { q.Batch = 1<<64 - 1 }, fault.OutOfRange},
		"unknown check":     {func(q *wire.BatchRequest) { q.Check[0]++ }, fault.UnknownModel},
		"version to come":   {func(q *wire.BatchRequest) { q.Root = 2 }, fault.KeyVersion},
	} {
		q := r.request(64)
		c.change(q)
		if _, err := d.Batch(wire.WithPeer(t.Context(), matcher), q); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if len(r.leaves(t)) != 0 {
		t.Error("a refused call was recorded as dealt")
	}
	ask(t, d, matcher, r.request(64))
	for name, change := range map[string]func(c *dealer.Config){
		"batches of one":      func(c *dealer.Config) { c.MaxBatch = 1 },
		"batches too large":   func(c *dealer.Config) { c.MaxBatch = wire.MaxBatch + 1 },
		"fewer than no batch": func(c *dealer.Config) { c.Concurrent = -1 },
	} {
		cfg := r.cfg
		change(&cfg)
		if _, err := dealer.New(cfg); !fault.Is(err, fault.OutOfRange) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One HMAC a batch, recorded before it is used; without a record, no use of a key
// and no answer.
func TestRecordedBeforeTheKeyIsUsed(t *testing.T) {
	r := newRig(t, codetest.Shape{})
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	r.cfg.Clock = func() time.Time { return now }
	d := r.open(t)
	ctx := wire.WithChain(wire.WithPeer(t.Context(), matcher))
	q := r.request(30)
	if _, err := d.Batch(ctx, q); err != nil {
		t.Fatal(err)
	}
	want := audit.Leaf{
		Time: now, Operation: audit.OpDeal, Party: "matcher", Key: "root", KeyVersion: 1,
		Correlation: wire.Chain(ctx), Session: canon.Digest(q.Channel()), Count: 30,
	}
	if got := r.leaves(t); len(got) != 1 || got[0] != want {
		t.Errorf("recorded %+v, want %+v", got, want)
	}
	if n := r.counts.Counts()[keyring.Root]; n.MACCalls != 1 || n.MACs != 1 {
		t.Errorf("a batch takes %+v", n)
	}
	r.log.SetPlan(func(int, audit.Leaf) audittest.Failure { return audittest.NotWritten })
	if a, err := d.Batch(ctx, q); !fault.Is(err, fault.AuditUnavailable) || a != nil {
		t.Errorf("without a record: %v", err)
	}
	if n := r.counts.Counts()[keyring.Root]; n.MACs != 1 {
		t.Error("the key was used without a record")
	}
}

func TestGivenUp(t *testing.T) {
	r := newRig(t, codetest.Shape{Bits: 1024})
	ctx, cancel := context.WithCancel(wire.WithPeer(t.Context(), matcher))
	// The caller gives up while the dealer is at work: after the record.
	r.cfg.Audit = &hook{r.log, cancel}
	d := r.open(t)
	if a, err := d.Batch(ctx, r.request(4096)); !fault.Is(err, fault.Cancelled) || a != nil {
		t.Errorf("given up while dealing: %v", err)
	}
	r.cfg.Concurrent = 1
	release, entered := make(chan struct{}), make(chan struct{})
	r.cfg.Audit = &hook{r.log, func() { close(entered); <-release }}
	d = r.open(t)
	done := make(chan error)
	go func() {
		_, err := d.Batch(wire.WithPeer(t.Context(), matcher), r.request(10))
		done <- err
	}()
	<-entered
	if _, err := d.Batch(ctx, r.request(10)); !fault.Is(err, fault.Cancelled) {
		t.Errorf("given up while waiting for a place: %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// hook calls before every leaf.
type hook struct {
	audit.Log
	before func()
}

func (h *hook) Append(ctx context.Context, leaf audit.Leaf) (audit.Receipt, error) {
	h.before()
	return h.Log.Append(ctx, leaf)
}

// [A] Recorded messages and a root open every past xor of probe and template. Once
// the version is destroyed nobody can deal its correlations again, the dealer and
// its operator included; the twin is the same attack the day before.
func TestDestroyedRootOpensNoRecordedComparison(t *testing.T) {
	r := newRig(t, codetest.Shape{Bits: 128, MaxWeight: 31})
	q := r.request(10)
	q.Root = 1
	channel := compare.NewChannel(q.Channel(), r.check)
	halves := [2][]compare.Half{ask(t, r.dealer, matcher, q).Halves, ask(t, r.dealer, custodian, q).Halves}

	// A comparison of the shares u0 and u1, of which somebody records c0 and c1.
	const place = 3
	u0, u1 := code.Code{0x0123456789abcdef, 42}, code.Code{77, 0xfedcba9876543210}
	c0, c1 := compare.M1{C: code.NewCode(128)}, compare.M2{C: code.NewCode(128)}
	for p := range compare.Party(2) {
		ready := compare.NewReady(channel, p)
		if err := ready.Load(70+place, &halves[p][place]); err != nil {
			t.Fatal(err)
		}
		var err error
		if p == compare.Matcher {
			err = ready.Open(u0, r.check.MinT, &c0)
		} else {
			err = ready.Answer(u1, r.check.MinT, &c0, &c1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}

	attack := func() (u code.Code, err error) {
		u = c0.C.Clone()
		u.Xor(c1.C)
		for _, peer := range []wire.Peer{matcher, custodian} {
			a, err := r.open(t).Batch(wire.WithPeer(t.Context(), peer), q)
			if err != nil {
				return nil, err
			}
			mask := make([]byte, 128/8) // r_i is the first field of the expansion
			a.Halves[place].Seed.Expand(mask)
			ri, err := code.CodeFromBytes(128, mask)
			if err != nil {
				t.Fatal(err)
			}
			u.Xor(ri)
		}
		return u, nil
	}

	want := u0.Clone()
	want.Xor(u1)
	if got, err := attack(); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Fatalf("twin: with the root at hand the attack must win; got %v, %v", got, err)
	}
	if _, err := r.keys.Rotate(t.Context(), keyring.Root); err != nil {
		t.Fatal(err)
	}
	if err := r.keys.Destroy(t.Context(), keyring.Root, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := attack(); !fault.Is(err, fault.KeyVersion) {
		t.Errorf("with the version destroyed: %v", err)
	}
}

func benchmarkBatch(b *testing.B, bits int) {
	r := newRig(b, codetest.Shape{Bits: bits, MaxWeight: 31})
	const size = 1024
	q := r.request(size)
	ctx := wire.WithPeer(b.Context(), matcher)
	b.ReportAllocs()
	for b.Loop() {
		q.Batch++
		a, err := r.dealer.Batch(ctx, q)
		if err != nil {
			b.Fatal(err)
		}
		a.Wipe()
	}
	b.ReportMetric(float64(b.N)*size/b.Elapsed().Seconds(), "correlations/s")
}

func BenchmarkBatch1024(b *testing.B) { benchmarkBatch(b, 1024) }
func BenchmarkBatch2048(b *testing.B) { benchmarkBatch(b, 2048) }

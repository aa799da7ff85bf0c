package channel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nod/audit"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// cheats are ways to spoil a correlation so that an impostor gets a yes from both
// parties, with every MAC in order.
var cheats = map[string]func(c *correlation){
	"wrong bit":   func(c *correlation) { c.shiftB1(-3) },
	"shifted DCF": func(c *correlation) { c.shiftGate(40) },
}

// impostor plays a comparison of a probe 20 above the bound.
func impostor(t *testing.T, r *rand.Rand, w *world, ready [2]*compare.Ready) (yes bool, err error) {
	t.Helper()
	bound := (w.check.MinT + w.check.MaxT) / 2
	for {
		u := randomCode(r, 64)
		if w.check.Distance(u) != bound+20 {
			continue
		}
		u0 := randomCode(r, 64)
		u.Xor(u0)
		outcome, err := play(ready, u0, u, bound)
		return bool(outcome), err
	}
}

// The twin of every cheat: without cut and choose the parties cannot tell, and the
// impostor gets in. The same without the cheat: no.
func TestCheatsWinWithoutCutAndChoose(t *testing.T) {
	w := newWorld(t)
	d := newCrooked(w)
	r := rand.New(rand.NewPCG(3, 3))
	q := &wire.BatchRequest{Check: w.check.ID, Size: 64}
	for name, cheat := range cheats {
		won := 0
		for place := range 64 {
			for _, spoilt := range []bool{false, true} {
				c := d.deal(q, place)
				if spoilt {
					cheat(c)
				}
				var ready [2]*compare.Ready
				for p := range ready {
					ready[p] = compare.NewReady(c.channel, compare.Party(p))
					if err := ready[p].Load(c.index, &c.halves[p]); err != nil {
						t.Fatal(err)
					}
				}
				yes, err := impostor(t, r, w, ready)
				switch {
				case err != nil:
					t.Fatalf("%s: %v", name, err)
				case spoilt && yes:
					won++
				case yes:
					t.Fatal("an honest correlation lets the impostor in")
				}
			}
		}
		t.Logf("%s: the impostor got in %d times of 64", name, won)
		if won < 48 {
			t.Errorf("%s: twin: the attacker must win, and did %d times of 64", name, won)
		}
	}
}

// [A] A dealer with k spoilt correlations in a batch is caught as often as the
// hypergeometric distribution says, by both parties, each with evidence that
// convicts it before anybody; and a spoilt correlation that was sacrificed never
// passes.
func TestSpoiltCorrelationsAreCaught(t *testing.T) {
	params := cut.Params{Batch: 128, Sacrifice: 64}
	for name, cheat := range cheats {
		for bad, runs := range map[int]int{1: 60, 2: 40, 4: 20} {
			caught := 0
			w := newWorld(t)
			w.params, w.checks = params, []*code.Check{w.check}
			for run := range runs {
				d := newCrooked(w)
				spoilt := rand.Perm(params.Batch)[:bad]
				d.spoil = func(place int, c *correlation) {
					if slices.Contains(spoilt, place) {
						cheat(c)
					}
				}
				if w.tryOne(t, spoilt) {
					caught++
				}
				if t.Failed() {
					t.Fatalf("%s, run %d", name, run)
				}
			}
			passes := 1.0 // C(B-k, s) / C(B, s)
			for i := range bad {
				passes *= float64(params.Batch-params.Sacrifice-i) / float64(params.Batch-i)
			}
			want := float64(runs) * (1 - passes)
			sigma := math.Sqrt(float64(runs) * passes * (1 - passes))
			t.Logf("%s, %d bad of %d, %d opened: caught in %d of %d batches, %.1f +- %.1f expected", name, bad, params.Batch, params.Sacrifice, caught, runs, want, sigma)
			if math.Abs(float64(caught)-want) > 7*sigma {
				t.Errorf("caught %d times of %d, want %.1f +- %.1f", caught, runs, want, sigma)
			}
		}
	}
}

// tryOne runs one batch of a cheating dealer, and reports whether it was caught.
func (w *world) tryOne(t *testing.T, spoilt []int) bool {
	t.Helper()
	w.source.Low, w.source.High = 1, w.params.Batch-w.params.Sacrifice+1
	w.matcher.forget()
	w.custodian.forget()
	source, server, _ := w.start(t)
	defer server.Close()
	defer source.Close()
	leases, err := source.Take(soon(t), w.check.ID)
	if err == nil {
		defer Release(leases)
		server.mu.Lock()
		defer server.mu.Unlock()
		ch := server.channels[leases[0].Channel]
		b := ch.batches[0]
		for _, s := range spoilt {
			ahead := ch.ready[b.number*uint64(w.params.Batch)+uint64(s)]
			if b.halves[s].Corrections == nil && ahead == nil {
				t.Errorf("correlation %d is spoilt, was opened and passed", s)
			}
		}
		return false
	}
	if !fault.Is(err, fault.ChannelStopped) {
		t.Fatalf("got %v", err)
	}
	w.convicted(t, source, server)
	return true
}

// convicted: both parties raised one alarm against the dealer, recorded it, stopped
// for good, and hold evidence.
func (w *world) convicted(t *testing.T, source *Source, server *Server) {
	t.Helper()
	w.matcher.alarm(t)
	w.custodian.alarm(t)
	for _, r := range []*role{w.matcher, w.custodian} {
		if r.log.Counts()[audit.OpAlarm] == 0 {
			t.Error("the alarm is not recorded")
		}
		for _, a := range r.raised() {
			if a.Accused != seal.Dealer || a.Code != fault.DealerCheated || a.Evidence == nil {
				t.Fatalf("alarm %+v", a)
			}
			if err := a.Evidence.Convict(w.bundle, w.check); err != nil {
				t.Errorf("the evidence does not convict: %v", err)
			}
		}
	}
	// One that was being expanded is thrown away as soon as that is done.
	eventually(t, "the matcher's stock is empty", func() bool { return source.Stats().Stock == 0 })
	if s := source.Stats(); !s.Stopped || s.Alarms == 0 {
		t.Errorf("the matcher's side goes on: %+v", s)
	}
	if s := server.Stats(); !s.Stopped || s.Stock != 0 || s.Channels != 0 {
		t.Errorf("the custodian's side goes on: %+v", s)
	}
	if _, err := source.Take(soon(t), w.check.ID); !fault.Is(err, fault.ChannelStopped) {
		t.Errorf("after the alarm: %v", err)
	}
	peer := newPeer(seal.Matcher)
	if _, err := server.OpenChannel(wire.WithPeer(t.Context(), peer), w.opening(peer)); !fault.Is(err, fault.ChannelStopped) {
		t.Errorf("after the alarm: %v", err)
	}
}

func (w *world) opening(peer wire.Peer) *wire.ChannelOpen {
	return &wire.ChannelOpen{
		Instance: peer.Instance, Check: w.check.ID,
		Batch: uint32(w.params.Batch), Sacrifice: uint32(w.params.Sacrifice),
	}
}

// spoilAll makes every batch one that is caught.
func spoilAll(_ int, c *correlation) { c.shiftB1(1) }

// Evidence convicts exactly the dealer that signed it, and nothing else does: not
// evidence with a changed bit, not that of an honest dealer.
func TestEvidence(t *testing.T) {
	w := newWorld(t)
	newCrooked(w).spoil = spoilAll
	source, _, _ := w.start(t)
	if _, err := source.Take(soon(t), w.check.ID); !fault.Is(err, fault.ChannelStopped) {
		t.Fatal(err)
	}
	good := *w.matcher.alarm(t).Evidence
	check := w.check
	if good.Request.Check != check.ID {
		check = w.other
	}
	if err := good.Convict(w.bundle, check); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(e *Evidence)
		want   fault.Code
	}{
		"another channel": {func(e *Evidence) { e.Request.Nonce1[0]++ }, fault.UnknownChannel},
		"another check":   {func(e *Evidence) { e.Request.Check[0]++ }, fault.WrongCheck},
		"another list":    {func(e *Evidence) { e.Digests[0][0].Seed[0]++ }, fault.BadSignature},
		"another batch":   {func(e *Evidence) { e.Lists[0].Statement.Batch++ }, fault.BadSignature},
		"unsigned":        {func(e *Evidence) { e.Lists[0].Signature[0]++ }, fault.BadSignature},
		"another key":     {func(e *Evidence) { e.Lists[0].Identity++ }, fault.UnknownKey},
		"another seed":    {func(e *Evidence) { e.Seeds[1][0]++ }, fault.PeerSeed},
		"outside":         {func(e *Evidence) { e.Index += 1000 }, fault.OutOfRange},
		"before":          {func(e *Evidence) { e.Index -= 1000 }, fault.OutOfRange},
		"nothing":         {func(e *Evidence) { e.Lists = nil }, fault.OutOfRange},
		"one list twice":  {func(e *Evidence) { e.Lists = append(e.Lists, e.Lists[0]) }, fault.OutOfRange},
	} {
		e := good
		e.Lists = []SignedList{good.Lists[0]}
		e.Lists[0].Signature = append([]byte(nil), good.Lists[0].Signature...)
		e.Digests = append([][2]compare.Digests(nil), good.Digests...)
		c.change(&e)
		if err := e.Convict(w.bundle, check); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}

	honest := newWorld(t)
	d := newCrooked(honest) // which does not cheat
	q := &wire.BatchRequest{Check: honest.check.ID, Size: 4}
	a, err := d.Batch(wire.WithPeer(t.Context(), newPeer(seal.Matcher)), q)
	if err != nil {
		t.Fatal(err)
	}
	c := d.deal(q, 2)
	e := Evidence{
		Request: *q, Digests: a.Digests, Index: 2,
		Lists: []SignedList{{Statement: a.List(q).Statement(), Identity: a.Identity, Signature: a.Signature}},
		Seeds: [2][32]byte{c.halves[0].Seed, c.halves[1].Seed},
	}
	if err := e.Convict(honest.bundle, honest.check); !fault.Is(err, fault.OutOfRange) {
		t.Errorf("an honest dealer is convicted: %v", err)
	}
}

// [A] A dealer that shows each party another list is caught by the custodian, which
// then holds two signatures that contradict each other.
func TestTwoLists(t *testing.T) {
	w := newWorld(t)
	d := newCrooked(w)
	// The matcher's list has another seed for the custodian's halves: whatever the
	// custodian opens, it would look like the liar.
	d.list = frame
	source, server, _ := w.start(t)
	if _, err := source.Take(soon(t), w.check.ID); !fault.Is(err, fault.ChannelStopped) {
		t.Fatal(err)
	}
	a := w.custodian.alarm(t)
	check := w.check
	if a.Check != check.ID {
		check = w.other
	}
	if a.Accused != seal.Dealer || a.Evidence == nil || len(a.Evidence.Lists) != 2 {
		t.Fatalf("alarm %+v", a)
	}
	if err := a.Evidence.Convict(w.bundle, check); err != nil {
		t.Error(err)
	}
	// The matcher has the custodian's word only.
	if a := w.matcher.alarm(t); a.Accused != seal.Dealer || a.Evidence != nil {
		t.Errorf("alarm %+v", a)
	}
	if !source.Stats().Stopped || !server.Stats().Stopped {
		t.Error("somebody goes on")
	}
}

func frame(party compare.Party, digests [][2]compare.Digests) {
	if party == compare.Matcher {
		for i := range digests {
			digests[i][1].Seed[0]++
		}
	}
}

// The twin: if the parties did not compare lists, the matcher would accuse an honest
// custodian of the first seed that it opens.
func TestTwoListsFrameTheCustodianIfNotCompared(t *testing.T) {
	w := newWorld(t)
	d := newCrooked(w)
	d.list = frame
	q := &wire.BatchRequest{Check: w.check.ID, Size: 4}
	a, err := d.Batch(wire.WithPeer(t.Context(), newPeer(seal.Matcher)), q)
	if err != nil {
		t.Fatal(err)
	}
	c := d.deal(q, 1)
	list := a.List(q)
	if err := list.CheckHalf(1, compare.Matcher, &c.halves[0]); err != nil {
		t.Fatal(err)
	}
	err = cut.CheckSacrifice(compare.NewDealer(w.check, list.Channel), w.check, list, 1, compare.Matcher, &c.halves[0].Seed, &c.halves[1].Seed)
	if !fault.Is(err, fault.PeerSeed) {
		t.Errorf("twin: the honest custodian must be accused; got %v", err)
	}
}

// [A] A dealer that sends a half which is not the one in its list is accused before
// the coin, whichever half it is.
func TestHalfThatIsNotListed(t *testing.T) {
	for _, victim := range []compare.Party{compare.Matcher, compare.Custodian} {
		w := newWorld(t)
		d := newCrooked(w)
		d.send = func(party compare.Party, q *wire.BatchRequest, h []compare.Half) {
			if party == victim {
				h[q.Size-1].Corrections[5] ^= 1
			}
		}
		source, _, _ := w.start(t)
		r := w.matcher
		if victim == compare.Custodian {
			r = w.custodian
		}
		if a := r.alarm(t); a.Accused != seal.Dealer || a.Code != fault.Tampered {
			t.Errorf("alarm %+v", a)
		}
		if s := source.Stats(); s.Batches != 0 || s.Dealt != 0 {
			t.Errorf("a batch passed: %+v", s)
		}
	}
}

// A dealer whose halves do not even expand is caught at the latest when one is used.
func TestHalfThatDoesNotExpand(t *testing.T) {
	w := newWorld(t)
	w.params = cut.Params{Batch: 64, Sacrifice: 1}
	d := newCrooked(w)
	d.spoil = func(_ int, c *correlation) {
		n, levels := c.n(), c.check.Domain-1
		for _, at := range []struct {
			half  int
			place int
		}{{0, 8*n + 8}, {1, 4*n + 16 + 8*n + 8}} {
			cw := c.halves[at.half].Corrections[at.place:]
			cw[33*levels-1] |= 0x80 // unused bits of the last level's control byte
		}
	}
	source, _, _ := w.start(t)
	if _, err := source.Take(soon(t), w.check.ID); !fault.Is(err, fault.ChannelStopped) {
		t.Fatal(err)
	}
	if a := w.matcher.alarm(t); a.Accused != seal.Dealer {
		t.Errorf("alarm %+v", a)
	}
}

// A list that the dealer of the bundle did not sign is nobody's list: the batch
// comes to nothing, without an accusation.
func TestUnsignedList(t *testing.T) {
	w := newWorld(t)
	other := newWorld(t)
	newCrooked(w).w = other // signs with another key
	w.dealer.(*crooked).w = &world{check: w.check, other: w.other, keys: other.keys}
	source, _, _ := w.start(t)
	eventually(t, "a batch fails", func() bool { return w.matcher.reported(fault.BadSignature) })
	if s := source.Stats(); s.Dealt != 0 || s.Stopped || len(w.matcher.raised()) != 0 {
		t.Errorf("%+v", s)
	}
}

// [A] Single checks, the twin of cut and choose: a party has the dealer open each
// index with a chance of 1 in 64, and goes on where the dealer does not answer, for
// that happens to honest ones. The dealer spoils one index and refuses to open it:
// the impostor always gets in, and nobody has a signature. In the protocol 64 of a
// batch are opened by the parties themselves (TestSpoiltCorrelationsAreCaught; the
// best a dealer can do is 0.6 %: cut.TestBestCheat).
func TestSingleChecksLetTheDealerWin(t *testing.T) {
	w := newWorld(t)
	d := newCrooked(w)
	r := rand.New(rand.NewPCG(9, 9))
	q := &wire.BatchRequest{Check: w.check.ID, Size: 256}
	won, opened := 0, 0
	for place := range 256 {
		c := d.deal(q, place)
		spoilt := place%2 == 0
		if spoilt {
			c.shiftGate(40)
		}
		if r.IntN(64) == 0 && !spoilt { // it does not answer for a spoilt one
			opened++
			seeds := [2]prg.Seed{c.halves[0].Seed, c.halves[1].Seed}
			if got := cut.Recompute(compare.NewDealer(w.check, c.channel.ID), w.check, c.index, &seeds); got[0] != c.halves[0].Digests() {
				t.Fatal("an opening is not what was dealt")
			}
			continue
		}
		var ready [2]*compare.Ready
		for p := range ready {
			ready[p] = compare.NewReady(c.channel, compare.Party(p))
			if err := ready[p].Load(c.index, &c.halves[p]); err != nil {
				t.Fatal(err)
			}
		}
		if yes, err := impostor(t, r, w, ready); err != nil || yes != spoilt {
			t.Fatalf("spoilt %v: the impostor gets %v, %v", spoilt, yes, err)
		}
		if spoilt {
			won++
		}
	}
	if won != 128 || opened == 0 {
		t.Errorf("twin: the dealer must win: %d of 128, %d opened", won, opened)
	}
}

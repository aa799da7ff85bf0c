package channel

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/fault"
	"nod/keyring"
	"nod/wire"
)

func randomCode(r *rand.Rand, n int) code.Code {
	c := code.NewCode(n)
	for i := range c {
		c[i] = r.Uint64()
	}
	return c
}

// No index is handed out twice on either side, whatever many takers and a matcher
// that claims things twice do at the same time; and every correlation that is
// handed out decides as the plaintext does.
func TestEveryIndexOnceUnderConcurrency(t *testing.T) {
	w := newWorld(t)
	w.source.Ready = 7
	source, server, peer := w.start(t)
	type place struct {
		channel canon.ChannelID
		index   uint64
	}
	var mu sync.Mutex
	taken, claimed := map[place]int{}, map[place]int{}
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			ctx := wire.WithPeer(soon(t), peer)
			for range 40 {
				// Slots of one model share a channel; the plausibility check has its own.
				leases, err := source.Take(ctx, w.check.ID, w.check.ID, w.other.ID)
				if err != nil {
					t.Error(err)
					return
				}
				for i, l := range leases {
					check := w.check
					if i == 2 {
						check = w.other
					}
					var theirs *Lease
					var both sync.WaitGroup
					var won sync.Mutex
					for range 2 {
						both.Go(func() {
							got, err := server.Claim(ctx, l.Channel, l.Index, check.ID)
							won.Lock()
							defer won.Unlock()
							switch {
							case err == nil && theirs == nil:
								theirs = got
							case err == nil:
								t.Errorf("index %d claimed twice", l.Index)
							case !fault.Is(err, fault.IndexUsed):
								t.Error(err)
							}
						})
					}
					both.Wait()
					if theirs == nil {
						t.Errorf("index %d could not be claimed", l.Index)
						return
					}
					u, u0 := randomCode(r, 64), randomCode(r, 64)
					u1 := u.Clone()
					u1.Xor(u0)
					bound := check.MinT + r.Int32N(check.MaxT-check.MinT+1)
					yes, err := play([2]*compare.Ready{l.Ready, theirs.Ready}, u0, u1, bound)
					if want := check.Distance(u) < bound; err != nil || bool(yes) != want {
						t.Errorf("got %v, %v, want %v", yes, err, want)
					}
					mu.Lock()
					taken[place{l.Channel, l.Index}]++
					claimed[place{theirs.Channel, theirs.Index}]++
					mu.Unlock()
					l.Done()
					theirs.Done()
				}
			}
		})
	}
	group.Wait()
	const want = 8 * 40 * 3
	if len(taken) != want || len(claimed) != want {
		t.Errorf("%d different indices taken, %d claimed, of %d uses", len(taken), len(claimed), want)
	}
	for p, n := range taken {
		if n != 1 || claimed[p] != 1 {
			t.Errorf("index %d: taken %d times, claimed %d times", p.index, n, claimed[p])
		}
	}
	for _, s := range []Stats{source.Stats(), server.Stats()} {
		balanced(t, s)
		if s.Used != want || s.Channels != 2 || s.Alarms != 0 || s.Stopped {
			t.Errorf("%+v", s)
		}
	}
	if n := w.matcher.log.Counts()[audit.OpChannel]; n != 2 || w.custodian.log.Counts()[audit.OpChannel] != 2 {
		t.Errorf("%d channels in the matcher's record", n)
	}
}

// The stock stays between the marks: fetching stops by itself, and goes on when
// correlations are taken.
func TestStockIsBounded(t *testing.T) {
	w := newWorld(t)
	w.source.Low, w.source.High, w.source.Ready = 20, 70, 5
	source, _, _ := w.start(t)
	full := func() bool { return source.Stats().Stock == 2*48 } // two checks, two batches of 24
	eventually(t, "the stock is full", full)
	time.Sleep(20 * time.Millisecond)
	if s := source.Stats(); !full() || s.Batches != 4 {
		t.Errorf("fetching went on: %+v", s)
	}
	st := source.streams[w.check.ID]
	eventually(t, "some are expanded", func() bool {
		st.mu.Lock()
		defer st.mu.Unlock()
		return len(st.ready) == 5
	})
	for range 28 { // down to the mark, not below
		w.takeOne(t, source).Done()
	}
	if s := source.Stats(); s.Batches != 4 {
		t.Errorf("fetched above the low mark: %+v", s)
	}
	w.takeOne(t, source).Done()
	eventually(t, "it is refilled", func() bool { s := source.Stats(); return s.Batches == 6 && s.Stock == 19+2*24+48 })
	balanced(t, source.Stats())
}

// The coin's order, not the dealer's, decides which index is used when.
func TestIndicesFollowTheCoin(t *testing.T) {
	w := newWorld(t)
	source, _, _ := w.start(t)
	rising := true
	last := uint64(0)
	for i := range 20 {
		l := w.takeOne(t, source)
		if i > 0 && l.Index < last {
			rising = false
		}
		last = l.Index
		l.Done()
	}
	if rising { // 1 in 20! if it were by chance
		t.Error("indices are handed out in order")
	}
}

// Exhausted: the dealer is away. The fault says so, in time, and everything goes on
// when the dealer is back.
func TestExhausted(t *testing.T) {
	w := newWorld(t)
	fair := w.dealer
	var mu sync.Mutex
	away := true
	w.dealer = dealerFunc(func(ctx context.Context, q *wire.BatchRequest) (*wire.BatchAnswer, error) {
		mu.Lock()
		defer mu.Unlock()
		if away {
			return nil, fault.New(fault.KeyringUnavailable, "away")
		}
		return fair.Batch(ctx, q)
	})
	source, _, _ := w.start(t)
	eventually(t, "a batch fails", func() bool { return w.matcher.reported(fault.KeyringUnavailable) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if leases, err := source.Take(ctx, w.check.ID); !fault.Is(err, fault.CorrelationsExhausted) || leases != nil {
		t.Errorf("got %v", err)
	}
	if _, err := source.Take(ctx, canon.CheckID{1}); !fault.Is(err, fault.UnknownModel) {
		t.Errorf("a check that nobody configured: %v", err)
	}
	mu.Lock()
	away = false
	mu.Unlock()
	w.takeOne(t, source).Done()
	balanced(t, source.Stats())
}

// Who has no deadline is told after the wait all the same, and nothing is lost by it.
func TestWaitIsBounded(t *testing.T) {
	w := newWorld(t)
	away := make(chan struct{})
	fair := w.dealer
	w.dealer = dealerFunc(func(ctx context.Context, q *wire.BatchRequest) (*wire.BatchAnswer, error) {
		select {
		case <-away:
			return fair.Batch(ctx, q)
		case <-ctx.Done():
			return nil, fault.New(fault.Cancelled, "%w", ctx.Err())
		}
	})
	w.source.Wait = time.Millisecond
	source, _, _ := w.start(t)
	if _, err := source.Take(context.Background(), w.check.ID); !fault.Is(err, fault.CorrelationsExhausted) {
		t.Errorf("while the dealer does not answer: %v", err)
	}
	close(away)
	eventually(t, "a correlation is there", func() bool {
		leases, err := source.Take(context.Background(), w.check.ID)
		Release(leases)
		return err == nil
	})
	balanced(t, source.Stats())
}

type dealerFunc func(ctx context.Context, q *wire.BatchRequest) (*wire.BatchAnswer, error)

func (f dealerFunc) Batch(ctx context.Context, q *wire.BatchRequest) (*wire.BatchAnswer, error) {
	return f(ctx, q)
}

// The custodian asks for the version of the root key that the matcher was given,
// also when the key rotates in between; and a version destroyed in between costs a
// batch, not the channel.
func TestRootRotatesBetweenTheTwoFetches(t *testing.T) {
	for name, destroy := range map[string]bool{"rotated": false, "destroyed": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			fair := w.dealer
			var once sync.Once
			var mu sync.Mutex
			versions := map[uint32]int{}
			w.dealer = dealerFunc(func(ctx context.Context, q *wire.BatchRequest) (*wire.BatchAnswer, error) {
				a, err := fair.Batch(ctx, q)
				if err == nil {
					mu.Lock()
					versions[a.Root]++
					mu.Unlock()
				}
				once.Do(func() {
					if _, err := w.keys.Rotate(ctx, keyring.Root); err != nil {
						t.Error(err)
					}
					if destroy {
						if err := w.keys.Destroy(ctx, keyring.Root, 2); err != nil {
							t.Error(err)
						}
					}
				})
				return a, err
			})
			source, _, _ := w.start(t)
			if _, err := source.Take(soon(t), w.check.ID, w.other.ID); err != nil {
				t.Fatal(err)
			}
			if s := source.Stats(); (s.Failed > 0) != destroy || s.Channels != 2 {
				t.Errorf("%+v", s)
			}
			mu.Lock()
			defer mu.Unlock()
			if destroy && !w.matcher.reported(fault.KeyVersion) {
				t.Error("the matcher was not told why")
			}
			if !destroy && versions[1]%2 != 0 {
				t.Errorf("batches by version of the root: %v; each is fetched by both", versions)
			}
		})
	}
}

func TestTooOldIsThrownAway(t *testing.T) {
	w := newWorld(t)
	w.maxAge = time.Hour
	source, server, peer := w.start(t)
	eventually(t, "the stock is full", func() bool { return source.Stats().Stock == 2*24 })
	old := w.takeOne(t, source)
	w.clock.forward(time.Hour + time.Second)
	ctx := wire.WithPeer(soon(t), peer)
	l, err := server.Claim(ctx, old.Channel, old.Index, w.check.ID)
	if err != nil {
		t.Errorf("what was taken in time is still served for the length of a session: %v", err)
	} else {
		l.Done()
	}
	fresh := w.takeOne(t, source)
	if fresh.Index/32 == old.Index/32 {
		t.Error("a correlation that is too old was handed out")
	}
	for _, st := range source.streams {
		st.discardOld()
	}
	eventually(t, "the stock is full again", func() bool { return source.Stats().Stock == 2*24-1 })
	if s := source.Stats(); s.Discarded != 2*24-1 {
		t.Errorf("%+v", s)
	}
	w.clock.forward(grace)
	for index := old.Index / 32 * 32; index < old.Index/32*32+32; index++ { // its whole batch
		if _, err := server.Claim(ctx, old.Channel, index, w.check.ID); !fault.Is(err, fault.IndexUsed) {
			t.Errorf("the custodian serves %d, which is too old: %v", index, err)
		}
	}
	balanced(t, source.Stats())
	server.mu.Lock()
	server.sweep()
	server.mu.Unlock()
	balanced(t, server.Stats())
}

func TestConfigurations(t *testing.T) {
	w := newWorld(t)
	peer := newPeer("matcher")
	server := w.startServer(t)
	for name, change := range map[string]func(c *SourceConfig){
		"no room for a batch":     func(c *SourceConfig) { c.Low, c.High = 10, 20 },
		"never refilled":          func(c *SourceConfig) { c.Low = -1 },
		"none ready":              func(c *SourceConfig) { c.Ready = -1 },
		"all sacrificed":          func(c *SourceConfig) { c.Params = cut.Params{Batch: 8, Sacrifice: 8} },
		"more than a message has": func(c *SourceConfig) { c.Params = cut.Params{Batch: wire.MaxBatch + 1, Sacrifice: 8} },
		"kept for ever":           func(c *SourceConfig) { c.MaxAge = RowLife + 1 },
	} {
		cfg := SourceConfig{Config: w.config(w.matcher, peer), Custodian: connect(server, peer)}
		change(&cfg)
		if _, err := NewSource(cfg); !fault.Is(err, fault.OutOfRange) {
			t.Errorf("source, %s: %v", name, err)
		}
	}
	for name, change := range map[string]func(c *ServerConfig){
		"no channels": func(c *ServerConfig) { c.Channels = -1 },
		"no batches":  func(c *ServerConfig) { c.Batches = -1 },
		"no rest":     func(c *ServerConfig) { c.Idle = -1 },
	} {
		cfg := ServerConfig{Config: w.config(w.custodian, peer)}
		change(&cfg)
		if _, err := NewServer(cfg); !fault.Is(err, fault.OutOfRange) {
			t.Errorf("server, %s: %v", name, err)
		}
	}
}

// Leases give their memory back wiped, once, however often they are done.
func TestDoneWipes(t *testing.T) {
	w := newWorld(t)
	source, _, _ := w.start(t)
	l := w.takeOne(t, source)
	source.Close() // nothing else uses its memory
	ready := l.Ready
	l.Done()
	l.Done()
	m1 := compare.M1{C: code.NewCode(64)}
	if err := ready.Open(code.NewCode(64), w.check.MinT, &m1); !fault.Is(err, fault.WrongStep) {
		t.Errorf("a lease that is done still works: %v", err)
	}
	if len(l.from.free) == 0 {
		t.Error("the memory is not used again")
	}
	if _, err := source.Take(soon(t), w.check.ID); !fault.Is(err, fault.Cancelled) {
		t.Errorf("after Close: %v", err)
	}
	balanced(t, source.Stats())
}

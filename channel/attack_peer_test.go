package channel

import (
	"bytes"
	"testing"
	"time"

	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// A matcher that lies is accused, its channel stopped, and its instance may not open
// another. Other instances go on.
func TestLyingMatcher(t *testing.T) {
	for name, lie := range map[string]struct {
		tell func(p *player) error
		want fault.Code
	}{
		"another coin than committed": {func(p *player) error {
			m := p.revealMessage()
			m.Coin[0]++
			_, err := p.to.Reveal(p.t.Context(), m)
			return err
		}, fault.Tampered},
		"another seed": {func(p *player) error {
			p.reveal()
			m := p.sacrificeMessage()
			m.Seeds[len(m.Seeds)-1][31] ^= 1
			_, err := p.to.Sacrifice(p.t.Context(), m)
			return err
		}, fault.PeerSeed},
		"seeds in another order": {func(p *player) error {
			p.reveal()
			m := p.sacrificeMessage()
			m.Seeds[0], m.Seeds[1] = m.Seeds[1], m.Seeds[0]
			_, err := p.to.Sacrifice(p.t.Context(), m)
			return err
		}, fault.PeerSeed},
		"a seed too few": {func(p *player) error {
			p.reveal()
			m := p.sacrificeMessage()
			m.Seeds = m.Seeds[1:]
			_, err := p.to.Sacrifice(p.t.Context(), m)
			return err
		}, fault.PeerSeed},
		"no seeds": {func(p *player) error {
			p.reveal()
			m := p.sacrificeMessage()
			m.Seeds = nil
			_, err := p.to.Sacrifice(p.t.Context(), m)
			return err
		}, fault.PeerSeed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.startServer(t)
			p, honest := w.player(t, s), w.player(t, s)
			honest.whole(0)
			p.whole(0)
			p.fetch(1)
			p.toss()
			if err := lie.tell(p); !fault.Is(err, lie.want) {
				t.Errorf("got %v, want %s", err, lie.want)
			}
			alarm := w.custodian.alarm(t)
			if alarm.Accused != seal.Matcher || alarm.Code != lie.want || alarm.Channel != p.c.ID || alarm.Evidence != nil {
				t.Errorf("alarm %+v", alarm)
			}
			if w.custodian.log.Counts()[audit.OpAlarm] != 1 {
				t.Error("the alarm is not recorded")
			}
			if _, err := s.Claim(p.as(), p.c.ID, p.index(0), w.check.ID); !fault.Is(err, fault.ChannelStopped) {
				t.Errorf("the channel goes on: %v", err)
			}
			if _, err := p.to.OpenChannel(t.Context(), w.opening(p.peer)); !fault.Is(err, fault.ChannelStopped) {
				t.Errorf("the instance may open another: %v", err)
			}
			l, err := s.Claim(honest.as(), honest.c.ID, honest.index(0), w.check.ID)
			if err != nil {
				t.Fatalf("another instance cannot go on: %v", err)
			}
			l.Done()
			w.clock.forward(48 * time.Hour) // what is idle is dropped; what lied stays out
			if _, err := p.to.OpenChannel(t.Context(), w.opening(p.peer)); !fault.Is(err, fault.ChannelStopped) {
				t.Errorf("the instance may open another when it has waited: %v", err)
			}
			balanced(t, s.Stats())
		})
	}
}

// A custodian that lies is accused, and the matcher's side stops for good.
func TestLyingCustodian(t *testing.T) {
	for name, lie := range map[string]struct {
		b    between
		want fault.Code
	}{
		"another coin than committed": {between{revealed: func(m *wire.BatchRevealed) error { m.Coin[0]++; return nil }}, fault.Tampered},
		"another commitment":          {between{tossed: func(m *wire.BatchTossed) error { m.Commitment[0]++; return nil }}, fault.Tampered},
		"another seed":                {between{sacrificed: func(m *wire.BatchSacrificed) error { m.Seeds[3][9] ^= 8; return nil }}, fault.PeerSeed},
		"a seed too few":              {between{sacrificed: func(m *wire.BatchSacrificed) error { m.Seeds = m.Seeds[1:]; return nil }}, fault.PeerSeed},
		"a seed too many":             {between{sacrificed: func(m *wire.BatchSacrificed) error { m.Seeds = append(m.Seeds, m.Seeds[0]); return nil }}, fault.PeerSeed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.between = func(c Custodian) Custodian { lie.b.Custodian = c; return &lie.b }
			source, _, _ := w.start(t)
			if _, err := source.Take(soon(t), w.check.ID); !fault.Is(err, fault.ChannelStopped) {
				t.Fatalf("got %v", err)
			}
			if a := w.matcher.alarm(t); a.Accused != seal.Custodian || a.Code != lie.want {
				t.Errorf("alarm %+v", a)
			}
			if s := source.Stats(); s.Batches != 0 || !s.Stopped {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A toss that is aborted at any step discards the batch: its number is not used
// again, and nothing of it is handed out.
func TestAbortedTossDiscardsTheBatch(t *testing.T) {
	lost := fault.New(fault.Cancelled, "the answer is lost")
	for name, step := range map[string]func(b *between, f func() error){
		"toss":      func(b *between, f func() error) { b.tossed = func(*wire.BatchTossed) error { return f() } },
		"reveal":    func(b *between, f func() error) { b.revealed = func(*wire.BatchRevealed) error { return f() } },
		"sacrifice": func(b *between, f func() error) { b.sacrificed = func(*wire.BatchSacrificed) error { return f() } },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.checks = []*code.Check{w.check}
			n := 0
			w.between = func(c Custodian) Custodian {
				b := &between{Custodian: c}
				step(b, func() error {
					if n++; n <= 2 {
						return lost
					}
					return nil
				})
				return b
			}
			source, server, peer := w.start(t)
			for range 30 { // more than a batch
				l := w.takeOne(t, source)
				if batch := l.Index / uint64(w.params.Batch); batch < 2 {
					t.Errorf("index %d of aborted batch %d is handed out", l.Index, batch)
				}
				theirs, err := server.Claim(wire.WithPeer(t.Context(), peer), l.Channel, l.Index, w.check.ID)
				if err != nil {
					t.Fatal(err)
				}
				theirs.Done()
				l.Done()
			}
			if s := source.Stats(); s.Failed != 2 || s.Alarms != 0 {
				t.Errorf("%+v", s)
			}
			balanced(t, source.Stats())
			balanced(t, server.Stats())
		})
	}
}

// A custodian that answers as it did in an earlier channel does not bring that
// channel back: the matcher's nonce is new each time.
func TestReplayedOpening(t *testing.T) {
	w := newWorld(t)
	w.checks = []*code.Check{w.check}
	ids := map[canon.ChannelID]bool{}
	w.between = func(c Custodian) Custodian {
		return &between{Custodian: c, opened: func(m *wire.ChannelOpened) { *m = wire.ChannelOpened{} }}
	}
	w.source.Retry = time.Microsecond
	source, _, _ := w.start(t)
	// The custodian holds another channel than the matcher computes, so every toss
	// fails and a channel is opened anew.
	eventually(t, "several channels", func() bool {
		st := source.streams[w.check.ID]
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.channel != nil {
			ids[st.channel.ID] = true
		}
		return len(ids) >= 3
	})
	if s := source.Stats(); s.Dealt != 0 {
		t.Errorf("%+v", s)
	}
}

// [A] An index used twice shows the matcher the difference of the custodian's two
// shares, and with it of two probes. Claim gives it once; the twin is the same half
// loaded twice.
func TestIndexReuseIsRefused(t *testing.T) {
	w := newWorld(t)
	w.server.Ready = 4
	s := w.startServer(t)
	p := w.player(t, s)
	p.whole(0)
	secret := [2]code.Code{{0x1111111111111111}, {0x7531fdb97531fdb9}}
	want := secret[0].Clone()
	want.Xor(secret[1])

	// answers gives the custodian's masked shares of both secrets, as a matcher sees
	// them, under the half that claim hands out.
	attack := func(claim func() (*compare.Ready, error)) (code.Code, error) {
		got := code.NewCode(64)
		for _, u1 := range secret {
			ready, err := claim()
			if err != nil {
				return nil, err
			}
			m1, m2 := compare.M1{C: code.NewCode(64)}, compare.M2{C: code.NewCode(64)}
			if err := ready.Answer(u1, w.check.MinT, &m1, &m2); err != nil {
				t.Fatal(err)
			}
			got.Xor(m2.C)
		}
		return got, nil
	}

	_, err := attack(func() (*compare.Ready, error) {
		l, err := s.Claim(p.as(), p.c.ID, p.index(0), w.check.ID)
		if err != nil {
			return nil, err
		}
		return l.Ready, nil
	})
	if !fault.Is(err, fault.IndexUsed) {
		t.Errorf("an index can be used twice: %v", err)
	}
	s.mu.Lock()
	half := s.channels[p.c.ID].batches[0].halves[p.index(20)] // not expanded yet
	s.mu.Unlock()
	got, err := attack(func() (*compare.Ready, error) {
		ready := compare.NewReady(p.c.Channel, compare.Custodian)
		return ready, ready.Load(p.index(20), &half)
	})
	if err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("twin: the attacker must win: got %v, %v", got, err)
	}
}

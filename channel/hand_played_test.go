package channel

import (
	"context"
	"crypto/rand"
	"testing"

	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/wire"
)

// player is a matcher played by hand: it does the steps of a batch one by one, and
// a test puts something wrong between them.
type player struct {
	t    *testing.T
	w    *world
	peer wire.Peer
	to   Custodian
	side side
	c    *conduit
	h    *hand
	coin cut.Coin

	tossed *wire.BatchTossed
	order  []int
}

func (w *world) player(t *testing.T, s *Server) *player {
	t.Helper()
	peer := newPeer(seal.Matcher)
	cfg := w.config(w.matcher, peer)
	if err := cfg.defaults(); err != nil {
		t.Fatal(err)
	}
	return &player{t: t, w: w, peer: peer, to: connect(s, peer), side: side{&cfg, compare.Matcher}}
}

// as is a context in which the player calls a Server directly.
func (p *player) as() context.Context { return wire.WithPeer(p.t.Context(), p.peer) }

func (p *player) open() {
	p.t.Helper()
	n := names{matcher: p.peer.Instance, check: p.w.check.ID}
	_, _ = rand.Read(n.nonce0[:])
	m := p.w.opening(p.peer)
	m.Nonce = n.nonce0
	opened, err := p.to.OpenChannel(p.t.Context(), m)
	if err != nil {
		p.t.Fatal(err)
	}
	n.custodian, n.nonce1 = opened.Instance, opened.Nonce
	p.c = newConduit(n, compare.NewChannel(n.id(), p.w.check), compare.Matcher)
}

func (p *player) fetch(batch uint64) {
	p.t.Helper()
	var err error
	if p.h, err = p.side.fetch(p.t.Context(), p.c, batch, 0); err != nil {
		p.t.Fatal(err)
	}
	p.coin = cut.NewCoin()
}

func (p *player) tossMessage() *wire.BatchToss {
	return &wire.BatchToss{
		Channel: p.c.ID, Batch: p.h.request.Batch,
		Root: p.h.signed.Statement.Root, Digests: p.h.signed.Statement.Digests,
		Identity: p.h.signed.Identity, Signature: p.h.signed.Signature,
		Commitment: p.coin.Commit(compare.Matcher, p.h.hash),
	}
}

func (p *player) toss() {
	p.t.Helper()
	var err error
	if p.tossed, err = p.to.Toss(p.t.Context(), p.tossMessage()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) revealMessage() *wire.BatchReveal {
	return &wire.BatchReveal{Channel: p.c.ID, Batch: p.h.request.Batch, Coin: p.coin}
}

func (p *player) reveal() {
	p.t.Helper()
	revealed, err := p.to.Reveal(p.t.Context(), p.revealMessage())
	if err != nil {
		p.t.Fatal(err)
	}
	theirs := cut.Coin(revealed.Coin)
	if err := cut.CheckOpening(compare.Custodian, p.h.hash, p.tossed.Commitment, &theirs); err != nil {
		p.t.Fatal(err)
	}
	sigma := cut.Sigma(p.h.hash, &p.coin, &theirs)
	p.order = cut.Order(&sigma, p.w.params.Batch)
}

func (p *player) sacrificeMessage() *wire.BatchSacrifice {
	m := &wire.BatchSacrifice{Channel: p.c.ID, Batch: p.h.request.Batch, Seeds: [][prg.Size]byte{}}
	for _, i := range p.order[:p.w.params.Sacrifice] {
		m.Seeds = append(m.Seeds, p.h.halves[i].Seed)
	}
	return m
}

func (p *player) sacrifice() {
	p.t.Helper()
	if _, err := p.to.Sacrifice(p.t.Context(), p.sacrificeMessage()); err != nil {
		p.t.Fatal(err)
	}
}

// whole plays a batch to its end.
func (p *player) whole(batch uint64) {
	p.t.Helper()
	if p.c == nil {
		p.open()
	}
	p.fetch(batch)
	p.toss()
	p.reveal()
	p.sacrifice()
}

// index is the k-th usable index of the batch in the coin's order.
func (p *player) index(k int) uint64 {
	return p.h.list.First() + uint64(p.order[p.w.params.Sacrifice+k])
}

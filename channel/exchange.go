package channel

import (
	"context"
	"crypto/rand"
	"errors"

	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/fault"
	"nod/wire"
)

// exchange is the matcher's side of one batch, from its fetch to its sacrifice.
// Whatever fails, the batch comes to nothing and its number is not used again.
func (st *stream) exchange(ctx context.Context) (*batch, error) {
	ctx, cancel := context.WithTimeout(wire.WithChain(ctx), st.src.Timeout)
	defer cancel()
	c, number, err := st.number(ctx)
	if err != nil {
		return nil, err
	}
	h, err := st.src.fetch(ctx, c, number, 0)
	if err != nil {
		return nil, err
	}
	order, err := st.cutAndChoose(ctx, c, h)
	if err != nil {
		h.wipe()
		return nil, st.answered(c, err)
	}
	return &batch{channel: c, first: h.list.First(), halves: h.halves, order: order, born: h.born}, nil
}

// number is the open channel, opened if there is none, with the next batch's number.
func (st *stream) number(ctx context.Context) (*conduit, uint64, error) {
	st.mu.Lock()
	st.look()
	c, ended := st.channel, st.ended
	st.mu.Unlock()
	if ended != nil {
		return nil, 0, ended
	}
	var err error
	if c == nil {
		if c, err = st.open(ctx); err != nil {
			return nil, 0, err
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ended != nil {
		return nil, 0, st.ended
	}
	if st.channel != c {
		st.channel, st.next = c, 0
	}
	st.next++
	return c, st.next - 1, nil
}

func (st *stream) open(ctx context.Context) (*conduit, error) {
	s := st.src
	n := names{matcher: s.Instance, check: st.check.ID}
	_, _ = rand.Read(n.nonce0[:])
	opened, err := s.cfg.Custodian.OpenChannel(ctx, &wire.ChannelOpen{
		Instance: n.matcher, Nonce: n.nonce0, Check: n.check,
		Batch: uint32(s.Params.Batch), Sacrifice: uint32(s.Params.Sacrifice),
	})
	if err != nil {
		return nil, err
	}
	n.custodian, n.nonce1 = opened.Instance, opened.Nonce
	reached := s.cfg.Reaches()
	id := n.id()
	if err := s.record(ctx, audit.Leaf{Operation: audit.OpChannel, Session: canon.Digest(id)}); err != nil {
		return nil, err
	}
	c := newConduit(n, compare.NewChannel(id, st.check), compare.Matcher)
	c.reached = reached
	return c, nil
}

// cutAndChoose tosses the coin with the custodian and swaps the seeds that it
// chose. It returns the places that are left, in the order to use them.
func (st *stream) cutAndChoose(ctx context.Context, c *conduit, h *hand) ([]int, error) {
	s, number := st.src, h.request.Batch
	coin := cut.NewCoin()
	tossed, err := s.cfg.Custodian.Toss(ctx, &wire.BatchToss{
		Channel: c.ID, Batch: number,
		Root: h.signed.Statement.Root, Digests: h.signed.Statement.Digests,
		Identity: h.signed.Identity, Signature: h.signed.Signature,
		Commitment: coin.Commit(compare.Matcher, h.hash),
	})
	if err != nil {
		return nil, err
	}
	revealed, err := s.cfg.Custodian.Reveal(ctx, &wire.BatchReveal{Channel: c.ID, Batch: number, Coin: coin})
	if err != nil {
		return nil, err
	}
	theirs := cut.Coin(revealed.Coin)
	if err := cut.CheckOpening(compare.Custodian, h.hash, tossed.Commitment, &theirs); err != nil {
		return nil, c.accusePeer(h.list.First(), err)
	}
	sigma := cut.Sigma(h.hash, &coin, &theirs)
	order := cut.Order(&sigma, s.Params.Batch)
	chosen, rest := order[:s.Params.Sacrifice], order[s.Params.Sacrifice:]
	seeds := h.open(chosen)
	opened, err := s.cfg.Custodian.Sacrifice(ctx, &wire.BatchSacrifice{Channel: c.ID, Batch: number, Seeds: seeds})
	if err != nil {
		return nil, err
	}
	return rest, h.judge(c, chosen, seeds, opened.Seeds)
}

// answered gives a fault that the custodian answered with its consequence.
func (st *stream) answered(c *conduit, err error) error {
	switch fault.CodeOf(err) {
	case fault.UnknownChannel:
		st.lost(c.ID)
	case fault.DealerCheated:
		if own := new(accusation); !errors.As(err, &own) {
			// The custodian has stopped for good and keeps the evidence.
			return c.accuseDealer(0, err, nil)
		}
	}
	return err
}

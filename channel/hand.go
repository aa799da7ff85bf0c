package channel

import (
	"context"
	"time"

	"nod/crypto/canon"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/crypto/prg"
	"nod/fault"
	"nod/store"
	"nod/wire"
)

// names is what a channel is made of.
type names struct {
	matcher, custodian wire.Instance
	nonce0, nonce1     canon.Digest
	check              canon.CheckID
}

func (n *names) id() canon.ChannelID {
	return wire.ChannelID(n.matcher, n.custodian, n.nonce0, n.nonce1, n.check)
}

// hand is one party's halves of a batch, with what the dealer signed of it. Whoever
// holds it wipes it.
type hand struct {
	request wire.BatchRequest
	list    *cut.List
	signed  SignedList
	hash    canon.Digest // of the list: what the coin is bound to
	halves  []compare.Half
	born    time.Time
}

func (h *hand) wipe() { wipe(h.halves) }

func wipe(halves []compare.Half) {
	for i := range halves {
		halves[i].Wipe()
	}
}

// fetch gets this party's halves of a batch from the dealer, once ever, and checks
// every one against the list and the list's signature. root 0 is the latest.
func (s *side) fetch(ctx context.Context, c *conduit, batch uint64, root uint32) (*hand, error) {
	q := wire.BatchRequest{
		Matcher: c.names.matcher, Custodian: c.names.custodian,
		Nonce0: c.names.nonce0, Nonce1: c.names.nonce1,
		Check: c.names.check, Batch: batch, Size: uint32(s.Params.Batch), Root: root,
	}
	if err := s.reserve(ctx, c.ID, batch); err != nil {
		return nil, err
	}
	answer, err := s.Dealer.Batch(ctx, &q)
	if err != nil {
		return nil, err
	}
	h := &hand{request: q, list: answer.List(&q), halves: answer.Halves, born: s.Clock()}
	if err := s.inspect(c, h, answer); err != nil {
		h.wipe()
		return nil, err
	}
	return h, nil
}

// reserve makes sure, durably, that a batch is never fetched a second time.
func (s *side) reserve(ctx context.Context, channel canon.ChannelID, batch uint64) error {
	err := s.Store.Apply(ctx, store.Write{
		Row:     store.Row{Table: Table, Partition: channel[:], Key: canon.Uint64(batch)},
		If:      store.Absent,
		Value:   []byte{1}, // the row's format
		Expires: s.Clock().Add(RowLife),
	})
	if fault.Is(err, fault.Conflict) {
		return fault.New(fault.IndexUsed, "batch %d of channel %v was fetched before", batch, channel)
	}
	return err
}

func (s *side) inspect(c *conduit, h *hand, answer *wire.BatchAnswer) error {
	if len(answer.Digests) != s.Params.Batch || len(answer.Halves) != s.Params.Batch {
		return fault.New(fault.BadEncoding, "the dealer gave %d halves and %d digests, want %d",
			len(answer.Halves), len(answer.Digests), s.Params.Batch)
	}
	if answer.Root == 0 || h.request.Root != 0 && answer.Root != h.request.Root {
		return fault.New(fault.BadEncoding, "the dealer used version %d of its root key, asked for %d", answer.Root, h.request.Root)
	}
	h.signed = SignedList{Statement: h.list.Statement(), Identity: answer.Identity, Signature: answer.Signature}
	if err := h.signed.Verify(s.Bundle); err != nil {
		return err
	}
	h.hash = h.signed.Statement.Hash()
	for i := range h.halves {
		// Both came from the dealer over one authenticated call.
		if err := h.list.CheckHalf(i, s.party, &h.halves[i]); err != nil {
			return c.accuseDealer(h.list.First()+uint64(i), err, nil)
		}
	}
	return nil
}

// open gives the seeds of the correlations that the coin chose, and empties their
// places: they are never used.
func (h *hand) open(chosen []int) [][prg.Size]byte {
	seeds := make([][prg.Size]byte, len(chosen))
	for k, i := range chosen {
		seeds[k] = h.halves[i].Seed
		h.halves[i].Wipe()
		h.halves[i] = compare.Half{}
	}
	return seeds
}

// judge recomputes the chosen correlations from both parties' seeds.
func (h *hand) judge(c *conduit, chosen []int, own, peer [][prg.Size]byte) error {
	if len(peer) != len(chosen) {
		return c.accusePeer(h.list.First(), fault.New(fault.PeerSeed, "%d seeds instead of %d", len(peer), len(chosen)))
	}
	dealer := compare.NewDealer(c.Check, c.ID)
	for k, i := range chosen {
		mine, theirs := prg.Seed(own[k]), prg.Seed(peer[k])
		err := cut.CheckSacrifice(dealer, c.Check, h.list, i, c.party, &mine, &theirs)
		index := h.list.First() + uint64(i)
		switch {
		case err == nil:
		case fault.Is(err, fault.PeerSeed):
			return c.accusePeer(index, err)
		default:
			var seeds [2]prg.Seed
			seeds[c.party], seeds[c.party.Peer()] = mine, theirs
			return c.accuseDealer(index, err, &Evidence{
				Request: h.request, Lists: []SignedList{h.signed}, Digests: h.list.Halves, Index: index,
				Seeds:      [2][prg.Size]byte{seeds[0], seeds[1]},
				Recomputed: cut.Recompute(dealer, c.Check, index, &seeds),
			})
		}
	}
	return nil
}

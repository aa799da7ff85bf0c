package wire

import (
	"context"

	"nod/crypto/canon"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/crypto/prg"
)

// Dealer is the role that matcher and custodian instances call for correlations.
type Dealer interface {
	// Batch deals one batch of a channel to its caller: the signed list of all
	// digests, and the halves of the caller's own role. Which half that is
	// follows the caller's pinned identity.
	Batch(ctx context.Context, m *BatchRequest) (*BatchAnswer, error)
}

type (
	// BatchRequest names a batch by what its channel was made of.
	BatchRequest struct {
		Matcher, Custodian Instance
		Nonce0, Nonce1     canon.Digest
		Check              canon.CheckID
		Batch              uint64
		Size               uint32 // correlations in the batch
		// Root is the version of the root key. The matcher asks first and gives 0,
		// for the latest; the custodian asks for the one that the matcher was given.
		Root uint32
	}
	// BatchAnswer is the dealer's list with its signature, and the caller's halves
	// in order of index.
	BatchAnswer struct {
		Root      uint32 // version of the root key
		Identity  uint32 // version of the identity key that signed
		Digests   [][2]compare.Digests
		Signature []byte // over cut.List.Signed()
		Halves    []compare.Half
	}
)

// ChannelID names a channel: SHA-256(canonical("channel", both instances, both
// nonces, check)).
func ChannelID(matcher, custodian Instance, nonce0, nonce1 canon.Digest, check canon.CheckID) canon.ChannelID {
	return canon.ChannelID(canon.Sum("channel", matcher[:], custodian[:], nonce0[:], nonce1[:], check[:]))
}

// Channel is the id of the channel that the request names.
func (m *BatchRequest) Channel() canon.ChannelID {
	return ChannelID(m.Matcher, m.Custodian, m.Nonce0, m.Nonce1, m.Check)
}

// Wipe overwrites the halves.
func (m *BatchAnswer) Wipe() {
	for i := range m.Halves {
		m.Halves[i].Wipe()
	}
}

// List is what the dealer signed, for the batch that was asked for.
func (m *BatchAnswer) List(q *BatchRequest) *cut.List {
	return &cut.List{Root: m.Root, Channel: q.Channel(), Batch: q.Batch, Halves: m.Digests}
}

func (m *BatchRequest) fields(c *coder) {
	c.fixed(m.Matcher[:])
	c.fixed(m.Custodian[:])
	c.fixed(m.Nonce0[:])
	c.fixed(m.Nonce1[:])
	c.fixed(m.Check[:])
	c.uint64(&m.Batch)
	c.uint32(&m.Size)
	c.uint32(&m.Root)
}

func (m *BatchAnswer) fields(c *coder) {
	c.uint32(&m.Root)
	c.uint32(&m.Identity)
	list(c, &m.Digests, MaxBatch, 4*32, func(d *[2]compare.Digests) {
		for p := range d {
			c.fixed(d[p].Seed[:])
			c.fixed(d[p].Full[:])
		}
	})
	c.bytes(&m.Signature, MaxSignature)
	list(c, &m.Halves, MaxBatch, prg.Size+4, func(h *compare.Half) {
		c.fixed(h.Seed[:])
		c.bytes(&h.Corrections, MaxCorrections)
	})
}

func (m *BatchAnswer) size() int {
	n := 5*4 + len(m.Signature) + len(m.Digests)*4*32
	for i := range m.Halves {
		n += prg.Size + 4 + len(m.Halves[i].Corrections)
	}
	return n
}

// DealerBatch is the dealer's method.
const DealerBatch Method = "dealer/Batch"

// ServeDealer serves any Dealer.
func ServeDealer(d Dealer, report Report) Handler {
	return handler(report, map[Method]func(context.Context, []byte) ([]byte, error){
		DealerBatch: serve(d.Batch),
	})
}

// DealerClient is a Dealer at the other end of a Caller.
type DealerClient struct{ Caller Caller }

var _ Dealer = DealerClient{}

// Batch calls dealer/Batch.
func (c DealerClient) Batch(ctx context.Context, m *BatchRequest) (*BatchAnswer, error) {
	return invoke[BatchAnswer](ctx, c.Caller, DealerBatch, m)
}

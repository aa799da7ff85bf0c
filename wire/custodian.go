package wire

import (
	"context"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/dcf"
)

// Custodian is the role that matchers call. The custodian calls nobody but the
// dealer. It trusts nothing that a matcher says of a citizen: it verifies what
// the relying party, client, station or bureau signed.
type Custodian interface {
	// Keys gives the custodian's recipient certificate.
	Keys(ctx context.Context, m *KeysRequest) (*CustodianKeys, error)
	// Open opens the custodian's half of a session and signs the answer.
	Open(ctx context.Context, m *SessionOpen) (*SessionOpened, error)
	// Start takes the probe and the matcher's masked shares, and answers with
	// its own: messages M1 and M2 of every check.
	Start(ctx context.Context, m *CompareStart) (*CompareStarted, error)
	// Close ends the comparison: messages M3 and M4 of every check, and the
	// custodian's signature on the verdict.
	Close(ctx context.Context, m *CompareClose) (*CompareClosed, error)
	// Enrol stores a pending pad for a station's order and gives delta.
	Enrol(ctx context.Context, m *EnrolStart) (*EnrolDelta, error)
	// Stored tells that the matcher holds the row (counter 0: an enrolment; above:
	// a renewal). The custodian promotes it and signs the receipt.
	Stored(ctx context.Context, m *RowStored) (*RowPromoted, error)
	// Renew stores a pending pad under the newest key and gives the difference
	// of the two pads. A retry gives the same bytes.
	Renew(ctx context.Context, m *RenewStart) (*RenewDelta, error)
	// Order carries out an order of the bureau on the custodian's side.
	Order(ctx context.Context, m *OrderRequest) (*OrderDone, error)

	// OpenChannel agrees on a channel of correlations for one check.
	OpenChannel(ctx context.Context, m *ChannelOpen) (*ChannelOpened, error)
	// Toss commits to a coin for one batch, after fetching it from the dealer.
	Toss(ctx context.Context, m *BatchToss) (*BatchTossed, error)
	// Reveal opens the coin.
	Reveal(ctx context.Context, m *BatchReveal) (*BatchRevealed, error)
	// Sacrifice swaps the seeds of the correlations that are opened.
	Sacrifice(ctx context.Context, m *BatchSacrifice) (*BatchSacrificed, error)
}

type (
	// CustodianKeys is the custodian's recipient certificate.
	CustodianKeys struct{ Certificate []byte }

	// SlotName is what a matcher names of one template slot; a random one where
	// it has none.
	SlotName struct {
		Row     canon.RowID
		Counter uint64
	}
	// SessionOpen forwards the relying party's request.
	SessionOpen struct {
		Request     []byte
		Random      canon.Digest // 32 random bytes, for nonce_0
		Certificate []byte       // the matcher's recipient certificate
		Slots       []SlotName   // one a slot of the policy
	}
	// SessionOpened is the custodian's part of the answer, and its signature over
	// the whole (orders.Answer).
	SessionOpened struct {
		Nonce       canon.Digest // nonce_1
		Expiry      uint64       // of the session, seconds since 1970
		Certificate []byte       // the custodian's recipient certificate
		Signature   Signature
	}
	// Signature is one by a short-lived key, with the key's certificate.
	Signature struct{ Certificate, Value []byte }

	// CheckStart is M1 of one check, with the correlation that it uses.
	CheckStart struct {
		Channel canon.ChannelID
		Index   uint64
		C       code.Code // c_0
	}
	// CompareStart starts the comparison of a session. Both servers verify the
	// client's signature over the hashes of both ciphertexts.
	CompareStart struct {
		Session     canon.SessionID
		Hash0       canon.Digest // SHA-256 of the matcher's ciphertext
		Sealed1     []byte
		Attestation []byte
		Signature   []byte
		Checks      []CheckStart
	}
	// CheckStarted is M2 of one check.
	CheckStarted struct {
		C    code.Code // c_1
		Z, G uint64
	}
	// CompareStarted answers every check, in order.
	CompareStarted struct{ Checks []CheckStarted }

	// CheckClose is M3 of one check.
	CheckClose struct {
		Z, G uint64
		O    dcf.Block
	}
	// CompareClose carries M3 of every check and the matcher's part of the verdict.
	CompareClose struct {
		Session   canon.SessionID
		Checks    []CheckClose
		Pseudonym canon.Digest // P_0
		Leaf      canon.Digest // hash of the matcher's audit leaf
	}
	// CompareClosed carries M4 of every check, and the verdict's payload with the
	// custodian's signature: safe to send first, for one signature is worth nothing.
	CompareClosed struct {
		Checks    []dcf.Block
		Pseudonym canon.Digest // P_1
		Payload   []byte
		Signature []byte
	}

	// EnrolStart forwards a station's order.
	EnrolStart struct {
		Order   []byte
		Hash0   canon.Digest
		Sealed1 []byte
	}
	// EnrolDelta is b xor y_1: uniform.
	EnrolDelta struct{ Delta code.Code }
	// RowStored names a row as the matcher now holds it.
	RowStored struct {
		Row     canon.RowID
		Counter uint64
	}
	// RowPromoted carries the custodian's half of the receipt, empty for a renewal.
	RowPromoted struct{ Statement []byte }
	// RenewStart names a row as the matcher holds it.
	RenewStart struct {
		Row     canon.RowID
		Counter uint64
	}
	// RenewDelta is b_old xor b_new for the next counter. With Current set there
	// is nothing to renew, and no delta.
	RenewDelta struct {
		Counter uint64
		Current bool
		Delta   code.Code
	}
	// OrderDone carries the custodian's half of the receipt.
	OrderDone struct{ Statement []byte }

	// ChannelOpen names the matcher's side of a channel. Both sides must be
	// configured with the same sizes.
	ChannelOpen struct {
		Instance         Instance
		Nonce            canon.Digest
		Check            canon.CheckID
		Batch, Sacrifice uint32
	}
	// ChannelOpened names the custodian's.
	ChannelOpened struct {
		Instance Instance
		Nonce    canon.Digest
	}
	// BatchToss commits the matcher to its coin, and forwards what the dealer signed
	// to it: if the custodian is given another list, it holds two signatures that
	// contradict each other.
	BatchToss struct {
		Channel    canon.ChannelID
		Batch      uint64
		Root       uint32       // version of the dealer's root key
		Digests    canon.Digest // of the list: cut.Statement.Digests
		Identity   uint32       // version of the dealer's identity key
		Signature  []byte
		Commitment canon.Digest
	}
	// BatchTossed is the custodian's commitment, to the same list.
	BatchTossed struct{ Commitment canon.Digest }
	// BatchReveal opens the matcher's coin.
	BatchReveal struct {
		Channel canon.ChannelID
		Batch   uint64
		Coin    [32]byte
	}
	// BatchRevealed opens the custodian's.
	BatchRevealed struct{ Coin [32]byte }
	// BatchSacrifice opens the matcher's seeds of the sacrificed correlations, in
	// the order of the permutation.
	BatchSacrifice struct {
		Channel canon.ChannelID
		Batch   uint64
		Seeds   [][32]byte
	}
	// BatchSacrificed opens the custodian's.
	BatchSacrificed struct{ Seeds [][32]byte }
)

func (m *CustodianKeys) fields(c *coder) { c.bytes(&m.Certificate, MaxCertificate) }

func (m *SessionOpen) fields(c *coder) {
	c.bytes(&m.Request, MaxRequest)
	c.fixed(m.Random[:])
	c.bytes(&m.Certificate, MaxCertificate)
	list(c, &m.Slots, MaxSlots, 40, func(s *SlotName) {
		c.fixed(s.Row[:])
		c.uint64(&s.Counter)
	})
}

func (m *SessionOpened) fields(c *coder) {
	c.fixed(m.Nonce[:])
	c.uint64(&m.Expiry)
	c.bytes(&m.Certificate, MaxCertificate)
	c.bytes(&m.Signature.Certificate, MaxCertificate)
	c.bytes(&m.Signature.Value, MaxSignature)
}

func (m *CompareStart) fields(c *coder) {
	c.fixed(m.Session[:])
	c.fixed(m.Hash0[:])
	c.bytes(&m.Sealed1, MaxSealed)
	c.bytes(&m.Attestation, MaxAttestation)
	c.bytes(&m.Signature, MaxSignature)
	list(c, &m.Checks, MaxChecks, 52, func(s *CheckStart) {
		c.fixed(s.Channel[:])
		c.uint64(&s.Index)
		c.code(&s.C)
	})
}

func (m *CompareStarted) fields(c *coder) {
	list(c, &m.Checks, MaxChecks, 28, func(s *CheckStarted) {
		c.code(&s.C)
		c.uint64(&s.Z)
		c.uint64(&s.G)
	})
}

func (m *CompareClose) fields(c *coder) {
	c.fixed(m.Session[:])
	list(c, &m.Checks, MaxChecks, 32, func(s *CheckClose) {
		c.uint64(&s.Z)
		c.uint64(&s.G)
		c.block(&s.O)
	})
	c.fixed(m.Pseudonym[:])
	c.fixed(m.Leaf[:])
}

func (m *CompareClosed) fields(c *coder) {
	list(c, &m.Checks, MaxChecks, dcf.BlockSize, c.block)
	c.fixed(m.Pseudonym[:])
	c.bytes(&m.Payload, MaxSigned)
	c.bytes(&m.Signature, MaxSignature)
}

func (m *EnrolStart) fields(c *coder) {
	c.bytes(&m.Order, MaxRequest)
	c.fixed(m.Hash0[:])
	c.bytes(&m.Sealed1, MaxSealed)
}

func (m *EnrolDelta) fields(c *coder) { c.code(&m.Delta) }

func (m *RowStored) fields(c *coder) {
	c.fixed(m.Row[:])
	c.uint64(&m.Counter)
}

func (m *RowPromoted) fields(c *coder) { c.bytes(&m.Statement, MaxSigned) }

func (m *RenewStart) fields(c *coder) {
	c.fixed(m.Row[:])
	c.uint64(&m.Counter)
}

func (m *RenewDelta) fields(c *coder) {
	c.uint64(&m.Counter)
	c.flag(&m.Current)
	if !m.Current && c.err == nil {
		c.code(&m.Delta)
	}
}

func (m *OrderDone) fields(c *coder) { c.bytes(&m.Statement, MaxSigned) }

func (m *ChannelOpen) fields(c *coder) {
	c.fixed(m.Instance[:])
	c.fixed(m.Nonce[:])
	c.fixed(m.Check[:])
	c.uint32(&m.Batch)
	c.uint32(&m.Sacrifice)
}

func (m *ChannelOpened) fields(c *coder) {
	c.fixed(m.Instance[:])
	c.fixed(m.Nonce[:])
}

func (m *BatchToss) fields(c *coder) {
	c.fixed(m.Channel[:])
	c.uint64(&m.Batch)
	c.uint32(&m.Root)
	c.fixed(m.Digests[:])
	c.uint32(&m.Identity)
	c.bytes(&m.Signature, MaxSignature)
	c.fixed(m.Commitment[:])
}

func (m *BatchTossed) fields(c *coder) { c.fixed(m.Commitment[:]) }

func (m *BatchReveal) fields(c *coder) {
	c.fixed(m.Channel[:])
	c.uint64(&m.Batch)
	c.fixed(m.Coin[:])
}

func (m *BatchRevealed) fields(c *coder) { c.fixed(m.Coin[:]) }

func (m *BatchSacrifice) fields(c *coder) {
	c.fixed(m.Channel[:])
	c.uint64(&m.Batch)
	c.seeds(&m.Seeds)
}

func (m *BatchSacrificed) fields(c *coder) { c.seeds(&m.Seeds) }

func (c *coder) seeds(s *[][32]byte) {
	list(c, s, MaxBatch, 32, func(seed *[32]byte) { c.fixed(seed[:]) })
}

func (c *coder) block(b *dcf.Block) {
	var bytes [dcf.BlockSize]byte
	b.Put(bytes[:])
	c.fixed(bytes[:])
	*b = dcf.BlockFrom(bytes[:])
}

// Nonce0 is the matcher's nonce: SHA-256(canonical("nonce-0", random, row and
// counter of every slot)). Both servers work it out from what they sent or got, so
// the session's id, and with it both signatures, covers the rows that were named.
func (m *SessionOpen) Nonce0() canon.Digest {
	fields := [][]byte{m.Random[:]}
	for i := range m.Slots {
		fields = append(fields, m.Slots[i].Row[:], canon.Uint64(m.Slots[i].Counter))
	}
	return canon.Digest(canon.Sum("nonce-0", fields...))
}

// M1 is the message of the comparison.
func (s *CheckStart) M1() *compare.M1 { return &compare.M1{C: s.C} }

// M2 is the message of the comparison.
func (s *CheckStarted) M2() *compare.M2 { return &compare.M2{C: s.C, Z: s.Z, G: s.G} }

// M3 is the message of the comparison.
func (s *CheckClose) M3() *compare.M3 { return &compare.M3{Z: s.Z, G: s.G, O: s.O} }

package compare

import (
	"crypto/sha256"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/dcf"
	"nod/crypto/prg"
	"nod/fault"
)

// Half is one party's part of one correlation, as the dealer sends it. Secret: it
// prints only its kind, lives in memory only, and is used for one comparison.
type Half struct {
	Seed        prg.Seed
	Corrections []byte // CorrectionsSize bytes
}

// String hides the value.
func (Half) String() string { return "compare.Half(secret)" }

// GoString hides the value.
func (Half) GoString() string { return "compare.Half(secret)" }

// Wipe overwrites the half.
func (h *Half) Wipe() {
	h.Seed.Wipe()
	clear(h.Corrections)
}

// Digests of a half, as the dealer's signed list holds them.
type Digests struct {
	Seed canon.Digest // SHA-256(seed)
	Full canon.Digest // SHA-256(seed, corrections)
}

// Digests computes them.
func (h *Half) Digests() Digests {
	d := Digests{Seed: sha256.Sum256(h.Seed[:])}
	full := sha256.New()
	full.Write(h.Seed[:])
	full.Write(h.Corrections)
	full.Sum(d.Full[:0])
	return d
}

// Ready is a half expanded for use, with the memory that the comparison works in,
// so that the comparison itself allocates nothing. One goroutine at a time, one
// comparison a Load.
type Ready struct {
	check   *code.Check
	party   Party
	channel *Channel
	index   uint64
	layout  layout

	expansion   []byte
	corrections []byte
	c           code.Code // masked difference
	scratch     dcf.Scratch
	commit      *commitment
	sums        sums
	places      [pieceBits + 8]uint8 // of the set bits in a piece of c
	last        *piece               // nil if c has whole pieces only
	beta        dcf.Block            // this party's share of beta
	root        dcf.Block
	gamma       dcf.Block
	m           uint64
	t           int32 // the bound T
	y           uint64
	own         dcf.Block // o_i
	state       state
}

// Channel is what is fixed for one stream of correlations: a check, and the id
// that both instances and the dealer agreed on. Safe for concurrent use.
type Channel struct {
	ID    canon.ChannelID
	Check *code.Check
	prg   *dcf.PRG
}

// NewChannel prepares a channel.
func NewChannel(id canon.ChannelID, check *code.Check) *Channel {
	return &Channel{ID: id, Check: check, prg: dcf.NewPRG(id)}
}

// NewReady makes room for one party's halves of a channel.
func NewReady(channel *Channel, party Party) *Ready {
	l := layoutOf(channel.Check, party)
	r := &Ready{
		check:     channel.Check,
		party:     party,
		channel:   channel,
		layout:    l,
		expansion: make([]byte, l.expanded),
		c:         code.NewCode(channel.Check.Bits()),
		commit:    newCommitment(channel.ID),
	}
	if l.n%pieceBits != 0 {
		r.last = new(piece)
	}
	return r
}

// Load expands a half for one comparison, in place of what was there. It fails
// with fault.BadEncoding for corrections that no dealer writes. It uses
// half.Corrections where they are, until the next Load or Wipe, which wipes them;
// the seed stays the caller's to wipe.
func (r *Ready) Load(index uint64, half *Half) error {
	r.state = spent
	l := &r.layout
	if len(half.Corrections) != l.corrections {
		return fault.New(fault.BadEncoding, "corrections of %d bytes, want %d", len(half.Corrections), l.corrections)
	}
	if err := dcf.Check(half.Corrections[l.cw:l.cw+dcf.Size(l.levels)], l.levels); err != nil {
		return err
	}
	half.Seed.Expand(r.expansion[:cap(r.expansion)])
	r.corrections = half.Corrections
	r.index = index
	r.m = macKey(r.expansion, l.m)
	r.beta = dcf.BlockFrom(r.expansion[l.beta:])
	r.root = dcf.Root(r.expansion[l.root:])
	if r.party == Matcher {
		r.gamma = dcf.BlockFrom(r.expansion[l.gamma:])
	} else {
		r.gamma = dcf.BlockFrom(r.corrections[l.cgamma:])
	}
	r.state = loaded
	return nil
}

// Index is the index of the half that was loaded last.
func (r *Ready) Index() uint64 { return r.index }

// Wipe overwrites everything secret. The memory can be loaded again.
func (r *Ready) Wipe() {
	clear(r.expansion[:cap(r.expansion)])
	clear(r.corrections)
	r.c.Wipe()
	r.scratch.Wipe()
	r.commit.wipe()
	r.sums, r.places = sums{}, [len(r.places)]uint8{}
	if r.last != nil {
		*r.last = piece{}
	}
	r.beta, r.root, r.gamma, r.own = dcf.Block{}, dcf.Block{}, dcf.Block{}, dcf.Block{}
	r.m, r.y, r.t = 0, 0, 0
	r.state = spent
}

// String hides the value.
func (*Ready) String() string { return "compare.Ready(secret)" }

// GoString hides the value.
func (*Ready) GoString() string { return "compare.Ready(secret)" }

// Package cut is cut and choose over a dealer's batch of correlations: the list
// that the dealer signs, the coin that both parties toss, and the check of the
// correlations that they sacrifice. It implements docs/spec/protocol.md, section 5
// ("Spot checks"), as pure functions.
//
// A dealer that spoils k of B correlations goes unnoticed only if none of them is
// among the s that are sacrificed, which the coin chooses after the list is
// signed. With s = 64 the chance that a given check is both spoilt and unnoticed
// is less than 0.6 % for batches of 1,024 and more, and 0.7 % for 256.
package cut

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/prg"
	"nod/fault"
)

// Params are the size of a batch and how many of it are sacrificed.
type Params struct {
	Batch     int // B, correlations in a batch
	Sacrifice int // s, of which this many are opened and not used
}

// Default is the protocol's: 4,096, of which 64 are opened.
var Default = Params{Batch: 4096, Sacrifice: 64}

// Valid refuses sizes that make no batch. Fewer than 64 sacrifices weaken the
// claim of section 1; Default keeps it.
func (p Params) Valid() error {
	if p.Batch < 2 || p.Batch > 1<<16 || p.Sacrifice < 1 || p.Sacrifice >= p.Batch {
		return fault.New(fault.OutOfRange, "batch of %d with %d sacrificed", p.Batch, p.Sacrifice)
	}
	return nil
}

// List is what the dealer commits to for one batch, before the coin is tossed: the
// digests of both halves of every correlation. Indices run from Batch*len(Halves)
// on; entry i is index First()+i.
type List struct {
	Root    uint32 // version of the dealer's root key
	Channel canon.ChannelID
	Batch   uint64
	Halves  [][2]compare.Digests
}

// First is the index of the batch's first correlation.
func (l *List) First() uint64 { return l.Batch * uint64(len(l.Halves)) }

// Statement is a list in short: what the dealer signs.
type Statement struct {
	Root    uint32
	Channel canon.ChannelID
	Batch   uint64
	Size    uint32       // correlations in the batch
	Digests canon.Digest // SHA-256 of all digests in order: index by index, half 0 then half 1, seed then full
}

// Statement sums the list up.
func (l *List) Statement() Statement {
	h := sha256.New()
	for i := range l.Halves {
		for p := range 2 {
			h.Write(l.Halves[i][p].Seed[:])
			h.Write(l.Halves[i][p].Full[:])
		}
	}
	s := Statement{Root: l.Root, Channel: l.Channel, Batch: l.Batch, Size: uint32(len(l.Halves))}
	h.Sum(s.Digests[:0])
	return s
}

// Signed is the bytes that the dealer signs: canonical("list", root, channel,
// batch, size, digests).
func (s *Statement) Signed() []byte {
	return canon.Encode("list", canon.Uint64(uint64(s.Root)), s.Channel[:], canon.Uint64(s.Batch),
		canon.Uint64(uint64(s.Size)), s.Digests[:])
}

// Hash is SHA-256(Signed()): what the coin is bound to.
func (s *Statement) Hash() canon.Digest { return sha256.Sum256(s.Signed()) }

// Contradicts reports whether one dealer cannot honestly have signed both: they
// are about the same batch, whose contents differ.
func (s *Statement) Contradicts(o *Statement) bool {
	return s.Root == o.Root && s.Channel == o.Channel && s.Batch == o.Batch && s.Size == o.Size && s.Digests != o.Digests
}

// Signed is the bytes that the dealer signs.
func (l *List) Signed() []byte {
	s := l.Statement()
	return s.Signed()
}

// Hash is SHA-256(Signed()).
func (l *List) Hash() canon.Digest { return sha256.Sum256(l.Signed()) }

// CheckHalf refuses a half that is not the one in the list, which accuses the
// dealer: both came from it.
func (l *List) CheckHalf(i int, party compare.Party, half *compare.Half) error {
	if half.Digests() != l.Halves[i][party] {
		return fault.New(fault.Tampered, "the dealer's half %d of correlation %d is not the one in its list", party, l.First()+uint64(i))
	}
	return nil
}

// CoinSize is the size in bytes of each party's contribution to the coin.
const CoinSize = 32

// Coin is a party's contribution: uniform, and secret until both have committed.
type Coin [CoinSize]byte

// NewCoin draws a contribution.
func NewCoin() Coin { return Coin(prg.New()) }

// String hides the value.
func (Coin) String() string { return "cut.Coin(secret)" }

// GoString hides the value.
func (Coin) GoString() string { return "cut.Coin(secret)" }

// Commit binds a party to its coin and to the list that it saw:
// SHA-256(canonical("coin", party, hash of the list, coin)). The coin has 256 bits
// of its own, so the commitment also hides it.
func (c *Coin) Commit(party compare.Party, list canon.Digest) canon.Digest {
	return canon.Digest(canon.Sum("coin", []byte{byte(party)}, list[:], c[:]))
}

// CheckOpening refuses a coin that is not the one its party committed to.
func CheckOpening(party compare.Party, list, commitment canon.Digest, coin *Coin) error {
	got := coin.Commit(party, list)
	if subtle.ConstantTimeCompare(got[:], commitment[:]) != 1 {
		return fault.New(fault.Tampered, "the other party's coin is not the one it committed to")
	}
	return nil
}

// Sigma is the joint coin: uniform if either contribution was.
func Sigma(list canon.Digest, matcher, custodian *Coin) prg.Seed {
	return prg.Seed(canon.Sum("sigma", list[:], matcher[:], custodian[:]))
}

// Order is the permutation of 0..n-1 that sigma stands for: Fisher and Yates from
// the end, each step's number drawn from the expansion of sigma as 4-byte words,
// those at or above the largest multiple of the range being skipped. The first s
// entries are sacrificed; the rest are used in this order.
func Order(sigma *prg.Seed, n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	words := stream{seed: *sigma}
	for i := n - 1; i > 0; i-- {
		j := words.below(uint32(i + 1))
		order[i], order[j] = order[j], order[i]
	}
	return order
}

// stream reads little-endian words from one expansion.
type stream struct {
	seed  prg.Seed
	bytes []byte
	at    int
}

func (s *stream) word() uint32 {
	if s.at == len(s.bytes) {
		// The keystream is the same however far it is expanded.
		s.bytes = make([]byte, 2*len(s.bytes)+4096)
		s.seed.Expand(s.bytes)
	}
	s.at += 4
	return binary.LittleEndian.Uint32(s.bytes[s.at-4:])
}

func (s *stream) below(n uint32) uint32 {
	skip := -n % n // 2^32 mod n
	for {
		if v := s.word(); v < -skip || skip == 0 {
			return v % n
		}
	}
}

// CheckSacrifice recomputes correlation i of the list from both parties' seeds.
// own is this party's seed, which already fits the list; peer is the one that the
// other party sent. It fails with fault.PeerSeed if the seed is not the list's
// (the sender lies) and with fault.DealerCheated if the corrections are not (the
// dealer lied; its signed list and the two seeds are the evidence).
func CheckSacrifice(dealer *compare.Dealer, check *code.Check, list *List, i int, party compare.Party, own, peer *prg.Seed) error {
	if canon.Digest(sha256.Sum256(peer[:])) != list.Halves[i][party.Peer()].Seed {
		return fault.New(fault.PeerSeed, "the seed of correlation %d", list.First()+uint64(i))
	}
	var seeds [2]prg.Seed
	seeds[party], seeds[party.Peer()] = *own, *peer
	for p, digests := range Recompute(dealer, check, list.First()+uint64(i), &seeds) {
		if digests != list.Halves[i][p] {
			return fault.New(fault.DealerCheated, "half %d of correlation %d", p, list.First()+uint64(i))
		}
	}
	return nil
}

// Recompute is the digests that an honest dealer lists for an index with these
// seeds.
func Recompute(dealer *compare.Dealer, check *code.Check, index uint64, seeds *[2]prg.Seed) (d [2]compare.Digests) {
	var corrections [2][]byte
	for p := range corrections {
		corrections[p] = make([]byte, compare.CorrectionsSize(check, compare.Party(p)))
	}
	dealer.Deal(index, seeds, &corrections)
	for p := range corrections {
		half := compare.Half{Seed: seeds[p], Corrections: corrections[p]}
		d[p] = half.Digests()
	}
	return d
}

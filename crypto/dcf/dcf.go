// Package dcf is a distributed comparison function with 128-bit output: two keys
// that each look random, and together evaluate f(x) = beta if x < alpha else 0
// as an xor. It implements docs/spec/protocol.md, section 7 (Boyle, Chandran,
// Gilboa, Gupta, Ishai, Kumar, Rathee: Function Secret Sharing for Mixed-Mode and
// Fixed-Point Secure Computation, EUROCRYPT 2021, figure 1).
//
// The walk down the tree branches on bits of x only, which both servers know (it
// is masked by rho); it never branches on alpha or beta. Gen branches on alpha:
// it runs at the dealer alone, off anyone's clock.
package dcf

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"nod/crypto/canon"
	"nod/fault"
)

// Block is 128 bits: a seed, a value, an output. Lo holds bytes 0 to 7, little
// endian. Secret wherever it is not a correction word.
type Block struct{ Lo, Hi uint64 }

// BlockSize is the size of a block in bytes.
const BlockSize = 16

// BlockFrom reads a block from the first 16 bytes of b.
func BlockFrom(b []byte) Block {
	_ = b[15]
	return Block{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

// Put writes the block to the first 16 bytes of b.
func (a Block) Put(b []byte) {
	_ = b[15]
	binary.LittleEndian.PutUint64(b, a.Lo)
	binary.LittleEndian.PutUint64(b[8:], a.Hi)
}

// Xor is a xor b.
func (a Block) Xor(b Block) Block { return Block{a.Lo ^ b.Lo, a.Hi ^ b.Hi} }

// And is a where bit is 1, and zero where it is 0, without a branch.
func (a Block) And(bit uint64) Block { return Block{a.Lo & -bit, a.Hi & -bit} }

// IsZero reports whether all bits are zero, without a branch on which.
func (a Block) IsZero() bool { return a.Lo|a.Hi == 0 }

// String hides the value.
func (Block) String() string { return "dcf.Block(secret)" }

// GoString hides the value.
func (Block) GoString() string { return "dcf.Block(secret)" }

// PRG is the fixed-key hash H_i(s) = AES_k(s xor i) xor s xor i of one channel.
// It is safe for concurrent use.
type PRG struct{ block cipher.Block }

// The four uses of the hash.
const (
	seedL  = 0 // and 1 for the right side
	valueL = 2 // and 3 for the right side
)

// NewPRG makes the hash of a channel. Its key is public: the first 16 bytes of
// SHA-256(canonical("dcf-key", channel)).
func NewPRG(channel canon.ChannelID) *PRG {
	key := canon.Sum("dcf-key", channel[:])
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		panic("dcf: " + err.Error()) // a key of 16 bytes is always accepted
	}
	return &PRG{block}
}

// Scratch is working memory for the hash; with it, Gen and Eval allocate nothing.
// One goroutine at a time.
type Scratch struct{ in, out [8][BlockSize]byte }

// Wipe overwrites the blocks hashed last.
func (w *Scratch) Wipe() { *w = Scratch{} }

// A block is stored some time before it is encrypted: a wide load right behind
// two narrow stores waits for both, which costs more than the encryption.

func (w *Scratch) put(k int, s Block, i uint64) {
	s.Lo ^= i
	s.Put(w.in[k&7][:])
}

// encrypt and then get give H_i(s) for the s and i that were put at k.
func (g *PRG) encrypt(w *Scratch, k int) { g.block.Encrypt(w.out[k&7][:], w.in[k&7][:]) }

func (w *Scratch) get(k int) Block { return BlockFrom(w.in[k&7][:]).Xor(BlockFrom(w.out[k&7][:])) }

// encryptAll prepares the four hashes of s0, then those of s1. Gen has more to keep
// than a processor has registers: its loop is better off in a function of its own.
func (g *PRG) encryptAll(w *Scratch, s0, s1 Block) {
	for k := range 4 {
		w.put(k, s0, uint64(k))
		w.put(4+k, s1, uint64(k))
	}
	for k := range w.in {
		g.encrypt(w, k)
	}
}

// split cuts a hashed seed into seed and control bit: the low bit of byte 0 is the
// control bit, and is cleared in the seed.
func split(h Block) (seed Block, control uint64) { return Block{h.Lo &^ 1, h.Hi}, h.Lo & 1 }

// A level's correction word is seed (16 bytes), value (16 bytes) and one byte with
// the control bits: tL in bit 0, tR in bit 1, the rest zero. After the levels
// stands the last block.
const levelSize = 2*BlockSize + 1

// MaxLevels is the largest number of input bits.
const MaxLevels = 32

// Size is the encoded size in bytes of the correction words over levels bits.
func Size(levels int) int { return levels*levelSize + BlockSize }

// Root turns 16 expanded bytes into a root seed, whose low bit is always zero.
func Root(b []byte) Block {
	s := BlockFrom(b)
	s.Lo &^= 1
	return s
}

// Gen writes to cw (Size(levels) bytes) the correction words for alpha (levels
// bits) and beta under two roots. roots are uniform and of this key pair only.
func (g *PRG) Gen(w *Scratch, cw []byte, levels int, alpha uint32, beta Block, root0, root1 Block) {
	if len(cw) != Size(levels) || levels < 1 || levels > MaxLevels {
		panic("dcf: wrong size of correction words")
	}
	s0, s1 := root0, root1
	t0, t1 := uint64(0), uint64(1)
	var v Block
	for i := range levels {
		keep := int(alpha>>(levels-1-i)) & 1 // 0 is left, 1 is right
		lose := 1 - keep
		g.encryptAll(w, s0, s1)
		keep0, keep1 := w.get(keep), w.get(4+keep)
		cwSeed := w.get(lose).Xor(w.get(4 + lose))
		tKeep, tLose := (keep0.Lo^keep1.Lo)&1^1, cwSeed.Lo&1
		cwSeed.Lo &^= 1
		cwValue := w.get(2 + lose).Xor(w.get(6 + lose)).Xor(v).Xor(beta.And(uint64(keep))) // left is lost
		v = v.Xor(w.get(2 + keep)).Xor(w.get(6 + keep)).Xor(cwValue)

		level := (*[levelSize]byte)(cw[i*levelSize:])
		cwSeed.Put(level[:])
		cwValue.Put(level[BlockSize:])
		level[2*BlockSize] = byte(tKeep<<keep | tLose<<lose)

		var c0, c1 uint64
		s0, c0 = split(keep0)
		s1, c1 = split(keep1)
		s0, s1 = s0.Xor(cwSeed.And(t0)), s1.Xor(cwSeed.And(t1))
		t0, t1 = c0^t0&tKeep, c1^t1&tKeep
	}
	s0.Xor(s1).Xor(v).Put(cw[levels*levelSize:])
}

// Check refuses correction words that Gen cannot have written: a wrong size, a
// seed word with its low bit set, a control byte with unused bits set.
func Check(cw []byte, levels int) error {
	if len(cw) != Size(levels) {
		return fault.New(fault.BadEncoding, "correction words of %d bytes, want %d", len(cw), Size(levels))
	}
	for i := range levels {
		level := cw[i*levelSize:]
		if level[0]&1 != 0 || level[2*BlockSize] > 3 {
			return fault.New(fault.BadEncoding, "correction word of level %d has unused bits set", i)
		}
	}
	return nil
}

// Eval is one party's share of f(x): party is 0 or 1, x has levels bits, root is
// that party's. cw has passed Check. It allocates nothing.
func (g *PRG) Eval(w *Scratch, cw []byte, levels int, party int, root Block, x uint32) Block {
	s, t := root, uint64(party)
	x <<= (MaxLevels - levels) & (MaxLevels - 1) // the top bit is the next
	var out Block
	w.Wipe() // there is no value above the first level: it counts as zero
	for i := range levels {
		level := (*[levelSize]byte)(cw[i*levelSize:])
		side := uint64(x >> (MaxLevels - 1))
		x <<= 1
		value, above := 1+i&1, 2-i&1
		w.put(0, s, seedL+side)
		w.put(value, s, valueL+side)
		// Nothing waits for a value: that of the level above is hashed here, while
		// these blocks are on their way through memory.
		if i > 0 {
			g.encrypt(w, above)
		}
		g.encrypt(w, 0)
		out = out.Xor(w.get(above)).Xor(BlockFrom(level[BlockSize:]).And(t))
		seed, control := split(w.get(0))
		s = seed.Xor(BlockFrom(level[:]).And(t))
		t = control ^ t&(uint64(level[2*BlockSize])>>side&1)
	}
	last := 2 - levels&1
	g.encrypt(w, last)
	return out.Xor(w.get(last)).Xor(s).Xor(BlockFrom(cw[levels*levelSize:]).And(t))
}

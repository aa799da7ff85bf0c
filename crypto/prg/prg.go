// Package prg expands seeds. It implements docs/spec/protocol.md, section 3.
//
// A seed is 32 uniform bytes and is used for one object only: its expansion is
// an AES-128-CTR keystream, cut into the fields of that object in a fixed order.
package prg

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"

	"nod/crypto/canon"
)

// Size is the size of a seed in bytes.
const Size = 32

// Seed is secret: it prints only its kind, and is wiped after use.
type Seed [Size]byte

// New draws a seed from the operating system.
func New() Seed {
	var s Seed
	// Read never fails since Go 1.24: it crashes the program instead.
	_, _ = rand.Read(s[:])
	return s
}

// Expand overwrites dst with the first len(dst) bytes of the seed's keystream:
// AES-128-CTR under the seed's first 16 bytes, with its last 16 as the initial
// counter block.
func (s *Seed) Expand(dst []byte) {
	block, err := aes.NewCipher(s[:16])
	if err != nil {
		panic("prg: " + err.Error()) // a key of 16 bytes is always accepted
	}
	stream := cipher.NewCTR(block, s[16:])
	for len(dst) > 0 {
		n := min(len(dst), len(zeros))
		stream.XORKeyStream(dst[:n], zeros[:n])
		dst = dst[n:]
	}
}

// zeros is what the keystream is added to. Nothing writes it. To read it again and
// again costs less than to clear a long dst first, and then to read that.
var zeros [4096]byte

// Derive returns a seed that depends on every argument: HKDF-SHA-256 of root with
// info = canonical(kind, channel, index). kind must be one that nothing else is
// derived under.
func Derive(root []byte, kind canon.Kind, channel canon.ChannelID, index uint64) Seed {
	info := canon.Encode(kind, channel[:], canon.Uint64(index))
	key, err := hkdf.Key(sha256.New, root, nil, string(info), Size)
	if err != nil {
		panic("prg: " + err.Error()) // 32 bytes are within HKDF's limit
	}
	defer clear(key)
	return Seed(key)
}

// Wipe overwrites the seed with zeros.
func (s *Seed) Wipe() { clear(s[:]) }

// Equal compares in constant time.
func (s *Seed) Equal(o *Seed) bool { return subtle.ConstantTimeCompare(s[:], o[:]) == 1 }

// String hides the value.
func (Seed) String() string { return "prg.Seed(secret)" }

// GoString hides the value.
func (Seed) GoString() string { return "prg.Seed(secret)" }

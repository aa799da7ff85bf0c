// Package share splits codes in two by xor, and expands the pads that mask
// templates. It implements docs/spec/protocol.md, sections 4 and 6.
package share

import (
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/prg"
)

// SaltSize is the size in bytes of a pad's salt: fresh and random for every
// template and every renewal.
const SaltSize = 32

// Expand returns the codes that a seed stands for, of the given lengths in bits,
// one after the other in one keystream. The caller wipes them.
func Expand(seed *prg.Seed, lengths ...int) []code.Code {
	total := 0
	for _, n := range lengths {
		total += n / 8
	}
	stream := make([]byte, total)
	defer clear(stream)
	seed.Expand(stream)
	out := make([]code.Code, len(lengths))
	at := 0
	for i, n := range lengths {
		c, err := code.CodeFromBytes(n, stream[at:at+n/8])
		if err != nil {
			panic("share: " + err.Error()) // lengths come from a loaded model
		}
		out[i] = c
		at += n / 8
	}
	return out
}

// Split turns codes into two shares: x_0, returned, and x_1 = Expand(seed).
// Each alone is uniform. The caller wipes both and sends them to different
// servers.
func Split(codes ...code.Code) (x0 []code.Code, seed prg.Seed) {
	seed = prg.New()
	lengths := make([]int, len(codes))
	for i, c := range codes {
		lengths[i] = c.Bits()
	}
	x0 = Expand(&seed, lengths...)
	for i, c := range codes {
		x0[i].Xor(c)
	}
	return x0, seed
}

// Random is a uniform code of n bits: what a server without a usable template
// goes on with.
func Random(n int) code.Code {
	seed := prg.New()
	defer seed.Wipe()
	return Expand(&seed, n)[0]
}

// PadInput is what the custodian's HMAC key is applied to for one template:
// canonical(row id, counter, model, salt). It names the row, not the citizen, so
// handle keys may change.
func PadInput(row canon.RowID, counter uint64, model canon.ModelID, salt [SaltSize]byte) []byte {
	return canon.Encode("pad", row[:], canon.Uint64(counter), model[:], salt[:])
}

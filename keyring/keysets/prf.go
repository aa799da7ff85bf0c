package keysets

import (
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"

	"nod/fault"
)

// Size is the size of a PRF's value in bytes.
const Size = 32

// PRF is HMAC-SHA-256 under the keys of one keyset. While a keyset moves from
// one key to another, an input has one value under each: new rows are made under
// the primary one, and rows are looked up under all.
type PRF struct {
	keys []prf.PRF // the primary one first, then the newest
}

func newPRF(handle *keyset.Handle, set *prf.Set) (*PRF, error) {
	p := &PRF{keys: []prf.PRF{set.PRFs[set.PrimaryID]}}
	for i := handle.Len() - 1; i >= 0; i-- {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, fault.New(fault.Unexpected, "keyset entry %d: %w", i, err)
		}
		if !entry.IsPrimary() {
			p.keys = append(p.keys, set.PRFs[entry.KeyID()])
		}
	}
	return p, nil
}

// Primary is the input's value under the primary key. Inputs are canonical
// encodings (crypto/canon), so that no two uses share one.
func (p *PRF) Primary(input []byte) [Size]byte { return compute(p.keys[0], input) }

// All gives the input's values under every key: the primary one first, the
// others from the newest to the oldest.
func (p *PRF) All(input []byte) [][Size]byte {
	out := make([][Size]byte, len(p.keys))
	for i, key := range p.keys {
		out[i] = compute(key, input)
	}
	return out
}

func compute(key prf.PRF, input []byte) [Size]byte {
	out, err := key.ComputePRF(input, Size)
	if err != nil || len(out) != Size {
		panic("keysets: HMAC-SHA-256 gives 32 bytes of any input") // a programmer's error
	}
	return [Size]byte(out)
}

// String hides the keys.
func (p *PRF) String() string { return "keysets.PRF(secret)" }

// GoString hides the keys.
func (p *PRF) GoString() string { return "keysets.PRF(secret)" }

package hostile_test

import (
	"math/rand/v2"
	"testing"

	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/wire"
)

// Every field of every message can be changed, whatever it holds.
func TestBendEveryMessage(*testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	full := map[wire.Method]wire.Message{
		wire.CustodianStart:     &wire.CompareStart{Sealed1: []byte{1, 2}, Checks: []wire.CheckStart{{C: code.NewCode(64)}}},
		wire.CustodianSacrifice: &wire.BatchSacrifice{Seeds: make([][32]byte, 3)},
		wire.DealerBatch: &wire.BatchAnswer{
			Digests: make([][2]compare.Digests, 3), Halves: []compare.Half{{Corrections: []byte{1, 2, 3}}},
		},
	}
	for method, s := range shapes() {
		for range 300 {
			for _, m := range []wire.Message{s.request(), s.answer(), full[method]} {
				if m != nil {
					bend(rng, m)
					_ = encode(rng, m)
				}
			}
		}
	}
}

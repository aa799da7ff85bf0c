package rpc

import (
	"context"
	"sync/atomic"
	"testing"

	"nod/crypto/seal"
	"nod/wire"
)

// [A] An authority over the roles, or whoever holds its key, certifies itself as the
// dealer: to a matcher that pins the dealer's own identity key it is nobody. The twin
// is the same matcher under an authority, as TLS is usually set up: every certificate
// that the authority signed is taken at its word, and the batch comes from the attacker.
func TestAttackCertificateOfAnAuthority(t *testing.T) {
	for name, twin := range map[string]bool{"nod": false, "twin": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			authority := newKey(t)
			if twin {
				for _, role := range seal.Roles() {
					w.pins[string(role)] = append(w.pins[string(role)], authority.public())
				}
			}
			forged := NewLeaves("dealer", wire.NewInstance(), authority, w.now)
			if err := forged.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			var reached atomic.Bool
			attacker := w.serve(t, ServerConfig{Leaves: forged, Handler: func(ctx context.Context, m wire.Method, request []byte) []byte {
				reached.Store(true)
				return echo(ctx, m, request)
			}})
			_, err := w.dial(t, attacker.address, w.leaves(t, "matcher")).Call(t.Context(), wire.DealerBatch, []byte("batch"))
			if won := err == nil && reached.Load(); won != twin {
				t.Errorf("the attacker won: %v, %v", won, err)
			}
		})
	}
}

// [A] The other way round: somebody whom an authority certified as the matcher calls
// the custodian. Which half of a correlation a caller gets follows that name.
func TestAttackCallerOfAnAuthority(t *testing.T) {
	for name, twin := range map[string]bool{"nod": false, "twin": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			authority := newKey(t)
			pins := Pins{}
			for name, keys := range w.pins {
				pins[name] = append(pins[name], keys...)
				if twin {
					pins[name] = append(pins[name], authority.public())
				}
			}
			honest := w.serve(t, ServerConfig{Pins: pins})
			forged := NewLeaves("matcher", w.instances["matcher"], authority, w.now)
			if err := forged.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err := w.dial(t, honest.address, forged).Call(t.Context(), wire.DealerBatch, []byte("batch"))
			if won := err == nil; won != twin {
				t.Errorf("the attacker won: %v, %v", won, err)
			}
		})
	}
}

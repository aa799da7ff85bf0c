package attack_test

import (
	"testing"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring"
	"nod/wire"
)

// Somebody recorded the messages between matcher and custodian, and is later given
// the dealer's keys. The root's version is destroyed by then; in the twin it is
// kept, and the messages open: the xor of probe and template, and with the
// plausibility check the probe, so the template too.
func TestAttackRecordedMessagesAndRoot(t *testing.T) {
	play(t, func(t *testing.T, twin bool) bool {
		s := newStage(t, codetest.Shape{Bits: 256, MaxWeight: 7, Plausibility: true}, nil)
		p := s.Person("citizen")
		s.Enrol(p)
		var started *wire.CompareStart
		var answered *wire.CompareStarted
		s.between.starts = func(m *wire.CompareStart, a *wire.CompareStarted) { started, answered = m, a }
		s.matched(s.show(p.Name, s.photo(p)))

		if !twin {
			_, err := s.dealer.Rotate(t.Context(), keyring.Root)
			s.must(err)
			s.must(s.dealer.Destroy(t.Context(), keyring.Root, 2))
		}
		opened := map[int]code.Code{} // by the step's slot
		for i, step := range s.Plan.Steps {
			u := xor(started.Checks[i].C, answered.Checks[i].C)
			for _, role := range []seal.Role{seal.Matcher, seal.Custodian} {
				mask, err := s.mask(role, started.Checks[i].Channel, started.Checks[i].Index)
				if err != nil {
					if !fault.Is(err, fault.KeyVersion) {
						t.Fatal(err)
					}
					return false
				}
				u.Xor(mask)
			}
			opened[step.Slot] = u
		}
		probe := opened[code.NoSlot]
		return xor(opened[0], probe).Equal(s.Code(p))
	})
}

// mask deals a correlation again, by the root's first version, and gives one half's
// mask r.
func (s *stage) mask(role seal.Role, channel canon.ChannelID, index uint64) (code.Code, error) {
	s.T.Helper()
	s.between.mu.Lock()
	defer s.between.mu.Unlock()
	for _, q := range s.between.channels {
		if q.Channel() != channel {
			continue
		}
		q.Root, q.Batch = 1, index/uint64(q.Size)
		instance := map[seal.Role]wire.Instance{seal.Matcher: q.Matcher, seal.Custodian: q.Custodian}[role]
		batch, err := s.DealerRole.Batch(wire.WithPeer(s.T.Context(), wire.Peer{Role: role, Instance: instance}), &q)
		if err != nil {
			return nil, err
		}
		return s.expand(batch.Halves[index%uint64(q.Size)].Seed[:]), nil // r is the first field
	}
	s.T.Fatal("a channel that was not seen")
	return nil, nil
}

package hostile_test

import (
	"bytes"

	"nod/crypto/canon"
	"nod/crypto/dcf"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// bentMatcher plays a corrupt matcher that knows what it does.
func (f *fuzzer) bentMatcher() string {
	switch f.rng.IntN(12) {
	case 0:
		if old := f.oldStart(); old != nil {
			f.startBy(func(m *wire.CompareStart) {
				if f.rng.IntN(2) == 0 {
					m.Checks = old.Checks
				} else if len(m.Checks) == len(old.Checks) {
					m.Checks[0].Channel, m.Checks[0].Index = old.Checks[0].Channel, old.Checks[0].Index
				}
			})
		}
		return f.play("correlations again")
	case 1:
		rows := f.rows(seal.Custodian, f.someone().Name.Reveal())
		f.openBy(func(m *wire.SessionOpen) {
			if len(rows) > 0 {
				m.Slots[0] = wire.SlotName{Row: rows[0].row, Counter: rows[0].counter}
			}
		})
		return f.play("somebody's row")
	case 2:
		f.startBy(func(m *wire.CompareStart) { m.Signature[f.rng.IntN(len(m.Signature))] ^= 1 << f.rng.IntN(8) })
		return f.play("a probe that the client did not sign")
	case 3:
		f.twiceBy(wire.CustodianStart)
		return f.play("start twice")
	case 4:
		f.twiceBy(wire.CustodianClose)
		return f.play("close twice")
	case 5:
		f.firstElsewhere(wire.CustodianStart)
		return f.play("start by another instance")
	case 6:
		f.firstElsewhere(wire.CustodianClose)
		return f.play("close by another instance")
	case 7:
		f.closeBy(func(m *wire.CompareClose) {
			i := f.rng.IntN(len(m.Checks))
			m.Checks[i].O = dcf.Block{Lo: f.rng.Uint64(), Hi: f.rng.Uint64()}
		})
		return f.play("a guess of beta")
	case 8:
		f.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: wire.CustodianClose, play: func(c *call) ([]byte, error) {
			f.Clock.Advance(181e9)
			return c.forward(c.request)
		}})
		return f.play("close when the session is over")
	case 9:
		f.firstElsewhere([]wire.Method{wire.CustodianToss, wire.CustodianReveal, wire.CustodianSacrifice}[f.rng.IntN(3)])
		return "a toss by another instance; " + f.happen(wire.CustodianToss)
	case 10:
		v := f.visit()
		if v == nil {
			return "no session to use"
		}
		ctx, cancel := f.patience()
		defer cancel()
		sealed1 := f.forge(v)
		f.startBy(func(m *wire.CompareStart) { m.Sealed1 = sealed1 })
		return "a forged probe: " + result(f.send(ctx, v, f.probe(v, f.near(f.someone()))))
	}
	f.lay(&trick{from: "", to: seal.Matcher, method: wire.MatcherVerify, play: func(c *call) ([]byte, error) {
		answer, err := c.forward(c.request)
		if code, _ := unreply(answer); err != nil || code != "" || len(f.past(wire.CustodianClose)) == 0 {
			return answer, err
		}
		return reply("", wire.Marshal(&wire.VerdictAnswer{Verdict: f.turned()})), nil
	}})
	return f.play("a no turned into a yes")
}

func (f *fuzzer) oldStart() *wire.CompareStart {
	body := f.older(f.rng, wire.CustodianStart, false)
	m := new(wire.CompareStart)
	if body == nil || wire.Unmarshal(body, m) != nil {
		return nil
	}
	return m
}

// twiceBy makes the matcher's next call of a method twice.
func (f *fuzzer) twiceBy(method wire.Method) {
	f.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: method, play: func(c *call) ([]byte, error) {
		first, err := c.forward(bytes.Clone(c.request))
		_, _ = c.forward(c.request)
		return first, err
	}})
}

// firstElsewhere has another instance make the matcher's next call of a method first.
func (f *fuzzer) firstElsewhere(method wire.Method) {
	stranger := f.as(seal.Custodian, f.stranger(seal.Matcher))
	f.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: method, play: func(c *call) ([]byte, error) {
		_, _ = stranger.Call(c.ctx, c.method, bytes.Clone(c.request))
		return c.forward(c.request)
	}})
}

// bentCustodian plays a corrupt custodian that knows what it does.
func (f *fuzzer) bentCustodian() string {
	switch f.rng.IntN(8) {
	case 0:
		f.closedBy(func(m *wire.CompareClosed) { f.signVerdict(m, func(v *orders.Verdict) { v.Match = !v.Match }) })
		return f.play("another verdict than the one compared")
	case 1:
		f.closedBy(func(m *wire.CompareClosed) {
			if old := f.oldClosed(); old != nil {
				m.Payload, m.Signature = old.Payload, old.Signature
			}
		})
		return f.play("another session's verdict")
	case 2:
		f.closedBy(func(m *wire.CompareClosed) { m.Checks[0] = dcf.Block{Lo: f.rng.Uint64(), Hi: f.rng.Uint64()} })
		return f.play("a guess of beta")
	case 3:
		f.closedBy(func(m *wire.CompareClosed) {
			f.signVerdict(m, func(v *orders.Verdict) {
				switch f.rng.IntN(4) {
				case 0:
					v.RP = f.rps[f.rng.IntN(2)].ID
				case 1:
					v.Request = canon.RequestHash(noise(f.rng, 32))
				case 2:
					v.Session[0]++
				case 3:
					v.Expiry = v.Expiry.Add(3600e9)
				}
			})
		})
		return f.play("a verdict with other claims")
	case 4:
		f.startedBy(func(m *wire.CompareStarted) {
			c := &m.Checks[f.rng.IntN(len(m.Checks))]
			c.Z += f.rng.Uint64() >> f.rng.IntN(64)
		})
		return f.play("a shifted sum")
	case 5:
		f.answerFault(wire.CustodianStart, fault.UnknownChannel)
		return f.play("no channel known")
	case 6:
		f.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: wire.CustodianClose, play: func(c *call) ([]byte, error) {
			_, _ = c.forward(c.request)
			return nil, fault.New(fault.Cancelled, "kept")
		}})
		return f.play("the outcome kept")
	}
	f.answerFault(wire.CustodianClose, "")
	return f.play("an empty answer")
}

func (f *fuzzer) oldClosed() *wire.CompareClosed {
	body := f.older(f.rng, wire.CustodianClose, true)
	m := new(wire.CompareClosed)
	if body == nil || wire.Unmarshal(body, m) != nil {
		return nil
	}
	return m
}

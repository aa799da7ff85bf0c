package hostile_test

import (
	"context"
	"crypto/rand"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/dcf"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

// matcherCompareAttacks are a corrupt matcher's on a comparison.
func matcherCompareAttacks() []attack {
	row := func(tried string, code fault.Code, did string, play func(s *stage)) attack {
		return attack{who: "matcher", tried: tried, server: "custodian", code: code, did: did, play: play}
	}
	start := func(tried string, code fault.Code, change func(s *stage, m *wire.CompareStart)) attack {
		return row(tried, code, "", func(s *stage) {
			_, err := s.genuine() // so that there is a past
			s.must(err)
			s.startBy(func(m *wire.CompareStart) { change(s, m) })
			_, err = s.genuine()
			s.fails(err, code)
		})
	}
	// A change of M3: the custodian notices, and says so.
	ends := func(tried string, change func(s *stage, m *wire.CompareClose)) attack {
		a := row(tried, fault.Tampered, "no verdict; counted", func(s *stage) {
			s.closeBy(func(m *wire.CompareClose) { change(s, m) })
			_, err := s.impostor()
			s.fails(err, fault.Tampered)
		})
		a.alarm = true
		return a
	}
	return []attack{
		start("puts a probe of its own in the client's place", fault.BadSignature, func(s *stage, m *wire.CompareStart) {
			v := s.visits(0, s.alma())
			m.Sealed1 = s.forge(v)
		}),
		start("changes the attestation", fault.BadSignature, func(_ *stage, m *wire.CompareStart) { m.Attestation = []byte("seen") }),
		start("uses correlations of an earlier comparison", fault.IndexUsed, func(s *stage, m *wire.CompareStart) {
			past := s.past(wire.CustodianStart)
			var old wire.CompareStart
			s.must(wire.Unmarshal(past[len(past)-1].request, &old))
			m.Checks = old.Checks
		}),
		start("uses one correlation for both checks", fault.WrongCheck, func(_ *stage, m *wire.CompareStart) { m.Checks[1] = m.Checks[0] }),
		start("uses a correlation that was never dealt", fault.IndexUsed, func(_ *stage, m *wire.CompareStart) { m.Checks[0].Index += 1 << 20 }),
		start("uses a channel that does not exist", fault.UnknownChannel, func(_ *stage, m *wire.CompareStart) { m.Checks[0].Channel[0] ^= 1 }),
		start("leaves the plausibility check out", fault.BadDimension, func(_ *stage, m *wire.CompareStart) { m.Checks = m.Checks[:1] }),
		start("asks for a check more", fault.BadDimension, func(_ *stage, m *wire.CompareStart) { m.Checks = append(m.Checks, m.Checks[0]) }),
		start("sends a share of another length", fault.BadDimension, func(_ *stage, m *wire.CompareStart) {
			m.Checks[0].C = make(code.Code, len(m.Checks[0].C)+1)
		}),
		start("compares in a session that was never opened", fault.UnknownSession, func(_ *stage, m *wire.CompareStart) { m.Session[5] ^= 1 }),
		start("sends another session's start", fault.SessionUsed, func(s *stage, m *wire.CompareStart) {
			past := s.past(wire.CustodianStart)
			s.must(wire.Unmarshal(past[len(past)-1].request, m))
		}),
		row("starts a comparison twice", fault.SessionUsed, "the first goes on", func(s *stage) {
			s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: wire.CustodianStart, play: func(c *call) ([]byte, error) {
				first, err := c.forward(c.request)
				s.must(err)
				again, err := c.forward(c.request)
				s.must(err)
				if code, _ := unreply(again); code != fault.SessionUsed {
					s.T.Errorf("started twice: %q", code)
				}
				return first, nil
			}})
			if match, err := s.genuine(); err != nil || !match {
				s.T.Errorf("the first: %v, %v", match, err)
			}
		}),
		row("has another instance start the comparison", fault.NotAllowed, "that ends the session; not counted", func(s *stage) {
			s.elsewhere(wire.CustodianStart, fault.NotAllowed)
			_, err := s.genuine()
			s.fails(err, fault.SessionUsed)
		}),
		row("has another instance end the comparison", fault.UnknownSession, "the comparison goes on", func(s *stage) {
			s.elsewhere(wire.CustodianClose, fault.UnknownSession)
			if match, err := s.genuine(); err != nil || !match {
				s.T.Errorf("the owner: %v, %v", match, err)
			}
		}),
		row("ends a comparison before it starts one", fault.UnknownSession, "", func(s *stage) {
			v := s.visits(0, s.alma())
			_, err := s.custodian().Close(s.soon(), &wire.CompareClose{Session: v.opened.Session(), Checks: make([]wire.CheckClose, 2)})
			s.fails(err, fault.UnknownSession)
		}),
		row("ends a comparison twice, to see two outcomes", fault.UnknownSession, "", func(s *stage) {
			_, err := s.genuine()
			s.must(err)
			past := s.past(wire.CustodianClose)
			code, _ := s.raw(direct{s.link(seal.Matcher, seal.Custodian)}, wire.CustodianClose, past[len(past)-1].request)
			s.fails(fault.New(code, ""), fault.UnknownSession)
		}),
		row("ends fewer checks than it started", fault.BadDimension, "counted", func(s *stage) {
			s.closeBy(func(m *wire.CompareClose) { m.Checks = m.Checks[:1] })
			_, err := s.genuine()
			s.fails(err, fault.BadDimension)
		}),
		alarming(row("flips a bit of its share, unlike what it computes with", fault.Tampered, "no verdict; counted", func(s *stage) {
			// The matcher's own code notices first, so Close is sent by hand.
			s.startBy(func(m *wire.CompareStart) { m.Checks[0].C[0] ^= 1 })
			s.lay(&trick{from: "", to: seal.Matcher, method: wire.MatcherVerify, play: func(c *call) ([]byte, error) {
				answer, err := c.forward(c.request)
				var p wire.ProbeRequest
				_, body, _ := unwrap(c.request)
				s.must(wire.Unmarshal(body, &p))
				_, last := s.custodian().Close(s.soon(), &wire.CompareClose{Session: p.Session, Checks: make([]wire.CheckClose, 2)})
				s.fails(last, fault.Tampered)
				return answer, err
			}})
			s.no(s.impostor())
		})),
		ends("adds to its part of the sum", func(_ *stage, m *wire.CompareClose) { m.Checks[0].Z++ }),
		ends("adds 2^63 to its part of the sum", func(_ *stage, m *wire.CompareClose) { m.Checks[0].Z ^= 1 << 63 }),
		ends("changes a MAC", func(_ *stage, m *wire.CompareClose) { m.Checks[1].G-- }),
		ends("guesses a share of beta", func(s *stage, m *wire.CompareClose) {
			m.Checks[0].O = dcf.Block{Lo: s.rng.Uint64(), Hi: s.rng.Uint64()}
		}),
		ends("sends the parts of another comparison", func(s *stage, m *wire.CompareClose) {
			past := s.past(wire.CustodianClose)
			var old wire.CompareClose
			s.must(wire.Unmarshal(past[len(past)-1].request, &old))
			m.Checks = old.Checks
		}),
		ends("swaps the parts of the two checks", func(_ *stage, m *wire.CompareClose) {
			m.Checks[0], m.Checks[1] = m.Checks[1], m.Checks[0]
		}),
		alarming(row("computes with a looser bound, and shifts its part of the sum to fit", fault.Tampered, "no verdict; counted", func(s *stage) {
			_, err := s.loosely(s.soon(), seal.Matcher, s.alma(), s.Code(s.alma()))
			s.fails(err, fault.Tampered)
		})),
	}
}

func alarming(a attack) attack {
	a.alarm = true
	return a
}

// elsewhere has another instance make the matcher's next call of a method first.
func (s *stage) elsewhere(method wire.Method, want fault.Code) {
	s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: method, play: func(c *call) ([]byte, error) {
		_, body, _ := unwrap(c.request)
		if code, _ := s.raw(s.as(seal.Custodian, s.stranger(seal.Matcher)), method, body); code != want {
			s.T.Errorf("another instance: %q, want %q", code, want)
		}
		return c.forward(c.request)
	}})
}

// loosely shows a code near a template, that only a looser bound takes. The corrupt server computes
// with that bound, and shifts its part of the sum so that both walk the tree at one
// point: then nothing but the MAC is in the way of a yes.
func (s *stage) loosely(ctx context.Context, corrupt seal.Role, who world.Person, template code.Code) (bool, error) {
	s.T.Helper()
	step := &s.Plan.Steps[0]
	loose := step.Check.MaxT
	shift := uint64(int64(s.bound)) - uint64(int64(loose))
	if corrupt == seal.Matcher {
		step.T = loose // the matcher reads it before it calls
		s.startBy(func(*wire.CompareStart) { step.T = s.bound })
		s.closeBy(func(m *wire.CompareClose) { m.Checks[0].Z += shift })
	} else {
		s.startBy(func(*wire.CompareStart) { step.T = loose }) // the custodian reads it when it is called
		s.answerLoosely(func(m *wire.CompareStarted) {
			step.T = s.bound
			m.Checks[0].Z += shift
		})
	}
	defer func() { step.T = s.bound }()
	return s.show(ctx, 0, who, s.miss(template))
}

// answerLoosely changes the next Start's answer, whatever else is done to the call:
// tricks are taken in order, so it wraps the one that is laid already.
func (s *stage) answerLoosely(change func(*wire.CompareStarted)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tricks[len(s.tricks)-1]
	inner := t.play
	t.play = func(c *call) ([]byte, error) {
		answer, err := inner(c)
		if err != nil {
			return nil, err
		}
		var m wire.CompareStarted
		if !decodes(answer, &m) {
			return answer, nil
		}
		change(&m)
		return reply("", wire.Marshal(&m)), nil
	}
}

// matcherRowAttacks are a corrupt matcher's on templates and orders.
func matcherRowAttacks() []attack {
	row := func(tried string, code fault.Code, did string, play func(s *stage)) attack {
		return attack{who: "matcher", tried: tried, server: "custodian", code: code, did: did, play: play}
	}
	one := func(s *stage) held { return s.rows(seal.Custodian, s.alma().Name.Reveal())[0] }
	return []attack{
		row("has an enrolment answered twice, for two deltas", fault.StaleOrder, "", func(s *stage) {
			s.must(s.enrol(s.soon(), s.alma(), s.alma()))
			past := s.past(wire.CustodianEnrol)
			code, _ := s.raw(direct{s.link(seal.Matcher, seal.Custodian)}, wire.CustodianEnrol, past[len(past)-1].request)
			s.fails(fault.New(code, ""), fault.StaleOrder)
		}),
		row("changes an enrolment on the way", fault.BadSignature, "", func(s *stage) {
			bending(s, seal.Matcher, seal.Custodian, wire.CustodianEnrol, func(m *wire.EnrolStart) { m.Hash0[0] ^= 1 })
			s.fails(s.enrol(s.soon(), s.bruno(), s.bruno()), fault.BadSignature)
			s.must(s.enrol(s.soon(), s.bruno(), s.bruno()))
		}),
		row("reports a row that there is not", fault.RowMismatch, "", func(s *stage) {
			_, err := s.custodian().Stored(s.soon(), &wire.RowStored{Row: canon.RowID(noise(s.rng, 32))})
			s.fails(err, fault.RowMismatch)
		}),
		row("reports a row that was replaced", fault.RowMismatch, "", func(s *stage) {
			old := one(s)
			s.must(s.enrol(s.soon(), s.alma(), s.alma()))
			_, err := s.custodian().Stored(s.soon(), &wire.RowStored{Row: old.row, Counter: old.counter})
			s.fails(err, fault.RowMismatch)
		}),
		row("reports a renewal that there was not", fault.RowMismatch, "", func(s *stage) {
			_, err := s.custodian().Stored(s.soon(), &wire.RowStored{Row: one(s).row, Counter: one(s).counter + 1})
			s.fails(err, fault.RowMismatch)
		}),
		row("renews a row at another counter", fault.RowMismatch, "", func(s *stage) {
			_, err := s.custodian().Renew(s.soon(), &wire.RenewStart{Row: one(s).row, Counter: one(s).counter + 7})
			s.fails(err, fault.RowMismatch)
		}),
		row("renews one row many times, for many differences of pads", "", "the same bytes each time", func(s *stage) {
			_, err := s.RotatePad(s.soon())
			s.must(err)
			r := one(s)
			m := &wire.RenewStart{Row: r.row, Counter: r.counter}
			first, err := s.custodian().Renew(s.soon(), m)
			s.must(err)
			for range 3 {
				again, err := s.custodian().Renew(s.soon(), m)
				s.must(err)
				if !first.Delta.Equal(again.Delta) || first.Counter != again.Counter {
					s.T.Error("another difference")
				}
			}
			_, err = s.Matcher.Renew(s.soon(), &wire.RenewRequest{Limit: 10})
			s.must(err)
		}),
		row("forges an erasure", fault.UnknownKey, "", func(s *stage) {
			key, err := orders.NewPrivateKey("ES256")
			s.must(err)
			now := s.Clock.Now()
			order, err := orders.SignOrder(key, &orders.Order{
				Kind: orders.Erase, Citizen: s.alma().Name, JTI: rand.Text(), IssuedAt: now, Expiry: now.Add(60e9),
			})
			s.must(err)
			_, err = s.custodian().Order(s.soon(), &wire.OrderRequest{Order: order})
			s.fails(err, fault.UnknownKey)
		}),
		row("delivers an unlock that it held back", fault.StaleOrder, "", func(s *stage) {
			unlock := s.order(orders.Unlock, s.alma())
			s.must(s.deliver(s.soon(), s.order(orders.Lock, s.alma())))
			_, err := s.custodian().Order(s.soon(), &wire.OrderRequest{Order: unlock.raw})
			s.fails(err, fault.StaleOrder)
			s.must(s.deliver(s.soon(), s.order(orders.Unlock, s.alma())))
		}),
		{who: "matcher", tried: "gives the station its own statement twice", server: "the station", code: fault.NotCosigned, play: func(s *stage) {
			answering(s, "", seal.Matcher, wire.MatcherEnrol, func(m *wire.ReceiptAnswer) {
				r := canon.NewReader("receipt", m.Receipt)
				own := append([]byte{}, r.Bytes(0, 1<<16)...)
				m.Receipt = orders.CombineReceipt(own, own)
			})
			s.fails(s.enrol(s.soon(), s.bruno(), s.bruno()), fault.NotCosigned)
		}},
	}
}

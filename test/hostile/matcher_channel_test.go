package hostile_test

import (
	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// renewed has the matcher throw its channels away and open others, and waits for a
// trick on the way to be played.
func (s *stage) renewed(t *trick) {
	s.T.Helper()
	s.lose()
	s.eventually("a new channel", func() bool { return !s.waits(t) })
}

// lose has the matcher throw its channels away.
func (s *stage) lose() {
	for _, h := range s.past(wire.CustodianOpenChannel) {
		var q wire.ChannelOpen
		var a wire.ChannelOpened
		if wire.Unmarshal(h.request, &q) == nil && wire.Unmarshal(h.answer, &a) == nil {
			s.Source.Lost(wire.ChannelID(q.Instance, a.Instance, q.Nonce, a.Nonce, q.Check))
		}
	}
}

// during plays something while the matcher is at a step of a batch, before it takes
// the step.
func (s *stage) during(method wire.Method, play func(c *call)) {
	s.T.Helper()
	t := s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: method, play: func(c *call) ([]byte, error) {
		play(c)
		return c.forward(c.request)
	}})
	s.renewed(t)
	s.settle()
}

// matcherChannelAttacks are a corrupt matcher's on correlations.
func matcherChannelAttacks() []attack {
	row := func(tried string, code fault.Code, play func(s *stage)) attack {
		return attack{who: "matcher", tried: tried, server: "custodian", code: code, play: play}
	}
	opening := func(tried string, code fault.Code, change func(s *stage, m *wire.ChannelOpen)) attack {
		return row(tried, code, func(s *stage) {
			past := s.past(wire.CustodianOpenChannel)
			var m wire.ChannelOpen
			s.must(wire.Unmarshal(past[len(past)-1].request, &m))
			change(s, &m)
			_, err := s.custodian().OpenChannel(s.soon(), &m)
			s.fails(err, code)
		})
	}
	// tossed bends the matcher's next toss: the batch comes to nothing.
	tossed := func(tried string, code fault.Code, change func(m *wire.BatchToss)) attack {
		return row(tried, code, func(s *stage) {
			s.renewed(bending(s, seal.Matcher, seal.Custodian, wire.CustodianToss, change))
			s.settle()
		})
	}
	caught := func(tried string, code fault.Code, play func(s *stage)) attack {
		a := row(tried, code, play)
		a.alarm, a.ends = true, true
		return a
	}
	return []attack{
		opening("opens a channel in another instance's name", fault.NotAllowed, func(_ *stage, m *wire.ChannelOpen) { m.Instance[0] ^= 1 }),
		opening("opens a channel of which nothing is sacrificed", fault.OutOfRange, func(_ *stage, m *wire.ChannelOpen) { m.Sacrifice = 0 }),
		opening("opens a channel of huge batches", fault.OutOfRange, func(_ *stage, m *wire.ChannelOpen) { m.Batch = 1<<32 - 1 }),
		opening("opens a channel for an unknown check", fault.UnknownModel, func(_ *stage, m *wire.ChannelOpen) { m.Check[0] ^= 1 }),
		tossed("tosses for a list that nobody signed", fault.BadSignature, func(m *wire.BatchToss) { m.Digests[0] ^= 1 }),
		tossed("tosses under no version of the root key", fault.OutOfRange, func(m *wire.BatchToss) { m.Root = 0 }),
		tossed("tosses for a batch beyond all", fault.IndexUsed, func(m *wire.BatchToss) { m.Batch = wire.MaxBatches }),
		row("tosses again for a batch that was tossed for", fault.IndexUsed, func(s *stage) {
			s.during(wire.CustodianReveal, func(*call) {
				past := s.past(wire.CustodianToss)
				code, _ := s.raw(direct{s.link(seal.Matcher, seal.Custodian)}, wire.CustodianToss, past[len(past)-1].request)
				s.fails(fault.New(code, ""), fault.IndexUsed)
			})
		}),
		row("opens its coin before both have committed", fault.WrongStep, func(s *stage) {
			s.during(wire.CustodianToss, func(c *call) {
				toss := c.message().(*wire.BatchToss)
				_, err := s.custodian().Reveal(s.soon(), &wire.BatchReveal{Channel: toss.Channel, Batch: toss.Batch})
				s.fails(err, fault.WrongStep)
			})
		}),
		row("asks for seeds before the coin is open", fault.WrongStep, func(s *stage) {
			s.during(wire.CustodianReveal, func(c *call) {
				m := c.message().(*wire.BatchReveal)
				_, err := s.custodian().Sacrifice(s.soon(), &wire.BatchSacrifice{Channel: m.Channel, Batch: m.Batch, Seeds: make([][32]byte, 8)})
				s.fails(err, fault.WrongStep)
			})
		}),
		row("asks for the seeds twice", fault.WrongStep, func(s *stage) {
			s.settle()
			past := s.past(wire.CustodianSacrifice)
			code, _ := s.raw(direct{s.link(seal.Matcher, seal.Custodian)}, wire.CustodianSacrifice, past[len(past)-1].request)
			s.fails(fault.New(code, ""), fault.WrongStep)
		}),
		row("has another instance toss on its channel", fault.NotAllowed, func(s *stage) {
			s.during(wire.CustodianToss, func(c *call) {
				_, body, _ := unwrap(c.request)
				code, _ := s.raw(s.as(seal.Custodian, s.stranger(seal.Matcher)), wire.CustodianToss, body)
				s.fails(fault.New(code, ""), fault.NotAllowed)
			})
		}),
		caught("opens another coin than it committed to", fault.Tampered, func(s *stage) {
			s.renewed(bending(s, seal.Matcher, seal.Custodian, wire.CustodianReveal, func(m *wire.BatchReveal) { m.Coin[0]++ }))
		}),
		caught("opens other seeds than the dealer's", fault.PeerSeed, func(s *stage) {
			s.renewed(bending(s, seal.Matcher, seal.Custodian, wire.CustodianSacrifice, func(m *wire.BatchSacrifice) { m.Seeds[2][0] ^= 1 }))
		}),
		caught("opens one seed too few", fault.PeerSeed, func(s *stage) {
			s.renewed(bending(s, seal.Matcher, seal.Custodian, wire.CustodianSacrifice, func(m *wire.BatchSacrifice) { m.Seeds = m.Seeds[1:] }))
		}),
		{who: "matcher", tried: "asks the dealer for the custodian's halves", server: "dealer", code: fault.NotAllowed, play: func(s *stage) {
			// As itself it gets its own; in another's name, nothing.
			past := s.past(wire.DealerBatch)
			var q wire.BatchRequest
			s.must(wire.Unmarshal(past[len(past)-1].request, &q))
			own, err := wire.DealerClient{Caller: s.as(seal.Dealer, wire.Peer{Role: seal.Matcher, Instance: q.Matcher})}.Batch(s.soon(), &q)
			s.must(err)
			own.Wipe()
			q.Matcher, q.Custodian = q.Custodian, q.Matcher
			_, err = wire.DealerClient{Caller: s.as(seal.Dealer, wire.Peer{Role: seal.Matcher, Instance: q.Custodian})}.Batch(s.soon(), &q)
			s.fails(err, fault.NotAllowed)
		}},
		{who: "matcher", tried: "asks the dealer for another instance's halves", server: "dealer", code: fault.NotAllowed, play: func(s *stage) {
			past := s.past(wire.DealerBatch)
			code, _ := s.raw(s.as(seal.Dealer, s.stranger(seal.Matcher)), wire.DealerBatch, past[len(past)-1].request)
			s.fails(fault.New(code, ""), fault.NotAllowed)
		}},
		{who: "matcher", tried: "asks the dealer for more than fits", server: "dealer", code: fault.OutOfRange, play: func(s *stage) {
			past := s.past(wire.DealerBatch)
			var q wire.BatchRequest
			s.must(wire.Unmarshal(past[len(past)-1].request, &q))
			q.Size = 1<<32 - 1
			_, err := wire.DealerClient{Caller: s.as(seal.Dealer, wire.Peer{Role: seal.Matcher, Instance: q.Matcher})}.Batch(s.soon(), &q)
			s.fails(err, fault.OutOfRange)
		}},
	}
}

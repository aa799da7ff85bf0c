package hostile_test

import (
	"nod/crypto/compare/cut"
	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring"
	"nod/wire"
)

// deals is a trick on what the dealer answers one of the two.
func (s *stage) deals(to seal.Role, change func(q *wire.BatchRequest, m *wire.BatchAnswer)) *trick {
	return s.lay(&trick{from: to, to: seal.Dealer, method: wire.DealerBatch, play: func(c *call) ([]byte, error) {
		q := c.message().(*wire.BatchRequest)
		answer, err := c.forward(c.request)
		if err != nil {
			return nil, err
		}
		m := new(wire.BatchAnswer)
		if !decodes(answer, m) {
			return answer, nil
		}
		change(q, m)
		return reply("", encode(s.rng, m)), nil
	}})
}

// signList has the corrupt dealer sign a batch as it now is.
func (s *stage) signList(q *wire.BatchRequest, m *wire.BatchAnswer) {
	list := cut.List{Root: m.Root, Channel: q.Channel(), Batch: q.Batch, Halves: m.Digests}
	signature, version, err := s.dealer.Sign(s.soon(), keyring.Identity, list.Signed())
	if err != nil {
		s.watch.violated("the dealer's key: %v", err)
		return
	}
	m.Signature, m.Identity = signature, version
}

// spoil changes one of a party's halves, and lists it as it now is.
func spoil(m *wire.BatchAnswer, party, i int) {
	h := &m.Halves[i]
	h.Corrections[len(h.Corrections)-1] ^= 1
	m.Digests[i][party] = h.Digests()
}

// dealerAttacks are a corrupt dealer's.
func dealerAttacks() []attack {
	row := func(tried, server string, code fault.Code, did string, t func(s *stage) *trick) attack {
		return attack{who: "dealer", tried: tried, server: server, code: code, did: did, play: func(s *stage) {
			s.renewed(t(s))
			s.settle()
		}}
	}
	caught := func(tried, server string, code fault.Code, did string, t func(s *stage) *trick) attack {
		return attack{who: "dealer", tried: tried, server: server, code: code, did: did, alarm: true, ends: true, play: func(s *stage) {
			s.renewed(t(s))
		}}
	}
	type batch = func(q *wire.BatchRequest, m *wire.BatchAnswer)
	to := func(role seal.Role, change func(s *stage) batch) func(s *stage) *trick {
		return func(s *stage) *trick { return s.deals(role, change(s)) }
	}
	return []attack{
		row("signs nothing", "matcher", fault.BadSignature, "the batch is discarded", to(seal.Matcher, func(*stage) batch {
			return func(_ *wire.BatchRequest, m *wire.BatchAnswer) { m.Signature = make([]byte, 64) }
		})),
		row("gives fewer halves than it was asked for", "matcher", fault.BadEncoding, "the batch is discarded", to(seal.Matcher, func(*stage) batch {
			return func(_ *wire.BatchRequest, m *wire.BatchAnswer) { m.Halves = m.Halves[1:] }
		})),
		row("deals the custodian from another version of its root key", "custodian", fault.BadEncoding, "the batch is discarded", to(seal.Custodian, func(*stage) batch {
			return func(_ *wire.BatchRequest, m *wire.BatchAnswer) { m.Root++ }
		})),
		row("answers with an earlier batch", "matcher", fault.BadSignature, "the batch is discarded", to(seal.Matcher, func(s *stage) batch {
			return func(_ *wire.BatchRequest, m *wire.BatchAnswer) {
				for _, h := range s.past(wire.DealerBatch) {
					if h.link.from == seal.Matcher {
						_ = wire.Unmarshal(h.answer, m)
						return
					}
				}
			}
		})),
		row("does not answer", "custodian", fault.Cancelled, "the batch is discarded", func(s *stage) *trick {
			return s.lay(&trick{from: seal.Custodian, to: seal.Dealer, method: wire.DealerBatch, play: func(*call) ([]byte, error) {
				return nil, fault.New(fault.Cancelled, "no answer")
			}})
		}),
		caught("gives a half that is not the one in its list", "matcher", fault.Tampered, "", to(seal.Matcher, func(*stage) batch {
			return func(_ *wire.BatchRequest, m *wire.BatchAnswer) { m.Halves[3].Corrections[5] ^= 1 }
		})),
		caught("gives the custodian a half that is not the one in its list", "custodian", fault.Tampered, "", to(seal.Custodian, func(*stage) batch {
			return func(_ *wire.BatchRequest, m *wire.BatchAnswer) { m.Halves[3].Seed[0] ^= 1 }
		})),
		caught("signs another list for the custodian", "custodian", fault.DealerCheated, "two signatures that contradict each other are the evidence", to(seal.Custodian, func(s *stage) batch {
			return func(q *wire.BatchRequest, m *wire.BatchAnswer) { spoil(m, 1, 0); s.signList(q, m) }
		})),
		caught("spoils every correlation, and signs that", "matcher", fault.DealerCheated, "the opened seeds are the evidence", func(s *stage) *trick {
			return s.spoilAll()
		}),
	}
}

// spoilAll has the dealer spoil the matcher's halves of a batch and give both one
// list: whichever correlations are opened, they are spoilt.
func (s *stage) spoilAll() *trick {
	// The custodian asks next, for the same batch: it is given the same list.
	return s.deals(seal.Matcher, func(q *wire.BatchRequest, m *wire.BatchAnswer) {
		for i := range m.Halves {
			spoil(m, 0, i)
		}
		s.signList(q, m)
		channel := q.Channel()
		s.lay(&trick{from: seal.Custodian, to: seal.Dealer, method: wire.DealerBatch, play: func(c *call) ([]byte, error) {
			theirs := c.message().(*wire.BatchRequest)
			answer, err := c.forward(c.request)
			if err != nil || theirs.Channel() != channel {
				return answer, err
			}
			_, body := unreply(answer)
			var a wire.BatchAnswer
			s.must(wire.Unmarshal(body, &a))
			a.Digests, a.Signature, a.Identity = m.Digests, m.Signature, m.Identity
			return reply("", wire.Marshal(&a)), nil
		}})
	})
}

// anyAttacks are noise: every message of every link in turn is replaced.
func anyAttacks() []attack {
	var out []attack
	for _, role := range []seal.Role{outsider, seal.Matcher, seal.Custodian, seal.Dealer} {
		who := string(role)
		if role == outsider {
			who = "client"
		}
		out = append(out, attack{
			who: who, tried: "sends noise, half a message, a message and more, and nothing in the place of every message", did: "refuses all",
			play: func(s *stage) { s.noise() },
		})
	}
	return out
}

// noise calls every method that the corrupt party may call with bytes that are no
// message.
func (s *stage) noise() {
	for method := range shapes() {
		for _, l := range s.callable(method) {
			for i := range 8 {
				body := noise(s.rng, 1<<i)
				if past := s.past(method); len(past) > 0 {
					if whole := past[0].request; i == 6 && len(whole) > 1 {
						body = whole[:len(whole)/2]
					} else if i == 7 {
						body = append(append([]byte{}, whole...), 0)
					}
				}
				if code, _ := s.raw(l, method, body); code == "" {
					s.T.Errorf("%s answers noise of %d bytes", method, len(body))
				}
				if answer, err := l.Call(s.soon(), method, body); err == nil {
					if code, _ := unreply(answer); code == "" {
						s.T.Errorf("%s answers without an envelope", method)
					}
				}
			}
			if answer, err := l.Call(s.soon(), method, nil); err == nil {
				if code, _ := unreply(answer); code == "" {
					s.T.Errorf("%s answers nothing", method)
				}
			}
		}
	}
}

// callable are the links on which the corrupt party may make a call.
func (s *stage) callable(method wire.Method) (out []wire.Caller) {
	for ends, l := range s.links {
		if ends[0] == s.corrupt && len(method) > len(ends[1]) && string(method[:len(ends[1])]) == string(ends[1]) {
			out = append(out, direct{l})
		}
	}
	return out
}

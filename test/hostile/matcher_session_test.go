package hostile_test

import (
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// startBy is a trick on the matcher's own Start.
func (s *stage) startBy(change func(*wire.CompareStart)) *trick {
	return bending(s, seal.Matcher, seal.Custodian, wire.CustodianStart, change)
}

// closeBy is a trick on the matcher's own Close.
func (s *stage) closeBy(change func(*wire.CompareClose)) *trick {
	return bending(s, seal.Matcher, seal.Custodian, wire.CustodianClose, change)
}

// openBy is a trick on the matcher's own Open.
func (s *stage) openBy(change func(*wire.SessionOpen)) *trick {
	return bending(s, seal.Matcher, seal.Custodian, wire.CustodianOpen, change)
}

// genuine plays the citizen that a corrupt role has in its hands.
func (s *stage) genuine() (bool, error) { return s.show(s.soon(), 0, s.alma(), s.near(s.alma())) }

// impostor plays somebody else who claims to be that citizen.
func (s *stage) impostor() (bool, error) { return s.show(s.soon(), 0, s.alma(), s.near(s.bruno())) }

// matcherSessionAttacks are a corrupt matcher's on the opening of a session.
func matcherSessionAttacks() []attack {
	row := func(tried string, code fault.Code, did string, play func(s *stage)) attack {
		return attack{who: "matcher", tried: tried, server: "custodian", code: code, did: did, play: play}
	}
	bent := func(tried string, code fault.Code, change func(s *stage, m *wire.SessionOpen)) attack {
		return row(tried, code, "", func(s *stage) {
			s.openBy(func(m *wire.SessionOpen) { change(s, m) })
			s.no(s.genuine())
		})
	}
	return []attack{
		bent("changes a request", fault.BadSignature, func(_ *stage, m *wire.SessionOpen) { m.Request[len(m.Request)-4] ^= 1 }),
		bent("opens a session for no request", fault.BadEncoding, func(_ *stage, m *wire.SessionOpen) { m.Request = []byte("x") }),
		bent("names no slot", fault.BadDimension, func(_ *stage, m *wire.SessionOpen) { m.Slots = nil }),
		bent("names a slot too many", fault.BadDimension, func(_ *stage, m *wire.SessionOpen) { m.Slots = append(m.Slots, m.Slots[0]) }),
		bent("gives the custodian's certificate as its own", fault.BadCertificate, func(s *stage, m *wire.SessionOpen) {
			keys, err := s.custodian().Keys(s.soon(), &wire.KeysRequest{})
			s.must(err)
			m.Certificate = keys.Certificate
		}),
		row("names the accomplice's row in the victim's session", "", "that slot is a decoy; a no", func(s *stage) {
			row := s.rows(seal.Custodian, s.bruno().Name.Reveal())[0]
			s.openBy(func(m *wire.SessionOpen) { m.Slots[0] = wire.SlotName{Row: row.row, Counter: row.counter} })
			s.no(s.impostor())
		}),
		row("names the row at another counter", "", "that slot is a decoy; a no", func(s *stage) {
			s.openBy(func(m *wire.SessionOpen) { m.Slots[0].Counter++ })
			s.no(s.genuine())
		}),
		row("names a row that was erased", "", "that slot is a decoy; a no", func(s *stage) {
			old := s.rows(seal.Custodian, s.alma().Name.Reveal())[0]
			s.must(s.deliver(s.soon(), s.order(orders.Erase, s.alma())))
			s.openBy(func(m *wire.SessionOpen) { m.Slots[0] = wire.SlotName{Row: old.row, Counter: old.counter} })
			s.no(s.genuine())
			s.must(s.enrol(s.soon(), s.alma(), s.alma()))
		}),
		row("opens a second session of one request, with other rows", fault.SessionUsed, "", func(s *stage) {
			v := s.visits(0, s.alma())
			m := s.opening(v)
			m.Random = canon.Digest(noise(s.rng, 32))
			_, err := s.custodian().Open(s.soon(), m)
			s.fails(err, fault.SessionUsed)
		}),
		row("has another instance open the same session", fault.SessionUsed, "", func(s *stage) {
			v := s.visits(0, s.alma())
			other := wire.CustodianClient{Caller: s.as(seal.Custodian, s.stranger(seal.Matcher))}
			_, err := other.Open(s.soon(), s.opening(v))
			s.fails(err, fault.SessionUsed)
			s.no(s.send(s.soon(), v, s.probe(v, s.near(s.bruno()))))
		}),
		row("opens a session again that is over", fault.SessionGone, "", func(s *stage) {
			// The request must outlive its session: a session that failed to open.
			v := s.ask(s.rps[0], s.alma(), nil)
			t := s.openBy(func(m *wire.SessionOpen) { m.Certificate = m.Certificate[1:] })
			_, err := s.open(s.soon(), v)
			s.lift(t)
			s.fails(err, fault.BadCertificate, fault.Truncated, fault.BadEncoding)
			m := s.opening(s.visits(0, s.alma()))
			m.Request = v.raw
			_, err = s.custodian().Open(s.soon(), m)
			s.fails(err, fault.SessionGone)
		}),
		{who: "matcher", tried: "gives a client the answer to another request", server: "the client", code: fault.WrongRequest, play: func(s *stage) {
			other := s.visits(0, s.bruno())
			answering(s, "", seal.Matcher, wire.MatcherOpen, func(m *wire.OpenAnswer) {
				past := s.past(wire.MatcherOpen)
				var a wire.OpenAnswer
				s.must(wire.Unmarshal(past[len(past)-2].answer, &a))
				*m = a
			})
			_, err := s.open(s.soon(), s.ask(s.rps[0], s.alma(), nil))
			s.fails(err, fault.WrongRequest)
			_ = other
		}},
		{who: "matcher", tried: "gives a relying party an older yes", server: "the relying party", code: fault.WrongRequest, play: func(s *stage) {
			_, err := s.genuine()
			s.must(err)
			past := s.past(wire.MatcherVerify)
			answering(s, "", seal.Matcher, wire.MatcherVerify, func(m *wire.VerdictAnswer) {
				s.must(wire.Unmarshal(past[len(past)-1].answer, m))
			})
			_, err = s.impostor()
			s.fails(err, fault.WrongRequest)
		}},
		{who: "matcher", tried: "turns the custodian's signed no into a yes and signs that", server: "the relying party", code: fault.BadSignature, play: func(s *stage) {
			s.lay(&trick{from: "", to: seal.Matcher, method: wire.MatcherVerify, play: func(c *call) ([]byte, error) {
				if _, err := c.forward(c.request); err != nil {
					return nil, err
				}
				return reply("", wire.Marshal(&wire.VerdictAnswer{Verdict: s.turned()})), nil
			}})
			_, err := s.impostor()
			s.fails(err, fault.BadSignature)
		}},
		{who: "matcher", tried: "signs a yes in both roles", server: "the relying party", code: fault.NotCosigned, play: func(s *stage) {
			s.lay(&trick{from: "", to: seal.Matcher, method: wire.MatcherVerify, play: func(c *call) ([]byte, error) {
				if _, err := c.forward(c.request); err != nil {
					return nil, err
				}
				payload, _ := s.yes()
				own, err := orders.SignVerdict(s.MatcherRole.Signers, payload, s.Clock.Now())
				s.must(err)
				both, err := orders.CombineVerdict(payload, own, own)
				s.must(err)
				return reply("", wire.Marshal(&wire.VerdictAnswer{Verdict: both})), nil
			}})
			_, err := s.impostor()
			s.fails(err, fault.NotCosigned, fault.BadCertificate, fault.BadSignature)
		}},
		row("leaves a comparison in the middle", "", "ends it when the session is over; counted", func(s *stage) {
			s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: wire.CustodianClose, play: func(*call) ([]byte, error) {
				return nil, fault.New(fault.Cancelled, "left")
			}})
			s.no(s.genuine())
			s.Clock.Advance(4 * time.Minute)
			s.must(s.Maintain(s.soon()))
		}),
		row("ends a comparison when the session is over", fault.UnknownSession, "counted", func(s *stage) {
			s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: wire.CustodianClose, play: func(c *call) ([]byte, error) {
				s.Clock.Advance(181 * time.Second)
				return c.forward(c.request)
			}})
			_, err := s.genuine()
			s.fails(err, fault.UnknownSession)
		}),
	}
}

// opening is what the matcher last sent to open a session.
func (s *stage) opening(*visit) *wire.SessionOpen {
	s.T.Helper()
	past := s.past(wire.CustodianOpen)
	m := new(wire.SessionOpen)
	s.must(wire.Unmarshal(past[len(past)-1].request, m))
	return m
}

// yes is the custodian's last verdict with a yes in it, and its signature on what it
// really said.
func (s *stage) yes() (payload, signature []byte) {
	s.T.Helper()
	past := s.past(wire.CustodianClose)
	var m wire.CompareClosed
	s.must(wire.Unmarshal(past[len(past)-1].answer, &m))
	v, err := orders.ParsePayload(m.Payload)
	s.must(err)
	v.Match = true
	payload, err = v.Payload()
	s.must(err)
	return payload, m.Signature
}

// turned is a verdict that a corrupt matcher makes of the custodian's signature.
func (s *stage) turned() []byte {
	s.T.Helper()
	payload, theirs := s.yes()
	own, err := orders.SignVerdict(s.MatcherRole.Signers, payload, s.Clock.Now())
	s.must(err)
	verdict, err := orders.CombineVerdict(payload, own, theirs)
	s.must(err)
	return verdict
}

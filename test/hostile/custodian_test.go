package hostile_test

import (
	"context"
	"time"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/dcf"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// openedBy, startedBy and closedBy are tricks on what the custodian answers.
func (s *stage) openedBy(change func(*wire.SessionOpened)) *trick {
	return answering(s, seal.Matcher, seal.Custodian, wire.CustodianOpen, change)
}

func (s *stage) startedBy(change func(*wire.CompareStarted)) *trick {
	return answering(s, seal.Matcher, seal.Custodian, wire.CustodianStart, change)
}

func (s *stage) closedBy(change func(*wire.CompareClosed)) *trick {
	return answering(s, seal.Matcher, seal.Custodian, wire.CustodianClose, change)
}

// custodianAttacks are a corrupt custodian's on sessions, comparisons and orders.
func custodianAttacks() []attack {
	row := func(tried string, code fault.Code, did string, play func(s *stage)) attack {
		return attack{who: "custodian", tried: tried, server: "matcher", code: code, did: did, play: play}
	}
	opened := func(tried string, code fault.Code, change func(s *stage, m *wire.SessionOpened)) attack {
		return row(tried, code, "", func(s *stage) {
			s.openedBy(func(m *wire.SessionOpened) { change(s, m) })
			_, err := s.genuine()
			s.fails(err, code)
		})
	}
	started := func(tried string, code fault.Code, change func(s *stage, m *wire.CompareStarted)) attack {
		a := row(tried, code, "no verdict; counted", func(s *stage) {
			s.startedBy(func(m *wire.CompareStarted) { change(s, m) })
			_, err := s.impostor()
			s.fails(err, code)
		})
		a.alarm = code == fault.Tampered
		return a
	}
	closed := func(tried string, code fault.Code, change func(s *stage, m *wire.CompareClosed)) attack {
		a := row(tried, code, "no verdict; counted", func(s *stage) {
			s.closedBy(func(m *wire.CompareClosed) { change(s, m) })
			_, err := s.impostor()
			s.fails(err, code)
		})
		a.alarm = code.Class() == fault.Tamper
		return a
	}
	return []attack{
		opened("answers under another session's signature", fault.BadSignature, func(s *stage, m *wire.SessionOpened) {
			past := s.past(wire.CustodianOpen)
			var old wire.SessionOpened
			s.must(wire.Unmarshal(past[len(past)-2].answer, &old))
			m.Signature = old.Signature
		}),
		opened("changes its nonce", fault.BadSignature, func(_ *stage, m *wire.SessionOpened) { m.Nonce[0] ^= 1 }),
		opened("gives the session a day", fault.OutOfRange, func(s *stage, m *wire.SessionOpened) { s.signAnswer(m, 24*time.Hour) }),
		opened("gives the session no time", fault.OutOfRange, func(s *stage, m *wire.SessionOpened) { s.signAnswer(m, -time.Second) }),
		opened("certifies its key under no identity", fault.Truncated, func(_ *stage, m *wire.SessionOpened) { m.Signature.Certificate = nil }),
		{who: "custodian", tried: "gives the client a key that nobody certified", server: "the client", code: fault.BadCertificate, play: func(s *stage) {
			s.openedBy(func(m *wire.SessionOpened) {
				m.Certificate = append([]byte{}, m.Certificate...)
				m.Certificate[len(m.Certificate)-1] ^= 1
				s.signAnswer(m, 3*time.Minute)
			})
			_, err := s.open(s.soon(), s.ask(s.rps[0], s.alma(), nil))
			s.fails(err, fault.BadCertificate, fault.BadSignature)
		}},
		started("adds to its part of the sum", fault.Tampered, func(_ *stage, m *wire.CompareStarted) { m.Checks[0].Z++ }),
		started("changes a MAC", fault.Tampered, func(_ *stage, m *wire.CompareStarted) { m.Checks[1].G ^= 1 << 40 }),
		started("flips a bit of its share, unlike what it computes with", fault.Tampered, func(_ *stage, m *wire.CompareStarted) { m.Checks[0].C[1] ^= 4 }),
		started("answers fewer checks than it was asked", fault.BadDimension, func(_ *stage, m *wire.CompareStarted) { m.Checks = m.Checks[:1] }),
		started("answers with a share of another length", fault.BadDimension, func(_ *stage, m *wire.CompareStarted) {
			m.Checks[0].C = make(code.Code, 2*len(m.Checks[0].C))
		}),
		started("answers as it did in another session", fault.Tampered, func(s *stage, m *wire.CompareStarted) {
			past := s.past(wire.CustodianStart)
			s.must(wire.Unmarshal(past[len(past)-2].answer, m))
		}),
		alarming(row("computes with a looser bound, and shifts its part of the sum to fit", fault.Tampered, "no verdict; counted", func(s *stage) {
			_, err := s.loosely(s.soon(), seal.Custodian, s.alma(), s.Code(s.alma()))
			s.fails(err, fault.Tampered)
		})),
		closed("guesses a share of beta", fault.Tampered, func(s *stage, m *wire.CompareClosed) {
			m.Checks[0] = dcf.Block{Lo: s.rng.Uint64(), Hi: s.rng.Uint64()}
		}),
		closed("closes with another session's share", fault.Tampered, func(s *stage, m *wire.CompareClosed) {
			past := s.past(wire.CustodianClose)
			var old wire.CompareClosed
			s.must(wire.Unmarshal(past[len(past)-2].answer, &old))
			m.Checks = old.Checks
		}),
		closed("closes fewer checks than there are", fault.BadDimension, func(_ *stage, m *wire.CompareClosed) { m.Checks = m.Checks[1:] }),
		closed("signs a yes where the comparison said no", fault.Tampered, func(s *stage, m *wire.CompareClosed) {
			s.signVerdict(m, func(v *orders.Verdict) { v.Match = true })
		}),
		closed("signs the verdict of another session", fault.Tampered, func(s *stage, m *wire.CompareClosed) {
			past := s.past(wire.CustodianClose)
			var old wire.CompareClosed
			s.must(wire.Unmarshal(past[len(past)-2].answer, &old))
			m.Payload, m.Signature = old.Payload, old.Signature
		}),
		closed("dates the verdict tomorrow", fault.NotYetValid, func(s *stage, m *wire.CompareClosed) {
			s.signVerdict(m, func(v *orders.Verdict) {
				v.IssuedAt, v.Expiry = v.IssuedAt.Add(24*time.Hour), v.Expiry.Add(24*time.Hour)
			})
		}),
		closed("signs for another relying party", fault.Tampered, func(s *stage, m *wire.CompareClosed) {
			s.signVerdict(m, func(v *orders.Verdict) { v.RP = secondParty })
		}),
		closed("does not sign", fault.BadEncoding, func(_ *stage, m *wire.CompareClosed) { m.Signature = nil }),
		row("keeps the outcome that it knows to itself", fault.Cancelled, "no verdict; counted", func(s *stage) {
			s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: wire.CustodianClose, play: func(c *call) ([]byte, error) {
				_, err := c.forward(c.request)
				s.must(err)
				return nil, fault.New(fault.Cancelled, "kept")
			}})
			_, err := s.genuine()
			s.fails(err, fault.Cancelled)
		}),
		row("does not answer at all", fault.Cancelled, "waits as long as its caller does; counted", func(s *stage) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: wire.CustodianStart, play: func(c *call) ([]byte, error) {
				cancel() // the client has had enough
				<-c.ctx.Done()
				return nil, c.ctx.Err()
			}})
			v := s.visits(0, s.alma())
			s.no(s.send(ctx, v, s.probe(v, s.near(s.alma()))))
		}),
		row("answers with a fault that there is not", fault.PeerFault, "", func(s *stage) {
			s.answerFault(wire.CustodianStart, "made_up")
			_, err := s.genuine()
			s.fails(err, fault.PeerFault)
		}),
		row("answers with a store's conflict, to have the matcher try again", fault.Conflict, "tries nothing again", func(s *stage) {
			s.answerFault(wire.CustodianStart, fault.Conflict)
			_, err := s.genuine()
			s.fails(err, fault.Conflict)
		}),
		row("says that it knows no channel", fault.UnknownChannel, "opens others", func(s *stage) {
			s.answerFault(wire.CustodianStart, fault.UnknownChannel)
			_, err := s.genuine()
			s.fails(err, fault.UnknownChannel)
		}),
		row("gives a delta of another length", fault.BadDimension, "", func(s *stage) {
			answering(s, seal.Matcher, seal.Custodian, wire.CustodianEnrol, func(m *wire.EnrolDelta) { m.Delta = make(code.Code, 1) })
			s.fails(s.enrol(s.soon(), s.bruno(), s.bruno()), fault.BadDimension)
			s.must(s.enrol(s.soon(), s.bruno(), s.bruno()))
		}),
		row("states something about another row", fault.WrongRequest, "", func(s *stage) {
			answering(s, seal.Matcher, seal.Custodian, wire.CustodianStored, func(m *wire.RowPromoted) {
				past := s.past(wire.CustodianStored)
				s.must(wire.Unmarshal(past[len(past)-2].answer, m))
			})
			s.fails(s.enrol(s.soon(), s.bruno(), s.bruno()), fault.WrongRequest)
		}),
		row("states that it erased what it locked", fault.WrongRequest, "", func(s *stage) {
			answering(s, seal.Matcher, seal.Custodian, wire.CustodianOrder, func(m *wire.OrderDone) {
				var err error
				m.Statement, err = orders.SignStatement(s.CustodianRole.Signers, orders.Statement{Kind: orders.Erased, Order: canon.Digest{1}}, s.Clock.Now())
				s.must(err)
			})
			s.fails(s.deliver(s.soon(), s.order(orders.Lock, s.alma())), fault.WrongRequest)
			s.must(s.deliver(s.soon(), s.order(orders.Unlock, s.alma())))
		}),
		row("renews another row than it was asked", "", "counted as failed; the row stays", func(s *stage) {
			_, err := s.RotatePad(s.soon())
			s.must(err)
			answering(s, seal.Matcher, seal.Custodian, wire.CustodianRenew, func(m *wire.RenewDelta) { m.Counter++ })
			renewed, err := s.Matcher.Renew(s.soon(), &wire.RenewRequest{Limit: 10})
			s.must(err)
			if renewed.Failed != 1 || renewed.Renewed != 1 {
				s.T.Errorf("%+v", renewed)
			}
			_, err = s.Matcher.Renew(s.soon(), &wire.RenewRequest{Limit: 10})
			s.must(err)
		}),
	}
}

// signAnswer has the corrupt custodian sign the answer to the last request anew.
func (s *stage) signAnswer(m *wire.SessionOpened, lasts time.Duration) {
	s.T.Helper()
	opening := s.opening(nil)
	r, err := orders.ParseRequest(opening.Request)
	s.must(err)
	expiry := s.Clock.Now().Add(lasts)
	m.Expiry = uint64(expiry.Unix())
	answer := orders.Answer{
		Request: r.Hash(), Nonces: [2]orders.Nonce{orders.Nonce(opening.Nonce0()), orders.Nonce(m.Nonce)},
		Model: r.Model, Policy: r.Policy, Expiry: expiry, Recipients: [2][]byte{opening.Certificate, m.Certificate},
	}
	signature, err := s.CustodianRole.Signers.Sign(s.Clock.Now(), answer.Bytes())
	s.must(err)
	m.Signature = wire.Signature{Certificate: signature.Cert, Value: signature.Value}
}

// signVerdict has the corrupt custodian sign another verdict than it worked out.
func (s *stage) signVerdict(m *wire.CompareClosed, change func(*orders.Verdict)) {
	s.T.Helper()
	v, err := orders.ParsePayload(m.Payload)
	s.must(err)
	change(v)
	m.Payload, err = v.Payload()
	s.must(err)
	m.Signature, err = orders.SignVerdict(s.CustodianRole.Signers, m.Payload, s.Clock.Now())
	s.must(err)
}

// answerFault has the custodian answer the next call of a method with a code.
func (s *stage) answerFault(method wire.Method, c fault.Code) *trick {
	return s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: method, play: func(*call) ([]byte, error) {
		return reply(c, nil), nil
	}})
}

// custodianChannelAttacks are a corrupt custodian's on correlations.
func custodianChannelAttacks() []attack {
	row := func(tried string, code fault.Code, did string, t func(s *stage) *trick) attack {
		return attack{who: "custodian", tried: tried, server: "matcher", code: code, did: did, play: func(s *stage) {
			s.renewed(t(s))
			s.settle()
		}}
	}
	caught := func(tried string, code fault.Code, did string, t func(s *stage) *trick) attack {
		return attack{who: "custodian", tried: tried, server: "matcher", code: code, did: did, alarm: true, ends: true, play: func(s *stage) {
			s.renewed(t(s))
		}}
	}
	return []attack{
		caught("opens another coin than it committed to", fault.Tampered, "", func(s *stage) *trick {
			return answering(s, seal.Matcher, seal.Custodian, wire.CustodianReveal, func(m *wire.BatchRevealed) { m.Coin[31]++ })
		}),
		caught("opens other seeds than the dealer's", fault.PeerSeed, "", func(s *stage) *trick {
			return answering(s, seal.Matcher, seal.Custodian, wire.CustodianSacrifice, func(m *wire.BatchSacrificed) { m.Seeds[7][31] ^= 1 })
		}),
		caught("opens no seeds", fault.PeerSeed, "", func(s *stage) *trick {
			return answering(s, seal.Matcher, seal.Custodian, wire.CustodianSacrifice, func(m *wire.BatchSacrificed) { m.Seeds = nil })
		}),
		caught("says that the dealer cheated", fault.DealerCheated, "takes its word and stops, without evidence", func(s *stage) *trick {
			return s.answerFault(wire.CustodianToss, fault.DealerCheated)
		}),
		row("aborts a toss when it has seen the coin", fault.Cancelled, "the batch is discarded", func(s *stage) *trick {
			return s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: wire.CustodianReveal, play: func(*call) ([]byte, error) {
				return nil, fault.New(fault.Cancelled, "aborted")
			}})
		}),
		row("keeps its seeds when it has the matcher's", fault.Cancelled, "the batch is discarded", func(s *stage) *trick {
			return s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: wire.CustodianSacrifice, play: func(c *call) ([]byte, error) {
				_, err := c.forward(c.request)
				s.must(err)
				return nil, fault.New(fault.Cancelled, "aborted")
			}})
		}),
		row("answers an opening as it did another", fault.UnknownChannel, "another channel is opened", func(s *stage) *trick {
			return answering(s, seal.Matcher, seal.Custodian, wire.CustodianOpenChannel, func(m *wire.ChannelOpened) {
				past := s.past(wire.CustodianOpenChannel)
				s.must(wire.Unmarshal(past[0].answer, m))
			})
		}),
		{who: "custodian", tried: "asks the dealer for the matcher's halves", server: "dealer", code: fault.NotAllowed, play: func(s *stage) {
			past := s.past(wire.DealerBatch)
			var q wire.BatchRequest
			s.must(wire.Unmarshal(past[len(past)-1].request, &q))
			_, err := wire.DealerClient{Caller: s.as(seal.Dealer, wire.Peer{Role: seal.Custodian, Instance: q.Matcher})}.Batch(s.soon(), &q)
			s.fails(err, fault.NotAllowed)
		}},
	}
}

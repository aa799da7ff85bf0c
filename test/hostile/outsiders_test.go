package hostile_test

import (
	"bytes"
	"context"
	"sync"
	"time"

	"nod/crypto/canon"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/crypto/share"
	"nod/fault"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

func (s *stage) alma() world.Person  { return s.people[0] }
func (s *stage) bruno() world.Person { return s.people[1] }

// no holds an attempt to a no, or to being refused.
func (s *stage) no(match bool, err error) {
	s.T.Helper()
	if err == nil && match {
		s.T.Error("the attacker gets a yes")
	}
}

// fails holds a call to a code.
func (s *stage) fails(err error, want ...fault.Code) {
	s.T.Helper()
	for _, c := range want {
		if refused(err) == c {
			return
		}
	}
	s.T.Errorf("%v, want %v", refused(err), want)
}

// raw sends a body of any bytes as a call.
func (s *stage) raw(l wire.Caller, method wire.Method, body []byte) (fault.Code, []byte) {
	answer, err := l.Call(context.Background(), method, wrap(make([]byte, chainSize), body))
	if err != nil {
		return fault.CodeOf(err), nil
	}
	return unreply(answer)
}

// clientAttacks are those of a client that an attacker controls.
func clientAttacks() []attack {
	row := func(tried string, code fault.Code, did string, play func(s *stage)) attack {
		return attack{who: "client", tried: tried, server: "matcher", code: code, did: did, play: play}
	}
	return []attack{
		row("signs its probe with another key than the request names", fault.BadSignature, "", func(s *stage) {
			v, other := s.visits(0, s.alma()), s.ask(s.rps[0], s.alma(), nil)
			sealed0, sealed1 := s.seal(v, v.opened.Context(), s.near(s.alma()))
			s.no(s.send(s.soon(), v, s.sign(v, other.key, sealed0, sealed1, nil)))
		}),
		row("sends the probe of another session", fault.BadSignature, "", func(s *stage) {
			v, mine := s.visits(0, s.alma()), s.visits(0, s.bruno())
			p := s.probe(mine, s.near(s.bruno()))
			p.Session = v.opened.Session()
			s.no(s.send(s.soon(), v, p))
		}),
		row("signs ciphertexts that were sealed in another session", fault.BadCiphertext, "", func(s *stage) {
			v, old := s.visits(0, s.alma()), s.visits(0, s.alma())
			p := s.probe(old, s.near(s.alma()))
			s.no(s.send(s.soon(), v, s.sign(v, v.key, p.Sealed0, p.Sealed1, nil)))
		}),
		row("shows an enrolment's ciphertexts as a probe", fault.BadCiphertext, "", func(s *stage) {
			v := s.visits(0, s.alma())
			c := v.opened.Context()
			c.Kind = seal.Enrolment
			sealed0, sealed1 := s.seal(v, c, s.near(s.alma()))
			s.no(s.send(s.soon(), v, s.sign(v, v.key, sealed0, sealed1, nil)))
		}),
		{
			who: "client", tried: "sends the custodian a half that does not open, to see one server compare alone",
			server: "custodian", code: fault.BadCiphertext, did: "counted at the matcher",
			play: func(s *stage) {
				v := s.visits(0, s.alma())
				x := s.near(s.alma())
				sealed0, sealed1 := s.seal(v, v.opened.Context(), x)
				sealed1[len(sealed1)-1] ^= 1
				s.no(s.send(s.soon(), v, s.sign(v, v.key, sealed0, sealed1, x)))
			},
		},
		row("sends a half of the wrong length", fault.Truncated, "", func(s *stage) {
			v := s.visits(0, s.alma())
			sealed0, sealed1 := s.seal(v, v.opened.Context(), s.near(s.alma()))
			s.no(s.send(s.soon(), v, s.sign(v, v.key, sealed0[1:], sealed1, nil)))
		}),
		row("sends a field over its limit", fault.Oversize, "", func(s *stage) {
			m := wire.Marshal(&wire.ProbeRequest{Sealed0: make([]byte, wire.MaxSealed)})
			m = append(m[:canon32+2], append([]byte{0xff, 0xff}, m[canon32+4:]...)...) // the field's length
			code, _ := s.raw(direct{s.link("", seal.Matcher)}, wire.MatcherVerify, m)
			s.fails(fault.New(code, ""), fault.Oversize)
		}),
		row("compares before it opens a session", fault.UnknownSession, "", func(s *stage) {
			v := s.visits(0, s.alma())
			p := s.probe(v, s.near(s.alma()))
			p.Session = canon.SessionID(noise(s.rng, 32))
			s.no(s.send(s.soon(), v, p))
		}),
		row("compares when the session is over", fault.UnknownSession, "", func(s *stage) {
			v := s.visits(0, s.alma())
			p := s.probe(v, s.near(s.alma()))
			s.Clock.Advance(181 * time.Second)
			s.no(s.send(s.soon(), v, p))
		}),
		row("sends one probe eight times at once", fault.SessionUsed, "one comparison; the others get its verdict or are refused", eightAtOnce),
		row("sends a second probe when the first has its verdict", fault.SessionUsed, "", func(s *stage) {
			v := s.visits(0, s.alma())
			s.no(s.send(s.soon(), v, s.probe(v, s.near(s.bruno()))))
			s.no(s.send(s.soon(), v, s.probe(v, s.near(s.alma()))))
		}),
		row("sends a finished probe again", "", "the same verdict again", func(s *stage) {
			v := s.visits(0, s.alma())
			p := s.probe(v, s.near(s.alma()))
			first, err := s.Matcher.Verify(s.soon(), p)
			s.must(err)
			again, err := s.Matcher.Verify(s.soon(), p)
			s.must(err)
			if !bytes.Equal(first.Verdict, again.Verdict) {
				s.T.Error("two verdicts")
			}
		}),
		row("gives up in the middle of a comparison", fault.Cancelled, "counted at the matcher", func(s *stage) {
			v := s.visits(0, s.alma())
			ctx, cancel := context.WithCancel(context.Background())
			s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: wire.CustodianStart, play: func(*call) ([]byte, error) {
				cancel()
				return nil, ctx.Err()
			}})
			s.no(s.send(ctx, v, s.probe(v, s.near(s.alma()))))
		}),
		row("opens a session and is locked out before it shows the face", "", "a no like any other", func(s *stage) {
			v := s.visits(0, s.alma())
			s.must(s.deliver(s.soon(), s.order(orders.Lock, s.alma())))
			s.no(s.send(s.soon(), v, s.probe(v, s.near(s.alma()))))
			s.must(s.deliver(s.soon(), s.order(orders.Unlock, s.alma())))
		}),
		row("opens a session and is erased before it shows the face", "", "a no like any other", func(s *stage) {
			v := s.visits(0, s.alma())
			s.must(s.deliver(s.soon(), s.order(orders.Erase, s.alma())))
			s.no(s.send(s.soon(), v, s.probe(v, s.near(s.alma()))))
			s.must(s.enrol(s.soon(), s.alma(), s.alma()))
		}),
		row("shows a code that only a looser bound would take", "", "a no", func(s *stage) {
			s.no(s.show(s.soon(), 0, s.alma(), s.miss(s.Code(s.alma()))))
		}),
		{who: "client", tried: "calls every method of custodian and dealer itself", server: "custodian", code: fault.NotAllowed, play: callsEverything},
		{who: "client", tried: "calls the custodian in the dealer's role", server: "custodian", code: fault.NotAllowed, play: func(s *stage) {
			s.everyMethod(s.as(seal.Custodian, s.stranger(seal.Dealer)), "custodian/")
		}},
	}
}

// canon32 is the size of a digest.
const canon32 = 32

// eightAtOnce sends one probe eight times at once. While one of them is compared the
// others are refused.
func eightAtOnce(s *stage) {
	v := s.visits(0, s.alma())
	p := s.probe(v, s.near(s.alma()))
	inside, others := make(chan struct{}), make(chan struct{})
	s.lay(&trick{from: seal.Matcher, to: seal.Custodian, method: wire.CustodianStart, play: func(c *call) ([]byte, error) {
		close(inside)
		<-others
		return c.forward(c.request)
	}})
	var first sync.WaitGroup
	first.Go(func() {
		if match, err := s.send(s.soon(), v, p); err != nil || !match {
			s.T.Errorf("the one that was first: %v, %v", match, err)
		}
	})
	<-inside
	var rest sync.WaitGroup
	for range 7 {
		rest.Go(func() {
			if _, err := s.send(s.soon(), v, p); !fault.Is(err, fault.SessionUsed) {
				s.T.Errorf("another one meanwhile: %v", err)
			}
		})
	}
	rest.Wait()
	close(others)
	first.Wait()
}

func callsEverything(s *stage) {
	s.everyMethod(s.as(seal.Custodian, wire.Peer{}), "custodian/")
	s.everyMethod(s.as(seal.Dealer, wire.Peer{}), "dealer/")
}

// everyMethod makes every call of a role, with what was last heard of it. Nothing but
// the certificate may be answered.
func (s *stage) everyMethod(c wire.Caller, prefix string) {
	s.T.Helper()
	called := 0
	for method := range shapes() {
		past := s.past(method)
		if len(past) == 0 || len(method) < len(prefix) || string(method[:len(prefix)]) != prefix || method == wire.CustodianKeysMethod {
			continue
		}
		called++
		if code, _ := s.raw(c, method, past[len(past)-1].request); code != fault.NotAllowed {
			s.T.Errorf("%s answers %q", method, code)
		}
	}
	if called == 0 {
		s.T.Error("nothing was heard yet")
	}
}

// partyAttacks are those of a relying party, registered or not.
func partyAttacks() []attack {
	ask := func(tried string, code fault.Code, change func(s *stage, r *orders.Request)) attack {
		return attack{who: "relying party", tried: tried, server: "matcher", code: code, play: func(s *stage) {
			_, err := s.open(s.soon(), s.ask(s.rps[1], s.alma(), func(r *orders.Request) { change(s, r) }))
			s.fails(err, code)
		}}
	}
	return []attack{
		ask("asks in the name of another, with its own key", fault.UnknownKey, func(s *stage, r *orders.Request) { r.RP = s.rps[0].ID }),
		ask("asks without being registered", fault.UnknownParty, func(_ *stage, r *orders.Request) { r.RP = "nobody.example" }),
		ask("asks for a purpose that it may not ask for", fault.PurposeRefused, func(_ *stage, r *orders.Request) { r.Purpose = "advertising" }),
		ask("dates a request in the future", fault.NotYetValid, func(s *stage, r *orders.Request) {
			r.IssuedAt, r.Expiry = s.Clock.Now().Add(time.Minute), s.Clock.Now().Add(2*time.Minute)
		}),
		ask("makes a request that lasts", fault.OutOfRange, func(s *stage, r *orders.Request) { r.Expiry = s.Clock.Now().Add(time.Hour) }),
		ask("names a policy that no server has", fault.UnknownPolicy, func(_ *stage, r *orders.Request) { r.Policy[0] ^= 1 }),
		ask("names another model than the policy's", fault.WrongPolicy, func(_ *stage, r *orders.Request) { r.Model[0] ^= 1 }),
		{who: "relying party", tried: "holds a request back until it has expired", server: "matcher", code: fault.Expired, play: func(s *stage) {
			a := s.ask(s.rps[1], s.alma(), nil)
			s.Clock.Advance(orders.RequestWindow + orders.Skew + time.Second)
			_, err := s.open(s.soon(), a)
			s.fails(err, fault.Expired)
		}},
		{who: "relying party", tried: "uses one jti for two requests", server: "matcher", code: fault.Replayed, play: func(s *stage) {
			first := s.ask(s.rps[1], s.alma(), nil)
			_, err := s.open(s.soon(), first)
			s.must(err)
			_, err = s.open(s.soon(), s.ask(s.rps[1], s.bruno(), func(r *orders.Request) { r.JTI = first.jti }))
			s.fails(err, fault.Replayed)
		}},
		{who: "relying party", tried: "sends one request again", did: "the same session again", play: func(s *stage) {
			a := s.ask(s.rps[1], s.alma(), nil)
			first, err := s.open(s.soon(), a)
			s.must(err)
			again, err := s.open(s.soon(), a)
			s.must(err)
			if first.opened.Session() != again.opened.Session() {
				s.T.Error("two sessions")
			}
		}},
		{who: "relying party", tried: "flips each byte of a request in turn", server: "matcher", code: fault.BadSignature, play: func(s *stage) {
			a := s.ask(s.rps[1], s.alma(), nil)
			for i := 0; i < len(a.raw); i += 7 {
				bad := bytes.Clone(a.raw)
				bad[i] ^= 1 << s.rng.IntN(8)
				if _, err := s.Matcher.Open(s.soon(), &wire.OpenRequest{Request: bad}); err == nil {
					s.T.Errorf("byte %d does not count", i)
				}
			}
		}},
		{who: "relying party", tried: "takes another's yes for its own", server: "its auditor", code: fault.WrongRequest, play: func(s *stage) {
			v, mine := s.visits(0, s.alma()), s.ask(s.rps[1], s.alma(), nil)
			done, err := s.Matcher.Verify(s.soon(), s.probe(v, s.near(s.alma())))
			s.must(err)
			_, err = s.rps[1].Verdict(mine.raw, done.Verdict, s.Clock.Now())
			s.fails(err, fault.WrongRequest)
			_, err = s.rps[1].Verdict(v.raw, done.Verdict, s.Clock.Now())
			s.fails(err, fault.WrongParty)
		}},
	}
}

// stationAttacks are those of whoever holds a station's or no key.
func stationAttacks() []attack {
	row := func(tried string, code fault.Code, play func(s *stage)) attack {
		return attack{who: "station", tried: tried, server: "matcher", code: code, play: play}
	}
	return []attack{
		row("delivers an enrolment again", fault.StaleOrder, func(s *stage) {
			p, err := s.enrolment(s.soon(), s.alma(), s.alma())
			s.must(err)
			s.must(s.deliver(s.soon(), p))
			s.fails(s.deliver(s.soon(), p), fault.StaleOrder)
		}),
		row("delivers an enrolment after a newer one", fault.StaleOrder, func(s *stage) {
			wrong, err := s.enrolment(s.soon(), s.alma(), s.bruno())
			s.must(err)
			s.must(s.enrol(s.soon(), s.alma(), s.alma()))
			s.fails(s.deliver(s.soon(), wrong), fault.StaleOrder)
		}),
		row("delivers an enrolment when its time is over", fault.Expired, func(s *stage) {
			wrong, err := s.enrolment(s.soon(), s.alma(), s.bruno())
			s.must(err)
			s.Clock.Advance(6 * time.Minute)
			s.fails(s.deliver(s.soon(), wrong), fault.Expired)
		}),
		row("delivers other halves than it signed", fault.BadSignature, func(s *stage) {
			one, err := s.enrolment(s.soon(), s.alma(), s.alma())
			s.must(err)
			other, err := s.enrolment(s.soon(), s.alma(), s.bruno())
			s.must(err)
			one.enrolment.Sealed1 = other.enrolment.Sealed1
			s.fails(s.deliver(s.soon(), one), fault.BadSignature)
		}),
		row("signs with a key that is no station's", fault.UnknownKey, func(s *stage) { s.fails(s.forgedEnrolment(func(*orders.Enrolment) {}), fault.UnknownKey) }),
		row("signs for a station that nobody registered", fault.UnknownParty, func(s *stage) {
			s.fails(s.forgedEnrolment(func(e *orders.Enrolment) { e.Station = "counter-9" }), fault.UnknownParty)
		}),
		row("enrols what a client sealed as a probe", fault.BadCiphertext, func(s *stage) {
			v := s.visits(0, s.alma())
			sealed0, sealed1 := s.seal(v, v.opened.Context(), s.Code(s.bruno()))
			s.fails(s.signedEnrolment(sealed0, sealed1, nil), fault.BadCiphertext)
		}),
		row("enrols in a slot that no policy has", fault.OutOfRange, func(s *stage) {
			s.fails(s.signedEnrolment(noise(s.rng, 64), noise(s.rng, 64), func(e *orders.Enrolment) { e.Slot = wire.MaxSlots }), fault.OutOfRange)
		}),
		row("enrols for a model that no policy has", fault.UnknownModel, func(s *stage) {
			s.fails(s.signedEnrolment(noise(s.rng, 64), noise(s.rng, 64), func(e *orders.Enrolment) { e.Model[3] ^= 1 }), fault.UnknownModel)
		}),
		row("gives the bureau's orders with the station's key", fault.UnknownKey, func(s *stage) {
			now := s.Clock.Now()
			order, err := orders.SignOrder(s.Station.Key, &orders.Order{
				Kind: orders.Erase, Citizen: s.alma().Name, JTI: "abcdefghijklmnopqrstuvwxyz", IssuedAt: now, Expiry: now.Add(time.Hour),
			})
			s.must(err)
			s.fails(s.Deliver(order), fault.UnknownKey)
		}),
		row("holds an unlock back until the citizen has locked again", fault.StaleOrder, func(s *stage) {
			unlock := s.order(orders.Unlock, s.alma())
			s.must(s.deliver(s.soon(), s.order(orders.Lock, s.alma())))
			s.fails(s.deliver(s.soon(), unlock), fault.StaleOrder)
			s.no(s.show(s.soon(), 0, s.alma(), s.near(s.alma())))
			s.must(s.deliver(s.soon(), s.order(orders.Unlock, s.alma())))
		}),
	}
}

// forgedEnrolment delivers an order that is signed with a fresh key.
func (s *stage) forgedEnrolment(change func(*orders.Enrolment)) error {
	key, err := orders.NewPrivateKey("ES256")
	s.must(err)
	return s.enrolWith(key, noise(s.rng, 64), noise(s.rng, 64), change)
}

// signedEnrolment delivers any halves in an order that the station signs.
func (s *stage) signedEnrolment(sealed0, sealed1 []byte, change func(*orders.Enrolment)) error {
	return s.enrolWith(s.Station.Key, sealed0, sealed1, change)
}

func (s *stage) enrolWith(key *orders.PrivateKey, sealed0, sealed1 []byte, change func(*orders.Enrolment)) error {
	s.T.Helper()
	s.Clock.Advance(time.Second)
	now := s.Clock.Now()
	e := &orders.Enrolment{
		Station: s.Station.ID, Citizen: s.alma().Name, Model: s.Model.ID(), JTI: "abcdefghijklmnopqrstuvwxyz", IssuedAt: now, Expiry: now.Add(time.Minute),
	}
	if change != nil {
		change(e)
	}
	order, err := orders.SignEnrolment(key, e, sealed0, sealed1)
	s.must(err)
	_, err = s.Matcher.Enrol(s.soon(), &wire.EnrolRequest{Order: order, Sealed0: sealed0, Sealed1: sealed1})
	return err
}

// forge makes a seed of the attacker's choice, sealed to the custodian.
func (s *stage) forge(v *visit) (sealed1 []byte) {
	s.T.Helper()
	seed := prg.New()
	_ = share.Expand(&seed, s.Model.Bits())
	sealed1, err := seal.Seal(v.opened.Custodian, v.opened.Context(), seed[:])
	s.must(err)
	return sealed1
}

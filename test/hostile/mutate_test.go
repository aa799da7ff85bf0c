package hostile_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// lane is one direction of one link: what a corrupt role says there.
type lane struct {
	from, to seal.Role
	method   wire.Method
	answer   bool
}

// lanes are all that a corrupt party says.
func lanes(corrupt seal.Role) (out []lane) {
	add := func(from, to seal.Role, answer bool, methods ...wire.Method) {
		for _, m := range methods {
			out = append(out, lane{from, to, m, answer})
		}
	}
	session := []wire.Method{wire.CustodianOpen, wire.CustodianStart, wire.CustodianStart, wire.CustodianClose, wire.CustodianClose}
	rest := []wire.Method{
		wire.CustodianKeysMethod, wire.CustodianEnrol, wire.CustodianStored, wire.CustodianRenew, wire.CustodianOrder,
		wire.CustodianOpenChannel, wire.CustodianToss, wire.CustodianReveal, wire.CustodianSacrifice,
	}
	outer := []wire.Method{wire.MatcherOpen, wire.MatcherVerify, wire.MatcherKeys, wire.MatcherEnrol, wire.MatcherOrder}
	switch corrupt {
	case seal.Matcher:
		add(seal.Matcher, seal.Custodian, false, session...)
		add(seal.Matcher, seal.Custodian, false, rest...)
		add(seal.Matcher, seal.Dealer, false, wire.DealerBatch)
		add(outsider, seal.Matcher, true, outer...)
	case seal.Custodian:
		add(seal.Matcher, seal.Custodian, true, session...)
		add(seal.Matcher, seal.Custodian, true, rest...)
		add(seal.Custodian, seal.Dealer, false, wire.DealerBatch)
	case seal.Dealer:
		add(seal.Matcher, seal.Dealer, true, wire.DealerBatch)
		add(seal.Custodian, seal.Dealer, true, wire.DealerBatch)
	default:
		add(outsider, seal.Matcher, false, outer...)
		add(outsider, seal.Matcher, false, wire.MatcherOpen, wire.MatcherVerify, wire.MatcherVerify)
	}
	return out
}

// mutation is a random trick on a lane. It draws from a source of its own: the call
// that it waits for may be made in the background.
func (s *stage) mutation(rng *rand.Rand, l lane) *trick {
	rng = rand.New(rand.NewPCG(rng.Uint64(), 9))
	t := &trick{from: l.from, to: l.to, method: l.method}
	kind := rng.IntN(12)
	switch {
	case kind < 6:
		t.what = "changed"
		t.play = func(c *call) ([]byte, error) { return s.changed(rng, c, l.answer) }
	case kind == 6:
		t.what = "lost"
		t.play = func(c *call) ([]byte, error) {
			if l.answer {
				_, _ = c.forward(c.request)
			}
			return nil, fault.New(fault.Cancelled, "lost")
		}
	case kind == 7:
		t.what = "late"
		t.play = func(c *call) ([]byte, error) { return s.late(rng, c) }
	case kind == 8:
		t.what = "twice"
		t.play = func(c *call) ([]byte, error) { return s.twice(rng, c) }
	case kind == 9 && l.answer:
		t.what = "a fault"
		codes := []fault.Code{
			fault.Tampered, fault.DealerCheated, fault.UnknownChannel, fault.ChannelStopped, fault.Conflict, fault.NotFound,
			fault.SessionUsed, fault.PeerSeed, fault.RowMismatch, fault.Cancelled, "no_such_code", "",
		}
		t.play = func(*call) ([]byte, error) { return reply(codes[rng.IntN(len(codes))], nil), nil }
	case kind == 9 && l.from == seal.Matcher && l.to == seal.Custodian:
		t.what = "by another instance first"
		stranger := s.as(seal.Custodian, s.stranger(seal.Matcher))
		t.play = func(c *call) ([]byte, error) {
			_, _ = stranger.Call(c.ctx, c.method, bytes.Clone(c.request))
			return c.forward(c.request)
		}
	case kind == 10:
		t.what = "out of turn"
		t.play = func(c *call) ([]byte, error) {
			for range 1 + rng.IntN(3) {
				s.outOfTurn(rng, c)
			}
			return c.forward(c.request)
		}
	default:
		t.what = "noise"
		t.play = func(c *call) ([]byte, error) {
			if l.answer {
				_, _ = c.forward(c.request)
				return noise(rng, rng.IntN(300)), nil
			}
			return c.forward(noise(rng, rng.IntN(300)))
		}
	}
	t.what = fmt.Sprintf("%s of %s to %s: %s", map[bool]string{true: "answer", false: "request"}[l.answer], l.method, l.to, t.what)
	return t
}

// changed delivers a message of another content.
func (s *stage) changed(rng *rand.Rand, c *call, answer bool) ([]byte, error) {
	if !answer {
		chain, body, _ := unwrap(c.request)
		return c.forward(wrap(chain, s.another(rng, c.method, bytes.Clone(body), false)))
	}
	said, err := c.forward(c.request)
	if err != nil {
		return nil, err
	}
	code, body := unreply(said)
	if code != "" {
		return said, nil
	}
	return reply("", s.another(rng, c.method, bytes.Clone(body), true)), nil
}

// another is a changed body.
func (s *stage) another(rng *rand.Rand, method wire.Method, body []byte, answer bool) []byte {
	switch rng.IntN(9) {
	case 0:
		if len(body) > 0 {
			body[rng.IntN(len(body))] ^= 1 << rng.IntN(8)
		}
		return body
	case 1:
		return body[:rng.IntN(len(body)+1)]
	case 2:
		return append(body, noise(rng, 1+rng.IntN(64))...)
	case 3:
		if len(body) >= 4 { // perhaps a length
			copy(body[rng.IntN(len(body)-3):], []byte{0xff, 0xff, 0xff, 0xff})
		}
		return body
	case 4:
		if old := s.older(rng, method, answer); old != nil {
			return old
		}
	}
	m := shapes()[method].request()
	if answer {
		m = shapes()[method].answer()
	}
	if wire.Unmarshal(body, m) != nil {
		return body
	}
	if old := s.older(rng, method, answer); old != nil && rng.IntN(3) == 0 {
		o := shapes()[method].request()
		if answer {
			o = shapes()[method].answer()
		}
		if wire.Unmarshal(old, o) == nil {
			graft(rng, m, o)
			return encode(rng, m)
		}
	}
	for range 1 + rng.IntN(2) {
		bend(rng, m)
	}
	return encode(rng, m)
}

// older is what was said in an earlier call of a method.
func (s *stage) older(rng *rand.Rand, method wire.Method, answer bool) []byte {
	past := s.past(method)
	if len(past) == 0 {
		return nil
	}
	h := past[rng.IntN(len(past))]
	if answer {
		return bytes.Clone(h.answer)
	}
	return bytes.Clone(h.request)
}

// late delivers a call after a while, or not at all.
func (s *stage) late(rng *rand.Rand, c *call) ([]byte, error) {
	wait := time.Duration(rng.IntN(20)) * time.Millisecond
	select {
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	case <-time.After(wait):
	}
	if rng.IntN(2) == 0 {
		return nil, context.DeadlineExceeded
	}
	return c.forward(c.request)
}

// twice delivers a call twice, one after the other or at once, and gives one of the
// answers.
func (s *stage) twice(rng *rand.Rand, c *call) ([]byte, error) {
	var answers [2][]byte
	var errs [2]error
	if rng.IntN(2) == 0 {
		for i := range answers {
			answers[i], errs[i] = c.forward(bytes.Clone(c.request))
		}
	} else {
		var both sync.WaitGroup
		for i := range answers {
			both.Go(func() { answers[i], errs[i] = c.forward(bytes.Clone(c.request)) })
		}
		both.Wait()
	}
	i := rng.IntN(2)
	return answers[i], errs[i]
}

// outOfTurn makes some other call to the same server first, about the same session,
// channel or row, or one that was made before.
func (s *stage) outOfTurn(rng *rand.Rand, c *call) {
	var methods []wire.Method
	for method := range shapes() {
		if len(method) > len(c.link.to) && method[:len(c.link.to)] == wire.Method(c.link.to) {
			methods = append(methods, method)
		}
	}
	// The order of a map is not the seed's.
	sortMethods(methods)
	method := methods[rng.IntN(len(methods))]
	body := s.older(rng, method, false)
	if body == nil {
		return
	}
	m := shapes()[method].request()
	if wire.Unmarshal(body, m) == nil && rng.IntN(2) == 0 {
		_, now, _ := unwrap(c.request)
		o := shapes()[c.method].request()
		if wire.Unmarshal(now, o) == nil {
			graftNames(m, o)
			body = encode(rng, m)
		}
	}
	_, _ = c.link.forward(c.ctx, method, wrap(make([]byte, chainSize), body))
}

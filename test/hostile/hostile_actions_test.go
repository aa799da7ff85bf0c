package hostile_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"nod/crypto/seal"
	"nod/orders"
	"nod/wire"
)

func only(roles ...seal.Role) []seal.Role { return roles }

func hostileActions() []action {
	return []action{
		{weight: 10, play: (*fuzzer).tamper},
		{weight: 10, only: only(seal.Matcher, seal.Custodian, seal.Dealer), play: (*fuzzer).tamper},
		{weight: 6, play: (*fuzzer).hostileRequest},
		{weight: 6, play: (*fuzzer).hostileProbe},
		{weight: 4, play: (*fuzzer).repeatToMatcher},
		{weight: 4, play: (*fuzzer).trespass},
		{weight: 3, play: (*fuzzer).atOnce},
		{weight: 10, only: only(seal.Matcher), play: (*fuzzer).bentMatcher},
		{weight: 10, only: only(seal.Matcher), play: (*fuzzer).ownCalls},
		{weight: 10, only: only(seal.Custodian), play: (*fuzzer).bentCustodian},
		{weight: 3, only: only(seal.Dealer), play: (*fuzzer).bentDealer},
		{weight: 2, only: only(seal.Matcher, seal.Custodian), play: (*fuzzer).loose},
	}
}

// tamper lays a random mutation in wait and makes something happen.
func (f *fuzzer) tamper() string {
	all := lanes(f.corrupt)
	l := all[f.rng.IntN(len(all))]
	t := f.lay(f.mutation(f.rng, l))
	return t.what + "; " + f.happen(l.method)
}

// happen plays something in which a method is called.
func (f *fuzzer) happen(method wire.Method) string {
	ctx, cancel := f.patience()
	defer cancel()
	who := f.someone()
	switch method {
	case wire.CustodianEnrol, wire.CustodianStored, wire.MatcherEnrol, wire.MatcherKeys, wire.CustodianKeysMethod:
		return "enrol: " + result(false, f.enrol(ctx, who, f.someone()))
	case wire.CustodianOrder, wire.MatcherOrder:
		kinds := []orders.OrderKind{orders.Lock, orders.Unlock, orders.Unlock, orders.Erase}
		return "order: " + result(false, f.deliver(ctx, f.order(kinds[f.rng.IntN(len(kinds))], who)))
	case wire.CustodianRenew:
		_, err := f.RotatePad(ctx)
		if err == nil {
			_, err = f.Matcher.Renew(ctx, &wire.RenewRequest{Limit: 16})
		}
		return "renew: " + result(false, err)
	case wire.CustodianOpenChannel, wire.CustodianToss, wire.CustodianReveal, wire.CustodianSacrifice, wire.DealerBatch:
		f.lose()
		f.restock()
		return "new channels"
	}
	x, what := f.face(who)
	return "verify with " + what + ": " + result(f.show(ctx, f.rng.IntN(2), who, x))
}

// hostileRequest sends a request that must not open a session.
func (f *fuzzer) hostileRequest() string {
	ctx, cancel := f.patience()
	defer cancel()
	who, rp := f.someone(), f.rps[f.rng.IntN(2)]
	switch f.rng.IntN(5) {
	case 0:
		late := f.ask(rp, who, nil)
		f.Clock.Advance(orders.RequestWindow + orders.Skew + time.Duration(1+f.rng.IntN(60))*time.Second)
		_, err := f.open(ctx, late)
		return "a late request: " + result(false, err)
	case 1:
		first := f.ask(rp, who, nil)
		_, err1 := f.open(ctx, first)
		_, err2 := f.open(ctx, f.ask(rp, f.someone(), func(r *orders.Request) { r.JTI = first.jti }))
		return "a jti twice: " + result(false, err1) + ", " + result(false, err2)
	case 2:
		a := f.ask(rp, who, nil)
		bad := bytes.Clone(a.raw)
		bad[f.rng.IntN(len(bad))] ^= 1 << f.rng.IntN(8)
		_, err := f.Matcher.Open(ctx, &wire.OpenRequest{Request: bad})
		return "a changed request: " + result(false, err)
	case 3:
		key, err := orders.NewPrivateKey("ES256")
		f.must(err)
		now := f.Clock.Now()
		forged, err := orders.SignRequest(key, &orders.Request{
			RP: rp.ID, Citizen: who.Name, Purpose: rp.Purpose, Consent: "none", Model: rp.Model, Policy: rp.Policy,
			Client: key.Public(), JTI: rand.Text(), IssuedAt: now, Expiry: now.Add(time.Minute),
		})
		f.must(err)
		_, err = f.Matcher.Open(ctx, &wire.OpenRequest{Request: forged})
		return "a forged request: " + result(false, err)
	}
	a := f.ask(rp, who, nil)
	first, err := f.open(ctx, a)
	_, err2 := f.open(ctx, a)
	if err == nil {
		f.visits = append(f.visits, first)
	}
	return "a request twice: " + result(false, err) + ", " + result(false, err2)
}

// hostileProbe uses a session otherwise than a client does.
func (f *fuzzer) hostileProbe() string {
	v := f.visit()
	if v == nil {
		return "no session to abuse"
	}
	ctx, cancel := f.patience()
	defer cancel()
	x, _ := f.face(f.someone())
	p := f.probe(v, x)
	what := ""
	switch f.rng.IntN(6) {
	case 0:
		what = "signed with another key"
		key, err := orders.NewPrivateKey("EdDSA")
		f.must(err)
		p = f.sign(v, key, p.Sealed0, p.Sealed1, nil)
	case 1:
		what = "as an enrolment"
		c := v.opened.Context()
		c.Kind = seal.Enrolment
		sealed0, sealed1 := f.seal(v, c, x)
		p = f.sign(v, v.key, sealed0, sealed1, x)
	case 2:
		what = "in another session"
		if other, ok := pick(f, &f.visits); ok {
			p.Session = other.opened.Session()
			f.visits = append(f.visits, other)
		}
	case 3:
		what = "with a field changed"
		bend(f.rng, p)
	case 4:
		what = "with a half of another session"
		if len(f.probes) > 0 {
			old := f.probes[f.rng.IntN(len(f.probes))]
			p = f.sign(v, v.key, p.Sealed0, old.Sealed1, x)
		}
	case 5:
		what = "twice, the second another"
		_, _ = f.send(ctx, v, p)
		p = f.probe(v, x)
	}
	if f.rng.IntN(3) == 0 {
		f.visits = append(f.visits, v)
	}
	if len(p.Sealed0) > wire.MaxSealed || len(p.Sealed1) > wire.MaxSealed {
		return "a probe that is too large to say"
	}
	return "a probe " + what + ": " + result(f.send(ctx, v, p))
}

// repeatToMatcher makes an earlier call to the matcher again, changed or not.
func (f *fuzzer) repeatToMatcher() string {
	methods := []wire.Method{wire.MatcherOpen, wire.MatcherVerify, wire.MatcherEnrol, wire.MatcherOrder, wire.MatcherKeys}
	return f.repeat(direct{f.link("", seal.Matcher)}, methods, "the matcher")
}

// repeat makes an earlier call of one of some methods again.
func (f *fuzzer) repeat(to wire.Caller, methods []wire.Method, name string) string {
	method := methods[f.rng.IntN(len(methods))]
	body := f.older(f.rng, method, false)
	if body == nil {
		return "nothing to repeat"
	}
	changed := f.rng.IntN(2) == 0
	if changed {
		body = f.another(f.rng, method, body, false)
	}
	ctx, cancel := f.patience()
	defer cancel()
	answer, err := to.Call(ctx, method, wrap(make([]byte, chainSize), body))
	code, _ := unreply(answer)
	return fmt.Sprintf("call %s of %s again, changed %v: %q %v", method, name, changed, code, err)
}

// inner are the methods of custodian and dealer.
func inner() []wire.Method {
	return []wire.Method{
		wire.CustodianOpen, wire.CustodianStart, wire.CustodianClose, wire.CustodianEnrol, wire.CustodianStored, wire.CustodianRenew,
		wire.CustodianOrder, wire.CustodianOpenChannel, wire.CustodianToss, wire.CustodianReveal, wire.CustodianSacrifice,
	}
}

// trespass calls custodian or dealer as somebody who may not.
func (f *fuzzer) trespass() string {
	role := outsider
	if f.corrupt == seal.Dealer || f.corrupt == seal.Custodian {
		role = f.corrupt
	}
	if f.rng.IntN(4) == 0 {
		return f.repeat(f.as(seal.Dealer, f.stranger(role)), []wire.Method{wire.DealerBatch}, "the dealer, as a stranger")
	}
	return f.repeat(f.as(seal.Custodian, f.stranger(role)), inner(), "the custodian, as a stranger")
}

// atOnce sends one probe several times at once: one comparison, one verdict.
func (f *fuzzer) atOnce() string {
	v := f.visit()
	if v == nil {
		return "no session to use"
	}
	ctx, cancel := f.patience()
	defer cancel()
	x, _ := f.face(f.someone())
	p := f.probe(v, x)
	results := make([]string, 3)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i] = result(f.send(ctx, v, p)) })
	}
	all.Wait()
	return fmt.Sprintf("one probe three times at once: %v", results)
}

// ownCalls has a corrupt matcher, or another instance of it, make calls by itself.
func (f *fuzzer) ownCalls() string {
	if f.rng.IntN(3) == 0 {
		return f.repeat(f.as(seal.Custodian, f.stranger(seal.Matcher)), inner(), "the custodian, as another instance")
	}
	if f.rng.IntN(6) == 0 {
		return f.repeat(f.as(seal.Dealer, f.stranger(seal.Matcher)), []wire.Method{wire.DealerBatch}, "the dealer, as another instance")
	}
	return f.repeat(direct{f.link(seal.Matcher, seal.Custodian)}, inner(), "the custodian")
}

// loose plays the shift that only the MAC is against.
func (f *fuzzer) loose() string {
	who := f.someone()
	honest := f.servers()[0]
	templates := f.templates(honest, who.Name.Reveal())
	if len(templates) == 0 {
		return "nobody to shift"
	}
	ctx, cancel := f.patience()
	defer cancel()
	return "compute with a looser bound: " + result(f.loosely(ctx, f.corrupt, who, templates[0]))
}

// play verifies under tricks that are laid, and says how it ends.
func (f *fuzzer) play(what string) string {
	ctx, cancel := f.patience()
	defer cancel()
	who := f.someone()
	x, shown := f.face(who)
	return what + "; verify with " + shown + ": " + result(f.show(ctx, f.rng.IntN(2), who, x))
}

// bentDealer signs what it should not.
func (f *fuzzer) bentDealer() string {
	what := ""
	switch f.rng.IntN(4) {
	case 0, 1:
		what = "another list for the custodian"
		i := f.rng.IntN(32)
		f.deals(seal.Custodian, func(q *wire.BatchRequest, m *wire.BatchAnswer) {
			if len(m.Halves) > i {
				spoil(m, 1, i)
				f.signList(q, m)
			}
		})
	case 2:
		what = "everything spoilt"
		f.spoilAll()
	case 3:
		what = "a half that is not in the list"
		f.deals(seal.Custodian, func(_ *wire.BatchRequest, m *wire.BatchAnswer) { m.Halves[0].Seed[0] ^= 1 })
	}
	return what + "; " + f.happen(wire.DealerBatch)
}

package hostile_test

import (
	"context"
	"fmt"
	"time"

	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/crypto/share"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

// actions are everything that the fuzzer does.
func actions() []action {
	return append(honestActions(), hostileActions()...)
}

// someone is a citizen at random.
func (f *fuzzer) someone() world.Person { return f.people[f.rng.IntN(len(f.people))] }

// face is a code to show: a citizen's, anybody's, or where a spoilt correlation
// cannot turn it, one just beyond the bound.
func (f *fuzzer) face(who world.Person) (code.Code, string) {
	// Whoever's face is enrolled under the name.
	template := f.Code(who)
	if held := f.ledger.newest(who.Name.Reveal()); held != nil {
		template = held
	}
	switch n := f.rng.IntN(9); {
	case n < 5:
		return template, "itself"
	case n < 7:
		return f.near(f.someone()), "somebody"
	case n == 7 && f.corrupt != seal.Dealer:
		return f.miss(template), "just beyond"
	}
	return share.Random(f.Model.Bits()), "noise"
}

// visit is a session to use: one that is open, or a new one.
func (f *fuzzer) visit() *visit {
	if v, ok := pick(f, &f.visits); ok {
		return v
	}
	ctx, cancel := f.patience()
	defer cancel()
	v, err := f.open(ctx, f.ask(f.rps[f.rng.IntN(2)], f.someone(), nil))
	if err != nil {
		return nil
	}
	return v
}

// name is a citizen's number: actions are logged.
func (f *fuzzer) name(p world.Person) int {
	for i := range f.people {
		if f.people[i].Name.Reveal() == p.Name.Reveal() {
			return i
		}
	}
	return -1
}

// pick takes one of a list out at random.
func pick[E any](f *fuzzer, list *[]E) (e E, ok bool) {
	if len(*list) == 0 {
		return e, false
	}
	i := f.rng.IntN(len(*list))
	e = (*list)[i]
	*list = append((*list)[:i:i], (*list)[i+1:]...)
	return e, true
}

func honestActions() []action {
	return []action{
		{weight: 9, play: func(f *fuzzer) string {
			who := f.someone()
			x, what := f.face(who)
			return fmt.Sprintf("verify %d, who shows %s: %s", f.name(who), what, f.verify(f.rng.IntN(2), who, x))
		}},
		{weight: 5, play: func(f *fuzzer) string {
			who := f.someone()
			ctx, cancel := f.patience()
			defer cancel()
			v, err := f.open(ctx, f.ask(f.rps[f.rng.IntN(2)], who, nil))
			if err == nil {
				f.visits = append(f.visits, v)
			}
			return fmt.Sprintf("open a session for %d: %v", f.name(who), result(false, err))
		}},
		{weight: 6, play: func(f *fuzzer) string {
			v := f.visit()
			if v == nil {
				return "no session to use"
			}
			x, what := f.face(f.someone())
			ctx, cancel := f.patience()
			defer cancel()
			p := f.probe(v, x)
			f.probes = append(f.probes, p)
			return fmt.Sprintf("use a session, showing %s: %s", what, result(f.send(ctx, v, p)))
		}},
		{weight: 4, play: func(f *fuzzer) string {
			name, face := f.someone(), f.someone()
			ctx, cancel := f.patience()
			defer cancel()
			p, err := f.enrolment(ctx, name, face)
			if err != nil {
				return "an enrolment without keys: " + result(false, err)
			}
			if f.rng.IntN(4) == 0 {
				f.papers = append(f.papers, p)
				return fmt.Sprintf("sign an enrolment of %d as %d", f.name(face), f.name(name))
			}
			return fmt.Sprintf("enrol %d as %d: %s", f.name(face), f.name(name), result(false, f.deliver(ctx, p)))
		}},
		{weight: 3, play: func(f *fuzzer) string {
			kinds := []orders.OrderKind{orders.Lock, orders.Unlock, orders.Unlock, orders.Unlock, orders.Erase}
			p := f.order(kinds[f.rng.IntN(len(kinds))], f.someone())
			if f.rng.IntN(3) == 0 {
				f.papers = append(f.papers, p)
				return "sign: " + string(p.kind)
			}
			ctx, cancel := f.patience()
			defer cancel()
			return fmt.Sprintf("%s: %s", p.kind, result(false, f.deliver(ctx, p)))
		}},
		{weight: 4, play: func(f *fuzzer) string {
			p, ok := pick(f, &f.papers)
			if !ok {
				return "no order to deliver"
			}
			ctx, cancel := f.patience()
			defer cancel()
			return fmt.Sprintf("deliver what was held back (%s): %s", p.kind, result(false, f.deliver(ctx, p)))
		}},
		{weight: 2, play: func(f *fuzzer) string {
			ctx, cancel := f.patience()
			defer cancel()
			if f.rng.IntN(2) == 0 {
				if _, err := f.RotatePad(ctx); err != nil {
					return "rotate: " + result(false, err)
				}
			}
			_, err := f.Matcher.Renew(ctx, &wire.RenewRequest{Limit: 16})
			return "renew: " + result(false, err)
		}},
		{weight: 4, play: func(f *fuzzer) string {
			by := []time.Duration{time.Second, 20 * time.Second, 100 * time.Second, 181 * time.Second, 10 * time.Minute, 50 * time.Minute}
			d := by[f.rng.IntN(len(by))]
			f.Clock.Advance(d)
			if err := f.Maintain(context.Background()); err != nil {
				f.watch.violated("maintenance fails: %v", err)
			}
			return fmt.Sprintf("%s later", d)
		}},
		{weight: 1, play: func(f *fuzzer) string {
			f.lose()
			f.restock()
			return "the matcher opens new channels"
		}},
	}
}

// restock waits a while for correlations.
func (f *fuzzer) restock() {
	for range 100 {
		if f.Source.Stats().Stock >= 24 || f.Source.Stats().Stopped {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

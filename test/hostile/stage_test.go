package hostile_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"nod/admit"
	"nod/channel"
	"nod/client"
	"nod/crypto/code/codetest"
	"nod/crypto/compare/cut"
	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
	"nod/keyring"
	"nod/orders"
	"nod/store"
	"nod/test/world"
	"nod/wire"
)

// outsider is the corrupt party where no role is: clients, relying parties,
// stations.
const outsider seal.Role = ""

// stage is a deployment with one corrupt party. The attacker stands on every link
// on which that party speaks; everything that the others hold or say is watched.
type stage struct {
	*world.World
	corrupt seal.Role
	rng     *rand.Rand
	bound   int32        // of the match check
	limits  admit.Limits // of both servers
	people  []world.Person
	rps     []*client.RelyingParty
	links   map[[2]seal.Role]*link
	stores  map[seal.Role]store.Store
	dealer  keyring.Keyring
	watch   *watch
	ledger  *ledger
	journal *journal

	mu     sync.Mutex
	tricks []*trick
	heard  map[wire.Method][]heard // what passed, the newest last
}

// The relying parties: the one of package dev, and one more.
const secondParty = "shop.example"

// references are what the citizens are called: strings that occur nowhere by
// accident.
func references() []string { return []string{"citizen-Qx7-alma", "citizen-Zw3-bruno"} }

// newStage opens a deployment with two citizens, both enrolled.
func newStage(t testing.TB, corrupt seal.Role, seed uint64, change func(*dev.Options)) *stage {
	t.Helper()
	s := &stage{
		corrupt: corrupt, rng: rand.New(rand.NewPCG(seed, 7)),
		links: map[[2]seal.Role]*link{}, stores: map[seal.Role]store.Store{},
		journal: new(journal), heard: map[wire.Method][]heard{},
	}
	s.watch, s.ledger = newWatch(s), newLedger(s)
	key, err := orders.NewPrivateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	shape := codetest.Shape{Dimension: 64, Bits: 256, MaxWeight: 7, Plausibility: true}
	s.World = world.New(t, shape, func(o *dev.Options) {
		o.Params = cut.Params{Batch: 32, Sacrifice: 8}
		o.Limits = generous()
		o.Log = s.journal.logger()
		o.Alarm = func(a channel.Alarm) { s.watch.alarm(a) }
		o.Caller = func(from, to seal.Role, c wire.Caller) wire.Caller {
			l := &link{s: s, from: from, to: to, next: c}
			s.links[[2]seal.Role{from, to}] = l
			return l
		}
		o.Store = func(role seal.Role, inner store.Store) store.Store {
			s.stores[role] = inner
			return inner
		}
		o.Keyring = func(role seal.Role, inner keyring.Keyring) keyring.Keyring {
			if role == seal.Dealer {
				s.dealer = inner
			}
			return inner
		}
		o.Parties = func(first orders.Parties) orders.Parties {
			return func(rp string) (orders.Party, bool) {
				if rp != secondParty {
					return first(rp)
				}
				return orders.Party{Keys: []*orders.PublicKey{key.Public()}, Purposes: []string{dev.Purpose}}, true
			}
		}
		if change != nil {
			change(o)
		}
		s.limits = o.Limits
	})
	s.World.Rand = rand.New(rand.NewPCG(seed, 8))
	s.bound = s.Plan.Steps[0].T
	second := *s.RP
	second.ID, second.Key = secondParty, key
	s.rps = []*client.RelyingParty{s.RP, &second}
	for _, name := range references() {
		p := s.Person(name)
		s.people = append(s.people, p)
		if err := s.enrol(context.Background(), p, p); err != nil {
			t.Fatal(err)
		}
		if match, err := s.show(context.Background(), 0, p, s.near(p)); err != nil || !match {
			t.Fatal(match, err)
		}
	}
	s.found(s.inspect())
	return s
}

// generous limits leave attacks room: what is counted is checked all the same.
func generous() admit.Limits {
	l := admit.Defaults()
	l.Consecutive, l.NoMatches, l.Answers = 60_000, 60_000, 60_000
	return l
}

// honest reports whether a server keeps to the protocol.
func (s *stage) honest(role seal.Role) bool { return role != s.corrupt }

// servers are the two that compare, as far as they are honest.
func (s *stage) servers() (out []seal.Role) {
	for _, role := range []seal.Role{seal.Matcher, seal.Custodian} {
		if s.honest(role) {
			out = append(out, role)
		}
	}
	return out
}

func (s *stage) desk(role seal.Role) *admit.Desk {
	if role == seal.Matcher {
		return s.MatcherRole.Desk
	}
	return s.CustodianRole.Desk
}

// link leads from one role to another.
func (s *stage) link(from, to seal.Role) *link { return s.links[[2]seal.Role{from, to}] }

// custodian is the custodian as this matcher instance reaches it, past every trick.
func (s *stage) custodian() wire.Custodian {
	return wire.CustodianClient{Caller: direct{s.link(seal.Matcher, seal.Custodian)}}
}

// as is the custodian or the dealer as some other peer reaches it.
func (s *stage) as(to seal.Role, p wire.Peer) wire.Caller {
	report := func(_ context.Context, method wire.Method, err error) { s.journal.add(to, method, err) }
	h := wire.ServeCustodian(s.CustodianRole, report)
	if to == seal.Dealer {
		h = wire.ServeDealer(s.DealerRole, report)
	}
	return direct{&link{s: s, from: p.Role, to: to, next: wire.InProcess(h, p), peer: &p}}
}

// stranger is another instance of a role.
func (s *stage) stranger(role seal.Role) wire.Peer {
	return wire.Peer{Role: role, Instance: wire.Instance(noise(s.rng, 32))}
}

// must stops a test whose own steps fail.
func (s *stage) must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

// refused is the code of a call that must fail.
func refused(err error) fault.Code {
	if err == nil {
		return "answered"
	}
	return fault.CodeOf(err)
}

// corruptName says who is corrupt.
func corruptName(role seal.Role) string {
	if role == outsider {
		return "outsiders"
	}
	return string(role)
}

package attack_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nod/admit"
	"nod/audit"
	"nod/channel"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/seal"
	"nod/dev"
	"nod/keyring"
	"nod/orders"
	"nod/store"
	"nod/test/world"
	"nod/wire"
)

// trace is everything that an observer of keyrings, stores and wires sees while one
// citizen is verified, in order: who does what, with what sizes. Correlations are
// fetched ahead, whoever is verified, and left out.
type trace struct {
	mu    sync.Mutex
	lines []string
}

func (t *trace) see(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

func (t *trace) take() (out []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out, t.lines = t.lines, nil
	return out
}

type tracedCaller struct {
	*trace
	name string
	next wire.Caller
}

func (c tracedCaller) Call(ctx context.Context, method wire.Method, request []byte) ([]byte, error) {
	answer, err := c.next.Call(ctx, method, request)
	switch method {
	case wire.CustodianOpenChannel, wire.CustodianToss, wire.CustodianReveal, wire.CustodianSacrifice, wire.DealerBatch:
	default:
		c.see("%s %s: %d bytes, answered by %d", c.name, method, len(request), len(answer))
	}
	return answer, err
}

type tracedStore struct {
	store.Store
	*trace
	name seal.Role
}

func (s tracedStore) Get(ctx context.Context, row store.Row) (store.Record, error) {
	if row.Table != channel.Table {
		s.see("%s reads %s, names of %d and %d bytes", s.name, row.Table, len(row.Partition), len(row.Key))
	}
	return s.Store.Get(ctx, row)
}

func (s tracedStore) Apply(ctx context.Context, writes ...store.Write) error {
	for _, w := range writes {
		if w.Table != channel.Table {
			s.see("%s writes %s, names of %d and %d bytes, value of %d, deleted %v, expires %v, %d in one",
				s.name, w.Table, len(w.Partition), len(w.Key), len(w.Value), w.Delete, !w.Expires.IsZero(), len(writes))
		}
	}
	return s.Store.Apply(ctx, writes...)
}

type tracedKeyring struct {
	keyring.Keyring
	*trace
	name seal.Role
}

func (k tracedKeyring) MACs(ctx context.Context, key keyring.Name, version uint32, inputs [][]byte) ([]keyring.MAC, error) {
	if key != keyring.Root {
		k.see("%s MACs %s %d, %d inputs of %d bytes", k.name, key, version, len(inputs), len(inputs[0]))
	}
	return k.Keyring.MACs(ctx, key, version, inputs)
}

func (k tracedKeyring) Sign(ctx context.Context, key keyring.Name, message []byte) ([]byte, uint32, error) {
	if k.name != seal.Dealer {
		k.see("%s signs with %s", k.name, key)
	}
	return k.Keyring.Sign(ctx, key, message)
}

func (k tracedKeyring) Describe(ctx context.Context, key keyring.Name) (keyring.Info, error) {
	if k.name != seal.Dealer {
		k.see("%s describes %s", k.name, key)
	}
	return k.Keyring.Describe(ctx, key)
}

// leaves are the audit records of both servers since they were read last.
type leaves struct{ next map[seal.Role]uint64 }

func (l *leaves) read(t *testing.T, role seal.Role, log audit.Log) (out []string) {
	t.Helper()
	found, err := log.Read(t.Context(), l.next[role], 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range found {
		l.next[role] = leaf.Serial + 1
		if leaf.Operation != audit.OpChannel {
			out = append(out, fmt.Sprintf("%s records %s, party of %d bytes, key %q %d, count %d, subject %v, session %v, chain %v",
				role, leaf.Operation, len(leaf.Party), leaf.Key, leaf.KeyVersion, leaf.Count,
				!leaf.Subject.IsZero(), !leaf.Session.IsZero(), !leaf.Correlation.IsZero()))
		}
	}
	return out
}

// watched is a stage whose every event is traced, with as many slots as models, and a
// budget of three answers.
type watched struct {
	*stage
	*trace
	leaves *leaves
	models []*code.Model
}

func newWatched(t *testing.T, slots int) *watched {
	w := &watched{stage: new(stage), trace: new(trace), leaves: &leaves{map[seal.Role]uint64{}}}
	w.World = world.New(t, codetest.Shape{Bits: 256, MaxWeight: 7, Plausibility: true}, func(o *dev.Options) {
		rng := rand.New(rand.NewPCG(7, 7))
		for len(o.Models) < slots {
			o.Models = append(o.Models, codetest.Model(rng, codetest.Shape{Bits: 128, Rotations: 8, Name: "another"}))
		}
		w.models, o.Policy = o.Models, codetest.Policy(code.FMR1e3, o.Models...)
		o.Limits = admit.Defaults()
		o.Limits.Consecutive, o.Limits.NoMatches, o.Limits.Answers = 1000, 1000, 3
		o.Caller = func(from, to seal.Role, c wire.Caller) wire.Caller {
			return tracedCaller{w.trace, fmt.Sprintf("%q to %s", from, to), c}
		}
		o.Store = func(role seal.Role, inner store.Store) store.Store { return tracedStore{inner, w.trace, role} }
		o.Keyring = func(role seal.Role, inner keyring.Keyring) keyring.Keyring {
			return tracedKeyring{inner, w.trace, role}
		}
	})
	return w
}

// events are what is seen while something is done, the audit records last.
func (w *watched) events(t *testing.T, do func()) (out []string) {
	t.Helper()
	records := func() []string {
		return append(w.leaves.read(t, seal.Matcher, w.MatcherRole.Audit), w.leaves.read(t, seal.Custodian, w.CustodianRole.Audit)...)
	}
	w.take()
	records()
	do()
	return append(w.take(), records()...)
}

// enrolled enrols a citizen in the first so many slots.
func (w *watched) enrolled(name string, slots int) world.Person {
	w.T.Helper()
	p := w.Person(name)
	for slot, m := range w.models[:slots] {
		w.Clock.Advance(time.Second)
		_, err := w.Station.Enrol(context.Background(), p.Name, uint8(slot), m, w.Portrait(p))
		w.must(err)
	}
	return p
}

// codes are a person's, one a model.
func (w *watched) codes(p world.Person) (out []code.Code) {
	w.T.Helper()
	for _, m := range w.models {
		x, err := m.Encode(p.Face)
		w.must(err)
		out = append(out, x)
	}
	return out
}

// From admission to verdict nothing tells why a citizen is not matched: whoever it
// is, the same calls of keyrings, reads and writes of stores, records and messages,
// in the same order and with the same sizes. What a read finds is not compared: a
// store knows whether it has a row. A match is told apart, by the refund: everybody
// who sees these events is told the verdict.
func TestDecoys(t *testing.T) {
	for slots := 1; slots <= 2; slots++ {
		t.Run(fmt.Sprintf("%d slots", slots), func(t *testing.T) { decoys(t, slots) })
	}
}

func decoys(t *testing.T, slots int) {
	w := newWatched(t, slots)
	impostor := w.codes(w.Person("impostor"))
	asked := func(p world.Person, times int) world.Person {
		for range times {
			w.matched(w.show(p.Name, impostor...))
		}
		return p
	}
	ordered := func(p world.Person, kind orders.OrderKind) world.Person {
		w.Order(kind, p)
		return p
	}
	// verification is one of a citizen; what comes between happens after the opening.
	verification := func(p world.Person, between func(), shown []code.Code) (events []string, match bool) {
		var a *attempt
		events = w.events(t, func() { a = w.open(p.Name) })
		between()
		return append(events, w.events(t, func() { match = w.matched(a.send(a.probe(shown...))) })...), match
	}
	nothing := func() {}

	friend := w.enrolled("citizen-0", slots)
	want, _ := verification(friend, nothing, impostor)
	t.Logf("%d events in a verification:\n%s", len(want), strings.Join(want, "\n"))
	var late world.Person
	// All references have one length.
	for _, kind := range []struct {
		name    string
		who     func() world.Person
		between func()
	}{
		{"enrolled, seen before", func() world.Person { return asked(w.enrolled("citizen-1", slots), 1) }, nothing},
		{"enrolled in one slot", func() world.Person { return w.enrolled("citizen-2", 1) }, nothing},
		{"enrolled again", func() world.Person { w.enrolled("citizen-3", slots); return w.enrolled("citizen-3", slots) }, nothing},
		{"unknown", func() world.Person { return w.Person("citizen-4") }, nothing},
		{"unknown, seen before", func() world.Person { return asked(w.Person("citizen-5"), 1) }, nothing},
		{"locked", func() world.Person { return ordered(w.enrolled("citizen-6", slots), orders.Lock) }, nothing},
		{"erased", func() world.Person { return ordered(w.enrolled("citizen-7", slots), orders.Erase) }, nothing},
		{"over budget", func() world.Person { return asked(w.enrolled("citizen-8", slots), 3) }, nothing},
		{"over budget since the opening", func() world.Person { late = w.enrolled("citizen-9", slots); return late }, func() { asked(late, 3) }},
		{"locked since the opening", func() world.Person { late = w.enrolled("citizen-a", slots); return late }, func() { ordered(late, orders.Lock) }},
		{"erased since the opening", func() world.Person { late = w.enrolled("citizen-b", slots); return late }, func() { ordered(late, orders.Erase) }},
	} {
		got, match := verification(kind.who(), kind.between, impostor)
		if match {
			t.Errorf("%s: an impostor is matched", kind.name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s looks different: %s", kind.name, difference(want, got))
		}
	}
	// The trace is not blind.
	if got, match := verification(friend, nothing, w.codes(friend)); !match || slices.Equal(got, want) {
		t.Errorf("a match: verdict %v, %d events", match, len(got))
	}
}

// difference gives the first events that are not the same.
func difference(want, got []string) string {
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			return fmt.Sprintf("event %d:\nwant %q\ngot  %q", i, want[i], got[i])
		}
	}
	return fmt.Sprintf("%d events instead of %d", len(got), len(want))
}

package flow_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"nod/client"
	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
	"nod/orders"
	"nod/store"
	"nod/store/storetest"
	"nod/test/world"
	"nod/wire"
)

// attempt is a verification taken apart, up to its sealed probe.
type attempt struct {
	request []byte
	answer  []byte
	probe   *wire.ProbeRequest
}

func (w *stage) open(rp *client.RelyingParty, claimed, shown world.Person) *attempt {
	w.T.Helper()
	device, err := client.NewDevice(rp.ID, w.Bundle, nil)
	if err != nil {
		w.T.Fatal(err)
	}
	a := new(attempt)
	if a.request, err = rp.Request(claimed.Name, "consent", device.PublicKey(), w.Clock.Now()); err != nil {
		w.T.Fatal(err)
	}
	opened, err := w.Matcher.Open(context.Background(), &wire.OpenRequest{Request: a.request})
	if err != nil {
		w.T.Fatal(err)
	}
	a.answer = opened.Answer
	if a.probe, err = device.Probe(a.request, a.answer, w.Plan, w.Photo(shown), w.Clock.Now()); err != nil {
		w.T.Fatal(err)
	}
	return a
}

func (w *stage) send(p *wire.ProbeRequest) ([]byte, error) {
	done, err := w.Matcher.Verify(context.Background(), p)
	if err != nil {
		return nil, err
	}
	return done.Verdict, nil
}

// What is wrong with a probe, and the code that answers it.
func TestBadProbes(t *testing.T) {
	w := newStage(t, nil)
	alice, bob := w.Person("alice"), w.Person("bob")
	w.Enrol(alice)
	w.Enrol(bob)
	swap := func(p *wire.ProbeRequest) { p.Sealed0, p.Sealed1 = p.Sealed1, p.Sealed0 }
	for name, c := range map[string]struct {
		want   fault.Code
		change func(p *wire.ProbeRequest, other *attempt)
	}{
		"swapped shares":              {fault.BadSignature, func(p *wire.ProbeRequest, _ *attempt) { swap(p) }},
		"another session's probe":     {fault.BadSignature, func(p *wire.ProbeRequest, o *attempt) { session := p.Session; *p = *o.probe; p.Session = session }},
		"another session's one share": {fault.BadSignature, func(p *wire.ProbeRequest, o *attempt) { p.Sealed0 = o.probe.Sealed0 }},
		"truncated":                   {fault.BadSignature, func(p *wire.ProbeRequest, _ *attempt) { p.Sealed0 = p.Sealed0[1:] }},
		"no signature":                {fault.BadSignature, func(p *wire.ProbeRequest, _ *attempt) { p.Signature = nil }},
		"attestation added":           {fault.BadSignature, func(p *wire.ProbeRequest, _ *attempt) { p.Attestation = []byte("x") }},
		"unknown session":             {fault.UnknownSession, func(p *wire.ProbeRequest, _ *attempt) { p.Session[3] ^= 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			other := w.open(w.RP, bob, bob)
			a := w.open(w.RP, alice, alice)
			c.change(a.probe, other)
			if _, err := w.send(a.probe); !fault.Is(err, c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// A used session gives its verdict again for the same probe, for 180 s, and
// nothing else.
func TestUsedSession(t *testing.T) {
	w := newStage(t, nil)
	alice := w.Person("alice")
	w.Enrol(alice)
	a := w.open(w.RP, alice, alice)
	first, err := w.send(a.probe)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.send(a.probe)
	if err != nil || !bytes.Equal(first, again) {
		t.Fatalf("the same probe again: %v", err)
	}
	changed := *a.probe
	changed.Attestation = []byte("x")
	if _, err := w.send(&changed); !fault.Is(err, fault.SessionUsed) {
		t.Errorf("another probe: %v", err)
	}
	w.Clock.Advance(181 * time.Second)
	if _, err := w.send(a.probe); !fault.Is(err, fault.SessionUsed) && !fault.Is(err, fault.UnknownSession) {
		t.Errorf("after 181 s: %v", err)
	}
}

func TestOpenings(t *testing.T) {
	w := newStage(t, nil)
	alice := w.Person("alice")
	w.Enrol(alice)
	a := w.open(w.RP, alice, alice)
	same, err := w.Matcher.Open(context.Background(), &wire.OpenRequest{Request: a.request})
	if err != nil || !bytes.Equal(same.Answer, a.answer) {
		t.Errorf("the same request again must give the same answer: %v", err)
	}
	stranger, err := orders.NewPrivateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	device, err := client.NewDevice(w.RP.ID, w.Bundle, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		want   fault.Code
		change func(rp *client.RelyingParty)
	}{
		"unknown relying party": {fault.UnknownParty, func(rp *client.RelyingParty) { rp.ID = "other.example" }},
		"another key":           {fault.UnknownKey, func(rp *client.RelyingParty) { rp.Key = stranger }},
		"another purpose":       {fault.PurposeRefused, func(rp *client.RelyingParty) { rp.Purpose = "curiosity" }},
		"unknown policy":        {fault.UnknownPolicy, func(rp *client.RelyingParty) { rp.Policy[0] ^= 1 }},
		"another model":         {fault.WrongPolicy, func(rp *client.RelyingParty) { rp.Model[0] ^= 1 }},
	} {
		rp := *w.RP
		c.change(&rp)
		request, err := rp.Request(alice.Name, "consent", device.PublicKey(), w.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Matcher.Open(context.Background(), &wire.OpenRequest{Request: request}); !fault.Is(err, c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	late, err := w.RP.Request(alice.Name, "consent", device.PublicKey(), w.Clock.Now().Add(-2*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Matcher.Open(context.Background(), &wire.OpenRequest{Request: late}); !fault.Is(err, fault.Expired) {
		t.Errorf("an old request: %v", err)
	}
}

// A session that a relying party opened is worth nothing to another one.
func TestSessionOfAnotherRP(t *testing.T) {
	w := newStage(t, nil)
	alice := w.Person("alice")
	w.Enrol(alice)
	a := w.open(w.RP, alice, alice)
	verdict, err := w.send(a.probe)
	if err != nil {
		t.Fatal(err)
	}
	other := *w.RP
	other.ID = "other.example"
	if _, err := other.Verdict(a.request, verdict, w.Clock.Now()); !fault.Is(err, fault.WrongParty) {
		t.Errorf("another relying party took the verdict: %v", err)
	}
	device, err := client.NewDevice("other.example", w.Bundle, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := device.Asks(a.request); !fault.Is(err, fault.WrongParty) {
		t.Errorf("a device took another origin's request: %v", err)
	}
}

// A row moved to another citizen, in either server's store, below the encryption.
func TestMovedRow(t *testing.T) {
	for _, moved := range []seal.Role{seal.Matcher, seal.Custodian} {
		t.Run(string(moved), func(t *testing.T) {
			rows := &mover{}
			w := newStage(t, func(o *dev.Options) {
				o.RawStore = func(r seal.Role, s store.Store) store.Store {
					if r != moved {
						return s
					}
					rows.Store = s
					return rows
				}
			})
			alice, bob := w.Person("alice"), w.Person("bob")
			w.Enrol(alice)
			rows.from = rows.wrote
			w.Enrol(bob)
			rows.to = rows.wrote
			_, err := w.Verify(context.Background(), bob.Name, w.Photo(alice))
			if !fault.Is(err, fault.RecordForged) {
				t.Errorf("alice's row in bob's place: %v", err)
			}
			w.Expect(alice, alice, true)
		})
	}
}

// mover is a store that gives one row's contents for another's.
type mover struct {
	store.Store
	mu       sync.Mutex
	wrote    store.Row // the template or pad written last
	from, to store.Row
}

func (m *mover) Apply(ctx context.Context, writes ...store.Write) error {
	for _, w := range writes {
		if w.Table == "template" || w.Table == "pad" {
			m.mu.Lock()
			m.wrote = w.Row
			m.mu.Unlock()
		}
	}
	return m.Store.Apply(ctx, writes...)
}

func (m *mover) Get(ctx context.Context, row store.Row) (store.Record, error) {
	m.mu.Lock()
	if bytes.Equal(row.Partition, m.to.Partition) && row.Table == m.to.Table && m.to.Partition != nil {
		row = m.from
	}
	m.mu.Unlock()
	return m.Store.Get(ctx, row)
}

// Every write of an enrolment and a verification fails in turn, not persisted, or
// persisted with the reply lost, at either server: no wrong verdict, and once the
// store works again everything does.
func TestEveryWriteFails(t *testing.T) {
	for _, role := range []seal.Role{seal.Matcher, seal.Custodian} {
		for _, how := range []storetest.Failure{storetest.NotPersisted, storetest.ReplyLost} {
			t.Run(fmt.Sprintf("%s/%d", role, how), func(t *testing.T) { everyWriteFails(t, role, how) })
		}
	}
}

func everyWriteFails(t *testing.T, role seal.Role, how storetest.Failure) {
	var faulty *storetest.Faulty
	w := newStage(t, func(o *dev.Options) {
		o.Store = func(r seal.Role, s store.Store) store.Store {
			if r != role {
				return s
			}
			faulty = storetest.NewFaulty(s, nil)
			return faulty
		}
	})
	ctx := context.Background()
	done, failed := 0, 0
	for n := 1; n <= 8; n++ {
		alice, bob := w.Person(fmt.Sprintf("alice-%d", n)), w.Person(fmt.Sprintf("bob-%d", n))
		// Prefetching writes rows too: the n-th write of the citizen's tables fails.
		faulty.SetPlan(nthOf(n, how))
		_, enrolErr := w.Station.Enrol(ctx, alice.Name, 0, w.Model, w.Photo(alice))
		_, verifyErr := w.Verify(ctx, alice.Name, w.Photo(alice))
		v, impostorErr := w.Verify(ctx, alice.Name, w.Photo(bob))
		faulty.SetPlan(nil)
		if impostorErr == nil && v.Verdict.Match {
			t.Fatalf("write %d: an impostor got a yes", n)
		}
		for _, err := range []error{enrolErr, verifyErr, impostorErr} {
			switch {
			case err == nil:
				done++
			case fault.CodeOf(err).Class() == fault.Unavailable, fault.Is(err, fault.Replayed):
				failed++
			default:
				t.Fatalf("write %d: %v", n, err)
			}
		}
		w.Clock.Advance(time.Second)
		w.Enrol(alice) // a new order after the failure
		w.Expect(alice, alice, true)
		w.Expect(alice, bob, false)
	}
	t.Logf("%d calls went through, %d failed, none wrong", done, failed)
	if failed == 0 {
		t.Error("no write failed: the plan hit nothing")
	}
}

// nthOf fails the n-th write that is not about correlations.
func nthOf(n int, how storetest.Failure) storetest.Plan {
	var mu sync.Mutex
	seen := 0
	return func(op storetest.Op, _ int, writes []store.Write) storetest.Step {
		if op != storetest.Apply || writes[0].Table == "batch" {
			return storetest.Step{}
		}
		mu.Lock()
		defer mu.Unlock()
		if seen++; seen == n {
			return storetest.Step{Failure: how}
		}
		return storetest.Step{}
	}
}

// Nothing secret or personal in any log line or fault, whatever goes wrong.
func TestLogsHoldNothingPersonal(t *testing.T) {
	var buffer lockedBuffer
	w := newStage(t, func(o *dev.Options) { o.Log = slog.New(slog.NewTextHandler(&buffer, nil)) })
	alice := w.Person("very-personal-reference-4711")
	w.Enrol(alice)
	w.Expect(alice, alice, true)
	a := w.open(w.RP, alice, alice)
	a.probe.Sealed0, a.probe.Sealed1 = a.probe.Sealed1, a.probe.Sealed0
	if _, err := w.send(a.probe); err == nil {
		t.Fatal("a swapped probe passed")
	}
	if err := w.Deliver(w.SignOrder(orders.Erase, alice)); err != nil {
		t.Fatal(err)
	}
	text := buffer.String()
	if !strings.Contains(text, "bad_signature") {
		t.Error("the refusal is not in the log")
	}
	for _, secret := range []string{"very-personal", "4711"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

package admin_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nod/admin"
	"nod/fault"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

func (s *stage) erasures() *admin.Erasures {
	s.Clock.Advance(time.Second) // orders follow the enrolments
	return &admin.Erasures{
		Matcher: s.front, Bureau: s.Bureau, Bundle: s.Bundle, Now: s.Clock.Now,
		State: s.path("erasures.json"), Receipts: s.path("receipts"),
	}
}

// pending are the orders in the state file.
func (s *stage) pending() (out []string) {
	s.T.Helper()
	data, err := os.ReadFile(s.path("erasures.json"))
	if err != nil {
		s.T.Fatal(err)
	}
	var state struct{ Orders []struct{ Order string } }
	if err := json.Unmarshal(data, &state); err != nil {
		s.T.Fatal(err)
	}
	for _, o := range state.Orders {
		out = append(out, o.Order)
	}
	return out
}

// receipts wants one receipt that holds for each order, and nothing else.
func (s *stage) receipts(delivered []string) {
	s.T.Helper()
	files, err := filepath.Glob(s.path("receipts/*"))
	if err != nil || len(files) != len(delivered) {
		s.T.Fatalf("%d receipts for %d orders, %v", len(files), len(delivered), err)
	}
	for _, path := range files {
		private(s.T.(*testing.T), path)
		data, err := os.ReadFile(path)
		if err != nil {
			s.T.Fatal(err)
		}
		var r struct {
			Order   string
			Receipt []byte
		}
		if err := json.Unmarshal(data, &r); err != nil {
			s.T.Fatal(err)
		}
		hash := orders.HashOrder([]byte(r.Order))
		if _, err := orders.VerifyReceipt(r.Receipt, s.Bundle, orders.Erased, hash); err != nil {
			s.T.Error(err)
		}
		if !slices.Contains(delivered, r.Order) || filepath.Base(path) != hash.String()+".json" {
			s.T.Errorf("a receipt %s for an order that was not delivered", path)
		}
	}
}

func (s *stage) gone(people []world.Person) {
	s.T.Helper()
	for _, p := range people {
		if _, err := s.Halves(s.T.Context(), p.Name); !fault.Is(err, fault.NotFound) {
			s.T.Errorf("something is left: %v", err)
		}
	}
}

// Interrupted after any order, the others are delivered by the next run: the same ones.
func TestErasuresGoOn(t *testing.T) {
	s := newStage(t)
	people := s.people(5)
	ctx, cancel := context.WithCancel(t.Context())
	e := s.erasures()
	var signed []string
	s.front.before = func() error {
		if signed == nil {
			signed = s.pending() // before the first is delivered all are on disk
		}
		return nil
	}
	e.Step = func(done, total int) {
		if total != 5 {
			t.Errorf("of %d", total)
		}
		if done == 2 {
			cancel()
		}
	}
	done, err := e.Run(ctx, append(names(people), people[0].Name)) // one is named twice
	wantCode(t, err, fault.Cancelled)
	if done.Erased != 2 || done.Left != 3 || len(done.Failed) != 0 || len(signed) != 5 {
		t.Fatalf("%+v of %d orders", done, len(signed))
	}
	private(t, e.State)
	if left, err := e.Unfinished(); left != 3 || err != nil {
		t.Errorf("unfinished: %d, %v", left, err)
	}
	s.gone(people[:2])

	e.Step = nil
	done, err = e.Run(t.Context(), names(people[4:])) // one of them is named again
	if err != nil || done.Erased != 3 || done.Left != 0 || done.Templates != 3 || done.Salts != 3 {
		t.Fatalf("%+v, %v", done, err)
	}
	if !slices.Equal(s.front.orders, signed) {
		t.Error("other orders were delivered than those that were signed first")
	}
	if exists(e.State) {
		t.Error("the state file is left")
	}
	s.receipts(signed)
	s.gone(people)
}

// An order whose answer was lost was carried out, and is delivered again.
func TestErasureAfterALostAnswer(t *testing.T) {
	s := newStage(t)
	people := s.people(3)
	s.front.after = once(2)
	e := s.erasures()
	done, err := e.Run(t.Context(), names(people))
	if err != nil || done.Erased != 2 || done.Left != 1 || !maps.Equal(done.Failed, map[fault.Code]int{fault.PeerUnavailable: 1}) {
		t.Fatalf("%+v, %v", done, err)
	}
	s.gone(people)
	done, err = e.Run(t.Context(), nil)
	if err != nil || done.Erased != 1 || done.Left != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if o := s.front.orders; len(o) != 4 || o[3] != o[1] {
		t.Errorf("%d deliveries, or another order", len(o))
	}
}

// While the servers are away, not every order of a long list waits for them.
func TestErasuresGiveUpForNow(t *testing.T) {
	s := newStage(t)
	people := s.people(6)
	s.front.before = away
	e := s.erasures()
	done, err := e.Run(t.Context(), names(people))
	if err != nil || done.Erased != 0 || done.Left != 6 || done.Failed[fault.PeerUnavailable] != 3 || len(s.front.orders) != 3 {
		t.Fatalf("%+v, %v, %d deliveries", done, err, len(s.front.orders))
	}
	s.front.before = nil
	if done, err = e.Run(t.Context(), nil); err != nil || done.Erased != 6 || done.Left != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	s.gone(people)
}

// repeats answers every order with the first one's receipt.
type repeats struct {
	wire.Matcher
	first *wire.ReceiptAnswer
}

func (r *repeats) Order(ctx context.Context, m *wire.OrderRequest) (*wire.ReceiptAnswer, error) {
	if r.first != nil {
		return r.first, nil
	}
	answer, err := r.Matcher.Order(ctx, m)
	r.first = answer
	return answer, err
}

// A receipt for something else is none: the order is left.
func TestErasureChecksReceipts(t *testing.T) {
	s := newStage(t)
	people := s.people(2)
	e := s.erasures()
	e.Matcher = &repeats{Matcher: s.Matcher}
	done, err := e.Run(t.Context(), names(people))
	if err != nil || done.Erased != 1 || done.Left != 1 || done.Failed[fault.WrongRequest] != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	s.Expect(people[1], people[1], true)
	e.Matcher = s.Matcher
	if done, err = e.Run(t.Context(), nil); err != nil || done.Erased != 1 || done.Left != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	s.gone(people)
}

func TestErasureOfNobody(t *testing.T) {
	s := newStage(t)
	e := s.erasures()
	done, err := e.Run(t.Context(), []orders.Citizen{s.Citizen("nobody")})
	if err != nil || done.Nothing != 1 || done.Erased != 0 || done.Left != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	s.receipts(s.front.orders)
	if done, err = e.Run(t.Context(), nil); err != nil || done.Nothing != 0 || exists(e.State) {
		t.Errorf("nothing to do: %+v, %v", done, err)
	}
}

// Only an order that expired is replaced.
func TestExpiredOrdersAreMadeAnew(t *testing.T) {
	s := newStage(t)
	people := s.people(1)
	s.front.before = away
	e := s.erasures()
	run := func() {
		t.Helper()
		if _, err := e.Run(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Run(t.Context(), names(people)); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(orders.OrderWindow - time.Hour)
	run()
	s.Clock.Advance(2 * time.Hour)
	run()
	if o := s.front.orders; o[0] != o[1] || o[1] == o[2] {
		t.Errorf("the same within its time: %v; another after it: %v", o[0] == o[1], o[1] != o[2])
	}
	if err := s.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.front.before = nil
	run()
	s.gone(people)
}

// A citizen who was enrolled anew after an erasure was ordered stays enrolled.
func TestStaleOrdersAreDropped(t *testing.T) {
	s := newStage(t)
	people := s.people(1)
	s.front.before = away
	e := s.erasures()
	if _, err := e.Run(t.Context(), names(people)); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(time.Second)
	s.Enrol(people[0])
	s.front.before = nil
	done, err := e.Run(t.Context(), nil)
	if err != nil || done.Left != 0 || done.Failed[fault.StaleOrder] != 1 || done.Erased != 0 || exists(e.State) {
		t.Errorf("%+v, %v", done, err)
	}
	s.Expect(people[0], people[0], true)
}

func TestErasuresRefuseStatesOfOthers(t *testing.T) {
	s := newStage(t)
	people := s.people(1)
	s.front.before = away
	e := s.erasures()
	if _, err := e.Run(t.Context(), names(people)); err != nil {
		t.Fatal(err)
	}
	state, err := os.ReadFile(e.State)
	if err != nil {
		t.Fatal(err)
	}
	calls := len(s.front.orders)
	e.Bundle = newStage(t).Bundle
	_, err = e.Run(t.Context(), nil)
	wantCode(t, err, fault.Conflict)
	e.Bundle = s.Bundle

	for name, c := range map[string]struct {
		old, new string
		code     fault.Code
	}{
		"another citizen": {`"citizen": "a-4711"`, `"citizen": "b-4711"`, fault.Conflict},
		"no citizen":      {`"citizen": "a-4711"`, `"citizen": ""`, fault.Truncated},
		"another format":  {"erasures/v1", "erasures/v2", fault.BadEncoding},
		"another order":   {s.pending()[0], string(s.SignOrder(orders.Lock, people[0])), fault.Conflict},
		"broken order":    {s.pending()[0], "x", fault.BadEncoding},
		"a space":         {"{", "{ ", fault.BadEncoding},
	} {
		if err := os.WriteFile(e.State, []byte(strings.Replace(string(state), c.old, c.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := e.Run(t.Context(), nil)
		if !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
		if err != nil && strings.Contains(err.Error(), "4711") {
			t.Errorf("%s: the error names the citizen: %v", name, err)
		}
	}
	if len(s.front.orders) != calls {
		t.Error("something was delivered")
	}
	if err := os.WriteFile(e.State, state, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.path("open"), 0o755); err != nil {
		t.Fatal(err)
	}
	e.Receipts = s.path("open")
	_, err = e.Run(t.Context(), nil)
	wantCode(t, err, fault.Exposed)
}

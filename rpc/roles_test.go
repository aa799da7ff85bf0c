package rpc

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"

	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// fake is a role that notes what it is asked, and answers with something in every
// field, or fails.
type fake struct {
	mu   sync.Mutex
	fail error
	seen []any
	peer wire.Peer
}

func answer[A any](ctx context.Context, f *fake, request any) (*A, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen, f.peer = append(f.seen, request), wire.PeerOf(ctx)
	if f.fail != nil {
		return nil, f.fail
	}
	a := new(A)
	fill(reflect.ValueOf(a).Elem(), 1)
	return a, nil
}

// fill puts something into every field of a message.
func fill(v reflect.Value, n int) {
	if c, ok := v.Addr().Interface().(*code.Code); ok {
		*c = code.Code{uint64(n), 7}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n+i)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n+i)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n+i)
		}
	case reflect.Bool:
	default:
		v.SetUint(uint64(n % 200))
	}
}

type (
	fakeMatcher   struct{ *fake }
	fakeCustodian struct{ *fake }
	fakeDealer    struct{ *fake }
)

func (f fakeMatcher) Open(ctx context.Context, m *wire.OpenRequest) (*wire.OpenAnswer, error) {
	return answer[wire.OpenAnswer](ctx, f.fake, m)
}

func (f fakeMatcher) Verify(ctx context.Context, m *wire.ProbeRequest) (*wire.VerdictAnswer, error) {
	return answer[wire.VerdictAnswer](ctx, f.fake, m)
}

func (f fakeMatcher) Keys(ctx context.Context, m *wire.KeysRequest) (*wire.KeysAnswer, error) {
	return answer[wire.KeysAnswer](ctx, f.fake, m)
}

func (f fakeMatcher) Enrol(ctx context.Context, m *wire.EnrolRequest) (*wire.ReceiptAnswer, error) {
	return answer[wire.ReceiptAnswer](ctx, f.fake, m)
}

func (f fakeMatcher) Order(ctx context.Context, m *wire.OrderRequest) (*wire.ReceiptAnswer, error) {
	return answer[wire.ReceiptAnswer](ctx, f.fake, m)
}

func (f fakeMatcher) Renew(ctx context.Context, m *wire.RenewRequest) (*wire.RenewAnswer, error) {
	return answer[wire.RenewAnswer](ctx, f.fake, m)
}

func (f fakeCustodian) Keys(ctx context.Context, m *wire.KeysRequest) (*wire.CustodianKeys, error) {
	return answer[wire.CustodianKeys](ctx, f.fake, m)
}

func (f fakeCustodian) Open(ctx context.Context, m *wire.SessionOpen) (*wire.SessionOpened, error) {
	return answer[wire.SessionOpened](ctx, f.fake, m)
}

func (f fakeCustodian) Start(ctx context.Context, m *wire.CompareStart) (*wire.CompareStarted, error) {
	return answer[wire.CompareStarted](ctx, f.fake, m)
}

func (f fakeCustodian) Close(ctx context.Context, m *wire.CompareClose) (*wire.CompareClosed, error) {
	return answer[wire.CompareClosed](ctx, f.fake, m)
}

func (f fakeCustodian) Enrol(ctx context.Context, m *wire.EnrolStart) (*wire.EnrolDelta, error) {
	return answer[wire.EnrolDelta](ctx, f.fake, m)
}

func (f fakeCustodian) Stored(ctx context.Context, m *wire.RowStored) (*wire.RowPromoted, error) {
	return answer[wire.RowPromoted](ctx, f.fake, m)
}

func (f fakeCustodian) Renew(ctx context.Context, m *wire.RenewStart) (*wire.RenewDelta, error) {
	return answer[wire.RenewDelta](ctx, f.fake, m)
}

func (f fakeCustodian) Order(ctx context.Context, m *wire.OrderRequest) (*wire.OrderDone, error) {
	return answer[wire.OrderDone](ctx, f.fake, m)
}

func (f fakeCustodian) OpenChannel(ctx context.Context, m *wire.ChannelOpen) (*wire.ChannelOpened, error) {
	return answer[wire.ChannelOpened](ctx, f.fake, m)
}

func (f fakeCustodian) Toss(ctx context.Context, m *wire.BatchToss) (*wire.BatchTossed, error) {
	return answer[wire.BatchTossed](ctx, f.fake, m)
}

func (f fakeCustodian) Reveal(ctx context.Context, m *wire.BatchReveal) (*wire.BatchRevealed, error) {
	return answer[wire.BatchRevealed](ctx, f.fake, m)
}

func (f fakeCustodian) Sacrifice(ctx context.Context, m *wire.BatchSacrifice) (*wire.BatchSacrificed, error) {
	return answer[wire.BatchSacrificed](ctx, f.fake, m)
}

func (f fakeDealer) Batch(ctx context.Context, m *wire.BatchRequest) (*wire.BatchAnswer, error) {
	return answer[wire.BatchAnswer](ctx, f.fake, m)
}

// Every call of every role gives over rpc what it gives in one process: the same
// request arrives, from the same peer, and the same answer or fault comes back.
func TestEveryCallIsAsInOneProcess(t *testing.T) {
	w := newWorld(t)
	roles := []struct {
		role   seal.Role
		caller string
		serve  func(*fake) wire.Handler
		client func(wire.Caller) any
	}{
		{seal.Matcher, "edge", func(f *fake) wire.Handler { return wire.ServeMatcher(fakeMatcher{f}, nil) },
			func(c wire.Caller) any { return wire.MatcherClient{Caller: c} }},
		{seal.Custodian, "matcher", func(f *fake) wire.Handler { return wire.ServeCustodian(fakeCustodian{f}, nil) },
			func(c wire.Caller) any { return wire.CustodianClient{Caller: c} }},
		{seal.Dealer, "custodian", func(f *fake) wire.Handler { return wire.ServeDealer(fakeDealer{f}, nil) },
			func(c wire.Caller) any { return wire.DealerClient{Caller: c} }},
	}
	calls := 0
	for _, r := range roles {
		near, far := &fake{}, &fake{}
		peer := wire.Peer{Instance: w.instances[r.caller]}
		if r.caller != "edge" {
			peer.Role = seal.Role(r.caller)
		}
		s := w.serve(t, ServerConfig{Leaves: w.leaves(t, string(r.role)), Handler: r.serve(far), Allow: everything(r.caller)})
		here := reflect.ValueOf(r.client(wire.InProcess(r.serve(near), peer)))
		there := reflect.ValueOf(r.client(w.dialRole(t, s.address, r.role, w.leaves(t, r.caller))))
		for i := range here.NumMethod() {
			name := string(r.role) + "/" + here.Type().Method(i).Name
			request := reflect.New(here.Method(i).Type().In(1).Elem())
			fill(request.Elem(), i)
			for _, fail := range []error{nil, fault.New(fault.IndexUsed, "x"), fault.New(fault.Tampered, "x"), errors.New("plain"), context.Canceled} {
				calls++
				near.fail, far.fail = fail, fail
				in := []reflect.Value{reflect.ValueOf(t.Context()), request}
				a, b := here.Method(i).Call(in), there.Method(i).Call(in)
				errA, _ := a[1].Interface().(error)
				errB, _ := b[1].Interface().(error)
				if fault.CodeOf(errA) != fault.CodeOf(errB) || (errA == nil) != (fail == nil) {
					t.Errorf("%s with %v: %v in one process, %v over rpc", name, fail, errA, errB)
				}
				if !reflect.DeepEqual(a[0].Interface(), b[0].Interface()) {
					t.Errorf("%s with %v: another answer", name, fail)
				}
				if far.peer != peer || near.peer != peer {
					t.Errorf("%s came from %v, want %v", name, far.peer, peer)
				}
			}
		}
		if !reflect.DeepEqual(near.seen, far.seen) {
			t.Errorf("the %s was asked something else over rpc", r.role)
		}
	}
	if want := len(methods) * 5; calls != want {
		t.Errorf("%d calls, want %d", calls, want)
	}
}

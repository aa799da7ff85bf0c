package wire

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"nod/crypto/canon"
	"nod/crypto/compare"
	"nod/crypto/seal"
	"nod/fault"
)

// dealerFunc is a Dealer.
type dealerFunc func(ctx context.Context, m *BatchRequest) (*BatchAnswer, error)

func (f dealerFunc) Batch(ctx context.Context, m *BatchRequest) (*BatchAnswer, error) {
	return f(ctx, m)
}

var somebody = Peer{Role: seal.Matcher, Instance: Instance{7}}

func clientOf(f dealerFunc, report Report) DealerClient {
	return DealerClient{InProcess(ServeDealer(f, report), somebody)}
}

func TestCallCarriesPeerAndChain(t *testing.T) {
	var chain canon.Digest
	client := clientOf(func(ctx context.Context, m *BatchRequest) (*BatchAnswer, error) {
		if PeerOf(ctx) != somebody {
			t.Errorf("peer %v", PeerOf(ctx))
		}
		if chain = Chain(ctx); chain.IsZero() {
			t.Error("a call without a chain")
		}
		return &BatchAnswer{Root: m.Root + 1, Digests: [][2]compare.Digests{}, Signature: []byte{}, Halves: []compare.Half{}}, nil
	}, nil)
	ctx := WithChain(t.Context())
	answer, err := client.Batch(ctx, &BatchRequest{Root: 4})
	if err != nil || answer.Root != 5 {
		t.Fatalf("%v, %v", answer, err)
	}
	if chain != Chain(ctx) {
		t.Error("the call is of another chain than its caller's")
	}
	before := chain
	if _, err := client.Batch(t.Context(), &BatchRequest{}); err != nil || chain == before {
		t.Errorf("two chains have one id, or %v", err)
	}
	if PeerOf(t.Context()) != (Peer{}) {
		t.Error("a context without a peer has one")
	}
}

// Only the code of a fault crosses. The details stay in the answering role's log.
func TestFaultsCrossAsCodes(t *testing.T) {
	secret := "row 17 of citizen X"
	for _, c := range []struct {
		name string
		err  error
		want fault.Code
	}{
		{"a fault", fault.New(fault.IndexUsed, "%s", secret), fault.IndexUsed},
		{"wrapped", errors.Join(fault.New(fault.KeyVersion, "%s", secret)), fault.KeyVersion},
		{"a plain error", errors.New(secret), fault.Unexpected},
		{"cancelled", context.Canceled, fault.Cancelled},
		{"too late", context.DeadlineExceeded, fault.Cancelled},
		{"a code unknown here", &fault.Error{Code: "from_the_future"}, fault.PeerFault},
	} {
		t.Run(c.name, func(t *testing.T) {
			var logged error
			h := ServeDealer(dealerFunc(func(context.Context, *BatchRequest) (*BatchAnswer, error) { return nil, c.err }),
				func(_ context.Context, method Method, err error) {
					if method != DealerBatch {
						t.Errorf("reported for %s", method)
					}
					logged = err
				})
			var answer []byte
			caller := callerFunc(func(ctx context.Context, method Method, request []byte) ([]byte, error) {
				answer = h(ctx, method, request)
				return answer, nil
			})
			_, err := DealerClient{caller}.Batch(t.Context(), &BatchRequest{})
			if fault.CodeOf(err) != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if strings.Contains(err.Error(), secret) || bytes.Contains(answer, []byte(secret)) {
				t.Error("the details crossed")
			}
			if logged == nil || !errors.Is(logged, c.err) {
				t.Errorf("the role's log has %v", logged)
			}
		})
	}
}

type callerFunc func(ctx context.Context, method Method, request []byte) ([]byte, error)

func (f callerFunc) Call(ctx context.Context, method Method, request []byte) ([]byte, error) {
	return f(ctx, method, request)
}

func TestHandlerRefuses(t *testing.T) {
	called := false
	h := ServeDealer(dealerFunc(func(context.Context, *BatchRequest) (*BatchAnswer, error) {
		called = true
		return &BatchAnswer{}, nil
	}), nil)
	good := Marshal(&envelope{canon.Digest{1}, Marshal(&BatchRequest{})})
	for _, c := range []struct {
		name    string
		method  Method
		request []byte
		want    fault.Code
	}{
		{"unknown method", "dealer/Halves", good, fault.UnknownMethod},
		{"another role's method", CustodianToss, good, fault.UnknownMethod},
		{"no envelope", DealerBatch, nil, fault.Truncated},
		{"half an envelope", DealerBatch, good[:40], fault.Truncated},
		{"left over", DealerBatch, append(bytes.Clone(good), 0), fault.Oversize},
		{"another message", DealerBatch, Marshal(&envelope{canon.Digest{1}, Marshal(&OpenRequest{})}), fault.Truncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r reply
			if err := Unmarshal(h(t.Context(), c.method, c.request), &r); err != nil {
				t.Fatal(err)
			}
			if r.code != string(c.want) || called {
				t.Errorf("got %q (called: %v), want %q", r.code, called, c.want)
			}
		})
	}
}

// Every method of every role reaches its handler, and no other. None gets as far as
// the role, which is not there: an empty request has no envelope.
func TestEveryMethodIsServed(t *testing.T) {
	handlers := map[string]Handler{
		"matcher":   ServeMatcher(struct{ Matcher }{}, nil),
		"custodian": ServeCustodian(struct{ Custodian }{}, nil),
		"dealer":    ServeDealer(struct{ Dealer }{}, nil),
	}
	served := 0
	for _, method := range []Method{
		MatcherOpen, MatcherVerify, MatcherKeys, MatcherEnrol, MatcherOrder, MatcherRenew,
		CustodianKeysMethod, CustodianOpen, CustodianStart, CustodianClose, CustodianEnrol, CustodianStored,
		CustodianRenew, CustodianOrder, CustodianOpenChannel, CustodianToss, CustodianReveal, CustodianSacrifice,
		DealerBatch,
	} {
		for role, h := range handlers {
			var r reply
			if err := Unmarshal(h(t.Context(), method, nil), &r); err != nil {
				t.Fatal(err)
			}
			own := strings.HasPrefix(string(method), role+"/")
			if (fault.Code(r.code) != fault.UnknownMethod) != own {
				t.Errorf("the %s answers %s with %q", role, method, r.code)
			}
			if own {
				served++
			}
		}
	}
	if want := 6 + 12 + 1; served != want {
		t.Errorf("%d methods are served, want %d", served, want)
	}
}

func TestCallerGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := clientOf(func(ctx context.Context, _ *BatchRequest) (*BatchAnswer, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}, nil)
	if _, err := client.Batch(ctx, &BatchRequest{}); !fault.Is(err, fault.Cancelled) {
		t.Errorf("given up during the call: %v", err)
	}
	if _, err := client.Batch(ctx, &BatchRequest{}); !fault.Is(err, fault.Cancelled) {
		t.Errorf("given up before the call: %v", err)
	}
}

// Nothing but encoded bytes passes between roles, and of a secret answer nothing
// stays behind but what its reader got.
func TestSecretAnswersLeaveNoCopy(t *testing.T) {
	kept := &BatchAnswer{Halves: []compare.Half{{Seed: [32]byte{1}, Corrections: []byte{2, 3}}}}
	h := ServeDealer(dealerFunc(func(context.Context, *BatchRequest) (*BatchAnswer, error) { return kept, nil }), nil)
	var encoded []byte
	client := DealerClient{callerFunc(func(ctx context.Context, method Method, request []byte) ([]byte, error) {
		encoded = h(ctx, method, request)
		return encoded, nil
	})}
	got, err := client.Batch(t.Context(), &BatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if h := got.Halves[0]; h.Seed[0] != 1 || !bytes.Equal(h.Corrections, []byte{2, 3}) {
		t.Error("the halves did not arrive")
	}
	if h := kept.Halves[0]; h.Seed[0] != 0 || !bytes.Equal(h.Corrections, []byte{0, 0}) {
		t.Error("the answering role keeps the halves")
	}
	if len(encoded) == 0 || !bytes.Equal(encoded, make([]byte, len(encoded))) {
		t.Error("the encoded answer stays in memory")
	}
}

// An answer that is not one is a fault, never a message.
func TestAnswersAreStrict(t *testing.T) {
	for name, answer := range map[string][]byte{
		"empty":         nil,
		"not a reply":   {1, 2, 3},
		"wrong message": Marshal(&reply{body: []byte{1}}),
		"left over":     append(Marshal(&reply{body: Marshal(&BatchAnswer{})}), 0),
	} {
		caller := callerFunc(func(context.Context, Method, []byte) ([]byte, error) { return answer, nil })
		if a, err := (DealerClient{caller}).Batch(t.Context(), &BatchRequest{}); err == nil || a != nil {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
}

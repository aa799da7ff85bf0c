package flow_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"nod/client"
	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
	"nod/wire"
)

// cutOff is a caller that can be cut off.
type cutOff struct {
	away *atomic.Bool
	next wire.Caller
}

func (c cutOff) Call(ctx context.Context, method wire.Method, request []byte) ([]byte, error) {
	if c.away.Load() {
		return nil, fault.New(fault.PeerUnavailable, "cut off")
	}
	return c.next.Call(ctx, method, request)
}

// Without correlations a probe is refused soon, whatever its caller's deadline, and
// nothing is used up: once the dealer is back, the same probe gets its verdict.
func TestProbeIsSentAgainWhenTheDealerIsBack(t *testing.T) {
	away := new(atomic.Bool)
	away.Store(true)
	w := newStage(t, func(o *dev.Options) {
		o.Wait = time.Millisecond
		o.Caller = func(_, to seal.Role, c wire.Caller) wire.Caller {
			if to == seal.Dealer {
				return cutOff{away, c}
			}
			return c
		}
	})
	alice := w.Person("alice")
	w.Enrol(alice)
	device, err := client.NewDevice(w.RP.ID, w.Bundle, nil)
	if err != nil {
		t.Fatal(err)
	}
	request, err := w.RP.Request(alice.Name, "consent-1", device.PublicKey(), w.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := w.Matcher.Open(t.Context(), &wire.OpenRequest{Request: request})
	if err != nil {
		t.Fatal(err)
	}
	probe, err := device.Probe(request, opened.Answer, w.Plan, w.Photo(alice), w.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.Matcher.Verify(context.Background(), probe); !fault.Is(err, fault.CorrelationsExhausted) {
			t.Fatalf("without correlations: %v", err)
		}
	}
	away.Store(false)
	var done *wire.VerdictAnswer
	for done == nil {
		done, err = w.Matcher.Verify(t.Context(), probe)
		if err != nil && !fault.Is(err, fault.CorrelationsExhausted) {
			t.Fatal(err)
		}
	}
	if v, err := w.RP.Verdict(request, done.Verdict, w.Clock.Now()); err != nil || !v.Match {
		t.Errorf("verdict %v, %v", v, err)
	}
	// Used is used.
	probe.Signature[0] ^= 1
	if _, err := w.Matcher.Verify(t.Context(), probe); !fault.Is(err, fault.SessionUsed) {
		t.Errorf("another probe for a session that was compared: %v", err)
	}
}

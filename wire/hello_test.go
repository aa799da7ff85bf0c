package wire

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"nod/fault"
)

// noon is some time of a clock in tests.
var noon = time.UnixMilli(1_800_000_000_123)

func clock(at time.Time) func() time.Time { return func() time.Time { return at } }

func TestGreet(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Millisecond, 31 * time.Second, -31 * time.Second, 24 * time.Hour} {
		server := InProcess(ServeHello(clock(noon.Add(ahead)), nil), somebody)
		if got, err := Greet(t.Context(), server, clock(noon)); err != nil || got != ahead {
			t.Errorf("ahead by %v: got %v, %v", ahead, got, err)
		}
	}
}

// The call's own time is shared out: an answer from its middle is right.
func TestGreetTakesTheMiddle(t *testing.T) {
	now := noon
	server := InProcess(ServeHello(func() time.Time { now = now.Add(2 * time.Second); return now }, nil), somebody)
	first := true
	got, err := Greet(t.Context(), server, func() time.Time {
		if !first {
			now = now.Add(2 * time.Second)
		}
		first = false
		return now
	})
	if err != nil || got != 0 {
		t.Errorf("ahead by %v, %v", got, err)
	}
}

// answering is a Caller that gives one answer, whatever it is asked.
func answering(answer []byte) Caller {
	return callerFunc(func(context.Context, Method, []byte) ([]byte, error) { return answer, nil })
}

func TestGreetRefuses(t *testing.T) {
	said := func(m *Hello) Caller { return answering(Marshal(&reply{body: Marshal(m)})) }
	newer := append(Marshal(&Hello{Version: 2}), 1) // with a field more
	for what, c := range map[string]struct {
		caller Caller
		want   fault.Code
	}{
		"version 0":       {said(&Hello{}), fault.WrongVersion},
		"a newer version": {said(&Hello{Version: Version + 1, Time: uint64(noon.UnixMilli())}), fault.WrongVersion},
		"a longer hello":  {answering(Marshal(&reply{body: newer})), fault.Oversize},
		"a shorter hello": {answering(Marshal(&reply{body: newer[:11]})), fault.Truncated},
		"no reply":        {answering(nil), fault.Truncated},
		"a refusal":       {answering(Refuse(fault.New(fault.NotAllowed, "x"))), fault.NotAllowed},
		"another method": {callerFunc(func(ctx context.Context, _ Method, request []byte) ([]byte, error) {
			return ServeHello(clock(noon), nil)(ctx, DealerBatch, request), nil
		}), fault.UnknownMethod},
		"a caller that fails": {callerFunc(func(context.Context, Method, []byte) ([]byte, error) {
			return nil, fault.New(fault.PeerUnavailable, "x")
		}), fault.PeerUnavailable},
	} {
		if _, err := Greet(t.Context(), c.caller, clock(noon)); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
}

// No time that is told, and none that a clock shows, goes round the end of a number.
func TestGreetWithAbsurdTimes(t *testing.T) {
	for _, told := range []uint64{0, 1 << 53, 1 << 63, math.MaxUint64} {
		caller := answering(Marshal(&reply{body: Marshal(&Hello{Version: Version, Time: told})}))
		ahead, err := Greet(t.Context(), caller, clock(noon))
		if err != nil || (ahead > 0) != (told > 0) || ahead.Abs() < 24*time.Hour {
			t.Errorf("told %d: ahead by %v, %v", told, ahead, err)
		}
	}
	before := time.UnixMilli(-5) // a clock that was never set
	if ahead, err := Greet(t.Context(), InProcess(ServeHello(clock(before), nil), somebody), clock(noon)); err != nil || ahead > -24*time.Hour {
		t.Errorf("ahead by %v, %v", ahead, err)
	}
}

func TestServeHelloReportsWhatItRefuses(t *testing.T) {
	var reported error
	h := ServeHello(clock(noon), func(_ context.Context, m Method, err error) {
		if m != PeerHello {
			t.Errorf("reported for %s", m)
		}
		reported = err
	})
	if code := CodeOf(h(t.Context(), PeerHello, []byte{1})); code != fault.Truncated || !fault.Is(reported, fault.Truncated) {
		t.Errorf("answered %q, reported %v", code, reported)
	}
}

// A refusal of a transport is what a role's is, and says its code alone.
func TestRefuse(t *testing.T) {
	for _, c := range []struct {
		err  error
		want fault.Code
	}{
		{fault.New(fault.NotAllowed, "secret"), fault.NotAllowed},
		{fault.Within(fault.New(fault.Overloaded, "x"), "secret"), fault.Overloaded},
		{errors.New("secret"), fault.Unexpected},
	} {
		answer := Refuse(c.err)
		if CodeOf(answer) != c.want || bytes.Contains(answer, []byte("secret")) {
			t.Errorf("%v: %q, want %s", c.err, answer, c.want)
		}
		if _, err := (DealerClient{answering(answer)}).Batch(t.Context(), &BatchRequest{}); !fault.Is(err, c.want) {
			t.Errorf("%v arrives as %v", c.err, err)
		}
	}
}

func TestCodeOf(t *testing.T) {
	for what, c := range map[string]struct {
		answer []byte
		want   fault.Code
	}{
		"a message":             {Marshal(&reply{body: []byte{1, 2}}), ""},
		"nothing but no fault":  {Marshal(&reply{}), ""},
		"a fault":               {Marshal(&reply{code: "tampered"}), fault.Tampered},
		"a code unknown here":   {Marshal(&reply{code: "from_the_future"}), "from_the_future"},
		"nothing":               {nil, fault.BadEncoding},
		"a cut length":          {[]byte{0, 0, 0}, fault.BadEncoding},
		"a cut code":            {[]byte{0, 0, 0, 2, 'a'}, fault.BadEncoding},
		"a long code":           {append([]byte{0, 0, 0, 65}, make([]byte, 65)...), fault.BadEncoding},
		"a code with a newline": {[]byte{0, 0, 0, 1, '\n'}, fault.BadEncoding},
	} {
		if got := CodeOf(c.answer); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

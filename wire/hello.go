package wire

import (
	"context"
	"time"

	"nod/fault"
)

// Version is the version of the messages that this software speaks.
const Version = 1

// Hello is what two processes tell each other first: which messages they speak, and
// what time it is for them.
type Hello struct {
	Version uint32
	Time    uint64 // milliseconds since 1970
}

func (m *Hello) fields(c *coder) {
	c.uint32(&m.Version)
	c.uint64(&m.Time)
}

// PeerHello is a method of every role, for every caller that may call it at all.
const PeerHello Method = "peer/Hello"

// ServeHello answers peer/Hello.
func ServeHello(now func() time.Time, report Report) Handler {
	hello := func(context.Context, *Hello) (*Hello, error) {
		return &Hello{Version: Version, Time: uint64(max(now().UnixMilli(), 0))}, nil
	}
	return handler(report, map[Method]func(context.Context, []byte) ([]byte, error){PeerHello: serve(hello)})
}

// Greet says hello to the other side of a caller. It returns how far the other
// side's clock is ahead of this one's, give or take the time that the call took.
// Faults: WrongVersion if the other side speaks other messages.
func Greet(ctx context.Context, caller Caller, now func() time.Time) (ahead time.Duration, err error) {
	sent := now()
	theirs, err := invoke[Hello](ctx, caller, PeerHello, &Hello{Version: Version, Time: uint64(max(sent.UnixMilli(), 0))})
	if err != nil {
		return 0, err
	}
	if theirs.Version != Version {
		return 0, fault.New(fault.WrongVersion, "the other side speaks version %d of the messages, this software %d", theirs.Version, Version)
	}
	middle := sent.Add(now().Sub(sent) / 2)
	return time.UnixMilli(int64(min(theirs.Time, 1<<53))).Sub(middle), nil
}

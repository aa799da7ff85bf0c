package pebble

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"nod/fault"
)

// health is whether a store still works, and the logger and listener through
// which Pebble says that it does not.
//
// Pebble does not outlive a failing disk. Some failures it returns; others it
// hands to Logger.Fatalf, which must not return, retries at once and for ever,
// or panics with, in places where its own deferred unlocking then ends the
// process. But a role has other work, and answers to refuse. So: a write that
// fails never returns to Pebble (failStop); every call into Pebble runs in a
// goroutine of its own (guard); Fatalf ends the goroutine that calls it; and a
// store that failed once refuses every call until its process is started again.
// Going on would be wrong in any case: after a failed sync the kernel may have
// dropped the written pages, so no later success means that they are on the
// disk.
type health struct {
	log    *slog.Logger
	once   sync.Once
	err    error         // set before failed is closed
	failed chan struct{} // closed: calls are refused, and nothing waits for Pebble
}

func newHealth(log *slog.Logger) *health {
	return &health{log: log, failed: make(chan struct{})}
}

// check is nil while the store works.
func (h *health) check() error {
	select {
	case <-h.failed:
		return h.err
	default:
		return nil
	}
}

// fail refuses every call from now on, and returns why: the first cause, which
// is logged.
func (h *health) fail(what string, err error) error {
	h.once.Do(func() {
		h.err = fault.New(codeOf(err), "%s failed; free the cause and restart: %w", what, err)
		h.log.Error("store failed", "err", h.err)
		close(h.failed)
	})
	return h.err
}

// codeOf tells damage, which no retry mends, from any other failure.
func codeOf(err error) fault.Code {
	if pebble.IsCorruptionError(err) || fault.Is(err, fault.StoreDamaged) {
		return fault.StoreDamaged
	}
	return fault.StoreUnavailable
}

// call is one call into Pebble, under way or ended.
type call[T any] struct {
	ended chan struct{} // closed once value and err are set
	value T
	err   error
}

// guard starts f in a goroutine of its own. If the store fails the call may
// never end.
func guard[T any](h *health, f func() (T, error)) *call[T] {
	c := &call[T]{ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		returned := false
		defer func() {
			if returned {
				return
			}
			// A panic, or Fatalf's Goexit, of which recover says nothing and
			// which has told its reason already.
			cause := recover()
			err, ok := cause.(error)
			if !ok {
				err = fmt.Errorf("%v", cause)
			}
			c.err = h.fail("a call", err)
		}()
		c.value, c.err = f()
		returned = true
	}()
	return c
}

// await gives the call's result, unless the store fails or ctx ends before. The
// call may then still be under way.
func (c *call[T]) await(ctx context.Context, h *health) (T, error) {
	var none T
	select {
	case <-c.ended:
		return c.value, c.err
	case <-h.failed:
		return none, h.err
	case <-ctx.Done():
	}
	select { // a call that did end says more than one that may have
	case <-c.ended:
		return c.value, c.err
	default:
		return none, cancelled(ctx)
	}
}

func cancelled(ctx context.Context) error {
	return fault.New(fault.Cancelled, "%w", context.Cause(ctx))
}

// Infof drops what Pebble says of its daily work.
func (h *health) Infof(string, ...any) {}

// Errorf passes Pebble's complaints on, quietly: those that matter also reach
// fail.
func (h *health) Errorf(format string, args ...any) {
	h.log.Debug("pebble", "text", fmt.Sprintf(format, args...))
}

// Fatalf ends the calling goroutine, not the process.
func (h *health) Fatalf(format string, args ...any) {
	_ = h.fail("the database", fmt.Errorf(format, args...))
	runtime.Goexit()
}

// listener hears of background work that failed, for reasons other than a failed
// write. Pebble would try it again without end, so its goroutine ends here.
func (h *health) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			_ = h.fail("background work", err)
			runtime.Goexit()
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			_ = h.fail("reading "+info.Path, fault.New(fault.StoreDamaged, "%w", info.Details))
		},
	}
}

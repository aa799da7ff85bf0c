package process

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nod/fault"
	"nod/rpc"
	"nod/wire"
)

// Service is what a role serves, and how it is kept going.
type Service struct {
	Handler wire.Handler
	// Allow lists, for each method, the names that may call it.
	Allow map[wire.Method][]string
	// Maintain renews what is short-lived; it is called every minute.
	Maintain func(context.Context) error
	// Health says why the role cannot do its work, if it cannot.
	Health func(context.Context) error
	// Metrics are the role's own.
	Metrics []prometheus.Collector

	Calls      string        // address to serve calls at: host:port
	Operations string        // address of health and metrics: host:port
	Drain      time.Duration // how long calls under way may take at the end
	Profile    bool          // serve Go's profiles beside the metrics
	// Listening is told both addresses once they are open; nil: nobody.
	Listening func(calls, operations net.Addr)
}

// minute is how often a role is maintained.
const minute = time.Minute

// Run serves until ctx ends, then drains: it accepts nothing new and lets calls under
// way end. The parts are the caller's to close afterwards.
func (n *Node) Run(ctx context.Context, s Service) error {
	once, cancel := context.WithTimeout(ctx, greeting)
	err := n.Meet(once)
	cancel()
	if err != nil {
		return err
	}
	calls, err := listen(ctx, s.Calls)
	if err != nil {
		return err
	}
	operations, err := listen(ctx, s.Operations)
	if err != nil {
		return errors.Join(err, calls.Close())
	}
	server := rpc.NewServer(rpc.ServerConfig{
		Leaves: n.leaves, Pins: n.pins, Allow: s.Allow, Handler: n.metrics.handler(s.Handler), Report: n.refused,
	})
	keep := &keeper{node: n, service: &s, done: n.Now()}

	// Background work ends after the last call.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var loops sync.WaitGroup
	loops.Go(func() { n.keepMeeting(background) })
	loops.Go(func() { keep.run(background) })
	failed := make(chan error, 2)
	health := newOperations(keep)
	loops.Go(func() { failed <- health.serve(operations) })
	loops.Go(func() { failed <- server.Serve(calls) })

	if s.Listening != nil {
		s.Listening(calls.Addr(), operations.Addr())
	}
	n.Log.Info("serving", "role", n.Role, "calls", calls.Addr().String(), "operations", operations.Addr().String())
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	keep.drain()
	n.Log.Info("draining", "role", n.Role, "at most", s.Drain)
	end, cancel := context.WithTimeout(background, s.Drain)
	server.Drain(end)
	cancel()
	stop()
	health.close()
	loops.Wait()
	n.Log.Info("stopped", "role", n.Role)
	return err
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(context.WithoutCancel(ctx), "tcp", address)
	if err != nil {
		return nil, fault.New(fault.CannotListen, "listening at %s: %w", address, err)
	}
	return l, nil
}

// refused logs a call that no role saw.
func (n *Node) refused(_ context.Context, method wire.Method, err error) {
	n.metrics.refused.WithLabelValues(string(fault.CodeOf(err))).Inc()
	n.Log.Warn("call refused", "role", n.Role, "method", method, "error", err)
}

// Refused logs what the role itself refused. Faults hold no personal data.
func (n *Node) Refused(_ context.Context, method wire.Method, err error) {
	n.Log.Info("refused", "role", n.Role, "method", method, "code", fault.CodeOf(err), "error", err)
}

// keeper does a role's work by the minute, and knows whether all is well.
type keeper struct {
	node    *Node
	service *Service

	mu       sync.Mutex
	done     time.Time // of the last maintenance that succeeded
	failure  error     // of the last one
	draining bool
}

func (k *keeper) run(ctx context.Context) {
	tick := time.NewTicker(minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := errors.Join(k.node.leaves.Rotate(ctx), k.service.Maintain(ctx))
		if err != nil && ctx.Err() == nil {
			k.node.Log.Error("maintenance", "role", k.node.Role, "error", err)
		}
		k.mu.Lock()
		if k.failure = err; err == nil {
			k.done = k.node.Now()
		}
		k.mu.Unlock()
	}
}

func (k *keeper) drain() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.draining = true
}

// stale is how long after its last maintenance a role still calls itself ready: its
// short-lived keys are good for longer.
const stale = 4 * time.Minute

// ready says why no work should be sent here, or nil.
func (k *keeper) ready(ctx context.Context) error {
	k.mu.Lock()
	done, failure, draining := k.done, k.failure, k.draining
	k.mu.Unlock()
	switch {
	case draining:
		return fault.New(fault.Cancelled, "the process is stopping")
	case k.node.Now().Sub(done) > stale:
		return fault.Within(orFirst(failure, fault.New(fault.Unexpected, "maintenance does not end")), "maintenance")
	}
	if err := k.node.met(); err != nil {
		return err
	}
	return k.service.Health(ctx)
}

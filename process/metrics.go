package process

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// metrics are what every role counts. Nothing in them says anything of a citizen, and
// an answer that carries a verdict is one answer, whatever it says.
type metrics struct {
	served  *prometheus.HistogramVec // method, code
	called  *prometheus.HistogramVec // peer, method, code
	refused *prometheus.CounterVec   // code
}

func newMetrics() *metrics {
	buckets := []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}
	return &metrics{
		served: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "nod_served_call_seconds", Help: "Calls that this role answered, by method and code (ok, or a fault's).", Buckets: buckets,
		}, []string{"method", "code"}),
		called: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "nod_peer_call_seconds", Help: "Calls that this role made, by role called, method and code (ok, or a fault's).", Buckets: buckets,
		}, []string{"peer", "method", "code"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nod_refused_calls_total", Help: "Calls that were refused before the role saw them, by fault.",
		}, []string{"code"}),
	}
}

// registry has everything that /metrics shows.
func (m *metrics) registry(more ...prometheus.Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(m.served, m.called, m.refused,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(more...)
	return r
}

// label is a fault's code as a label; another side's invention is none.
func label(code fault.Code) string {
	switch {
	case code == "":
		return "ok"
	case !code.Known():
		return string(fault.PeerFault)
	}
	return string(code)
}

// handler counts the calls that a role answers. Only methods that somebody is allowed
// to call come this far.
func (m *metrics) handler(h wire.Handler) wire.Handler {
	return func(ctx context.Context, method wire.Method, request []byte) []byte {
		start := time.Now()
		answer := h(ctx, method, request)
		m.served.WithLabelValues(string(method), label(wire.CodeOf(answer))).Observe(time.Since(start).Seconds())
		return answer
	}
}

// caller counts the calls that a role makes.
func (m *metrics) caller(role seal.Role, c wire.Caller) wire.Caller { return &counted{m, role, c} }

type counted struct {
	metrics *metrics
	role    seal.Role
	next    wire.Caller
}

func (c *counted) Call(ctx context.Context, method wire.Method, request []byte) ([]byte, error) {
	start := time.Now()
	answer, err := c.next.Call(ctx, method, request)
	code := fault.CodeOf(err)
	if err == nil {
		code = wire.CodeOf(answer)
	}
	c.metrics.called.WithLabelValues(string(c.role), string(method), label(code)).Observe(time.Since(start).Seconds())
	return answer, err
}

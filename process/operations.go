package process

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"nod/fault"
)

// operations is the operator's own port: /livez, /readyz and /metrics, plain HTTP.
type operations struct{ server *http.Server }

func newOperations(k *keeper) *operations {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		answer(w, k.ready(ctx))
	})
	registry := k.node.metrics.registry(k.service.Metrics...)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	if k.service.Profile {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	}
	return &operations{&http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 8 << 10,
	}}
}

// answer is 200 and {"status":"ok"}, or 503 with the fault's code and what to do.
func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	out := map[string]string{"status": "ok"}
	if err != nil {
		code := fault.CodeOf(err)
		out = map[string]string{"status": "unavailable", "code": string(code), "do": code.Do()}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(out) // the reader is gone: nobody to tell
}

func (o *operations) serve(l net.Listener) error {
	if err := o.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fault.New(fault.Unexpected, "serving health and metrics: %w", err)
	}
	return nil
}

func (o *operations) close() { _ = o.server.Close() }

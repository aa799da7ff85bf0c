package channel

import (
	"math/rand/v2"
	"testing"
	"time"

	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/compare/cut"
	"nod/dealer"
	"nod/wire"
)

// benchWorld is a world with a model of 1,024 bits and learned weights, without
// plausibility check.
func benchWorld(b *testing.B, params cut.Params) *world {
	w := newWorld(b)
	w.model = codetest.Model(rand.New(rand.NewPCG(1, 1)), codetest.Shape{Bits: 1024, MaxWeight: 31})
	w.check, w.other, w.params = w.model.Match(), w.model.Match(), params
	w.checks = []*code.Check{w.check}
	var err error
	w.dealer, err = dealer.New(dealer.Config{Keyring: w.keys, Models: []*code.Model{w.model}, Audit: newLog(b), Clock: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	return w
}

// BenchmarkPrefetch1024 is one batch of 1,024 correlations from the dealer to both
// parties, through encoded messages: dealt twice, checked against the list by each,
// cut and chosen, 64 opened and judged by each.
func BenchmarkPrefetch1024(b *testing.B) {
	params := cut.Params{Batch: 1024, Sacrifice: 64}
	w := benchWorld(b, params)
	server := w.startServer(b)
	peer := newPeer("matcher")
	cfg := SourceConfig{Config: w.config(w.matcher, peer), Custodian: connect(server, peer)}
	if err := cfg.defaults(); err != nil {
		b.Fatal(err)
	}
	source := &Source{cfg: cfg}
	source.side = side{&source.cfg.Config, 0}
	st := newStream(source, w.check)
	b.ReportAllocs()
	for b.Loop() {
		batch, err := st.exchange(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		wipe(batch.halves)
	}
	b.ReportMetric(float64(b.N)*960/b.Elapsed().Seconds(), "usable/s")
}

// BenchmarkTakeAndClaim1024 is what a check costs on the request path beside the
// comparison itself: an expanded half at the matcher, one to be expanded at the
// custodian, both wiped at the end.
func BenchmarkTakeAndClaim1024(b *testing.B) {
	w := benchWorld(b, cut.Params{Batch: 1024, Sacrifice: 64})
	w.source.Ready = 960
	source, server, peer := w.start(b)
	ctx := wire.WithPeer(b.Context(), peer)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		eventually(b, "some are ready", func() bool {
			st := source.streams[w.check.ID]
			st.mu.Lock()
			defer st.mu.Unlock()
			return len(st.ready) > 0
		})
		b.StartTimer()
		mine, err := source.Take(ctx, w.check.ID)
		if err != nil {
			b.Fatal(err)
		}
		theirs, err := server.Claim(ctx, mine[0].Channel, mine[0].Index, w.check.ID)
		if err != nil {
			b.Fatal(err)
		}
		theirs.Done()
		mine[0].Done()
	}
}

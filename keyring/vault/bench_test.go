package vault_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nod/crypto/seal"
	"nod/keyring"
	"nod/keyring/vault"
	"nod/keyring/vault/vaulttest"
)

// meter adds up what batches took.
type meter struct {
	mu             sync.Mutex
	sent           map[string]time.Time
	busy           time.Duration
	batches, items int
}

func (m *meter) Sent(u vault.Use) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[u.ID] = time.Now()
}

func (m *meter) Ended(u vault.Use, _ vault.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy += time.Since(m.sent[u.ID])
	m.batches++
	m.items += u.Items
}

// BenchmarkMACs is the cost of an HMAC at a number of concurrent callers of one MAC
// each, against a server with two file audit devices. "server-us/MAC" is the server's
// processor time, "request-us/MAC" the time of requests over what they answered, and
// ns/op is by the clock, with the queue's delay.
func BenchmarkMACs(b *testing.B) {
	s := vaulttest.Start(b, vaulttest.Options{})
	role := s.Role(b, seal.Custodian, vault.Place{})
	for _, callers := range []int{1, 16, 64, 128} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			role.Renew(b)
			m := &meter{sent: map[string]time.Time{}}
			settings := role.Settings()
			settings.Recorder = m
			settings.Queue.Size = max(64, callers)
			k := role.Open(b, settings)
			ctx := context.Background()
			before, err := s.CPU()
			if err != nil {
				b.Skip(err)
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					input := fmt.Appendf(nil, "a salt of sixteen bytes and more, %d", c)
					for left.Add(-1) >= 0 {
						macs, err := k.MACs(ctx, keyring.Pad, 1, [][]byte{input})
						if err != nil {
							b.Error(err)
							return
						}
						macs[0].Wipe()
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			after, err := s.CPU()
			if err != nil {
				b.Fatal(err)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			b.ReportMetric(float64((after-before).Microseconds())/float64(m.items), "server-us/MAC")
			b.ReportMetric(float64(m.busy.Microseconds())/float64(m.items), "request-us/MAC")
			b.ReportMetric(float64(m.items)/float64(m.batches), "MACs/request")
		})
	}
}

package channel

import (
	"testing"

	"nod/fault"
	"nod/wire"
)

// The custodian has expanded what comes next when it is claimed, in the order of the
// coin; each index is handed out once whether it was expanded ahead or not; and what
// was expanded is wiped with its channel.
func TestExpandedAhead(t *testing.T) {
	w := newWorld(t)
	w.server.Ready = 4
	source, server, peer := w.start(t)
	ctx := wire.WithPeer(soon(t), peer)
	claim := func(l *Lease, index uint64, want fault.Code) {
		t.Helper()
		got, err := server.Claim(ctx, l.Channel, index, w.check.ID)
		if fault.CodeOf(err) != want {
			t.Errorf("index %d: %v, want %q", index, err, want)
		}
		if got != nil {
			got.Done()
		}
	}
	var l *Lease
	for range 10 {
		l = w.takeOne(t, source)
		eventually(t, "it is expanded", func() bool {
			server.mu.Lock()
			defer server.mu.Unlock()
			return server.channels[l.Channel].ready[l.Index] != nil
		})
		claim(l, l.Index, "")
		claim(l, l.Index, fault.IndexUsed)
		l.Done()
	}
	// Out of order: what is not expanded yet is expanded when it is claimed.
	server.mu.Lock()
	ch := server.channels[l.Channel]
	b := ch.batches[0]
	last := b.number*uint64(w.params.Batch) + uint64(b.order[len(b.order)-1])
	server.mu.Unlock()
	claim(l, last, "")
	claim(l, last, fault.IndexUsed)
	balanced(t, server.Stats())
	eventually(t, "more is expanded", func() bool {
		server.mu.Lock()
		defer server.mu.Unlock()
		return len(ch.ready) == 4
	})

	server.mu.Lock()
	defer server.mu.Unlock()
	var kept []*Lease
	for _, l := range ch.ready {
		kept = append(kept, l)
	}
	server.drop(ch)
	for _, l := range kept {
		if l.Ready != nil {
			t.Error("a correlation outlives its channel")
		}
	}
	if len(kept) == 0 || len(ch.ready) != 0 {
		t.Errorf("%d were kept, %d are left", len(kept), len(ch.ready))
	}
}

package channel

import (
	"time"

	"nod/crypto/canon"
	"nod/crypto/compare"
	"nod/fault"
	"nod/wire"
)

// Lease is one correlation, handed out for one comparison. Its holder calls Done
// when the comparison has ended, however it ended. One goroutine at a time.
type Lease struct {
	Channel canon.ChannelID
	Index   uint64
	Ready   *compare.Ready // loaded; nil after Done

	from *conduit
	born time.Time
}

// Done wipes the correlation and gives its memory back. Further calls do nothing.
func (l *Lease) Done() {
	if l.Ready == nil {
		return
	}
	l.Ready.Wipe()
	l.from.put(l.Ready)
	l.Ready = nil
}

// Release is Done for several.
func Release(leases []*Lease) {
	for _, l := range leases {
		l.Done()
	}
}

// conduit is an open channel as both sides see it, with memory for its leases.
type conduit struct {
	*compare.Channel
	names names
	party compare.Party
	free  chan *compare.Ready

	reached wire.Instance // the matcher's side: which process the transport found there
}

// spare is how much memory of finished leases a channel keeps for the next ones.
const spare = 64

func newConduit(n names, channel *compare.Channel, party compare.Party) *conduit {
	return &conduit{Channel: channel, names: n, party: party, free: make(chan *compare.Ready, spare)}
}

func (c *conduit) put(r *compare.Ready) {
	select {
	case c.free <- r:
	default:
	}
}

// lease expands a half, which it takes over. A half that does not expand is one
// that no honest dealer lists.
func (c *conduit) lease(index uint64, half *compare.Half, born time.Time) (*Lease, error) {
	var r *compare.Ready
	select {
	case r = <-c.free:
	default:
		r = compare.NewReady(c.Channel, c.party)
	}
	err := r.Load(index, half)
	half.Seed.Wipe()
	if err != nil {
		half.Wipe()
		return nil, c.accuseDealer(index, fault.New(fault.Tampered, "correlation %d: %w", index, err), nil)
	}
	return &Lease{Channel: c.ID, Index: index, Ready: r, from: c, born: born}, nil
}

package attack_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"nod/admit"
	"nod/crypto/code/codetest"
	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
	"nod/keyring"
	"nod/store"
	"nod/test/world"
	"nod/wire"
)

// stage is a deployment in which a test may stand between matcher and custodian,
// and bend the parts of a server: as a corrupt operator would, or to take a defence
// away.
type stage struct {
	*world.World
	custodian wire.Custodian // as this matcher instance reaches it
	between   *between       // what the matcher really reaches
	matchers  *bent          // the matcher's store
	pads      *bent          // the custodian's
	stores    map[seal.Role]*bent
	ring      *ring         // the custodian's keyring
	dealer    keyring.Admin // the dealer's keys
}

// small is a model that is quick to play with.
func small() codetest.Shape { return codetest.Shape{Bits: 256, Dimension: 64, MaxWeight: 7} }

func newStage(t *testing.T, shape codetest.Shape, change func(*dev.Options)) *stage {
	t.Helper()
	s := &stage{between: new(between), matchers: new(bent), pads: new(bent), ring: new(ring)}
	s.stores = map[seal.Role]*bent{seal.Matcher: s.matchers, seal.Custodian: s.pads}
	s.World = world.New(t, shape, func(o *dev.Options) {
		o.Caller = func(from, to seal.Role, c wire.Caller) wire.Caller {
			if from != seal.Matcher || to != seal.Custodian {
				return c
			}
			s.custodian = wire.CustodianClient{Caller: c}
			s.between.Custodian = s.custodian
			return wire.InProcess(wire.ServeCustodian(s.between, nil), wire.Peer{Role: seal.Matcher})
		}
		o.Store = func(role seal.Role, inner store.Store) store.Store {
			s.stores[role].Store = inner
			return s.stores[role]
		}
		o.Keyring = func(role seal.Role, inner keyring.Keyring) keyring.Keyring {
			switch role {
			case seal.Dealer:
				s.dealer = inner.(keyring.Admin)
			case seal.Custodian:
				s.ring.Keyring = inner
				return s.ring
			}
			return inner
		}
		if change != nil {
			change(o)
		}
	})
	return s
}

// between stands between matcher and custodian. Hooks are set while no verification
// runs.
type between struct {
	wire.Custodian
	opens  func(*wire.SessionOpen)
	closed func(*wire.CompareClosed) error
	enrols func(*wire.EnrolStart, *wire.EnrolDelta) error
	starts func(*wire.CompareStart, *wire.CompareStarted)

	mu       sync.Mutex
	channels []wire.BatchRequest // that were opened, as their batches are asked for
}

func (b *between) Open(ctx context.Context, m *wire.SessionOpen) (*wire.SessionOpened, error) {
	if b.opens != nil {
		b.opens(m)
	}
	return b.Custodian.Open(ctx, m)
}

func (b *between) OpenChannel(ctx context.Context, m *wire.ChannelOpen) (*wire.ChannelOpened, error) {
	out, err := b.Custodian.OpenChannel(ctx, m)
	if err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.channels = append(b.channels, wire.BatchRequest{
			Matcher: m.Instance, Custodian: out.Instance, Nonce0: m.Nonce, Nonce1: out.Nonce, Check: m.Check, Size: m.Batch,
		})
	}
	return out, err
}

func (b *between) Start(ctx context.Context, m *wire.CompareStart) (*wire.CompareStarted, error) {
	out, err := b.Custodian.Start(ctx, m)
	if err == nil && b.starts != nil {
		b.starts(m, out)
	}
	return out, err
}

func (b *between) Close(ctx context.Context, m *wire.CompareClose) (*wire.CompareClosed, error) {
	out, err := b.Custodian.Close(ctx, m)
	if err == nil && b.closed != nil {
		err = b.closed(out)
	}
	return out, err
}

func (b *between) Enrol(ctx context.Context, m *wire.EnrolStart) (*wire.EnrolDelta, error) {
	out, err := b.Custodian.Enrol(ctx, m)
	if err == nil && b.enrols != nil {
		err = b.enrols(m, out)
	}
	return out, err
}

// bent is a server's store whose owner changes what it reads and writes. Tables are
// named as the servers name them.
type bent struct {
	store.Store
	mu sync.RWMutex // the store is used in the background too
	// instead gives the row that is read in the place of another.
	instead func(store.Row) store.Row
	// reads changes a record that was read.
	reads             func(store.Table, *store.Record)
	forgotten, frozen []store.Table
}

// redirect has other rows read than those that are asked for.
func (b *bent) redirect(instead func(store.Row) store.Row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.instead = instead
}

// change has records read otherwise than they are.
func (b *bent) change(reads func(store.Table, *store.Record)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reads = reads
}

// forget has servers read a table as empty, and not write it.
func (s *stage) forget(t store.Table, servers ...seal.Role) {
	for _, role := range servers {
		s.stores[role].forget(t)
	}
}

// forget has a table read as empty, and not written.
func (b *bent) forget(t store.Table) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgotten = append(b.forgotten, t)
}

// freeze has a table not written.
func (b *bent) freeze(t store.Table) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frozen = append(b.frozen, t)
}

func (b *bent) Get(ctx context.Context, row store.Row) (store.Record, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if slices.Contains(b.forgotten, row.Table) {
		return store.Record{}, fault.New(fault.NotFound, "forgotten")
	}
	if b.instead != nil {
		row = b.instead(row)
	}
	record, err := b.Store.Get(ctx, row)
	if err == nil && b.reads != nil {
		b.reads(row.Table, &record)
	}
	return record, err
}

func (b *bent) Apply(ctx context.Context, writes ...store.Write) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var kept []store.Write
	for _, w := range writes {
		if !slices.Contains(b.forgotten, w.Table) && !slices.Contains(b.frozen, w.Table) {
			kept = append(kept, w)
		}
	}
	return b.Store.Apply(ctx, kept...)
}

// moved reads one citizen's rows of a table where another's stand.
func moved(table store.Table, from, to admit.Handle) func(store.Row) store.Row {
	return func(row store.Row) store.Row {
		if row.Table == table && admit.Handle(row.Partition) == from {
			row.Partition = to[:]
		}
		return row
	}
}

// ring is the custodian's keyring whose owner changes what it computes pads of.
type ring struct {
	keyring.Keyring
	macs func(input []byte) []byte
}

func (r *ring) MACs(ctx context.Context, key keyring.Name, version uint32, inputs [][]byte) ([]keyring.MAC, error) {
	if r.macs != nil && key == keyring.Pad {
		changed := make([][]byte, len(inputs))
		for i, input := range inputs {
			changed[i] = r.macs(input)
		}
		inputs = changed
	}
	return r.Keyring.MACs(ctx, key, version, inputs)
}

// errAbort is how a corrupt party ends a call.
var errAbort = errors.New("aborted by the attacker")

// Package dealer is the role that deals correlations. It implements
// docs/spec/protocol.md, section 5: stateless, so that half i of correlation m of
// channel c is a function of (version of the root key, c, m, i), and nothing it
// deals ever touches its disk.
//
// Its secrets leave its keyring as one HMAC a batch. It learns how many
// correlations are used, and nothing of whom they are used for.
package dealer

import (
	"context"
	"crypto/sha256"
	"time"

	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring"
	"nod/wire"
)

// Config is what a dealer is given at start.
type Config struct {
	Keyring keyring.Keyring // Root (HMAC) and Identity (ed25519)
	Models  []*code.Model   // that the dealer's own operator trusts; all their checks are dealt
	Audit   audit.Log
	// MaxBatch is the most correlations that one call asks for. 0: 4,096.
	MaxBatch int
	// Concurrent is how many batches are dealt at a time; further calls wait. 0: 2.
	Concurrent int
	Clock      func() time.Time // nil: time.Now
}

// Dealer implements wire.Dealer. Safe for concurrent use.
type Dealer struct {
	cfg    Config
	checks map[canon.CheckID]*code.Check
	slots  chan struct{}
}

var _ wire.Dealer = (*Dealer)(nil)

// New makes a dealer. Limits that make no sense are fault.OutOfRange.
func New(cfg Config) (*Dealer, error) {
	if cfg.Keyring == nil || cfg.Audit == nil {
		panic("dealer: a configuration without keyring or audit log")
	}
	if cfg.MaxBatch == 0 {
		cfg.MaxBatch = 4096
	}
	if cfg.Concurrent == 0 {
		cfg.Concurrent = 2
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.MaxBatch < 2 || cfg.MaxBatch > wire.MaxBatch || cfg.Concurrent < 1 {
		return nil, fault.New(fault.OutOfRange, "batches of %d, %d at a time", cfg.MaxBatch, cfg.Concurrent)
	}
	d := &Dealer{cfg: cfg, checks: map[canon.CheckID]*code.Check{}, slots: make(chan struct{}, cfg.Concurrent)}
	for _, m := range cfg.Models {
		d.checks[m.Match().ID] = m.Match()
		if check, _, ok := m.Plausibility(); ok {
			d.checks[check.ID] = check
		}
	}
	return d, nil
}

// Batch deals one batch to its caller: half 0 to the matcher that the request
// names, half 1 to the custodian. Faults: NotAllowed for anybody else, UnknownModel,
// OutOfRange, KeyVersion for a version of the root key that is gone (start another
// batch), KeyringUnavailable, AuditUnavailable, Cancelled.
func (d *Dealer) Batch(ctx context.Context, m *wire.BatchRequest) (*wire.BatchAnswer, error) {
	party, err := half(wire.PeerOf(ctx), m)
	if err != nil {
		return nil, err
	}
	check := d.checks[m.Check]
	if check == nil {
		return nil, fault.New(fault.UnknownModel, "no check %v", m.Check)
	}
	if err := d.fits(check, m); err != nil {
		return nil, err
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return nil, fault.New(fault.Cancelled, "waiting to deal: %w", ctx.Err())
	}
	return d.deal(ctx, check, party, m)
}

// half is the caller's place in the comparison: it follows the identity that the
// transport authenticated, and no caller gets another instance's halves.
func half(peer wire.Peer, m *wire.BatchRequest) (compare.Party, error) {
	switch {
	case peer.Role == seal.Matcher && peer.Instance == m.Matcher:
		return compare.Matcher, nil
	case peer.Role == seal.Custodian && peer.Instance == m.Custodian:
		return compare.Custodian, nil
	}
	return 0, fault.New(fault.NotAllowed, "the caller is neither of the channel's two instances")
}

// element is what one correlation takes in an answer beside its corrections: four
// digests, a seed and a length.
const element = 4*sha256.Size + prg.Size + 4

// fits holds a request to the limits, that of a message among them.
func (d *Dealer) fits(check *code.Check, m *wire.BatchRequest) error {
	if m.Size < 2 || int64(m.Size) > int64(d.cfg.MaxBatch) || m.Batch >= wire.MaxBatches {
		return fault.New(fault.OutOfRange, "batch %d of %d, at most %d", m.Batch, m.Size, d.cfg.MaxBatch)
	}
	each := int64(element + compare.CorrectionsSize(check, compare.Custodian))
	if int64(m.Size)*each > wire.MaxMessage-wire.MaxSignature-1024 {
		return fault.New(fault.OutOfRange, "%d correlations of %d bits do not fit in a message", m.Size, check.Bits())
	}
	return nil
}

// root is the version of the root key for a request.
func (d *Dealer) root(ctx context.Context, m *wire.BatchRequest) (uint32, error) {
	info, err := d.cfg.Keyring.Describe(ctx, keyring.Root)
	if err != nil {
		return 0, err
	}
	if m.Root == 0 {
		return info.Latest, nil
	}
	if m.Root > info.Latest || m.Root < max(info.MinUse, info.MinAvailable) {
		return 0, fault.New(fault.KeyVersion, "version %d of the root key", m.Root)
	}
	return m.Root, nil
}

// record writes the leaf of a batch. It comes before the key is used: so the
// keyring's own log shows no use that the dealer's does not.
func (d *Dealer) record(ctx context.Context, m *wire.BatchRequest, root uint32) error {
	_, err := d.cfg.Audit.Append(ctx, audit.Leaf{
		Time:        d.cfg.Clock(),
		Operation:   audit.OpDeal,
		Party:       string(wire.PeerOf(ctx).Role),
		Key:         string(keyring.Root),
		KeyVersion:  root,
		Correlation: wire.Chain(ctx),
		Session:     canon.Digest(m.Channel()),
		Count:       m.Size,
	})
	return err
}

func (d *Dealer) deal(ctx context.Context, check *code.Check, party compare.Party, m *wire.BatchRequest) (*wire.BatchAnswer, error) {
	root, err := d.root(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := d.record(ctx, m, root); err != nil {
		return nil, err
	}
	seeds, err := d.seeds(ctx, m, root)
	if err != nil {
		return nil, err
	}
	defer seeds.wipe()
	work := newWork(check, party, m, seeds)
	if err := work.run(ctx); err != nil {
		work.wipe()
		return nil, err
	}
	list := cut.List{Root: root, Channel: m.Channel(), Batch: m.Batch, Halves: work.digests}
	signature, version, err := d.cfg.Keyring.Sign(ctx, keyring.Identity, list.Signed())
	if err != nil {
		work.wipe()
		return nil, err
	}
	return &wire.BatchAnswer{Root: root, Identity: version, Digests: work.digests, Signature: signature, Halves: work.halves}, nil
}

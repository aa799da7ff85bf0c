package dealer_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"nod/audit"
	"nod/audit/audittest"
	"nod/audit/file"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/seal"
	"nod/dealer"
	"nod/keyring"
	"nod/keyring/keyringtest"
	"nod/keyring/local"
	"nod/wire"
)

// rig is a dealer with its keyring and log, and two callers.
type rig struct {
	model  *code.Model
	check  *code.Check
	keys   *local.Keyring
	counts *keyringtest.Counting
	log    *audittest.Faulty
	cfg    dealer.Config
	dealer *dealer.Dealer
}

var (
	matcher   = wire.Peer{Role: seal.Matcher, Instance: wire.Instance{1}}
	custodian = wire.Peer{Role: seal.Custodian, Instance: wire.Instance{2}}
)

func newRig(t testing.TB, shape codetest.Shape) *rig {
	t.Helper()
	r := &rig{model: codetest.Model(rand.New(rand.NewPCG(1, 1)), shape), keys: local.InMemory()}
	log, err := file.Open(filepath.Join(t.TempDir(), "audit"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	r.log = audittest.NewFaulty(log, nil)
	r.check = r.model.Match()
	for name, kind := range map[keyring.Name]keyring.Type{keyring.Root: keyring.HMAC, keyring.Identity: keyring.Ed25519} {
		if err := r.keys.Create(t.Context(), name, kind); err != nil {
			t.Fatal(err)
		}
	}
	r.counts = keyringtest.NewCounting(r.keys)
	r.cfg = dealer.Config{Keyring: r.counts, Models: []*code.Model{r.model}, Audit: r.log}
	r.dealer = r.open(t)
	return r
}

// open is another process of the same dealer.
func (r *rig) open(t testing.TB) *dealer.Dealer {
	t.Helper()
	d, err := dealer.New(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (r *rig) request(size uint32) *wire.BatchRequest {
	return &wire.BatchRequest{
		Matcher: matcher.Instance, Custodian: custodian.Instance,
		Nonce0: canon.Digest{3}, Nonce1: canon.Digest{4}, Check: r.check.ID, Batch: 7, Size: size,
	}
}

func ask(t testing.TB, d *dealer.Dealer, peer wire.Peer, q *wire.BatchRequest) *wire.BatchAnswer {
	t.Helper()
	a, err := d.Batch(wire.WithPeer(t.Context(), peer), q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (r *rig) leaves(t testing.TB) []audit.Leaf {
	t.Helper()
	leaves, err := r.log.Read(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	return leaves
}

package dealer

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/prg"
	"nod/fault"
	"nod/keyring"
	"nod/wire"
)

// seeds are the seeds of a batch's halves, by party: one expansion each.
type seeds [2][]byte

// seeds derives them from one HMAC under the root key, of canonical("deal",
// channel, batch, size): the root of each party's expansion is one-way from it,
// under a kind of its own, so neither party's seeds say anything of the other's.
func (d *Dealer) seeds(ctx context.Context, m *wire.BatchRequest, root uint32) (*seeds, error) {
	channel := m.Channel()
	input := canon.Encode("deal", channel[:], canon.Uint64(m.Batch), canon.Uint64(uint64(m.Size)))
	macs, err := d.cfg.Keyring.MACs(ctx, keyring.Root, root, [][]byte{input})
	if err != nil {
		return nil, err
	}
	defer macs[0].Wipe()
	return expandSeeds(macs[0][:], channel, m.Batch, int(m.Size)), nil
}

func expandSeeds(mac []byte, channel canon.ChannelID, batch uint64, size int) *seeds {
	var s seeds
	for p, kind := range [2]canon.Kind{"deal-half-0", "deal-half-1"} {
		base := prg.Derive(mac, kind, channel, batch)
		s[p] = make([]byte, size*prg.Size)
		base.Expand(s[p])
		base.Wipe()
	}
	return &s
}

func (s *seeds) of(i int) (out [2]prg.Seed) {
	for p := range s {
		out[p] = prg.Seed(s[p][i*prg.Size:])
	}
	return out
}

func (s *seeds) wipe() {
	clear(s[0])
	clear(s[1])
}

// work deals one batch on several goroutines. Every correlation is dealt in full:
// its list has the digests of both halves, its answer the halves of one party.
type work struct {
	check   *code.Check
	channel canon.ChannelID
	party   compare.Party
	first   uint64
	seeds   *seeds

	halves  []compare.Half
	digests [][2]compare.Digests
	next    atomic.Int64 // the first place that nobody deals yet
}

// stride is how many correlations a goroutine takes at a time.
const stride = 16

func newWork(check *code.Check, party compare.Party, m *wire.BatchRequest, s *seeds) *work {
	n := int(m.Size)
	w := &work{
		check: check, channel: m.Channel(), party: party, first: m.Batch * uint64(n), seeds: s,
		halves: make([]compare.Half, n), digests: make([][2]compare.Digests, n),
	}
	size := compare.CorrectionsSize(check, party)
	slab := make([]byte, n*size)
	for i := range w.halves {
		w.halves[i].Corrections = slab[i*size : (i+1)*size : (i+1)*size]
	}
	return w
}

func (w *work) run(ctx context.Context) error {
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (len(w.halves)+stride-1)/stride) {
		group.Go(func() { w.some(ctx) })
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return fault.New(fault.Cancelled, "dealing: %w", err)
	}
	return nil
}

// some deals strides until none is left or ctx ends.
func (w *work) some(ctx context.Context) {
	dealer := compare.NewDealer(w.check, w.channel)
	defer dealer.Wipe()
	peer := w.party.Peer()
	theirs := make([]byte, compare.CorrectionsSize(w.check, peer))
	defer clear(theirs)
	for ctx.Err() == nil {
		from := int(w.next.Add(stride)) - stride
		if from >= len(w.halves) {
			return
		}
		for i := from; i < min(from+stride, len(w.halves)); i++ {
			w.one(dealer, i, theirs)
		}
	}
}

func (w *work) one(dealer *compare.Dealer, i int, theirs []byte) {
	seeds := w.seeds.of(i)
	mine := &w.halves[i]
	mine.Seed = seeds[w.party]
	other := compare.Half{Seed: seeds[w.party.Peer()], Corrections: theirs}
	var corrections [2][]byte
	corrections[w.party], corrections[w.party.Peer()] = mine.Corrections, theirs
	dealer.Deal(w.first+uint64(i), &seeds, &corrections)
	w.digests[i][w.party], w.digests[i][w.party.Peer()] = mine.Digests(), other.Digests()
}

func (w *work) wipe() {
	for i := range w.halves {
		w.halves[i].Wipe()
	}
}

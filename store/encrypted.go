package store

import (
	"context"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"nod/crypto/canon"
	"nod/fault"
)

// encrypted is a Store whose inner store sees ciphertexts only.
type encrypted struct {
	inner Store
	aead  tink.AEAD
}

// Encrypted wraps a store so that it holds values only as ciphertexts, each
// bound to its place: the associated data is canon.Encode("record", table,
// partition, key). A value that was changed, moved to another row, or made
// under a key that is not in the keyset, is refused with fault.RecordForged.
//
// The inner store still sees tables, partitions, keys, versions, expiries and
// the length of every value, and can give an old version back (see the package
// comment). Values have at most MaxValue - Overhead bytes.
func Encrypted(inner Store, aead tink.AEAD) Store { return &encrypted{inner, aead} }

func associated(r Row) []byte {
	return canon.Encode("record", []byte(r.Table), r.Partition, r.Key)
}

// open replaces a record's ciphertext by its value.
func (s *encrypted) open(row Row, r *Record) error {
	value, err := s.aead.Decrypt(r.Value, associated(row))
	if err != nil {
		// Tink's own text adds nothing, and which byte was wrong is nobody's business.
		return fault.New(fault.RecordForged, "a row of table %s does not decrypt in its place", row.Table)
	}
	if value == nil {
		value = []byte{}
	}
	r.Value = value
	return nil
}

func (s *encrypted) openAll(entries []Entry, err error) ([]Entry, error) {
	if err != nil {
		return nil, err
	}
	for i := range entries {
		if err := s.open(entries[i].Row, &entries[i].Record); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func (s *encrypted) Get(ctx context.Context, row Row) (Record, error) {
	r, err := s.inner.Get(ctx, row)
	if err != nil {
		return Record{}, err
	}
	if err := s.open(row, &r); err != nil {
		return Record{}, err
	}
	return r, nil
}

func (s *encrypted) Apply(ctx context.Context, writes ...Write) error {
	sealed := make([]Write, len(writes))
	for i, w := range writes {
		sealed[i] = w
		if w.Delete {
			sealed[i].Value = nil
			continue
		}
		value, err := s.seal(w.Row, w.Value)
		if err != nil {
			return err
		}
		sealed[i].Value = value
	}
	return s.inner.Apply(ctx, sealed...)
}

// seal encrypts a value for its place.
func (s *encrypted) seal(row Row, value []byte) ([]byte, error) {
	if len(value) > MaxValue-Overhead {
		return nil, fault.New(fault.Oversize, "value of %d bytes, at most %d", len(value), MaxValue-Overhead)
	}
	ciphertext, err := s.aead.Encrypt(value, associated(row))
	if err != nil {
		return nil, fault.New(fault.Unexpected, "encrypting a row of table %s: %w", row.Table, err)
	}
	return ciphertext, nil
}

func (s *encrypted) Partition(ctx context.Context, table Table, partition, after []byte, limit int) ([]Entry, error) {
	return s.openAll(s.inner.Partition(ctx, table, partition, after, limit))
}

func (s *encrypted) Scan(ctx context.Context, table Table, after Row, limit int) ([]Entry, error) {
	return s.openAll(s.inner.Scan(ctx, table, after, limit))
}

func (s *encrypted) Sweep(ctx context.Context, table Table, now time.Time, limit int) (int, error) {
	return s.inner.Sweep(ctx, table, now, limit)
}

func (s *encrypted) Close() error { return s.inner.Close() }

package postgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"nod/fault"
	"nod/store"
)

func TestLoad(t *testing.T) {
	needServer(t)
	ctx := context.Background()
	s := openStore(t, newDatabase(t, shared, "matcher"))
	handle, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	cipher, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(1_800_000_000_000).UTC()
	for name, st := range map[string]store.Store{"plain": s, "encrypted": store.Encrypted(s, cipher)} {
		var entries []store.Entry
		for i := range 100 {
			entries = append(entries, store.Entry{Row: row(fmt.Sprint(name, i), ""), Record: store.Record{Value: []byte(name), Expires: at, Version: 7}})
		}
		entries[1].Value, entries[1].Expires = nil, time.Time{}
		if err := store.Load(ctx, st, entries); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, e := range entries {
			got, err := st.Get(ctx, e.Row)
			if err != nil || string(got.Value) != string(e.Value) || got.Version != 1 || !got.Expires.Equal(e.Expires) {
				t.Fatalf("%s: row %d is %v, %v", name, i, got, err)
			}
		}
		more := append([]store.Entry{{Row: row(name, "more")}}, entries[50])
		if err := store.Load(ctx, st, more); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: a row that exists: %v", name, err)
		}
		if _, err := st.Get(ctx, more[0].Row); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: half of a load is there: %v", name, err)
		}
		if err := store.Load(ctx, st, []store.Entry{more[0], more[0]}); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: a row twice: %v", name, err)
		}
		if err := store.Load(ctx, st, make([]store.Entry, store.MaxLoad+1)); !fault.Is(err, fault.Oversize) {
			t.Errorf("%s: too many rows: %v", name, err)
		}
		if err := store.Load(ctx, st, make([]store.Entry, 1)); !fault.Is(err, fault.OutOfRange) {
			t.Errorf("%s: a row without a table: %v", name, err)
		}
		if err := store.Load(ctx, st, nil); err != nil {
			t.Errorf("%s: nothing: %v", name, err)
		}
	}
}

package flow_test

import (
	"testing"
	"time"

	"nod/audit"
	"nod/fault"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

// An order that is refused after its record was made is on record as refused, at both
// servers: a record of an unlock is no unlock.
func TestRefusedOrdersAreOnRecordAsSuch(t *testing.T) {
	w := world.New(t, world.Shape(), nil)
	p := w.Person("citizen")
	w.Enrol(p)
	stale := w.SignOrder(orders.Unlock, p)
	w.Clock.Advance(time.Second)
	w.Order(orders.Lock, p)
	if _, err := w.Matcher.Order(t.Context(), &wire.OrderRequest{Order: stale}); !fault.Is(err, fault.StaleOrder) {
		t.Fatalf("a stale unlock: %v", err)
	}
	for name, log := range map[string]audit.Log{"matcher": w.MatcherRole.Audit, "custodian": w.CustodianRole.Audit} {
		leaves, err := log.Read(t.Context(), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		var unlock, refused int
		for i, l := range leaves {
			if l.Operation == audit.OpUnlock {
				unlock = i + 1
			}
			if unlock > 0 && l.Operation == audit.OpAbort && l.Session == leaves[unlock-1].Session {
				refused = i + 1
			}
		}
		if unlock == 0 || refused < unlock {
			t.Errorf("%s: unlock at %d, refusal at %d of %d records", name, unlock, refused, len(leaves))
		}
	}
}

package orders

import (
	"strings"
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
)

func TestReceiptsRefused(t *testing.T) {
	w := newWorld(t)
	order := hash("order")
	half := func(server int, s Statement) []byte {
		t.Helper()
		out, err := SignStatement(w.signers[server], s, now)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	good := Statement{Kind: Erased, Order: order, KeyVersion: 2, Removed: []canon.RowID{hash("a"), hash("b")}}
	other := good
	other.Order = hash("another order")
	forger := seal.NewSigners(seal.Custodian)
	if err := forger.Rotate(t.Context(), now, signAs(seal.Matcher)); err != nil {
		t.Fatal(err)
	}
	forged, err := SignStatement(forger, good, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		receipt []byte
		kind    ReceiptKind
		code    fault.Code
	}{
		"good":                     {CombineReceipt(half(0, good), half(1, good)), Erased, ""},
		"two by the matcher":       {CombineReceipt(half(0, good), half(0, good)), Erased, fault.NotCosigned},
		"in the other order":       {CombineReceipt(half(1, good), half(0, good)), Erased, fault.NotCosigned},
		"one only":                 {CombineReceipt(half(0, good), nil), Erased, fault.Truncated},
		"of another kind":          {CombineReceipt(half(0, good), half(1, good)), Locked, fault.WrongRequest},
		"half of another order":    {CombineReceipt(half(0, good), half(1, other)), Erased, fault.WrongRequest},
		"by the matcher's own key": {CombineReceipt(half(0, good), forged), Erased, fault.BadCertificate},
		"a bare statement":         {good.bytes(), Erased, fault.BadEncoding},
	} {
		if _, err := VerifyReceipt(c.receipt, w.bundle, c.kind, order); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
	receipt := CombineReceipt(half(0, good), half(1, good))
	flips(receipt, func(changed []byte, at int) {
		if _, err := VerifyReceipt(changed, w.bundle, Erased, order); err == nil {
			t.Fatalf("byte %d changed was accepted", at)
		}
	})

	for name, s := range map[string]Statement{
		"kind":          {Kind: "forgotten", Order: order},
		"too many rows": {Kind: Erased, Order: order, Removed: make([]canon.RowID, MaxRemoved+1)},
	} {
		if _, err := SignStatement(w.signers[0], s, now); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	if _, err := SignStatement(w.signers[0], good, now.Add(2*time.Hour)); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("signed with an old key: %v", err)
	}
	bad := good
	bad.Role = seal.Dealer
	if _, err := parseStatement(bad.bytes()); !fault.Is(err, fault.OutOfRange) {
		t.Errorf("the dealer's statement: %v", err)
	}
	cut := canon.Encode("statement", []byte(Erased), []byte(seal.Matcher), order[:], canon.Time(now), canon.Uint64(1), []byte(strings.Repeat("x", 33)))
	if _, err := parseStatement(cut); !fault.Is(err, fault.BadEncoding) {
		t.Errorf("a row and a byte: %v", err)
	}
}

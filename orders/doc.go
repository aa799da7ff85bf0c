// Package orders is what others sign and what Nod signs. It implements
// docs/spec/orders.md.
//
// Relying parties sign requests, clients their probes, stations enrolments, the
// bureau orders: erase, lock, unlock, lift. Both servers sign the answer to a
// session's opening, the verdict, and receipts; each counts only with both. Nod
// acts on exact bytes: a request is named by the hash of its bytes, and that
// hash is in everything that follows from it.
//
// Signing keys and who may use them come to each server from its own operator,
// never from its peer. Signatures are classical (ES256, EdDSA).
package orders

import (
	"time"

	"nod/crypto/seal"
	"nod/fault"
)

// Skew is how far a signer's clock may be from the reader's.
const Skew = seal.Skew

// checkTimes refuses what is from the future, over, or made to last longer than
// longest.
func checkTimes(what string, issued, expiry, now time.Time, longest time.Duration) error {
	switch {
	case !issued.Before(expiry) || expiry.Sub(issued) > longest:
		return fault.New(fault.OutOfRange, "%s is for %s, want more than 0 and at most %s", what, expiry.Sub(issued), longest)
	case now.Before(issued.Add(-Skew)):
		return fault.New(fault.NotYetValid, "%s is from %s", what, issued.Format(time.RFC3339))
	case now.After(expiry.Add(Skew)):
		return fault.New(fault.Expired, "%s ended at %s", what, expiry.Format(time.RFC3339))
	}
	return nil
}

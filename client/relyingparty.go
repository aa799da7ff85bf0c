package client

import (
	"crypto/rand"
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/orders"
)

// RelyingParty asks for verifications and checks what comes back. Its fields are
// its own settings; it is safe for concurrent use.
type RelyingParty struct {
	ID      string             // the origin that it serves, as registered
	Purpose string             // as registered
	Model   canon.ModelID      // of the policy's first slot
	Policy  canon.PolicyID     //
	Key     *orders.PrivateKey // registered with both servers' operators
	Bundle  *seal.Bundle       // pinned
}

// Request signs a request to verify a citizen who consented. device is the
// one-time key of the citizen's device. The relying party keeps the request until
// its verdict is checked.
func (p *RelyingParty) Request(citizen orders.Citizen, consent string, device *orders.PublicKey, now time.Time) ([]byte, error) {
	issued := now.Truncate(time.Second)
	return orders.SignRequest(p.Key, &orders.Request{
		RP:       p.ID,
		Citizen:  citizen,
		Purpose:  p.Purpose,
		Consent:  consent,
		Model:    p.Model,
		Policy:   p.Policy,
		Client:   device,
		JTI:      rand.Text(),
		IssuedAt: issued,
		Expiry:   issued.Add(orders.RequestWindow),
	})
}

// Verdict checks a verdict about a request that this relying party made.
func (p *RelyingParty) Verdict(request, verdict []byte, now time.Time) (*orders.Verdict, error) {
	return VerifyVerdict(request, verdict, p.Bundle, now, orders.Expected{RP: p.ID, Purpose: p.Purpose, Model: p.Model, Policy: p.Policy})
}

// VerifyVerdict is orders.VerifyVerdict: it checks a verdict offline, with the
// request that it must be about.
func VerifyVerdict(request, verdict []byte, bundle *seal.Bundle, now time.Time, want orders.Expected) (*orders.Verdict, error) {
	return orders.VerifyVerdict(request, verdict, bundle, now, want)
}

package dev

import (
	"context"
	"time"

	"nod/client"
	"nod/crypto/code"
	"nod/crypto/seal"
	"nod/enrol"
	"nod/orders"
	"nod/wire"
)

// Outside are the parties that use Nod, played by one program: a relying party, a
// citizen's device, a station and the bureau. In a deployment each is with its own
// owner. A party that this program has no key of is nil.
type Outside struct {
	Bundle  *seal.Bundle
	Plan    *code.Plan
	Matcher wire.Matcher // as it is reached from outside
	RP      *client.RelyingParty
	Station *enrol.Station
	Bureau  *orders.PrivateKey

	now func() time.Time
}

// Verified is one verification, as its relying party sees it.
type Verified struct {
	Verdict *orders.Verdict
	Request []byte // what the relying party signed
	Signed  []byte // what both servers signed

	Open    time.Duration // both servers open the session
	Seal    time.Duration // the device makes the probe
	Compare time.Duration // both servers compare
}

// Verify plays a verification from start to end: the relying party's request, the
// citizen's device, and the check of the verdict. The features are wiped,
// whatever happens.
func (o *Outside) Verify(ctx context.Context, citizen orders.Citizen, features client.Features) (*Verified, error) {
	defer features.Wipe()
	device, err := client.NewDevice(o.RP.ID, o.Bundle, nil)
	if err != nil {
		return nil, err
	}
	v := new(Verified)
	if v.Request, err = o.RP.Request(citizen, "consent-1", device.PublicKey(), o.now()); err != nil {
		return nil, err
	}
	if _, err := device.Asks(v.Request); err != nil {
		return nil, err
	}
	start := time.Now()
	opened, err := o.Matcher.Open(ctx, &wire.OpenRequest{Request: v.Request})
	if err != nil {
		return nil, err
	}
	v.Open, start = time.Since(start), time.Now()
	probe, err := device.Probe(v.Request, opened.Answer, o.Plan, features, o.now())
	if err != nil {
		return nil, err
	}
	v.Seal, start = time.Since(start), time.Now()
	done, err := o.Matcher.Verify(ctx, probe)
	if err != nil {
		return nil, err
	}
	v.Compare = time.Since(start)
	v.Signed = done.Verdict
	v.Verdict, err = o.RP.Verdict(v.Request, done.Verdict, o.now())
	return v, err
}

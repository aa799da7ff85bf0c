package dev

import (
	"context"
	"time"

	"nod/client"
	"nod/orders"
	"nod/wire"
)

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
func (d *Deployment) Verify(ctx context.Context, citizen orders.Citizen, features client.Features) (*Verified, error) {
	defer features.Wipe()
	device, err := client.NewDevice(d.RP.ID, d.Bundle, nil)
	if err != nil {
		return nil, err
	}
	v := new(Verified)
	if v.Request, err = d.RP.Request(citizen, "consent-1", device.PublicKey(), d.now()); err != nil {
		return nil, err
	}
	if _, err := device.Asks(v.Request); err != nil {
		return nil, err
	}
	start := time.Now()
	opened, err := d.Matcher.Open(ctx, &wire.OpenRequest{Request: v.Request})
	if err != nil {
		return nil, err
	}
	v.Open, start = time.Since(start), time.Now()
	probe, err := device.Probe(v.Request, opened.Answer, d.Plan, features, d.now())
	if err != nil {
		return nil, err
	}
	v.Seal, start = time.Since(start), time.Now()
	done, err := d.Matcher.Verify(ctx, probe)
	if err != nil {
		return nil, err
	}
	v.Compare = time.Since(start)
	v.Signed = done.Verdict
	v.Verdict, err = d.RP.Verdict(v.Request, done.Verdict, d.now())
	return v, err
}

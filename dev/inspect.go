package dev

import (
	"context"

	"nod/crypto/code"
	"nod/crypto/prg"
	"nod/crypto/share"
	"nod/custodian"
	"nod/fault"
	"nod/keyring"
	"nod/matcher"
	"nod/orders"
)

// Halves is what the two servers hold of one citizen's first template, and what the
// custodian's keyring makes of its half. Only an embedded deployment can have all
// of it in one place.
type Halves struct {
	Matcher   matcher.Held
	Custodian custodian.Held
	Pad       code.Code // in memory during a session; its HMAC key never leaves the keyring
}

// Halves looks into both servers.
func (d *Deployment) Halves(ctx context.Context, citizen orders.Citizen) (*Halves, error) {
	m, err := d.MatcherRole.Held(ctx, citizen)
	if err != nil {
		return nil, err
	}
	c, err := d.CustodianRole.Held(ctx, citizen)
	if err != nil {
		return nil, err
	}
	if len(m) == 0 || len(c) == 0 {
		return nil, fault.New(fault.NotFound, "the citizen has no template")
	}
	h := &Halves{Matcher: m[0], Custodian: c[0]}
	input := share.PadInput(h.Custodian.Row, h.Custodian.Counter, h.Custodian.Model, h.Custodian.Salt)
	macs, err := d.padKeys.MACs(ctx, keyring.Pad, h.Custodian.KeyVersion, [][]byte{input})
	if err != nil {
		return nil, err
	}
	seed := prg.Seed(macs[0])
	defer seed.Wipe()
	h.Pad = share.Expand(&seed, h.Matcher.Masked.Bits())[0]
	return h, nil
}

// RotatePad makes a new version of the custodian's pad key, as its operator would.
func (d *Deployment) RotatePad(ctx context.Context) (version uint32, err error) {
	if version, err = d.padAdmin.Rotate(ctx, keyring.Pad); err != nil {
		return 0, err
	}
	return version, d.CustodianRole.Maintain(ctx)
}

// DestroyOldPads destroys every version of the pad key but the latest, as the
// custodian's operator would after every template was renewed.
func (d *Deployment) DestroyOldPads(ctx context.Context) (min uint32, err error) {
	info, err := d.padKeys.Describe(ctx, keyring.Pad)
	if err != nil {
		return 0, err
	}
	if err := d.padAdmin.Destroy(ctx, keyring.Pad, info.Latest); err != nil {
		return 0, err
	}
	return info.Latest, d.CustodianRole.Maintain(ctx)
}

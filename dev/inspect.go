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
// custodian's keyring makes of its half. Only who may open both servers' folders can
// have all of it in one place.
type Halves struct {
	Matcher   matcher.Held
	Custodian custodian.Held
	Pad       code.Code // in memory during a session; its HMAC key never leaves the keyring
}

// Halves looks into both servers.
func (d *Deployment) Halves(ctx context.Context, citizen orders.Citizen) (*Halves, error) {
	return halves(ctx, d.MatcherRole, d.CustodianRole, d.padKeys, citizen)
}

func halves(ctx context.Context, m *matcher.Matcher, c *custodian.Custodian, keys keyring.MACer, citizen orders.Citizen) (*Halves, error) {
	masked, err := m.Held(ctx, citizen)
	if err != nil {
		return nil, err
	}
	salts, err := c.Held(ctx, citizen)
	if err != nil {
		return nil, err
	}
	if len(masked) == 0 || len(salts) == 0 {
		return nil, fault.New(fault.NotFound, "the citizen has no template")
	}
	h := &Halves{Matcher: masked[0], Custodian: salts[0]}
	input := share.PadInput(h.Custodian.Row, h.Custodian.Counter, h.Custodian.Model, h.Custodian.Salt)
	macs, err := keys.MACs(ctx, keyring.Pad, h.Custodian.KeyVersion, [][]byte{input})
	if err != nil {
		return nil, err
	}
	seed := prg.Seed(macs[0])
	defer seed.Wipe()
	h.Pad = share.Expand(&seed, h.Matcher.Masked.Bits())[0]
	return h, nil
}

// PadVersion is the newest version of the custodian's pad key.
func (d *Deployment) PadVersion(ctx context.Context) (uint32, error) {
	info, err := d.padKeys.Describe(ctx, keyring.Pad)
	return info.Latest, err
}

// Unneeded holds that no template needs a version of the pad key before the newest:
// fault.KeyVersion if one does.
func (d *Deployment) Unneeded(ctx context.Context) error {
	latest, err := d.PadVersion(ctx)
	if err != nil {
		return err
	}
	return unneeded(ctx, d.CustodianRole, latest)
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
	latest, err := d.PadVersion(ctx)
	if err != nil {
		return 0, err
	}
	if err := d.padAdmin.Destroy(ctx, keyring.Pad, latest); err != nil {
		return 0, err
	}
	return latest, d.CustodianRole.Maintain(ctx)
}

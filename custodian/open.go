package custodian

import (
	"context"
	"crypto/sha256"
	"time"

	"nod/admit"
	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/crypto/share"
	"nod/fault"
	"nod/keyring"
	"nod/orders"
	"nod/wire"
)

// Open opens the custodian's half of a session: it verifies the request itself,
// finds its own rows under its own handle, fetches one pad a slot, real or decoy,
// and signs the answer.
func (c *Custodian) Open(ctx context.Context, m *wire.SessionOpen) (*wire.SessionOpened, error) {
	peer, err := matcherOnly(ctx)
	if err != nil {
		return nil, err
	}
	now := c.Now()
	q, opening := orders.HashRequest(m.Request), canon.Digest(sha256.Sum256(wire.Marshal(m)))
	expiry := now.Add(c.Session).Truncate(time.Second)
	known, found, err := c.sessions.Begin(q, now, expiry)
	switch {
	case err != nil:
		return nil, err
	case found && known.matcher == peer.Instance && known.opening == opening:
		return known.answer, nil // the answer was lost
	case found:
		return nil, fault.New(fault.SessionUsed, "the request opened a session before")
	}
	s, err := c.open(ctx, m, expiry)
	if err == nil {
		s.matcher, s.opening = peer.Instance, opening
		err = c.sessions.Opened(q, s.id, s, expiry)
	}
	if err != nil {
		c.sessions.Abandon(q)
		if s != nil {
			s.wipe()
		}
		return nil, err
	}
	return s.answer, nil
}

func (c *Custodian) open(ctx context.Context, m *wire.SessionOpen, expiry time.Time) (*session, error) {
	a, err := c.Desk.Admit(ctx, m.Request)
	if err != nil {
		return nil, err
	}
	if a.Again {
		return nil, fault.New(fault.SessionGone, "the request's session is gone")
	}
	if len(m.Slots) != a.Plan.Slots() {
		return nil, fault.New(fault.BadDimension, "%d slots named, the policy has %d", len(m.Slots), a.Plan.Slots())
	}
	// The custodian signs the matcher's key with the answer: it must be one.
	if _, err := c.Bundle.Check(m.Certificate, seal.Matcher, seal.ForRecipient, c.Now()); err != nil {
		return nil, err
	}
	s := &session{Admission: a, expiry: expiry}
	versions, err := c.fetchPads(ctx, s, m.Slots)
	if err != nil {
		s.wipe()
		return nil, err
	}
	nonce := orders.NewNonce()
	s.id = orders.Session(a.Q, orders.Nonce(m.Nonce0()), nonce)
	for _, version := range versions {
		if _, err := c.Record(ctx, audit.Leaf{
			Operation: audit.OpOpen, Subject: a.Subject, Party: a.Request.RP, Session: canon.Digest(s.id),
			Key: string(keyring.Pad), KeyVersion: version, Count: 1,
		}); err != nil {
			s.wipe()
			return nil, err
		}
	}
	if s.answer, err = c.answer(a, m, nonce, expiry); err != nil {
		s.wipe()
		return nil, err
	}
	return s, nil
}

// answer signs the answer that the matcher will sign too.
func (c *Custodian) answer(a *admit.Admission, m *wire.SessionOpen, nonce orders.Nonce, expiry time.Time) (*wire.SessionOpened, error) {
	now := c.Now()
	cert, err := c.Recipients.Certificate(now)
	if err != nil {
		return nil, err
	}
	answer := orders.Answer{
		Request:    a.Q,
		Nonces:     [2]orders.Nonce{orders.Nonce(m.Nonce0()), nonce},
		Model:      a.Request.Model,
		Policy:     a.Request.Policy,
		Expiry:     expiry,
		Recipients: [2][]byte{m.Certificate, cert},
	}
	signature, err := c.Signers.Sign(now, answer.Bytes())
	if err != nil {
		return nil, err
	}
	return &wire.SessionOpened{
		Nonce:       canon.Digest(nonce),
		Expiry:      uint64(expiry.Unix()),
		Certificate: cert,
		Signature:   wire.Signature{Certificate: signature.Cert, Value: signature.Value},
	}, nil
}

// fetchPads fetches one pad a slot. A slot counts only if this server holds the
// row that the matcher named, under its own handle for this request's citizen, in
// that slot and model, at that counter; otherwise the HMAC is over a random salt.
// It reports the key version of each.
func (c *Custodian) fetchPads(ctx context.Context, s *session, names []wire.SlotName) (versions []uint32, err error) {
	for i, name := range names {
		held, _, err := c.slot(ctx, s.Handle, uint8(i))
		if err != nil {
			return nil, err
		}
		model := s.Plan.Model(i)
		p := held.find(name.Row, name.Counter)
		// A row that was not renewed before its key version was destroyed is lost.
		counts := s.Usable && p != nil && p.model == model.ID() && p.version >= c.oldest.Load()
		if !counts {
			p = c.decoyPad(name, model.ID())
		}
		b, err := c.pad(ctx, p, model.Bits())
		if err != nil {
			return nil, err
		}
		s.pads = append(s.pads, b)
		s.counts = append(s.counts, counts)
		versions = append(versions, p.version)
	}
	return versions, nil
}

// decoyPad is a pad that belongs to nobody.
func (c *Custodian) decoyPad(name wire.SlotName, model canon.ModelID) *pad {
	return &pad{row: name.Row, counter: name.Counter, model: model, salt: newSalt(), version: c.latest.Load()}
}

// pad computes one pad: one HMAC, expanded.
func (c *Custodian) pad(ctx context.Context, p *pad, bits int) (code.Code, error) {
	macs, err := c.Keyring.MACs(ctx, keyring.Pad, p.version, [][]byte{p.input()})
	if err != nil {
		return nil, err
	}
	seed := prg.Seed(macs[0])
	defer seed.Wipe()
	defer macs[0].Wipe()
	return share.Expand(&seed, bits)[0], nil
}

func newSalt() [share.SaltSize]byte { return [share.SaltSize]byte(prg.New()) }

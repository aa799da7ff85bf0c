package matcher

import (
	"context"
	"time"

	"nod/admit"
	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/crypto/share"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// session is what the matcher holds between a session's opening and its end.
type session struct {
	*admit.Admission
	id     canon.SessionID
	expiry time.Time
	answer []byte
	names  []wire.SlotName
	masked []code.Code // one a slot: f, or random
	counts []bool      // one a slot: not random
}

func (s *session) wipe() { wipeAll(s.masked) }

// decoy makes every slot a decoy from here on.
func (s *session) decoy() {
	for i, f := range s.masked {
		s.masked[i] = share.Random(f.Bits())
		s.counts[i] = false
		f.Wipe()
	}
}

func wipeAll(codes []code.Code) {
	for _, c := range codes {
		c.Wipe()
	}
}

// Open opens a session: both servers verify the request, each finds its own rows,
// and both sign the answer. The same request again gets the same answer.
func (m *Matcher) Open(ctx context.Context, r *wire.OpenRequest) (*wire.OpenAnswer, error) {
	now, q := m.Now(), orders.HashRequest(r.Request)
	known, found, err := m.sessions.Begin(q, now, now.Add(m.Opening))
	switch {
	case err != nil:
		return nil, err
	case found:
		return &wire.OpenAnswer{Answer: known.answer}, nil
	}
	s, err := m.open(ctx, r.Request)
	if err == nil {
		err = m.sessions.Opened(q, s.id, s, s.expiry)
	}
	if err != nil {
		m.sessions.Abandon(q)
		if s != nil {
			s.wipe()
		}
		return nil, err
	}
	return &wire.OpenAnswer{Answer: s.answer}, nil
}

func (m *Matcher) open(ctx context.Context, request []byte) (*session, error) {
	a, err := m.Desk.Admit(ctx, request)
	if err != nil {
		return nil, err
	}
	if a.Again {
		return nil, fault.New(fault.SessionGone, "the request's session is gone")
	}
	s := &session{Admission: a}
	lock := m.rows.of(a.Handle[:])
	lock.RLock()
	defer lock.RUnlock()
	if err := m.readSlots(ctx, s); err != nil {
		return nil, err
	}
	if _, err := m.Record(ctx, audit.Leaf{
		Operation: audit.OpOpen, Subject: a.Subject, Party: a.Request.RP, Session: canon.Digest(a.Q), Count: uint32(len(s.names)),
	}); err != nil {
		s.wipe()
		return nil, err
	}
	if err := m.agree(ctx, s, request); err != nil {
		s.wipe()
		return nil, err
	}
	return s, nil
}

// readSlots reads every slot of the policy; one that is empty, of another model, or
// not usable becomes random bits under a random name.
func (m *Matcher) readSlots(ctx context.Context, s *session) error {
	for i := range s.Plan.Slots() {
		model := s.Plan.Model(i)
		t, _, err := m.template(ctx, s.Handle, uint8(i))
		if err != nil {
			return err
		}
		counts := s.Usable && t != nil && t.model == model.ID() && t.masked.Bits() == model.Bits()
		if !counts {
			t = &template{row: canon.RowID(prg.New()), masked: share.Random(model.Bits())}
		}
		s.names = append(s.names, wire.SlotName{Row: t.row, Counter: t.counter})
		s.masked = append(s.masked, t.masked)
		s.counts = append(s.counts, counts)
	}
	return nil
}

// agree opens the custodian's half and signs the answer that it signed.
func (m *Matcher) agree(ctx context.Context, s *session, request []byte) error {
	now := m.Now()
	cert, err := m.Recipients.Certificate(now)
	if err != nil {
		return err
	}
	opening := wire.SessionOpen{
		Request: request, Random: canon.Digest(orders.NewNonce()), Certificate: cert, Slots: s.names,
	}
	opened, err := m.Custodian.Open(ctx, &opening)
	if err != nil {
		return err
	}
	now = m.Now()
	answer := orders.Answer{
		Request:    s.Q,
		Nonces:     [2]orders.Nonce{orders.Nonce(opening.Nonce0()), orders.Nonce(opened.Nonce)},
		Model:      s.Request.Model,
		Policy:     s.Request.Policy,
		Expiry:     time.Unix(int64(min(opened.Expiry, 1<<40)), 0).UTC(),
		Recipients: [2][]byte{cert, opened.Certificate},
	}
	theirs := seal.Signature{Cert: opened.Signature.Certificate, Value: opened.Signature.Value}
	if err := m.Bundle.Verify(seal.Custodian, answer.Bytes(), theirs, now); err != nil {
		return err
	}
	if !answer.Expiry.After(now) || answer.Expiry.After(now.Add(orders.MaxSession)) {
		return fault.New(fault.OutOfRange, "the custodian gives the session until %s", answer.Expiry.Format(time.RFC3339))
	}
	own, err := m.Signers.Sign(now, answer.Bytes())
	if err != nil {
		return err
	}
	s.id, s.expiry = answer.Session(), answer.Expiry
	s.answer = orders.CombineAnswer(&answer, own, theirs)
	return nil
}

package matcher

import (
	"bytes"
	"context"
	"crypto/sha256"
	"time"

	"nod/audit"
	"nod/channel"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/store"
	"nod/wire"
)

// Verify compares a probe with its session's templates. It consumes the session
// and debits this server's own copy of the budget before anything that depends
// on the result leaves. A finished verdict is given again for the same probe;
// anything else about a used session is refused, and nothing reruns. After
// fault.CorrelationsExhausted nothing was used: the same probe may be sent again
// while its session lives.
func (m *Matcher) Verify(ctx context.Context, p *wire.ProbeRequest) (*wire.VerdictAnswer, error) {
	body := sha256.Sum256(wire.Marshal(p))
	if verdict, err := m.finished(ctx, p.Session, body); verdict != nil || err != nil {
		return verdict, err
	}
	s, err := m.sessions.Look(p.Session, m.Now())
	if err != nil {
		return nil, err
	}
	// Only the client that the request names can use its session up.
	if err := orders.VerifyProbe(s.Request, p.Session, sha256.Sum256(p.Sealed0), sha256.Sum256(p.Sealed1), p.Attestation, p.Signature); err != nil {
		return nil, err
	}
	if s, err = m.sessions.Take(p.Session, m.Now()); err != nil {
		return nil, err
	}
	r := &run{Matcher: m, session: s}
	verdict, err := r.play(ctx, p)
	if err != nil && r.leases == nil && fault.Is(err, fault.CorrelationsExhausted) {
		// Nothing was used up, and nothing of the probe left: it may be sent again.
		err = r.abort(ctx, err)
		m.sessions.Return(p.Session, s)
		return nil, err
	}
	defer r.wipe()
	if err != nil {
		return nil, r.abort(ctx, err)
	}
	if err := m.finish(ctx, s, body, verdict); err != nil {
		return nil, err
	}
	return &wire.VerdictAnswer{Verdict: verdict}, nil
}

func verdictRow(id canon.SessionID) store.Row {
	return store.Row{Table: tableVerdict, Partition: id[:], Key: []byte("verdict")}
}

// finished gives a finished verdict again for the same body.
func (m *Matcher) finished(ctx context.Context, id canon.SessionID, body [32]byte) (*wire.VerdictAnswer, error) {
	record, err := m.Store.Get(ctx, verdictRow(id))
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var known [32]byte
	r := canon.NewReader("finished", record.Value)
	r.Fixed(known[:])
	verdict := append([]byte{}, r.Bytes(0, wire.MaxSigned)...)
	if err := r.Close(); err != nil {
		return nil, err
	}
	if known != body || m.Now().After(record.Expires) {
		return nil, fault.New(fault.SessionUsed, "session was compared before")
	}
	return &wire.VerdictAnswer{Verdict: verdict}, nil
}

func (m *Matcher) finish(ctx context.Context, s *session, body [32]byte, verdict []byte) error {
	return m.Store.Apply(ctx, store.Write{
		Row: verdictRow(s.id), If: store.Absent,
		Value: canon.Encode("finished", body[:], verdict), Expires: m.Now().Add(m.Verdicts),
	})
}

// run is one comparison.
type run struct {
	*Matcher
	*session
	leases []*channel.Lease
}

func (r *run) wipe() {
	r.session.wipe()
	channel.Release(r.leases)
}

// play runs all checks side by side in the same messages, and ends with the verdict
// that both servers signed.
func (r *run) play(ctx context.Context, p *wire.ProbeRequest) ([]byte, error) {
	probe, err := r.open(p)
	if err != nil {
		return nil, err
	}
	defer wipeAll(probe)
	steps := r.Plan.Steps
	checks := make([]canon.CheckID, len(steps))
	for i, step := range steps {
		checks[i] = step.Check.ID
	}
	if r.leases, err = r.Correlations.Take(ctx, checks...); err != nil {
		return nil, err
	}
	unusable, err := r.Desk.Consume(ctx, r.Admission, r.id)
	if err != nil {
		return nil, err
	}
	if unusable {
		r.decoy()
	}
	start := wire.CompareStart{
		Session: r.id, Hash0: sha256.Sum256(p.Sealed0), Sealed1: p.Sealed1,
		Attestation: p.Attestation, Signature: p.Signature,
		Checks: make([]wire.CheckStart, len(steps)),
	}
	for i, step := range steps {
		lease := r.leases[i]
		m1 := compare.M1{C: code.NewCode(step.Check.Bits())}
		u0 := probe[step.Code].Clone()
		if step.Slot != code.NoSlot {
			u0.Xor(r.masked[step.Slot])
		}
		err := lease.Ready.Open(u0, step.T, &m1)
		u0.Wipe()
		if err != nil {
			return nil, err
		}
		start.Checks[i] = wire.CheckStart{Channel: lease.Channel, Index: lease.Index, C: m1.C}
	}
	started, err := r.Custodian.Start(ctx, &start)
	if fault.Is(err, fault.UnknownChannel) {
		for _, lease := range r.leases {
			r.Correlations.Lost(lease.Channel)
		}
	}
	if err != nil {
		return nil, err
	}
	return r.end(ctx, started)
}

// open opens this server's half.
func (r *run) open(p *wire.ProbeRequest) ([]code.Code, error) {
	plain, err := r.Recipients.Open(r.Context(r.id, r.expiry), p.Sealed0, r.Plan.TotalBytes(), r.Now())
	if err != nil {
		return nil, err
	}
	defer plain.Wipe()
	var out []code.Code
	rest := []byte(plain)
	for _, n := range r.Plan.Lengths() {
		c, err := code.CodeFromBytes(n, rest[:n/8])
		if err != nil {
			return nil, err
		}
		out, rest = append(out, c), rest[n/8:]
	}
	return out, nil
}

// end runs the second half of the comparison.
func (r *run) end(ctx context.Context, started *wire.CompareStarted) ([]byte, error) {
	if len(started.Checks) != len(r.leases) {
		return nil, fault.New(fault.BadDimension, "%d checks answered, want %d", len(started.Checks), len(r.leases))
	}
	last := wire.CompareClose{Session: r.id, Checks: make([]wire.CheckClose, len(r.leases))}
	for i, lease := range r.leases {
		var m3 compare.M3
		if err := lease.Ready.Reply(started.Checks[i].M2(), &m3); err != nil {
			return nil, err
		}
		last.Checks[i] = wire.CheckClose{Z: m3.Z, G: m3.G, O: m3.O}
	}
	last.Pseudonym = r.Desk.Pseudonym(r.Request.RP, r.Request.Citizen)
	// The record is made before the outcome is known, and says nothing of it.
	var err error
	if last.Leaf, err = r.Record(ctx, audit.Leaf{
		Operation: audit.OpVerify, Subject: r.Subject, Party: r.Request.RP, Session: canon.Digest(r.id), Count: uint32(len(r.leases)),
	}); err != nil {
		return nil, err
	}
	closed, err := r.Custodian.Close(ctx, &last)
	if err != nil {
		return nil, err
	}
	if len(closed.Checks) != len(r.leases) {
		return nil, fault.New(fault.BadDimension, "%d checks closed, want %d", len(closed.Checks), len(r.leases))
	}
	outcomes := make([]bool, len(r.leases))
	for i, lease := range r.leases {
		yes, err := lease.Ready.Conclude(&compare.M4{O: closed.Checks[i]})
		if err != nil {
			return nil, err
		}
		outcomes[i] = bool(yes)
	}
	match := r.Plan.Decide(outcomes, r.counts)
	if match {
		if err := r.Desk.Refund(ctx, r.Admission, r.id); err != nil {
			return nil, err
		}
	}
	return r.cosign(closed, &last, match)
}

// cosign signs the custodian's verdict if it is the one that this server worked
// out too.
func (r *run) cosign(closed *wire.CompareClosed, last *wire.CompareClose, match bool) ([]byte, error) {
	theirs, err := orders.ParsePayload(closed.Payload)
	if err != nil {
		return nil, err
	}
	now := r.Now()
	if d := now.Sub(theirs.IssuedAt); d > orders.Skew+time.Second || d < -orders.Skew {
		return nil, fault.New(fault.NotYetValid, "the custodian dates the verdict %s from now", d)
	}
	own := r.Verdict(r.id, last.Pseudonym, closed.Pseudonym, [2]canon.Digest{last.Leaf, theirs.Leaves[1]}, match, theirs.IssuedAt)
	payload, err := own.Payload()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(payload, closed.Payload) {
		return nil, fault.New(fault.Tampered, "the custodian signed another verdict than the one that was compared")
	}
	if err := orders.CheckVerdict(payload, closed.Signature, seal.Custodian, r.Bundle, theirs.IssuedAt); err != nil {
		return nil, err
	}
	signature, err := orders.SignVerdict(r.Signers, payload, now)
	if err != nil {
		return nil, err
	}
	return orders.CombineVerdict(payload, signature, closed.Signature)
}

// abort ends a comparison that cannot go on. The attempt stays counted.
func (r *run) abort(ctx context.Context, cause error) error {
	return r.Failure(ctx, audit.Leaf{
		Subject: r.Subject, Party: r.Request.RP, Session: canon.Digest(r.id), Count: uint32(len(r.leases)),
	}, cause)
}

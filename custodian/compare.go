package custodian

import (
	"context"
	"crypto/sha256"

	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/dcf"
	"nod/crypto/prg"
	"nod/crypto/share"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// Start runs the custodian's first step of every check of a session. It consumes
// the session and debits its own copy of the budget before anything that depends
// on the result leaves.
func (c *Custodian) Start(ctx context.Context, m *wire.CompareStart) (*wire.CompareStarted, error) {
	peer, err := matcherOnly(ctx)
	if err != nil {
		return nil, err
	}
	s, err := c.sessions.Take(m.Session, c.Now())
	if err != nil {
		return nil, err
	}
	if s.matcher != peer.Instance {
		s.wipe()
		return nil, fault.New(fault.NotAllowed, "the session belongs to another matcher instance")
	}
	out, err := c.start(ctx, s, m)
	if err != nil {
		return nil, c.abort(ctx, s, err)
	}
	c.running.put(s)
	return out, nil
}

func (c *Custodian) start(ctx context.Context, s *session, m *wire.CompareStart) (*wire.CompareStarted, error) {
	if err := orders.VerifyProbe(s.Request, s.id, m.Hash0, sha256.Sum256(m.Sealed1), m.Attestation, m.Signature); err != nil {
		return nil, err
	}
	if len(m.Checks) != len(s.Plan.Steps) {
		return nil, fault.New(fault.BadDimension, "%d checks, the policy has %d", len(m.Checks), len(s.Plan.Steps))
	}
	plain, err := c.Recipients.Open(s.Context(s.id, s.expiry), m.Sealed1, prg.Size, c.Now())
	if err != nil {
		return nil, err
	}
	seed := prg.Seed(plain)
	plain.Wipe()
	defer seed.Wipe()
	probe := share.Expand(&seed, s.Plan.Lengths()...)
	defer wipeAll(probe)

	unusable, err := c.Desk.Consume(ctx, s.Admission, s.id)
	if err != nil {
		return nil, err
	}
	if unusable {
		s.decoy()
	}
	out := &wire.CompareStarted{Checks: make([]wire.CheckStarted, len(m.Checks))}
	for i, step := range s.Plan.Steps {
		lease, err := c.Correlations.Claim(ctx, m.Checks[i].Channel, m.Checks[i].Index, step.Check.ID)
		if err != nil {
			return nil, err
		}
		s.leases = append(s.leases, lease)
		u1 := probe[step.Code].Clone()
		if step.Slot != code.NoSlot {
			u1.Xor(s.pads[step.Slot])
		}
		m2 := compare.M2{C: code.NewCode(step.Check.Bits())}
		err = lease.Ready.Answer(u1, step.T, m.Checks[i].M1(), &m2)
		u1.Wipe()
		if err != nil {
			return nil, err
		}
		out.Checks[i] = wire.CheckStarted{C: m2.C, Z: m2.Z, G: m2.G}
	}
	return out, nil
}

// Close ends the comparison: the custodian learns the outcome, refunds its budget
// for a yes, records, and signs the verdict first. That is safe: one signature is
// worth nothing.
func (c *Custodian) Close(ctx context.Context, m *wire.CompareClose) (*wire.CompareClosed, error) {
	peer, err := matcherOnly(ctx)
	if err != nil {
		return nil, err
	}
	s, err := c.running.take(m.Session, peer.Instance, c.Now())
	if err != nil {
		return nil, err
	}
	out, err := c.close(ctx, s, m)
	if err != nil {
		return nil, c.abort(ctx, s, err)
	}
	s.wipe()
	return out, nil
}

func (c *Custodian) close(ctx context.Context, s *session, m *wire.CompareClose) (*wire.CompareClosed, error) {
	if len(m.Checks) != len(s.leases) {
		return nil, fault.New(fault.BadDimension, "%d checks, the session has %d", len(m.Checks), len(s.leases))
	}
	out := &wire.CompareClosed{Checks: make([]dcf.Block, len(m.Checks))}
	outcomes := make([]bool, len(m.Checks))
	for i, lease := range s.leases {
		var m4 compare.M4
		yes, err := lease.Ready.Close(m.Checks[i].M3(), &m4)
		if err != nil {
			return nil, err
		}
		outcomes[i], out.Checks[i] = bool(yes), m4.O
	}
	match := s.Plan.Decide(outcomes, s.counts)
	if match {
		if err := c.Desk.Refund(ctx, s.Admission, s.id); err != nil {
			return nil, err
		}
	}
	leaf, err := c.Record(ctx, audit.Leaf{
		Operation: audit.OpVerify, Subject: s.Subject, Party: s.Request.RP, Session: canon.Digest(s.id),
		Count: uint32(len(s.leases)),
	})
	if err != nil {
		return nil, err
	}
	out.Pseudonym = c.Desk.Pseudonym(s.Request.RP, s.Request.Citizen)
	now := c.Now()
	verdict := s.Verdict(s.id, m.Pseudonym, out.Pseudonym, [2]canon.Digest{m.Leaf, leaf}, match, now)
	if out.Payload, err = verdict.Payload(); err != nil {
		return nil, err
	}
	out.Signature, err = orders.SignVerdict(c.Signers, out.Payload, now)
	return out, err
}

// abort ends a comparison that cannot go on. The attempt stays counted.
func (c *Custodian) abort(ctx context.Context, s *session, cause error) error {
	used := len(s.leases)
	s.wipe()
	return c.Failure(ctx, audit.Leaf{
		Subject: s.Subject, Party: s.Request.RP, Session: canon.Digest(s.id), Count: uint32(used),
	}, cause)
}

// abandon ends a run whose matcher never came back.
func (c *Custodian) abandon(ctx context.Context, s *session) error {
	gone := fault.New(fault.Cancelled, "the matcher did not end the comparison")
	if err := c.abort(ctx, s, gone); !fault.Is(err, fault.Cancelled) {
		return err
	}
	return nil
}

func wipeAll(codes []code.Code) {
	for _, c := range codes {
		c.Wipe()
	}
}

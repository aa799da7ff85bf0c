package channel

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"nod/audit"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/compare"
	"nod/crypto/compare/cut"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// Alarm says that a role was caught. The channel, and with a dealer or on the
// matcher's side everything, has stopped.
type Alarm struct {
	Time    time.Time
	Code    fault.Code // Tampered, PeerSeed or DealerCheated
	Accused seal.Role
	Channel canon.ChannelID
	Check   canon.CheckID
	Index   uint64 // of the correlation, or the first of its batch
	Detail  string // no secret
	// Evidence convicts a dealer before anybody who has the trust bundle. Nil where
	// there is none: calls between the roles are authenticated, not signed.
	Evidence *Evidence
}

// SignedList is what the dealer stated about one batch.
type SignedList struct {
	Statement cut.Statement
	Identity  uint32 // version of its identity key
	Signature []byte
}

// Verify checks the dealer's signature.
func (s *SignedList) Verify(bundle *seal.Bundle) error {
	return bundle.VerifyIdentity(seal.Dealer, s.Identity, s.Statement.Signed(), s.Signature)
}

// Evidence is either two lists that contradict each other, or one list with a
// correlation that is not what its two seeds give. The seeds were opened and are
// never used: they are no secret any more.
type Evidence struct {
	Request wire.BatchRequest // what the channel was made of, and the batch
	Lists   []SignedList      // one or two
	Digests [][2]compare.Digests
	Index   uint64
	Seeds   [2][prg.Size]byte
	// Recomputed are the digests of both halves that the seeds give; Digests holds
	// what the dealer signed.
	Recomputed [2]compare.Digests
}

// Convict returns nil if the evidence shows that the dealer of the bundle cheated,
// and otherwise says what is missing. check is the one that the request names.
func (e *Evidence) Convict(bundle *seal.Bundle, check *code.Check) error {
	if check.ID != e.Request.Check {
		return fault.New(fault.WrongCheck, "evidence about check %v", e.Request.Check)
	}
	for i := range e.Lists {
		if err := e.Lists[i].Verify(bundle); err != nil {
			return err
		}
		if e.Lists[i].Statement.Channel != e.Request.Channel() {
			return fault.New(fault.UnknownChannel, "list %d is about another channel", i)
		}
	}
	switch len(e.Lists) {
	case 1:
		return e.convictByOpening(check)
	case 2:
		if !e.Lists[0].Statement.Contradicts(&e.Lists[1].Statement) {
			return fault.New(fault.OutOfRange, "the two lists do not contradict each other")
		}
		return nil
	}
	return fault.New(fault.OutOfRange, "evidence with %d lists", len(e.Lists))
}

func (e *Evidence) convictByOpening(check *code.Check) error {
	signed := &e.Lists[0].Statement
	list := cut.List{Root: signed.Root, Channel: signed.Channel, Batch: signed.Batch, Halves: e.Digests}
	if list.Statement() != *signed {
		return fault.New(fault.BadSignature, "the digests are not those that the dealer signed")
	}
	i := e.Index - list.First()
	if i >= uint64(len(e.Digests)) {
		return fault.New(fault.OutOfRange, "correlation %d is not in the list", e.Index)
	}
	seeds := [2]prg.Seed{e.Seeds[0], e.Seeds[1]}
	for p := range seeds {
		if canon.Digest(sha256.Sum256(seeds[p][:])) != e.Digests[i][p].Seed {
			return fault.New(fault.PeerSeed, "seed %d is not the one that the dealer listed", p)
		}
	}
	if cut.Recompute(compare.NewDealer(check, list.Channel), check, e.Index, &seeds) == e.Digests[i] {
		return fault.New(fault.OutOfRange, "correlation %d is what its seeds give", e.Index)
	}
	return nil
}

// accusation is an error that becomes an alarm.
type accusation struct {
	alarm Alarm
	cause error
}

func (a *accusation) Error() string { return a.cause.Error() }
func (a *accusation) Unwrap() error { return a.cause }

// stop is what calls fail with after the alarm.
func (a *accusation) stop() error {
	return fault.New(fault.ChannelStopped, "after %s: %s", a.alarm.Code, a.alarm.Detail)
}

func (c *conduit) accuse(role seal.Role, index uint64, cause error, evidence *Evidence) error {
	detail := ""
	if f := new(fault.Error); errors.As(cause, &f) {
		detail = f.Detail
	}
	return &accusation{cause: cause, alarm: Alarm{
		Code: fault.CodeOf(cause), Accused: role, Channel: c.ID, Check: c.Check.ID,
		Index: index, Detail: detail, Evidence: evidence,
	}}
}

func (c *conduit) accuseDealer(index uint64, cause error, evidence *Evidence) error {
	return c.accuse(seal.Dealer, index, cause, evidence)
}

func (c *conduit) accusePeer(index uint64, cause error) error {
	role := seal.Custodian
	if c.party == compare.Custodian {
		role = seal.Matcher
	}
	return c.accuse(role, index, cause, nil)
}

// raise records an alarm and tells the operator. It is told even if it cannot be
// recorded.
func (s *side) raise(ctx context.Context, a *accusation) {
	a.alarm.Time = s.Clock()
	// The alarm outlives the call that found it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Timeout)
	defer cancel()
	err := s.record(ctx, audit.Leaf{
		Operation: audit.OpAlarm,
		Party:     string(a.alarm.Accused),
		Session:   canon.Digest(a.alarm.Channel),
		Count:     1,
	})
	if err != nil {
		s.Report(err)
	}
	s.Alarm(a.alarm)
}

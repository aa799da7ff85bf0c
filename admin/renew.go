package admin

import (
	"bytes"
	"context"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// Renewal moves every template to the custodian's newest pad key. It is the operator's
// of the matcher.
type Renewal struct {
	Matcher wire.Matcher
	Bundle  *seal.Bundle // of the deployment: a state file of another is refused
	State   string       // path of the state file
	// Version is the pad key's newest version, if the caller knows it, or 0: a state
	// file of another version is begun anew, as rows before its cursor would stay behind.
	Version uint32
	Page    uint32         // templates a call, 1 to wire.MaxRenewals
	Step    func(seen int) // told after each page; nil: nobody
}

// Renewed says how far a renewal came.
type Renewed struct {
	Seen    int `json:"seen"`    // templates looked at
	Renewed int `json:"renewed"` // of those, moved to the newest key
	Failed  int `json:"failed"`  // of those, without a row at the custodian
}

const renewalFormat = "nod/renewal/v1"

// renewal is the state file: where to go on.
type renewal struct {
	Format  string       `json:"format"`
	Bundle  canon.Digest `json:"bundle"`
	Version uint32       `json:"version"`
	Cursor  []byte       `json:"cursor"`
	Renewed
}

// Unfinished is the pad key's version of a renewal that was interrupted, and whether
// there is one.
func (r *Renewal) Unfinished() (version uint32, found bool, err error) {
	s, found, err := r.load()
	return s.Version, found, err
}

func (r *Renewal) load() (s renewal, found bool, err error) {
	found, err = read(r.State, &s)
	switch {
	case err != nil || !found:
		return renewal{}, false, err
	case s.Format != renewalFormat:
		return renewal{}, false, fault.New(fault.BadEncoding, "%s is no state of a renewal", r.State)
	case s.Bundle != r.Bundle.Digest():
		return renewal{}, false, fault.New(fault.Conflict, "%s is of another deployment, or of an earlier trust bundle; remove it to begin anew", r.State)
	}
	return s, true, nil
}

// Run renews from where the state file says, or from the beginning, to the end, and
// then removes the file. It may be interrupted, killed and run again. What it gives
// counts from the beginning, also with an error.
func (r *Renewal) Run(ctx context.Context) (Renewed, error) {
	if r.Page < 1 || r.Page > wire.MaxRenewals {
		return Renewed{}, fault.New(fault.OutOfRange, "%d templates a call, 1 to %d", r.Page, wire.MaxRenewals)
	}
	lock, err := hold(r.State)
	if err != nil {
		return Renewed{}, err
	}
	defer lock.Close()
	s, found, err := r.load()
	if err != nil {
		return Renewed{}, err
	}
	if !found || s.Version != r.Version {
		s = renewal{Format: renewalFormat, Bundle: r.Bundle.Digest(), Version: r.Version}
	}
	for {
		last, err := r.page(ctx, &s)
		switch {
		case err != nil && len(s.Cursor) == 0:
			return s.Renewed, err // nothing was done: nothing to go on from
		case err != nil:
			return s.Renewed, fault.Within(err, "stopped after %d templates; the same command goes on from there, by %s", s.Seen, r.State)
		case last:
			return s.Renewed, remove(r.State)
		}
		if err := write(r.State, &s); err != nil {
			return s.Renewed, err
		}
		if r.Step != nil {
			r.Step(s.Seen)
		}
	}
}

// page renews one page, and reports whether it was the last.
func (r *Renewal) page(ctx context.Context, s *renewal) (last bool, err error) {
	if ctx.Err() != nil {
		return false, fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	}
	answer, err := r.Matcher.Renew(ctx, &wire.RenewRequest{Cursor: s.Cursor, Limit: r.Page})
	if err != nil {
		return false, err
	}
	if len(answer.Cursor) > 0 && bytes.Equal(answer.Cursor, s.Cursor) {
		return false, fault.New(fault.PeerFault, "the matcher does not get on")
	}
	s.Cursor = answer.Cursor
	s.Seen += int(answer.Seen)
	s.Renewed.Renewed += int(answer.Renewed)
	s.Failed += int(answer.Failed)
	return len(answer.Cursor) == 0, nil
}

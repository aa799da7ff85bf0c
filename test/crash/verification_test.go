package crash_test

import (
	"bytes"
	"encoding/binary"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
	"nod/test/world"
	"nod/wire"
)

// verification is one, with its session's opening, of the right person or another.
func verification(right bool) operation {
	name, face := "verification: no", 1
	if right {
		name, face = "verification: yes", 0
	}
	return operation{name, func(s *stage) attempt {
		citizen := s.named(s.faces[0])
		done, err := s.enrol(citizen)
		must(s.T, err)
		v := &verified{stage: s, shown: as(citizen, s.faces[face]), citizen: citizen, right: right}
		v.atMatcher, v.atCustodian = s.handles(done.Row)
		return attempt{
			run:   func() (err error) { v.played, err = s.play(v.shown); return err },
			check: v.check,
		}
	}}
}

// verified is a verification that was killed, or not, and what is left of it.
type verified struct {
	*stage
	*played
	citizen, shown         world.Person
	right                  bool
	atMatcher, atCustodian string // handles
}

// check holds that the attempt is counted wherever something of it left, that its
// session is worth nothing any more, and that no verdict but the honest one comes out.
func (v *verified) check(err error) string {
	v.T.Helper()
	if v.probe == nil {
		return v.unopened()
	}
	c0, c1 := v.witness.left(v.probe.Session)
	seen := "counted: " + v.counted(c0 || v.signed != nil, c1 || v.signed != nil)
	if v.signed != nil && v.verdict(v.played) != v.right {
		v.T.Error("a wrong verdict")
	}
	again := v.again()
	if err == nil && again != "the verdict" {
		v.T.Errorf("a verdict that was given is not repeated: %s", again)
	}
	v.refuseOthers()
	v.reopen()
	v.expect(v.citizen, true)
	v.expect(as(v.citizen, v.faces[2]), false)
	return seen + "; sent again: " + again
}

// unopened is a verification whose session was never opened to the caller: the request
// opens it now, or never.
func (v *verified) unopened() string {
	v.T.Helper()
	if err := v.goOn(v.played, v.shown); err != nil {
		return "no session; opened again: " + outcome(err)
	}
	if v.verdict(v.played) != v.right {
		v.T.Error("a wrong verdict")
	}
	return "no session; opened again: " + yesNo(v.right)
}

// again sends the same probe again.
func (v *verified) again() string {
	v.T.Helper()
	if err := v.show(v.played); err != nil {
		return outcome(err)
	}
	if v.verdict(v.played) != v.right {
		v.T.Error("a wrong verdict, the second time")
	}
	return "the verdict"
}

// refuseOthers holds that nothing but the same bytes gets the verdict.
func (v *verified) refuseOthers() {
	v.T.Helper()
	ctx, cancel := v.within()
	defer cancel()
	other := *v.probe
	other.Signature = bytes.Clone(other.Signature)
	other.Signature[0] ^= 1
	if _, err := v.Matcher.Verify(ctx, &other); err == nil {
		v.T.Error("another probe got the session's verdict")
	}
}

// reopen holds that the same request opens no second session.
func (v *verified) reopen() {
	v.T.Helper()
	ctx, cancel := v.within()
	defer cancel()
	opened, err := v.Matcher.Open(ctx, &wire.OpenRequest{Request: v.request})
	if err == nil && !bytes.Equal(opened.Answer, v.answer) {
		v.T.Error("one request opened two sessions")
	}
	if err != nil && !fault.Is(err, fault.SessionGone) && !fault.Is(err, fault.SessionUsed) {
		v.T.Errorf("a used request is answered with %v", err)
	}
}

// counted says where the attempt is debited; it must be once where it left, and at most
// once anywhere.
func (v *verified) counted(left0, left1 bool) string {
	v.T.Helper()
	out := ""
	for _, at := range []struct {
		role   seal.Role
		handle string
		left   bool
	}{{seal.Matcher, v.atMatcher, left0}, {seal.Custodian, v.atCustodian, left1}} {
		answers, used := v.answers(at.role, at.handle), v.consumed(at.role, at.handle, v.probe.Session)
		if answers > 1 || answers == 0 && at.left || used != (answers == 1) {
			v.T.Errorf("the %s counts %d attempts, session used %v; its share left: %v", at.role, answers, used, at.left)
		}
		if answers == 1 {
			if out != "" {
				out += ", "
			}
			out += string(at.role)
		}
	}
	if out == "" {
		return "nowhere"
	}
	return out
}

// answers is how many attempts a server counts for a citizen.
func (s *stage) answers(role seal.Role, handle string) (sum int) {
	for _, r := range s.rows(role, "budget") {
		if r.Partition == handle {
			sum += answersOf(r.Value)
		}
	}
	return sum
}

// answersOf sums up a budget's answers by day, which stand beside its no-matches.
func answersOf(budget []byte) (sum int) {
	const days = 31
	for d := range days {
		sum += int(binary.BigEndian.Uint16(budget[4*d:]))
	}
	return sum
}

// consumed reports whether a server has used a session up.
func (s *stage) consumed(role seal.Role, handle string, id canon.SessionID) bool {
	for _, r := range s.rows(role, "session") {
		if r.Partition == handle && r.Key == id.String() {
			return true
		}
	}
	return false
}

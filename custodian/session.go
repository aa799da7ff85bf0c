package custodian

import (
	"sync"
	"time"

	"nod/admit"
	"nod/channel"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/crypto/share"
	"nod/fault"
	"nod/wire"
)

// session is what the custodian holds between a session's opening and its end.
type session struct {
	*admit.Admission
	id      canon.SessionID
	matcher wire.Instance
	opening canon.Digest // SHA-256 of the call that opened it
	answer  *wire.SessionOpened
	expiry  time.Time
	pads    []code.Code // one a slot, real or decoy
	counts  []bool      // one a slot: real

	leases []*channel.Lease // one a step, once the comparison runs
}

// wipe forgets pads and correlations.
func (s *session) wipe() {
	for _, p := range s.pads {
		p.Wipe()
	}
	channel.Release(s.leases)
	s.leases = nil
}

// decoy makes every slot a decoy from here on.
func (s *session) decoy() {
	for i := range s.pads {
		s.pads[i].Wipe()
		s.pads[i] = share.Random(s.pads[i].Bits())
		s.counts[i] = false
	}
}

// running are the sessions between Start and Close.
type running struct {
	mu   sync.Mutex
	byID map[canon.SessionID]*session
}

func newRunning() *running { return &running{byID: map[canon.SessionID]*session{}} }

func (r *running) put(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[s.id] = s
}

// take ends a session's run; only the instance that opened it may, while the session
// lives. Later it is left for expired.
func (r *running) take(id canon.SessionID, matcher wire.Instance, now time.Time) (*session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.byID[id]
	if s == nil || s.matcher != matcher || now.After(s.expiry) {
		return nil, fault.New(fault.UnknownSession, "no comparison of this session is under way")
	}
	delete(r.byID, id)
	return s, nil
}

// expired ends the runs that the matcher left in the middle.
func (r *running) expired(now time.Time) (out []*session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, s := range r.byID {
		if now.After(s.expiry) {
			delete(r.byID, id)
			out = append(out, s)
		}
	}
	return out
}

func (r *running) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.byID {
		s.wipe()
	}
	clear(r.byID)
}

package admit

import (
	"sync"
	"time"

	"nod/crypto/canon"
	"nod/fault"
)

// Sessions are one instance's open sessions, in memory only: they hold shares and
// pads. A request opens at most one; a session is taken once. Of one that was taken
// only its name is kept, until it expires. Safe for concurrent use.
type Sessions[S any] struct {
	mu     sync.Mutex
	limit  int
	open   int // reserved or open, and not taken
	wipe   func(S)
	byQ    map[canon.RequestHash]*session[S]
	byID   map[canon.SessionID]*session[S]
	sweeps time.Time
}

type session[S any] struct {
	q      canon.RequestHash
	id     canon.SessionID
	state  S // none once it was taken
	expiry time.Time
	opened bool // false while it is being opened
	taken  bool
}

// remembered is how many times as many sessions are remembered, taken ones included,
// as may be open: some 300 bytes each.
const remembered = 16

// NewSessions makes room for at most limit open sessions. wipe is called once for each
// that ends without being taken.
func NewSessions[S any](limit int, wipe func(S)) *Sessions[S] {
	return &Sessions[S]{
		limit: limit, wipe: wipe,
		byQ:  map[canon.RequestHash]*session[S]{},
		byID: map[canon.SessionID]*session[S]{},
	}
}

// Begin reserves a request's one session while it is being opened. If the request
// has one already, it is returned with known set. Faults: SessionBusy while the
// first call is still under way, SessionUsed once it was taken, Overloaded.
func (t *Sessions[S]) Begin(q canon.RequestHash, now, expiry time.Time) (state S, known bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	if s := t.byQ[q]; s != nil {
		switch {
		case !s.opened:
			return state, false, fault.New(fault.SessionBusy, "the session is being opened")
		case s.taken:
			return state, false, fault.New(fault.SessionUsed, "the request's session is or was compared")
		}
		return s.state, true, nil
	}
	if t.open >= t.limit || len(t.byQ) >= remembered*t.limit {
		return state, false, fault.New(fault.Overloaded, "%d sessions are open, and %d remembered", t.open, len(t.byQ))
	}
	t.open++
	t.byQ[q] = &session[S]{q: q, expiry: expiry}
	return state, false, nil
}

// Abandon gives a reservation back after a failed opening. The request is bound
// to its jti all the same and opens nothing again.
func (t *Sessions[S]) Abandon(q canon.RequestHash) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.byQ[q]; s != nil && !s.opened {
		delete(t.byQ, q)
		t.open--
	}
}

// Opened turns a reservation into an open session.
func (t *Sessions[S]) Opened(q canon.RequestHash, id canon.SessionID, state S, expiry time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.byQ[q]
	if s == nil || s.opened {
		return fault.New(fault.SessionGone, "the session ended while it was opened")
	}
	s.id, s.state, s.expiry, s.opened = id, state, expiry, true
	t.byID[id] = s
	return nil
}

// Look gives an open session without using it up, to check who calls. It is
// somebody else's to wipe at any time: only what never changes may be read.
func (t *Sessions[S]) Look(id canon.SessionID, now time.Time) (state S, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.live(id, now)
	if err != nil {
		return state, err
	}
	return s.state, nil
}

// live finds a session that was not taken. mu is held.
func (t *Sessions[S]) live(id canon.SessionID, now time.Time) (*session[S], error) {
	t.sweep(now)
	s := t.byID[id]
	if s == nil || now.After(s.expiry) {
		return nil, fault.New(fault.UnknownSession, "session is not open at this instance")
	}
	if s.taken {
		return nil, fault.New(fault.SessionUsed, "session is or was compared")
	}
	return s, nil
}

// Take uses a session up and gives it to the caller, who wipes it. Faults:
// SessionUsed the second time, UnknownSession.
func (t *Sessions[S]) Take(id canon.SessionID, now time.Time) (state S, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.live(id, now)
	if err != nil {
		return state, err
	}
	state, s.state = s.state, state
	s.taken = true
	t.open--
	return state, nil
}

// Return gives back a session that was taken, and of which nothing was used or sent
// since: it can be taken again. It is wiped if it has expired meanwhile.
func (t *Sessions[S]) Return(id canon.SessionID, state S) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.byID[id]; s != nil {
		s.state, s.taken = state, false
		t.open++
		return
	}
	t.wipe(state)
}

// sweep ends expired sessions, at most once a second. mu is held.
func (t *Sessions[S]) sweep(now time.Time) {
	if now.Sub(t.sweeps) < time.Second && !now.Before(t.sweeps) {
		return
	}
	t.sweeps = now
	for q, s := range t.byQ {
		if !now.After(s.expiry) {
			continue
		}
		delete(t.byQ, q)
		if !s.taken {
			t.open--
		}
		if s.opened {
			delete(t.byID, s.id)
			if !s.taken {
				t.wipe(s.state)
			}
		}
	}
}

// Close ends every session.
func (t *Sessions[S]) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.byID {
		if !s.taken {
			t.wipe(s.state)
		}
	}
	clear(t.byQ)
	clear(t.byID)
	t.open = 0
}

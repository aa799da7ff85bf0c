package admit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/fault"
)

func TestSessionOnceARequest(t *testing.T) {
	wiped := 0
	s := NewSessions(2, func(int) { wiped++ })
	now := time.Unix(1000, 0)
	q, id := canon.RequestHash{1}, canon.SessionID{1}
	if _, known, err := s.Begin(q, now, now.Add(time.Minute)); known || err != nil {
		t.Fatal(known, err)
	}
	if _, _, err := s.Begin(q, now, now.Add(time.Minute)); !fault.Is(err, fault.SessionBusy) {
		t.Errorf("a second opening meanwhile: %v", err)
	}
	if err := s.Opened(q, id, 7, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if v, known, err := s.Begin(q, now, now.Add(time.Minute)); v != 7 || !known || err != nil {
		t.Errorf("the same request again: %v, %v, %v", v, known, err)
	}
	if err := s.Opened(q, canon.SessionID{2}, 8, now.Add(time.Minute)); !fault.Is(err, fault.SessionGone) {
		t.Errorf("opened twice: %v", err)
	}
	if v, err := s.Take(id, now); v != 7 || err != nil {
		t.Fatal(v, err)
	}
	if _, err := s.Take(id, now); !fault.Is(err, fault.SessionUsed) {
		t.Errorf("taken twice: %v", err)
	}
	if _, err := s.Take(canon.SessionID{9}, now); !fault.Is(err, fault.UnknownSession) {
		t.Errorf("unknown: %v", err)
	}
	if wiped != 0 {
		t.Error("a session that was taken is its taker's to wipe")
	}
}

func TestSessionsExpireAndAreBounded(t *testing.T) {
	wiped := 0
	s := NewSessions(2, func(int) { wiped++ })
	now := time.Unix(1000, 0)
	for i := range byte(2) {
		q := canon.RequestHash{i}
		if _, _, err := s.Begin(q, now, now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if err := s.Opened(q, canon.SessionID{i}, int(i), now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.Begin(canon.RequestHash{9}, now, now.Add(time.Minute)); !fault.Is(err, fault.Overloaded) {
		t.Errorf("over the limit: %v", err)
	}
	later := now.Add(2 * time.Minute)
	if _, err := s.Take(canon.SessionID{0}, later); !fault.Is(err, fault.UnknownSession) {
		t.Errorf("expired: %v", err)
	}
	if wiped != 2 {
		t.Errorf("%d sessions wiped, want 2", wiped)
	}
	if _, _, err := s.Begin(canon.RequestHash{9}, later, later.Add(time.Minute)); err != nil {
		t.Errorf("room again: %v", err)
	}
	s.Abandon(canon.RequestHash{9})
	if err := s.Opened(canon.RequestHash{9}, canon.SessionID{9}, 1, later); !fault.Is(err, fault.SessionGone) {
		t.Errorf("opened after it was abandoned: %v", err)
	}
}

// Sessions that were taken take no place of open ones, hold no state, and are
// remembered within a bound.
func TestTakenSessionsTakeNoPlace(t *testing.T) {
	type state struct{ secret []byte }
	s := NewSessions(1, func(*state) {})
	now := time.Unix(1000, 0)
	for i := range byte(remembered) {
		q, id := canon.RequestHash{i}, canon.SessionID{i}
		if _, _, err := s.Begin(q, now, now.Add(time.Minute)); err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
		if err := s.Opened(q, id, &state{[]byte{i}}, now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Take(id, now); err != nil || v.secret[0] != i {
			t.Fatal(v, err)
		}
		if s.byID[id].state != nil {
			t.Error("a session that was taken still has its state")
		}
		if _, _, err := s.Begin(q, now, now.Add(time.Minute)); !fault.Is(err, fault.SessionUsed) {
			t.Errorf("the request of a session that was taken: %v", err)
		}
	}
	if _, _, err := s.Begin(canon.RequestHash{99}, now, now.Add(time.Minute)); !fault.Is(err, fault.Overloaded) {
		t.Errorf("over what is remembered: %v", err)
	}
	if _, _, err := s.Begin(canon.RequestHash{99}, now.Add(2*time.Minute), now.Add(3*time.Minute)); err != nil {
		t.Errorf("room again: %v", err)
	}
}

// A session that is given back is there again, until it expires.
func TestSessionReturned(t *testing.T) {
	wiped := 0
	s := NewSessions(1, func(int) { wiped++ })
	now := time.Unix(1000, 0)
	q, id := canon.RequestHash{1}, canon.SessionID{1}
	if _, _, err := s.Begin(q, now, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := s.Opened(q, id, 7, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		v, err := s.Take(id, now)
		if v != 7 || err != nil {
			t.Fatal(v, err)
		}
		s.Return(id, v)
	}
	if wiped != 0 {
		t.Error("a session that lives was wiped")
	}
	v, err := s.Take(id, now)
	if err != nil {
		t.Fatal(err)
	}
	later := now.Add(2 * time.Minute)
	if _, err := s.Take(id, later); !fault.Is(err, fault.UnknownSession) {
		t.Errorf("expired: %v", err)
	}
	s.Return(id, v)
	if wiped != 1 {
		t.Errorf("returned after it expired: wiped %d times, want once", wiped)
	}
}

func TestTakeOnceUnderConcurrency(t *testing.T) {
	s := NewSessions(1, func(int) {})
	now := time.Unix(1000, 0)
	if _, _, err := s.Begin(canon.RequestHash{}, now, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := s.Opened(canon.RequestHash{}, canon.SessionID{}, 1, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int32
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			if _, err := s.Take(canon.SessionID{}, now); err == nil {
				taken.Add(1)
			}
		})
	}
	callers.Wait()
	if n := taken.Load(); n != 1 {
		t.Errorf("taken %d times", n)
	}
}

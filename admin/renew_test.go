package admin_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"nod/admin"
	"nod/disk"
	"nod/fault"
	"nod/test/world"
)

func (s *stage) renewal() *admin.Renewal {
	return &admin.Renewal{Matcher: s.front, Bundle: s.Bundle, State: s.path("renewal.json"), Page: 2}
}

// renewed wants everybody on the newest pad key, and to be recognised.
func (s *stage) renewed(people []world.Person) {
	s.T.Helper()
	if err := s.Unneeded(s.T.Context()); err != nil {
		s.T.Error(err)
	}
	if _, err := s.DestroyOldPads(s.T.Context()); err != nil {
		s.T.Fatal(err)
	}
	for _, p := range people {
		s.Expect(p, p, true)
	}
}

func (s *stage) rotate() uint32 {
	s.T.Helper()
	version, err := s.RotatePad(s.T.Context())
	if err != nil {
		s.T.Fatal(err)
	}
	return version
}

// Interrupted after any page, a renewal goes on from that page, and counts all of it.
func TestRenewalGoesOn(t *testing.T) {
	s := newStage(t)
	people := s.people(7)
	s.rotate()
	wantCode(t, s.Unneeded(t.Context()), fault.KeyVersion)
	cursors := []string{}
	for runs := 1; ; runs++ {
		ctx, cancel := context.WithCancel(t.Context())
		r := s.renewal()
		pages := 0
		r.Step = func(int) {
			pages++
			cancel()
		}
		s.front.cursors = nil
		done, err := r.Run(ctx)
		cancel()
		cursors = append(cursors, s.front.cursors...)
		if err == nil {
			if done != (admin.Renewed{Seen: 7, Renewed: 7}) || runs != 4 {
				t.Errorf("in %d runs: %+v", runs, done)
			}
			break
		}
		wantCode(t, err, fault.Cancelled)
		if !errors.Is(err, context.Canceled) || pages != 1 || done.Seen != 2*runs {
			t.Fatalf("run %d: %v, %d pages, %+v", runs, err, pages, done)
		}
		private(t, r.State)
	}
	if n := len(cursors); n != 4 || len(slices.Compact(slices.Sorted(slices.Values(cursors)))) != n {
		t.Errorf("%d calls for 4 pages, or one twice", n)
	}
	if exists(s.path("renewal.json")) {
		t.Error("the state file is left")
	}
	s.renewed(people)
}

// A page whose answer is lost is asked for again.
func TestRenewalAfterALostAnswer(t *testing.T) {
	s := newStage(t)
	people := s.people(5)
	s.rotate()
	s.front.after = once(2)
	_, err := s.renewal().Run(t.Context())
	wantCode(t, err, fault.PeerUnavailable)
	done, err := s.renewal().Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if done.Seen != 5 || done.Failed != 0 {
		t.Errorf("%+v", done)
	}
	s.renewed(people)
}

// After a rotation in the middle, rows before the cursor would stay behind.
func TestRenewalOfAnotherVersionBeginsAnew(t *testing.T) {
	s := newStage(t)
	people := s.people(5)
	r := s.renewal()
	r.Version = s.rotate()
	s.front.before = once(2)
	_, err := r.Run(t.Context())
	wantCode(t, err, fault.PeerUnavailable)
	if version, found, err := r.Unfinished(); version != r.Version || !found || err != nil {
		t.Errorf("unfinished: version %d, %v, %v", version, found, err)
	}
	r.Version = s.rotate()
	done, err := r.Run(t.Context())
	if err != nil || done != (admin.Renewed{Seen: 5, Renewed: 5}) {
		t.Errorf("%+v, %v", done, err)
	}
	s.renewed(people)
}

func TestRenewalRefusesStatesOfOthers(t *testing.T) {
	s := newStage(t)
	s.people(3)
	s.front.before = once(2)
	r := s.renewal()
	if _, err := r.Run(t.Context()); err == nil {
		t.Fatal("the second page came")
	}
	state, err := os.ReadFile(r.State)
	if err != nil {
		t.Fatal(err)
	}
	calls := len(s.front.cursors)

	other := newStage(t)
	r.Bundle = other.Bundle
	_, err = r.Run(t.Context())
	wantCode(t, err, fault.Conflict)
	r.Bundle = s.Bundle

	for name, c := range map[string]struct {
		data []byte
		mode os.FileMode
		code fault.Code
	}{
		"exposed":  {state, 0o644, fault.Exposed},
		"cut":      {state[:len(state)/2], 0o600, fault.BadEncoding},
		"empty":    {nil, 0o600, fault.BadEncoding},
		"longer":   {append(bytes.Clone(state), '\n'), 0o600, fault.BadEncoding},
		"field":    {bytes.Replace(state, []byte("{"), []byte(`{"x":1,`), 1), 0o600, fault.BadEncoding},
		"not ours": {bytes.Replace(state, []byte("renewal"), []byte("renewel"), 1), 0o600, fault.BadEncoding},
	} {
		if err := errors.Join(os.WriteFile(r.State, c.data, 0o600), os.Chmod(r.State, c.mode)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Run(t.Context()); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if len(s.front.cursors) != calls {
		t.Error("the matcher was called")
	}
	if err := errors.Join(os.WriteFile(r.State, state, 0o600), os.Chmod(r.State, 0o600)); err != nil {
		t.Fatal(err)
	}
	lock, err := disk.Lock(r.State+".lock", false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Run(t.Context())
	wantCode(t, err, fault.StoreInUse)
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if done, err := r.Run(t.Context()); err != nil || done.Seen != 3 {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestRenewalRefusesPages(t *testing.T) {
	s := newStage(t)
	for _, page := range []uint32{0, 1025} {
		r := s.renewal()
		r.Page = page
		_, err := r.Run(t.Context())
		wantCode(t, err, fault.OutOfRange)
	}
}

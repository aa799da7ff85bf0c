package crash_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"nod/crypto/seal"
	"nod/keyring"
	"nod/keyring/local"
	"nod/orders"
)

// Every durable write of every operation, and a kill right before and right after it.
func TestEveryDurableWrite(t *testing.T) {
	s := newStage(t)
	seen := s.dieEverywhere(t, enrolment(), replacement(), erasure(), locking(orders.Lock), locking(orders.Unlock),
		verification(true), verification(false))
	seen = append(seen, s.dieFetching(t)...)
	if t.Failed() {
		return
	}
	r := newStage(t) // few templates: a renewal is of all
	r.renewed = r.named(r.faces[0])
	_, err := r.enrol(r.renewed)
	must(t, err)
	seen = append(seen, r.dieEverywhere(t, renewal())...)
	publish(t, seen)
}

// rotate makes a new version of the pad key, as the custodian's operator does who uses
// the file keyring: while the custodian is down.
func (s *stage) rotate() {
	s.T.Helper()
	s.stop(seal.Custodian)
	k, err := local.Open(filepath.Join(s.layout.Role(seal.Custodian), "data", "keyring.json"), slog.New(slog.DiscardHandler))
	must(s.T, err)
	_, err = k.Rotate(s.T.Context(), keyring.Pad)
	must(s.T, err)
	must(s.T, k.Close())
	s.start(seal.Custodian, nil)
	s.settle()
}

// A finished verdict is repeated for the same bytes after the matcher, and the
// custodian, were killed, and for no others.
func TestVerdictIsRepeatedAfterRestarts(t *testing.T) {
	s := newStage(t)
	citizen := s.named(s.faces[0])
	_, err := s.enrol(citizen)
	must(t, err)
	for shown, want := range map[int]bool{0: true, 1: false} {
		p, err := s.play(as(citizen, s.faces[shown]))
		must(t, err)
		for _, role := range []seal.Role{seal.Matcher, seal.Custodian} {
			s.kill(role)
			s.start(role, nil)
			s.settle()
			must(t, s.show(p)) // holds that the bytes are the same
			if s.verdict(p) != want {
				t.Error("a wrong verdict")
			}
		}
	}
}

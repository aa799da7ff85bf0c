package admin_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"nod/fault"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

// stage is a deployment, and a matcher in front of it that a test can break.
type stage struct {
	*world.World
	front  *front
	folder string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	w := world.New(t, world.Shape(), nil)
	return &stage{World: w, front: &front{Matcher: w.Matcher}, folder: t.TempDir()}
}

func (s *stage) path(name string) string { return filepath.Join(s.folder, name) }

// people enrols n people.
func (s *stage) people(n int) (out []world.Person) {
	s.T.Helper()
	for i := range n {
		p := s.Person(string(rune('a'+i)) + "-4711")
		s.Enrol(p)
		out = append(out, p)
	}
	return out
}

// front passes calls on, and keeps what it saw.
type front struct {
	wire.Matcher
	before func() error // a call is refused
	after  func() error // an answer is lost

	mu      sync.Mutex
	cursors []string // of renewals
	orders  []string
}

func (f *front) Renew(ctx context.Context, m *wire.RenewRequest) (*wire.RenewAnswer, error) {
	f.note(&f.cursors, string(m.Cursor))
	return through(f, func() (*wire.RenewAnswer, error) { return f.Matcher.Renew(ctx, m) })
}

func (f *front) Order(ctx context.Context, m *wire.OrderRequest) (*wire.ReceiptAnswer, error) {
	f.note(&f.orders, string(m.Order))
	return through(f, func() (*wire.ReceiptAnswer, error) { return f.Matcher.Order(ctx, m) })
}

func (f *front) note(list *[]string, s string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*list = append(*list, s)
}

func through[T any](f *front, call func() (*T, error)) (*T, error) {
	if f.before != nil {
		if err := f.before(); err != nil {
			return nil, err
		}
	}
	answer, err := call()
	if err == nil && f.after != nil {
		err = f.after()
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func away() error { return fault.New(fault.PeerUnavailable, "a test took it away") }

// once fails the n-th time.
func once(n int) func() error {
	return func() error {
		if n--; n == 0 {
			return away()
		}
		return nil
	}
}

func names(people []world.Person) (out []orders.Citizen) {
	for _, p := range people {
		out = append(out, p.Name)
	}
	return out
}

func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("error %v, want %s", err, code)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// private wants a file that is its owner's only.
func private(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %04o", path, info.Mode().Perm())
	}
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"nod/store"
	"nod/store/postgres/postgrestest"
	"nod/store/storetest"
)

// shared is the server of the tests that leave it alone, or why there is none.
var (
	shared    *postgrestest.Server
	fetched   *postgrestest.Installation
	missing   error
	databases atomic.Int64
)

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	fetched, missing = postgrestest.Fetched()
	if missing == nil {
		var err error
		if shared, err = fetched.Start(""); err != nil {
			fmt.Fprintln(os.Stderr, errors.Join(err, fetched.Remove()))
			return 1
		}
	} else if !errors.Is(missing, postgrestest.ErrMissing) {
		fmt.Fprintln(os.Stderr, missing)
		return 1
	}
	code := m.Run()
	if missing == nil {
		if err := errors.Join(shared.Stop(), fetched.Remove()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

func needServer(t testing.TB) {
	t.Helper()
	if missing != nil {
		t.Skip(missing)
	}
}

// ownServer is a server for one test, which may break it.
func ownServer(t testing.TB, settings ...string) *postgrestest.Server {
	t.Helper()
	needServer(t)
	s, err := fetched.Start("", settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newDatabase makes an empty database for the role, and says how to open it.
func newDatabase(t testing.TB, s *postgrestest.Server, role string) Options {
	t.Helper()
	name := fmt.Sprintf("nod_%s_%d", role, databases.Add(1))
	login := fmt.Sprintf("nod_%s", role)
	if err := s.Create(name); err != nil {
		t.Fatal(err)
	}
	err := s.Exec(name, fmt.Sprintf("DO $$ BEGIN CREATE ROLE %s LOGIN PASSWORD 'of a test'; EXCEPTION WHEN duplicate_object THEN NULL; END $$", login),
		"GRANT CREATE, USAGE ON SCHEMA public TO "+login)
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Role: role, Addresses: []string{s.Address()}, Database: name, User: login,
		Password: func() ([]byte, error) { return []byte(postgrestest.Password), nil },
		TLS:      TLS{Off: true}, Migrate: true,
	}
}

func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	needServer(t)
	for _, batch := range []int{64, 1} {
		t.Run(fmt.Sprintf("batch=%d", batch), func(t *testing.T) {
			o := newDatabase(t, shared, "matcher")
			o.Batch = batch
			storetest.Run(t, func(t *testing.T) store.Store {
				s := openStore(t, o)
				if _, err := s.pool.Exec(context.Background(), "DELETE FROM nod_row"); err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

func TestDurable(t *testing.T) {
	needServer(t)
	storetest.RunDurable(t, func(t *testing.T) func() store.Store {
		o := newDatabase(t, shared, "custodian")
		return func() store.Store { return openStore(t, o) }
	})
}

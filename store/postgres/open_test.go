package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nod/fault"
	"nod/store/postgres/postgrestest"
)

// refusesToOpen holds that Open fails, with a code, and tells nobody the password,
// the login or the address.
func refusesToOpen(t *testing.T, o Options, code fault.Code) {
	t.Helper()
	s, err := Open(context.Background(), o)
	if err == nil {
		_ = s.Close()
	}
	if !fault.Is(err, code) {
		t.Errorf("Open = %v, want %s", err, code)
		return
	}
	for _, secret := range []string{postgrestest.Password, o.User, o.Database, o.Addresses[0]} {
		if code != fault.OutOfRange && strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
			t.Errorf("the error tells %q: %v", secret, err)
		}
	}
}

func TestOneDatabaseServesOneRole(t *testing.T) {
	needServer(t)
	matcher, custodian := newDatabase(t, shared, "matcher"), newDatabase(t, shared, "custodian")

	wrong := matcher
	wrong.Role = "custodian" // both names are the matcher's
	refusesToOpen(t, wrong, fault.StoreForeign)
	wrong.User = custodian.User // the database's name still is
	refusesToOpen(t, wrong, fault.StoreForeign)
	wrong = custodian
	wrong.User = matcher.User // the login's name is
	refusesToOpen(t, wrong, fault.StoreForeign)

	// A database that was renamed remembers whose it is.
	if err := openStore(t, matcher).Close(); err != nil {
		t.Fatal(err)
	}
	renamed := custodian
	renamed.Database = "nod-custodian"
	err := shared.Exec("postgres", fmt.Sprintf("ALTER DATABASE %q RENAME TO %q", matcher.Database, renamed.Database))
	if err != nil {
		t.Fatal(err)
	}
	err = shared.Exec(renamed.Database, "GRANT ALL ON ALL TABLES IN SCHEMA public TO nod_custodian")
	if err != nil {
		t.Fatal(err)
	}
	renamed.Migrate = false
	refusesToOpen(t, renamed, fault.StoreForeign)
	renamed.Role, renamed.User = "matcher", matcher.User
	refusesToOpen(t, renamed, fault.StoreForeign)
}

func TestSchemaIsNeeded(t *testing.T) {
	needServer(t)
	o := newDatabase(t, shared, "dealer")
	o.Migrate = false
	refusesToOpen(t, o, fault.StoreForeign)
	o.Migrate = true
	openStore(t, o)
	o.Migrate = false
	openStore(t, o)
}

func TestMigrationsAtOnce(t *testing.T) {
	needServer(t)
	o := newDatabase(t, shared, "matcher")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := Open(context.Background(), o)
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestStandbyIsRefused(t *testing.T) {
	needServer(t)
	o := newDatabase(t, shared, "matcher")
	err := shared.Exec("postgres", fmt.Sprintf("ALTER DATABASE %q SET default_transaction_read_only = on", o.Database))
	if err != nil {
		t.Fatal(err)
	}
	refusesToOpen(t, o, fault.StoreUnavailable)
}

func TestLossyServerIsRefused(t *testing.T) {
	needServer(t)
	o := newDatabase(t, shared, "matcher")
	err := shared.Exec("postgres", fmt.Sprintf("ALTER DATABASE %q SET synchronous_commit = off", o.Database))
	if err != nil {
		t.Fatal(err)
	}
	refusesToOpen(t, o, fault.StoreUnsafe)
}

func TestOpenRefuses(t *testing.T) {
	needServer(t)
	good := newDatabase(t, shared, "matcher")
	tests := map[string]struct {
		change func(o *Options)
		code   fault.Code
	}{
		"wrong password": {func(o *Options) { o.Password = func() ([]byte, error) { return []byte("guessed"), nil } }, fault.StoreUnavailable},
		"no password":    {func(o *Options) { o.Password = nil }, fault.StoreUnavailable},
		"no database":    {func(o *Options) { o.Database = "nod_matcher_none" }, fault.StoreUnavailable},
		"nobody there":   {func(o *Options) { o.Addresses = []string{"127.0.0.1:1"} }, fault.StoreUnavailable},
		"TLS not spoken": {func(o *Options) { o.TLS.Off = false }, fault.StoreUnavailable},
		"TLS off":        {func(o *Options) { o.Addresses = []string{"database.example:5432"} }, fault.Exposed},
		"TLS off later":  {func(o *Options) { o.Addresses = append([]string{o.Addresses[0]}, "192.0.2.1:5432") }, fault.Exposed},
		"no address":     {func(o *Options) { o.Addresses = []string{""} }, fault.OutOfRange},
		"no port":        {func(o *Options) { o.Addresses = []string{"127.0.0.1"} }, fault.OutOfRange},
		"no role":        {func(o *Options) { o.Role = "" }, fault.OutOfRange},
		"negative":       {func(o *Options) { o.Batch = -1 }, fault.OutOfRange},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := good
			test.change(&o)
			refusesToOpen(t, o, test.code)
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, good); !fault.Is(err, fault.Cancelled) {
		t.Errorf("Open under a cancelled context: %v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v", good, good, &good); strings.Contains(text, good.User) || strings.Contains(text, good.Addresses[0]) {
		t.Errorf("options print as %s", text)
	}
	// A first server that is down is passed over.
	good.Addresses = append([]string{"127.0.0.1:1"}, good.Addresses...)
	openStore(t, good)
}

func TestUnixSocket(t *testing.T) {
	needServer(t)
	o := newDatabase(t, shared, "matcher")
	_, port, _ := strings.Cut(o.Addresses[0], ":")
	o.Addresses = []string{shared.Folder() + ":" + port}
	openStore(t, o)
}

// The environment of a process does not choose its database.
func TestEnvironmentIsIgnored(t *testing.T) {
	needServer(t)
	o := newDatabase(t, shared, "matcher")
	passwords := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(passwords, []byte("*:*:*:*:"+postgrestest.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"PGHOST": "192.0.2.1", "PGPORT": "1", "PGUSER": "other", "PGPASSWORD": postgrestest.Password, "PGDATABASE": "other",
		"PGSSLMODE": "require", "PGPASSFILE": passwords, "PGOPTIONS": "-c synchronous_commit=off", "PGTARGETSESSIONATTRS": "standby",
	} {
		t.Setenv(name, value)
	}
	openStore(t, o)
	o.Password = nil
	refusesToOpen(t, o, fault.StoreUnavailable)
}

func TestSSLMode(t *testing.T) {
	for name, want := range map[string]bool{"verify-full": false, "disable": true} {
		if off, err := ParseSSLMode(name); err != nil || off != want {
			t.Errorf("%s: %v, %v", name, off, err)
		}
	}
	for _, name := range []string{"", "require", "prefer", "allow", "verify-ca", "VERIFY-FULL"} {
		if _, err := ParseSSLMode(name); !fault.Is(err, fault.OutOfRange) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

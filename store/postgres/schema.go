package postgres

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"nod/fault"
)

// migrations make the schema; one folder an engine.
//
//go:embed migrations/postgresql/*.sql
var migrations embed.FS

// schemaVersion is the newest migration that this software needs. A newer schema
// is accepted, since migrations only add: a process of the next release may have
// made it.
const schemaVersion = 1

// migrate brings the schema up to date. Several processes may do so at once: they
// take turns by goose's lock table, which needs nothing of the engine but rows. A
// migration has as much time as ctx: an index over all rows takes long.
func migrate(ctx context.Context, config *pgxpool.Config) (err error) {
	config = config.Copy()
	config.MaxConns = 2
	delete(config.ConnConfig.RuntimeParams, "statement_timeout")
	delete(config.ConnConfig.RuntimeParams, "idle_in_transaction_session_timeout")
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	folder, err := fs.Sub(migrations, "migrations/postgresql")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresTableLocker(lock.WithTableLockTimeout(100*time.Millisecond, 600))
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, folder,
		goose.WithLocker(locker), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	// Two processes that make goose's own tables at the same time meet, once.
	return retry(ctx, func(err error) bool {
		state := sqlState(err)
		return state == uniqueViolation || state == duplicateTable || undone(err)
	}, func() error {
		_, err := provider.Up(ctx)
		return err
	})
}

// checkSchema refuses a database that was not migrated far enough.
func checkSchema(ctx context.Context, pool *pgxpool.Pool) error {
	var version int64
	err := pool.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
	switch {
	case sqlState(err) == undefinedTable || err == nil && version < schemaVersion:
		return fault.New(fault.StoreForeign, "the database's schema is older than this software: migrate it")
	case err != nil:
		return toFault("reading the schema's version", err)
	}
	return nil
}

// checkNames refuses a database, or a login, whose name is not this role's.
func checkNames(ctx context.Context, pool *pgxpool.Pool, role string) error {
	var database, login string
	if err := pool.QueryRow(ctx, "SELECT current_database()::text, current_user::text").Scan(&database, &login); err != nil {
		return toFault("asking for the database's name", err)
	}
	if !names(database, role) {
		return fault.New(fault.StoreForeign, "the database's name does not hold %q, the role that opens it", role)
	}
	if !names(login, role) {
		return fault.New(fault.StoreForeign, "the login's name does not hold %q, the role that opens it", role)
	}
	return nil
}

// claim makes the database this role's, and refuses one that is another's.
func claim(ctx context.Context, pool *pgxpool.Pool, role string) error {
	if _, err := pool.Exec(ctx, "INSERT INTO nod_store (one, role) VALUES (1, $1) ON CONFLICT (one) DO NOTHING", role); err != nil {
		return toFault("claiming the database", err)
	}
	var owner string
	if err := pool.QueryRow(ctx, "SELECT role FROM nod_store WHERE one = 1").Scan(&owner); err != nil {
		return toFault("asking for the database's role", err)
	}
	if owner != role {
		return fault.New(fault.StoreForeign, "the database belongs to role %q, not to %q", owner, role)
	}
	return nil
}

// names reports whether a name holds a role's as a whole word.
func names(name, role string) bool {
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '-' || r == '.' })
	for _, word := range words {
		if word == role {
			return true
		}
	}
	return false
}

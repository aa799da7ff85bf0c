package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Elementary statements: each names one row, and one shard.
const (
	insertSQL = `INSERT INTO nod_row (kind, part, name, version, expires, value) VALUES ($1, $2, $3, 1, $4, $5)
		ON CONFLICT (kind, part, name) DO NOTHING`
	upsertSQL = `INSERT INTO nod_row (kind, part, name, version, expires, value) VALUES ($1, $2, $3, 1, $4, $5)
		ON CONFLICT (kind, part, name) DO UPDATE
		SET version = nod_row.version + 1, expires = excluded.expires, value = excluded.value`
	updateSQL = `UPDATE nod_row SET version = version + 1, expires = $4, value = $5
		WHERE kind = $1 AND part = $2 AND name = $3 AND version = $6`
	deleteSQL   = `DELETE FROM nod_row WHERE kind = $1 AND part = $2 AND name = $3`
	deleteAtSQL = `DELETE FROM nod_row WHERE kind = $1 AND part = $2 AND name = $3 AND version = $4`
)

// Ways in which a statement that changed no row ends its change.
const (
	isFine     = iota // it need not change one
	isConflict        // the condition does not hold
	isRace            // the row changed between two statements: do the change again
)

// step is one statement of a change.
type step struct {
	sql  string
	args []any
	none int // what it means if no row changed
}

// steps are a write's statements. Together they lock its row in any case, so that
// what else the change does holds at the same moment; only says that there is
// nothing else.
func (w *write) steps(only bool) []step {
	key := []any{[]byte(w.row.Table), w.row.Partition, w.row.Key}
	with := func(more ...any) []any { return append(key[:3:3], more...) }
	switch {
	case !w.delete && w.cond == condAny:
		return []step{{upsertSQL, with(w.when(), w.value), isRace}}
	case !w.delete && w.cond == condAbsent:
		return []step{{insertSQL, with(w.when(), w.value), isConflict}}
	case !w.delete:
		return []step{{updateSQL, with(w.when(), w.value, w.cond), isConflict}}
	case w.cond == condAny && only:
		return []step{{deleteSQL, key, isFine}}
	case w.cond == condAny:
		return []step{{insertSQL, with(nil, []byte{}), isFine}, {deleteSQL, key, isRace}}
	case w.cond == condAbsent:
		return []step{{insertSQL, with(nil, []byte{}), isConflict}, {deleteSQL, key, isRace}}
	}
	return []step{{deleteAtSQL, with(w.cond), isConflict}}
}

// alone does one change by elementary statements, in one transaction if there are
// several, and again if it certainly did nothing. It returns a fault.
func (s *Store) alone(c *change) error {
	ctx, stop := s.working()
	defer stop()
	var steps []step
	for i := range c.writes {
		steps = append(steps, c.writes[i].steps(len(c.writes) == 1)...)
	}
	raced := func(err error) bool { return undone(err) || errors.Is(err, errRaced) }
	err := retry(ctx, raced, func() error {
		conn, err := s.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		if len(steps) == 1 {
			tag, err := conn.Exec(ctx, steps[0].sql, steps[0].args...)
			return c.check(steps[0], tag, err)
		}
		return c.transaction(ctx, conn, steps)
	})
	return s.failedWrite(err)
}

// check judges one statement by the rows that it changed.
func (c *change) check(st step, tag pgconn.CommandTag, err error) error {
	switch {
	case err != nil || tag.RowsAffected() == 1 || st.none == isFine:
		return err
	case st.none == isConflict:
		return conflict(c.writes[0].row.Table)
	}
	return errRaced
}

// transaction does all steps and commits, in two round trips, or rolls back.
func (c *change) transaction(ctx context.Context, conn *pgxpool.Conn, steps []step) error {
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	for _, st := range steps {
		batch.Queue(st.sql, st.args...)
	}
	results := conn.SendBatch(ctx, batch)
	_, err := results.Exec()
	for i := 0; err == nil && i < len(steps); i++ {
		var tag pgconn.CommandTag
		tag, err = results.Exec()
		err = c.check(steps[i], tag, err)
	}
	if closing := results.Close(); err == nil {
		err = closing
	}
	if err != nil {
		// If this fails too the connection is not used again, and the server rolls
		// back when it sees it closed.
		if _, rolling := conn.Exec(ctx, "ROLLBACK"); rolling != nil {
			_ = conn.Conn().Close(ctx)
		}
		return err
	}
	tag, err := conn.Exec(ctx, "COMMIT")
	if err == nil && tag.String() != "COMMIT" {
		return fmt.Errorf("the server answered %q to COMMIT", tag.String())
	}
	return err
}

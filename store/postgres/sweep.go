package postgres

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"nod/store"
)

const (
	expiredSQL = `SELECT part, name, version FROM nod_row WHERE kind = $1 AND expires < $2 ORDER BY expires LIMIT $3`
	// sweepSQL deletes rows that still are as they were found: one that was
	// written since stays, whatever its new expiry is.
	sweepSQL = `DELETE FROM nod_row r USING unnest($2::bytea[], $3::bytea[], $4::bigint[]) AS i(part, name, version)
		WHERE r.kind = $1 AND r.part = i.part AND r.name = i.name AND r.version = i.version AND r.expires < $5`
	sweepOneSQL = `DELETE FROM nod_row WHERE kind = $1 AND part = $2 AND name = $3 AND version = $4 AND expires < $5`
)

// sweepBatch is how many rows share one transaction of a sweep.
const sweepBatch = 512

// Sweep implements store.Store. Rows go in batches, each as a whole: a sweep that
// fails may have deleted some. It deletes the rows that expired first, and leaves
// those alone that are written to meanwhile.
func (s *Store) Sweep(ctx context.Context, table store.Table, now time.Time, limit int) (int, error) {
	if err := errors.Join(table.Check(), store.CheckLimit(limit)); err != nil {
		return 0, err
	}
	swept := 0
	for swept < limit {
		end, err := s.begin(ctx)
		if err != nil {
			return swept, err
		}
		type result struct{ found, swept int }
		r, err := await(ctx, s, end, func(ctx context.Context) (r result, err error) {
			err = retry(ctx, undone, func() error {
				r.found, r.swept, err = s.sweepSome(ctx, table, now.UnixMilli(), min(limit-swept, sweepBatch))
				return err
			})
			return r, s.failed("sweeping", err)
		})
		swept += r.swept
		if err != nil || r.found == 0 {
			return swept, err
		}
	}
	return swept, nil
}

type expired struct {
	Part, Name []byte
	Version    int64
}

// sweepSome finds expired rows and deletes those that still are. None found means
// that there is nothing left to do.
func (s *Store) sweepSome(ctx context.Context, table store.Table, now int64, limit int) (found, swept int, err error) {
	rows, err := s.pool.Query(ctx, expiredSQL, []byte(table), now, limit)
	if err != nil {
		return 0, 0, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[expired])
	if err != nil || len(list) == 0 {
		return 0, 0, err
	}
	slices.SortFunc(list, func(a, b expired) int { // as every writer does
		if c := bytes.Compare(a.Part, b.Part); c != 0 {
			return c
		}
		return bytes.Compare(a.Name, b.Name)
	})
	if s.options.Batch == 1 {
		swept, err = s.sweepEach(ctx, table, now, list)
		return len(list), swept, err
	}
	parts, names, versions := make([][]byte, len(list)), make([][]byte, len(list)), make([]int64, len(list))
	for i, r := range list {
		parts[i], names[i], versions[i] = notNil(r.Part), notNil(r.Name), r.Version
	}
	tag, err := s.pool.Exec(ctx, sweepSQL, []byte(table), parts, names, versions, now)
	return len(list), int(tag.RowsAffected()), err
}

// sweepEach is sweepSQL by elementary statements.
func (s *Store) sweepEach(ctx context.Context, table store.Table, now int64, list []expired) (swept int, err error) {
	batch := &pgx.Batch{}
	for _, r := range list {
		batch.Queue(sweepOneSQL, []byte(table), notNil(r.Part), notNil(r.Name), r.Version, now)
	}
	results := s.pool.SendBatch(ctx, batch)
	for range list {
		tag, err := results.Exec()
		if err != nil {
			return 0, errors.Join(err, results.Close())
		}
		swept += int(tag.RowsAffected())
	}
	if err := results.Close(); err != nil {
		return 0, err
	}
	return swept, nil
}

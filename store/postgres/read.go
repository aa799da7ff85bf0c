package postgres

import (
	"bytes"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"nod/fault"
	"nod/store"
)

// Statements that read. Each is one snapshot, taken after the call began.
const (
	getSQL = `SELECT version, expires, value FROM nod_row WHERE kind = $1 AND part = $2 AND name = $3`
	// getsSQL is getSQL for many rows, by their place in the question.
	getsSQL = `SELECT i.n, r.version, r.expires, r.value
		FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) WITH ORDINALITY AS i(kind, part, name, n)
		JOIN nod_row r ON r.kind = i.kind AND r.part = i.part AND r.name = i.name`
	firstSQL = `SELECT part, name, version, expires, value FROM nod_row
		WHERE kind = $1 AND part = $2 AND name >= $3 ORDER BY name LIMIT $4`
	afterSQL = `SELECT part, name, version, expires, value FROM nod_row
		WHERE kind = $1 AND part = $2 AND name > $3 ORDER BY name LIMIT $4`
	scanFirstSQL = `SELECT part, name, version, expires, value FROM nod_row
		WHERE kind = $1 AND (part, name) >= ($2, $3) ORDER BY part, name LIMIT $4`
	scanAfterSQL = `SELECT part, name, version, expires, value FROM nod_row
		WHERE kind = $1 AND (part, name) > ($2, $3) ORDER BY part, name LIMIT $4`
)

// notNil is a name for the driver, which takes nil for NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func ownRow(r store.Row) store.Row {
	return store.Row{Table: r.Table, Partition: notNil(bytes.Clone(r.Partition)), Key: notNil(bytes.Clone(r.Key))}
}

// record makes a Record of a row's columns.
func record(version int64, expires *int64, value []byte) (store.Record, error) {
	r := store.Record{Value: notNil(value), Version: uint64(version)}
	if expires != nil {
		r.Expires = store.FromMilliseconds(*expires)
	}
	if version < 1 || expires != nil && *expires < 1 || len(value) > store.MaxValue {
		return store.Record{}, fault.New(fault.StoreDamaged, "a row that was never written")
	}
	return r, nil
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, row store.Row) (store.Record, error) {
	if err := row.Check(); err != nil {
		return store.Record{}, err
	}
	end, err := s.begin(ctx)
	if err != nil {
		return store.Record{}, err
	}
	return s.gets.do(ctx, &job[store.Row, store.Record]{ask: ownRow(row), weight: 1}, end)
}

// runGets reads the rows of a group. Reading again is always safe.
func (s *Store) runGets(group []*job[store.Row, store.Record]) {
	ctx, stop := s.working()
	defer stop()
	err := retry(ctx, readAgain, func() error {
		if len(group) == 1 {
			return s.get(ctx, group[0])
		}
		return s.getAll(ctx, group)
	})
	if err != nil {
		err = s.failed("reading", err)
		for _, j := range group {
			j.answer, j.err = store.Record{}, err
		}
	}
}

// readAgain reports whether a read that failed may succeed on a new connection.
func readAgain(err error) bool {
	var known *fault.Error
	return undone(err) || sqlState(err) == "" && !errors.As(err, &known) &&
		!errors.Is(err, context.DeadlineExceeded) && !unreachable(err)
}

func (s *Store) get(ctx context.Context, j *job[store.Row, store.Record]) error {
	var version int64
	var expires *int64
	var value []byte
	err := s.pool.QueryRow(ctx, getSQL, []byte(j.ask.Table), j.ask.Partition, j.ask.Key).Scan(&version, &expires, &value)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		j.err = notFound(j.ask)
		return nil
	case err != nil:
		return err
	}
	j.answer, j.err = record(version, expires, value)
	return nil
}

func notFound(r store.Row) error { return fault.New(fault.NotFound, "a row of table %s", r.Table) }

func (s *Store) getAll(ctx context.Context, group []*job[store.Row, store.Record]) error {
	kinds, parts, names := make([][]byte, len(group)), make([][]byte, len(group)), make([][]byte, len(group))
	for i, j := range group {
		kinds[i], parts[i], names[i] = []byte(j.ask.Table), j.ask.Partition, j.ask.Key
		j.answer, j.err = store.Record{}, notFound(j.ask)
	}
	rows, err := s.pool.Query(ctx, getsSQL, kinds, parts, names)
	if err != nil {
		return err
	}
	var n, version int64
	var expires *int64
	var value []byte
	_, err = pgx.ForEachRow(rows, []any{&n, &version, &expires, &value}, func() error {
		j := group[n-1]
		j.answer, j.err = record(version, expires, bytes.Clone(value))
		return nil
	})
	return err
}

// Partition implements store.Store.
func (s *Store) Partition(ctx context.Context, table store.Table, partition, after []byte, limit int) ([]store.Entry, error) {
	row := store.Row{Table: table, Partition: partition, Key: after}
	if err := errors.Join(row.Check(), store.CheckLimit(limit)); err != nil {
		return nil, err
	}
	sql := firstSQL
	if after != nil {
		sql = afterSQL
	}
	return s.list(ctx, sql, row, limit)
}

// Scan implements store.Store.
func (s *Store) Scan(ctx context.Context, table store.Table, after store.Row, limit int) ([]store.Entry, error) {
	given, err := store.CheckAfter(table, after)
	if err := errors.Join(err, table.Check(), store.CheckLimit(limit)); err != nil {
		return nil, err
	}
	sql := scanFirstSQL
	if given {
		sql = scanAfterSQL
	}
	after.Table = table
	return s.list(ctx, sql, after, limit)
}

func (s *Store) list(ctx context.Context, sql string, from store.Row, limit int) ([]store.Entry, error) {
	end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	from = ownRow(from)
	return await(ctx, s, end, func(ctx context.Context) (entries []store.Entry, err error) {
		err = retry(ctx, readAgain, func() error {
			entries, err = s.query(ctx, sql, from, limit)
			return err
		})
		if err != nil {
			return nil, s.failed("listing", err)
		}
		return entries, nil
	})
}

func (s *Store) query(ctx context.Context, sql string, from store.Row, limit int) ([]store.Entry, error) {
	rows, err := s.pool.Query(ctx, sql, []byte(from.Table), from.Partition, from.Key, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e store.Entry, err error) {
		var version int64
		var expires *int64
		var value []byte
		if err := row.Scan(&e.Partition, &e.Key, &version, &expires, &value); err != nil {
			return e, err
		}
		e.Table, e.Partition, e.Key = from.Table, notNil(e.Partition), notNil(e.Key)
		e.Record, err = record(version, expires, value)
		return e, err
	})
}

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"nod/fault"
	"nod/store"
)

// Load implements store.Bulk by COPY: all rows or, if it fails with
// fault.Conflict, none.
func (s *Store) Load(ctx context.Context, entries []store.Entry) error {
	if err := store.CheckEntries(entries); err != nil {
		return err
	}
	own := make([]write, len(entries))
	for i, e := range entries {
		own[i] = write{row: ownRow(e.Row), value: append([]byte{}, e.Value...), expires: store.Milliseconds(e.Expires)}
	}
	end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	_, err = await(ctx, s, end, func(ctx context.Context) (struct{}, error) {
		err := retry(ctx, undone, func() error { return s.load(ctx, own) })
		if sqlState(err) == uniqueViolation {
			return struct{}{}, fault.New(fault.Conflict, "a row that is to be loaded exists")
		}
		return struct{}{}, s.failedWrite(err)
	})
	return err
}

func (s *Store) load(ctx context.Context, rows []write) error {
	columns := []string{"kind", "part", "name", "version", "expires", "value"}
	_, err := s.pool.CopyFrom(ctx, pgx.Identifier{"nod_row"}, columns, pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		w := &rows[i]
		return []any{[]byte(w.row.Table), w.row.Partition, w.row.Key, int64(1), w.when(), w.value}, nil
	}))
	return err
}

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// outcome is what a batch did with one change.
type outcome int32

const (
	written outcome = iota
	refused         // a condition did not hold: nothing of the change was done
	apart           // not decided, and nothing done: the change must go alone
)

// batchSQL does many changes, of different partitions, in one statement; those
// whose conditions do not hold are left out and do not disturb the others.
//
// It is optimistic. "ask" sees all rows as they were when the statement began, and
// judges each change by that; "done" are the changes that go on. The three writes
// then take only rows that still are as they were seen: an insert that meets
// another's row does nothing, and update and delete compare the version under the
// row's lock. If fewer rows were written than should have been, something came in
// between: the division by zero takes the whole statement back, to be done again.
//
// A delete of a row that is absent writes nothing, so nothing would hold the row
// absent until the commit. If that is all of its change, the moment of the
// snapshot is as good as any. If not, the change goes apart (see write.steps).
const batchSQL = `
WITH ask AS MATERIALIZED (
	SELECT i.*, r.version AS seen
	FROM unnest($1::int[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::boolean[], $7::bigint[], $8::bytea[])
		AS i(change, kind, part, name, cond, gone, expires, value)
	LEFT JOIN nod_row r ON r.kind = i.kind AND r.part = i.part AND r.name = i.name
), judged AS MATERIALIZED (
	SELECT change,
		bool_and(CASE WHEN cond = -1 THEN true WHEN cond = 0 THEN seen IS NULL ELSE seen IS NOT NULL AND seen = cond END) AS holds,
		count(*) > 1 AND bool_or(gone AND seen IS NULL) AS apart
	FROM ask GROUP BY change
), done AS MATERIALIZED (
	SELECT ask.* FROM ask JOIN judged ON judged.change = ask.change WHERE judged.holds AND NOT judged.apart
), inserted AS (
	INSERT INTO nod_row (kind, part, name, version, expires, value)
	SELECT kind, part, name, 1, nullif(expires, 0), value FROM done WHERE seen IS NULL AND NOT gone
	ORDER BY part, kind, name
	ON CONFLICT (kind, part, name) DO NOTHING
	RETURNING 1
), updated AS (
	UPDATE nod_row r SET version = done.seen + 1, expires = nullif(done.expires, 0), value = done.value
	FROM done
	WHERE r.kind = done.kind AND r.part = done.part AND r.name = done.name AND r.version = done.seen AND NOT done.gone
	RETURNING 1
), deleted AS (
	DELETE FROM nod_row r USING done
	WHERE r.kind = done.kind AND r.part = done.part AND r.name = done.name AND r.version = done.seen AND done.gone
	RETURNING 1
), whole AS MATERIALIZED (
	SELECT 1 / (CASE WHEN
		(SELECT count(*) FROM inserted) + (SELECT count(*) FROM updated) + (SELECT count(*) FROM deleted)
		= (SELECT count(*) FROM done WHERE NOT (gone AND seen IS NULL)) THEN 1 ELSE 0 END) AS one
)
SELECT judged.change, (CASE WHEN NOT judged.holds THEN 1 WHEN judged.apart THEN 2 ELSE 0 END) * whole.one
FROM judged, whole`

// together does changes of different partitions in one statement, and says what
// became of each. Something that came in between has the statement done a second
// time, on a new view of the rows; if that fails as well, everybody goes alone.
func (s *Store) together(group []*job[*change, struct{}]) ([]outcome, error) {
	ctx, stop := s.working()
	defer stop()
	args := batchArgs(group)
	for range 2 {
		outcomes, err := s.batch(ctx, args, len(group))
		switch {
		case err == nil:
			return outcomes, nil
		case sqlState(err) == lockNotAvailable:
			return allApart(len(group)), nil // who it is that somebody else blocks
		case sqlState(err) != divisionByZero && !undone(err):
			return nil, s.failedWrite(err)
		}
		s.options.Log.Debug("a batch of writes is done again", "changes", len(group), "why", describe(err))
	}
	return allApart(len(group)), nil
}

func allApart(n int) []outcome {
	outcomes := make([]outcome, n)
	for i := range outcomes {
		outcomes[i] = apart
	}
	return outcomes
}

// batchArgs are the statement's columns.
func batchArgs(group []*job[*change, struct{}]) []any {
	var changes []int32
	var kinds, parts, names, values [][]byte
	var conds, expires []int64
	var gone []bool
	for i, j := range group {
		for _, w := range j.ask.writes {
			changes = append(changes, int32(i))
			kinds = append(kinds, []byte(w.row.Table))
			parts, names = append(parts, w.row.Partition), append(names, w.row.Key)
			conds, gone = append(conds, w.cond), append(gone, w.delete)
			expires, values = append(expires, w.expires), append(values, w.value)
		}
	}
	return []any{changes, kinds, parts, names, conds, gone, expires, values}
}

func (s *Store) batch(ctx context.Context, args []any, changes int) ([]outcome, error) {
	rows, err := s.pool.Query(ctx, batchSQL, args...)
	if err != nil {
		return nil, err
	}
	outcomes := make([]outcome, changes)
	var change int32
	var what outcome
	_, err = pgx.ForEachRow(rows, []any{&change, &what}, func() error {
		outcomes[change] = what
		return nil
	})
	return outcomes, err
}

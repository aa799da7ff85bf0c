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

// claimsSQL does changes of one write each that put a row which must be absent: the
// insert itself is the condition, and says which rows it wrote.
const claimsSQL = `
INSERT INTO nod_row (kind, part, name, version, expires, value)
SELECT i.kind, i.part, i.name, 1, nullif(i.expires, 0), i.value
FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bytea[]) AS i(kind, part, name, expires, value)
ON CONFLICT (kind, part, name) DO NOTHING
RETURNING part`

// batchSQL does many changes, of different partitions, in one statement; those
// whose conditions do not hold are left out and do not disturb the others. Without
// updates, or without deletes, the statement is shorter for it.
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
func batchSQL(updates, deletes bool) string {
	const start = `
WITH ask AS MATERIALIZED (
	SELECT i.*, r.version AS seen
	FROM unnest($1::int[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::boolean[], $7::bigint[], $8::bytea[])
		AS i(change, kind, part, name, cond, gone, expires, value)
	LEFT JOIN nod_row r ON r.kind = i.kind AND r.part = i.part AND r.name = i.name
), judged AS MATERIALIZED (
	SELECT ask.*,
		bool_and(CASE WHEN cond = -1 THEN true WHEN cond = 0 THEN seen IS NULL ELSE seen IS NOT NULL AND seen = cond END)
			OVER whole_change AS holds,
		count(*) OVER whole_change > 1 AND bool_or(gone AND seen IS NULL) OVER whole_change AS apart
	FROM ask WINDOW whole_change AS (PARTITION BY change)
), done AS MATERIALIZED (
	SELECT * FROM judged WHERE holds AND NOT apart
), inserted AS (
	INSERT INTO nod_row (kind, part, name, version, expires, value)
	SELECT kind, part, name, 1, nullif(expires, 0), value FROM done WHERE seen IS NULL AND NOT gone
	ORDER BY part, kind, name
	ON CONFLICT (kind, part, name) DO NOTHING
	RETURNING 1
)`
	const updated = `, updated AS (
	UPDATE nod_row r SET version = done.seen + 1, expires = nullif(done.expires, 0), value = done.value
	FROM done
	WHERE r.kind = done.kind AND r.part = done.part AND r.name = done.name AND r.version = done.seen AND NOT done.gone
	RETURNING 1
)`
	const deleted = `, deleted AS (
	DELETE FROM nod_row r USING done
	WHERE r.kind = done.kind AND r.part = done.part AND r.name = done.name AND r.version = done.seen AND done.gone
	RETURNING 1
)`
	const whole = `, whole AS MATERIALIZED (
	SELECT 1 / (CASE WHEN (SELECT count(*) FROM inserted)`
	const end = ` = (SELECT count(*) FROM done WHERE NOT (gone AND seen IS NULL)) THEN 1 ELSE 0 END) AS one
)
SELECT DISTINCT judged.change, (CASE WHEN NOT judged.holds THEN 1 WHEN judged.apart THEN 2 ELSE 0 END) * whole.one
FROM judged, whole`
	sql, sum := start, whole
	if updates {
		sql, sum = sql+updated, sum+" + (SELECT count(*) FROM updated)"
	}
	if deletes {
		sql, sum = sql+deleted, sum+" + (SELECT count(*) FROM deleted)"
	}
	return sql + sum + end
}

// together does changes of different partitions in one statement, and says what
// became of each. Something that came in between has the statement done a second
// time, on a new view of the rows; if that fails as well, everybody goes alone.
func (s *Store) together(group []*job[*change, struct{}]) ([]outcome, error) {
	ctx, stop := s.working()
	defer stop()
	columns := columnsOf(group)
	for range 2 {
		outcomes, err := columns.run(ctx, s)
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

// columns are the writes of a batch, as its statement gets them.
type columns struct {
	count                     int // changes
	changes                   []int32
	kinds, parts, names       [][]byte
	conds                     []int64
	gone                      []bool
	expires                   []int64
	values                    [][]byte
	updates, deletes, onlyNew bool
}

func columnsOf(group []*job[*change, struct{}]) *columns {
	c := &columns{count: len(group), onlyNew: true}
	for i, j := range group {
		for _, w := range j.ask.writes {
			c.changes = append(c.changes, int32(i))
			c.kinds = append(c.kinds, []byte(w.row.Table))
			c.parts, c.names = append(c.parts, w.row.Partition), append(c.names, w.row.Key)
			c.conds, c.gone = append(c.conds, w.cond), append(c.gone, w.delete)
			c.expires, c.values = append(c.expires, w.expires), append(c.values, w.value)
			c.updates = c.updates || !w.delete && w.cond != condAbsent
			c.deletes = c.deletes || w.delete
			c.onlyNew = c.onlyNew && len(j.ask.writes) == 1 && !w.delete && w.cond == condAbsent
		}
	}
	return c
}

func (c *columns) run(ctx context.Context, s *Store) ([]outcome, error) {
	outcomes := make([]outcome, c.count)
	if c.onlyNew {
		return outcomes, c.claim(ctx, s, outcomes)
	}
	rows, err := s.pool.Query(ctx, batchSQL(c.updates, c.deletes),
		c.changes, c.kinds, c.parts, c.names, c.conds, c.gone, c.expires, c.values)
	if err != nil {
		return nil, err
	}
	var change int32
	var what outcome
	_, err = pgx.ForEachRow(rows, []any{&change, &what}, func() error {
		outcomes[change] = what
		return nil
	})
	return outcomes, err
}

// claim runs claimsSQL. Changes are of different partitions, so a partition names
// one.
func (c *columns) claim(ctx context.Context, s *Store, outcomes []outcome) error {
	place := make(map[string]int, c.count)
	for i, part := range c.parts {
		place[string(part)] = i
		outcomes[i] = refused
	}
	rows, err := s.pool.Query(ctx, claimsSQL, c.kinds, c.parts, c.names, c.expires, c.values)
	if err != nil {
		return err
	}
	var part []byte
	_, err = pgx.ForEachRow(rows, []any{&part}, func() error {
		outcomes[place[string(part)]] = written
		return nil
	})
	return err
}

-- +goose Up

-- Whose store this is. One row, written by the first process that opens it.
CREATE TABLE nod_store (
	one  integer NOT NULL PRIMARY KEY CHECK (one = 1),
	role text    NOT NULL
);

-- Every row of every table of nod/store. Only this statement's last clause, and
-- what follows it, are PostgreSQL's own: see docs/postgres.md.
CREATE TABLE nod_row (
	kind    bytea  NOT NULL,           -- store.Table; bytes, so that no collation matters
	part    bytea  NOT NULL,           -- store.Row.Partition
	name    bytea  NOT NULL,           -- store.Row.Key
	version bigint NOT NULL CHECK (version > 0),
	expires bigint CHECK (expires > 0), -- milliseconds since 1970; NULL: never
	value   bytea  NOT NULL,
	PRIMARY KEY (kind, part, name)
) PARTITION BY HASH (part);

-- Values are ciphertexts: compressing them is work for nothing.
ALTER TABLE nod_row ALTER COLUMN value SET STORAGE EXTERNAL;

-- +goose StatementBegin
DO $$
BEGIN
	FOR i IN 0..15 LOOP
		-- Room for a new version of a row beside the old one, so that the indices
		-- need not change when a budget does.
		EXECUTE format('CREATE TABLE nod_row_%s PARTITION OF nod_row '
			'FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (fillfactor = 85)', i, i);
	END LOOP;
END $$;
-- +goose StatementEnd

CREATE INDEX nod_row_expires ON nod_row (kind, expires) WHERE expires IS NOT NULL;

-- +goose Down
DROP TABLE nod_row;
DROP TABLE nod_store;

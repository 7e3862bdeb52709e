-- +goose Up

-- Evaluator keys: the public halves. The private ones are key files.
CREATE TABLE index_key (
    id           TEXT   NOT NULL PRIMARY KEY,
    public       TEXT   NOT NULL, -- base64url
    locator_bits BIGINT NOT NULL,
    created_at   BIGINT NOT NULL
);

-- What a revision of an incident was sealed from, bound before anything of it
-- is published: no two rosters ever share a keystream. n and root stay NULL
-- until the source layer is on disk, and are never changed then.
CREATE TABLE index_revision (
    incident   TEXT   NOT NULL,
    revision   BIGINT NOT NULL,
    key_id     TEXT   NOT NULL REFERENCES index_key (id),
    roster     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    n          BIGINT,
    root       TEXT,
    PRIMARY KEY (incident, revision)
);

-- Published statements. Rows are never changed.
CREATE TABLE index_statement (
    seq          BIGINT NOT NULL PRIMARY KEY,
    hash         TEXT   NOT NULL,
    ledger_index BIGINT NOT NULL,
    bytes        BYTEA  NOT NULL
);

-- +goose Down
DROP TABLE index_statement;
DROP TABLE index_revision;
DROP TABLE index_key;

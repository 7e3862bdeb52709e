-- +goose Up

-- Lists of services as they were published, the last few: what a reader has is made into what there is now.
CREATE TABLE services_list (
    hash    TEXT   NOT NULL PRIMARY KEY, -- SHA-256 in hex of the list's bytes
    num     BIGINT NOT NULL UNIQUE,      -- counts up with each
    version BIGINT NOT NULL,             -- of the archive, that it was made from
    head    BYTEA  NOT NULL,             -- what the ledger commits to
    entry   BIGINT NOT NULL,             -- of the ledger; -1: it is not recorded yet
    data    BYTEA  NOT NULL              -- the list, compressed (gzip)
);

-- +goose Down
DROP TABLE services_list;

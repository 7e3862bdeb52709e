-- +goose Up

-- A case is what its entries say. This row is only what a list needs, and what writers of one case wait for.
CREATE TABLE response_case (
    id      TEXT   NOT NULL PRIMARY KEY, -- that of its incident
    entries BIGINT NOT NULL,
    head    TEXT   NOT NULL              -- hex hash of the newest entry
);

-- Only ever added to. hash covers the entry as it is read, with the one before and a salt, so that it tells nothing.
CREATE TABLE response_entry (
    case_id TEXT   NOT NULL REFERENCES response_case (id),
    seq     BIGINT NOT NULL, -- from 1
    at      BIGINT NOT NULL,
    hash    TEXT   NOT NULL,
    sealed  BYTEA  NOT NULL, -- the entry, under the case's key
    PRIMARY KEY (case_id, seq)
);

-- +goose Down
DROP TABLE response_entry;
DROP TABLE response_case;

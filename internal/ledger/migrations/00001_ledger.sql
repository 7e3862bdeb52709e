-- The log's state. Rows of the last three tables are never changed.

-- +goose Up

-- One row: what the next append starts from. Its update is also the lock that
-- puts appends in order.
CREATE TABLE ledger_head (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    vkey       TEXT NOT NULL,   -- public key of the log, origin included
    size       BIGINT NOT NULL, -- number of leaves
    checkpoint BYTEA NOT NULL   -- signed note for that size
);

-- One row, whose update is the lock under which it is told what is public.
CREATE TABLE ledger_turn (
    id   BIGINT PRIMARY KEY CHECK (id = 1),
    turn BIGINT NOT NULL
);
INSERT INTO ledger_turn (id, turn) VALUES (1, 0);

CREATE TABLE ledger_leaves (
    leaf BIGINT PRIMARY KEY, -- index, from 0
    kind TEXT NOT NULL,
    data BYTEA NOT NULL      -- SHA-256, key of ledger_data
);

CREATE TABLE ledger_data (
    hash BYTEA PRIMARY KEY, -- SHA-256 of bytes
    bytes BYTEA NOT NULL
);

-- Every complete subtree's hash, at its tlog.StoredHashIndex.
CREATE TABLE ledger_hashes (
    position BIGINT PRIMARY KEY,
    hash     BYTEA NOT NULL
);

-- +goose Down
DROP TABLE ledger_hashes;
DROP TABLE ledger_data;
DROP TABLE ledger_leaves;
DROP TABLE ledger_turn;
DROP TABLE ledger_head;

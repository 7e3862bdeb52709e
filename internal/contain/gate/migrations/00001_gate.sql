-- +goose Up

-- One row: which state of the tables below nodes have to have. It grows with every change but of gate_cleared.
CREATE TABLE gate_state (
    id      BIGINT NOT NULL PRIMARY KEY, -- 1
    version BIGINT NOT NULL
);
INSERT INTO gate_state (id, version) VALUES (1, 1);

-- What was declared, and whether it is lifted. Nothing is taken away.
CREATE TABLE gate_block (
    id        TEXT   NOT NULL PRIMARY KEY,
    incident  TEXT   NOT NULL,
    route     TEXT   NOT NULL, -- '': it is of accounts
    accounts  TEXT   NOT NULL, -- blocked, reset, notice; '': it is of a route
    spec      TEXT   NOT NULL, -- JSON: what was approved
    round     TEXT   NOT NULL, -- of accounts: what is cleared stays cleared within it, whatever roster stands
    since     BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    lifted_at BIGINT NOT NULL, -- 0: it is in force
    lifted_by TEXT   NOT NULL,
    lifted_why TEXT  NOT NULL
);
CREATE INDEX gate_block_force ON gate_block (lifted_at, incident);

-- Accounts that have done what was asked of them: a keyed hash under the case's key. Each shard numbers its own, so that
-- whoever follows them misses none, in whatever order transactions end.
CREATE TABLE gate_shard (
    n    BIGINT NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);
CREATE TABLE gate_cleared (
    shard BIGINT NOT NULL,
    n     BIGINT NOT NULL,
    round TEXT   NOT NULL,
    hash  BYTEA  NOT NULL,
    first BOOLEAN NOT NULL, -- it counts as the account: others are its further names
    at    BIGINT NOT NULL,
    PRIMARY KEY (shard, n)
);
CREATE UNIQUE INDEX gate_cleared_once ON gate_cleared (round, hash);

-- Who may ask. Of a token only the hash is kept.
CREATE TABLE gate_token (
    name       TEXT    NOT NULL PRIMARY KEY,
    form       TEXT    NOT NULL, -- nginx, caddy, traefik, envoy; decide
    identities BOOLEAN NOT NULL, -- what it says of who asks was verified
    hash       BYTEA   NOT NULL UNIQUE,
    made_at    BIGINT  NOT NULL,
    made_by    TEXT    NOT NULL
);

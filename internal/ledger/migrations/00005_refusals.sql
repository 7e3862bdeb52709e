-- +goose Up

-- Witnesses that do not cosign, since when and why: one that cosigns again has no row. It is told, and nothing depends on it.
CREATE TABLE ledger_refusal (
    vkey  TEXT PRIMARY KEY,
    since BIGINT NOT NULL,   -- seconds since 1970
    why   TEXT NOT NULL      -- in English
);

-- +goose Down
DROP TABLE ledger_refusal;

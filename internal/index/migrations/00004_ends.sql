-- +goose Up

-- What became of a key. Each is decided here first, then done, and only then published.
ALTER TABLE index_key ADD COLUMN compromised_at BIGINT;                -- somebody else may have it
ALTER TABLE index_key ADD COLUMN end_at         BIGINT;                -- it is to be destroyed
ALTER TABLE index_key ADD COLUMN ended_at       BIGINT;                -- its file was destroyed here
ALTER TABLE index_key ADD COLUMN end_actor      TEXT NOT NULL DEFAULT '';

-- Incidents that are no longer answered, for ever. What has to be destroyed with one is destroyed before it is published.
CREATE TABLE index_retired (
    incident   TEXT   NOT NULL PRIMARY KEY,
    decided_at BIGINT NOT NULL,
    actor      TEXT   NOT NULL
);

-- +goose Down
DROP TABLE index_retired;
ALTER TABLE index_key DROP COLUMN end_actor;
ALTER TABLE index_key DROP COLUMN ended_at;
ALTER TABLE index_key DROP COLUMN end_at;
ALTER TABLE index_key DROP COLUMN compromised_at;

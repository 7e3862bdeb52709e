-- +goose Up

-- Who published what, and despite which difference: one row an entry of the ledger that this room appended. Nothing of it
-- is signed or shown; it stays with the entry.
CREATE TABLE publish_record (
    ledger_index BIGINT NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL,
    incident     TEXT   NOT NULL, -- '' where it is about none
    actor        TEXT   NOT NULL,
    proposal     TEXT   NOT NULL, -- hex SHA-256 of the proposal
    despite      TEXT   NOT NULL, -- why it was published although facts, roster and rules differ; '' where they do not
    differences  TEXT   NOT NULL, -- JSON: what differed
    recorded_at  BIGINT NOT NULL
);
CREATE INDEX publish_record_by_incident ON publish_record (incident);

-- +goose Down
DROP TABLE publish_record;

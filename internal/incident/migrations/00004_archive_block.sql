-- +goose Up
-- Full text was the engine's; now it is ours, the same on both. incident_block holds what searches need of the incidents
-- of 4,096 successive numbers (internal/archive/index.go): what they count by, and the index of the texts; version is the
-- archive's version at which it was made. incident_new holds the texts of those that changed since: few, read one by one.
-- Both are made from the facts when the program opens the store, because the archive is of an earlier form.
DROP TABLE IF EXISTS incident_text;
DROP TABLE IF EXISTS incident_text_title;
CREATE TABLE incident_block (
    block   BIGINT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    columns BYTEA  NOT NULL,
    texts   BYTEA  NOT NULL
);
CREATE TABLE incident_new (
    num     BIGINT NOT NULL PRIMARY KEY,
    changed BIGINT NOT NULL,
    title   TEXT   NOT NULL,
    words   TEXT   NOT NULL
);
CREATE INDEX incident_new_by_change ON incident_new (changed);
ALTER TABLE incident_archive DROP COLUMN engine;

-- +goose Down
ALTER TABLE incident_archive ADD COLUMN engine TEXT NOT NULL DEFAULT '';
UPDATE incident_archive SET form = 0;
DROP TABLE incident_new;
DROP TABLE incident_block;

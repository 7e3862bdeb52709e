-- +goose Up
-- Where an incident that is not the operator's own comes from: one row of a data set. digest is of the facts as the
-- importer made them, so that a second run knows what changed without reading them.
CREATE TABLE incident_import (
    incident    TEXT   NOT NULL PRIMARY KEY REFERENCES incident (id),
    dataset     TEXT   NOT NULL,
    external_id TEXT   NOT NULL,
    digest      TEXT   NOT NULL,
    as_of       BIGINT NOT NULL,
    licence     TEXT   NOT NULL,
    attribution TEXT   NOT NULL,
    url         TEXT   NOT NULL,
    imported_at BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    UNIQUE (dataset, external_id)
);

-- An incident that turned out to be another one. Its id and its facts stay; who asks for it gets the other.
CREATE TABLE incident_merge (
    incident  TEXT   NOT NULL PRIMARY KEY REFERENCES incident (id),
    target    TEXT   NOT NULL REFERENCES incident (id),
    merged_at BIGINT NOT NULL
);
CREATE INDEX incident_merge_by_target ON incident_merge (target);

-- +goose Down
DROP TABLE incident_merge;
DROP TABLE incident_import;

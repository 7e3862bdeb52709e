-- +goose Up
CREATE TABLE incident (
    id         TEXT   NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
);

-- Only ever added to. The typed value is JSON (Value in fact.go), so that a key can be added without a migration;
-- what lists and timelines sort and filter by stands beside it.
CREATE TABLE incident_fact (
    incident    TEXT   NOT NULL REFERENCES incident (id),
    seq         BIGINT NOT NULL,
    fact_key    TEXT   NOT NULL,
    item        TEXT   NOT NULL,
    certainty   TEXT   NOT NULL,
    source      TEXT   NOT NULL,
    as_of       BIGINT NOT NULL,
    as_of_form  TEXT   NOT NULL,
    recorded_at BIGINT NOT NULL,
    author      TEXT   NOT NULL,
    retracted   BOOLEAN NOT NULL,
    happened_at BIGINT,
    amount      BIGINT,
    value       TEXT   NOT NULL,
    PRIMARY KEY (incident, seq)
);
CREATE INDEX incident_fact_by_key ON incident_fact (fact_key, incident);

CREATE TABLE incident_notice (
    incident     TEXT   NOT NULL REFERENCES incident (id),
    version      BIGINT NOT NULL,
    kind         TEXT   NOT NULL,
    published_at BIGINT NOT NULL,
    sha256       TEXT   NOT NULL,
    ledger_index BIGINT NOT NULL,
    data         BYTEA  NOT NULL,
    PRIMARY KEY (incident, version)
);

-- +goose Down
DROP TABLE incident_notice;
DROP TABLE incident_fact;
DROP TABLE incident;

-- +goose Up

-- Cases that are to be shredded, from when it was decided. Nothing here names anybody: it is what is left of a case.
CREATE TABLE publish_shred (
    incident   TEXT   NOT NULL PRIMARY KEY,
    decided_at BIGINT NOT NULL,
    actor      TEXT   NOT NULL,
    retained   TEXT   NOT NULL, -- hex SHA-256 of the record that is kept; '' where there is none
    held       TEXT   NOT NULL, -- JSON: what its key sealed, and what had left, counted while it could be read
    salt       BYTEA  NOT NULL  -- by which a certificate stands for an incident that is not public
);

-- Certificates, as the ledger has them.
CREATE TABLE publish_certificate (
    incident     TEXT   NOT NULL,
    n            BIGINT NOT NULL, -- from 1
    ledger_index BIGINT NOT NULL,
    data         BYTEA  NOT NULL,
    PRIMARY KEY (incident, n)
);

-- +goose Down
DROP TABLE publish_certificate;
DROP TABLE publish_shred;

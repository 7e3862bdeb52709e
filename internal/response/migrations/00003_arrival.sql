-- +goose Up

-- Evidence that comes in pieces, until all of it is there. A browser that is closed, or a server that is killed, goes on where it was.
CREATE TABLE response_arrival (
    file     TEXT   NOT NULL PRIMARY KEY, -- below evidence/, as of response_evidence
    case_id  TEXT   NOT NULL,
    actor    TEXT   NOT NULL,
    began_at BIGINT NOT NULL,
    moved_at BIGINT NOT NULL, -- when the last piece came
    size     BIGINT NOT NULL, -- bytes that are announced
    received BIGINT NOT NULL, -- bytes that are on disk
    pieces   BIGINT NOT NULL,
    key      BYTEA  NOT NULL, -- of this file, sealed under the case's
    said     BYTEA  NOT NULL, -- what is said of it, sealed
    sum      BYTEA  NOT NULL  -- SHA-256 as far as it has come, sealed: its state has the last bytes in it
);
CREATE INDEX response_arrival_case ON response_arrival (case_id);

-- The sealed files of evidence that came in pieces: evidence/FILE-N. Evidence without any is one file.
CREATE TABLE response_piece (
    file   TEXT   NOT NULL,
    n      BIGINT NOT NULL, -- from 1
    size   BIGINT NOT NULL, -- bytes as they came
    sha256 TEXT   NOT NULL, -- hex, of these bytes
    PRIMARY KEY (file, n)
);

-- +goose Down
DROP TABLE response_piece;
DROP TABLE response_arrival;

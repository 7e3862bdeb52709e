-- +goose Up

-- Sealed files of evidence. A row without an entry is of one that is still arriving, or never arrived: its file is removed.
CREATE TABLE response_evidence (
    file    TEXT   NOT NULL PRIMARY KEY, -- below evidence/: random, it says nothing
    case_id TEXT   NOT NULL,
    seq     BIGINT,                      -- of its entry; NULL until it is whole
    size    BIGINT NOT NULL,             -- bytes as they came; 0 until it is whole
    key     BYTEA  NOT NULL              -- of this file, sealed under the case's
);
CREATE UNIQUE INDEX response_evidence_entry ON response_evidence (case_id, seq);

-- What each day's head over all cases in the ledger was made of (docs/FORMAT.md, cases).
CREATE TABLE response_day (
    day          TEXT   NOT NULL PRIMARY KEY, -- of UTC
    seed         BYTEA  NOT NULL,
    ledger_index BIGINT NOT NULL
);
CREATE TABLE response_day_case (
    day     TEXT   NOT NULL REFERENCES response_day (day),
    case_id TEXT   NOT NULL,
    entries BIGINT NOT NULL,
    head    TEXT   NOT NULL,
    PRIMARY KEY (day, case_id)
);

-- +goose Down
DROP TABLE response_day_case;
DROP TABLE response_day;
DROP TABLE response_evidence;

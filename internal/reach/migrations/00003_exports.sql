-- +goose Up

-- Files for houses that print letters or send short messages: the register of what left, sealed, and to whom.
CREATE TABLE reach_export (
    id         TEXT   NOT NULL PRIMARY KEY,
    campaign   TEXT   NOT NULL,
    incident   TEXT   NOT NULL,
    n          BIGINT NOT NULL, -- in the campaign, from 1: in the states of those who are in it
    asked      TEXT   NOT NULL, -- JSON: what was approved
    state      TEXT   NOT NULL, -- approved, made, handed, destroyed, withdrawn
    manifest   TEXT   NOT NULL, -- JSON, once it is made; ''
    left_out   TEXT   NOT NULL, -- JSON: who is not in the file, by why; ''
    problem    TEXT   NOT NULL, -- why it could not be made; ''
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    made_at    BIGINT NOT NULL, -- 0: not yet, as all that follow
    handed_at  BIGINT NOT NULL,
    handed_by  TEXT   NOT NULL,
    destroyed  BIGINT NOT NULL, -- as the house confirms it
    confirmed  TEXT   NOT NULL, -- by what it did
    UNIQUE (campaign, n)
);
CREATE INDEX reach_export_of ON reach_export (incident);

-- Files of results that were read: each counts once.
CREATE TABLE reach_result (
    export  TEXT   NOT NULL,
    sha256  TEXT   NOT NULL, -- of what was in the file
    at      BIGINT NOT NULL,
    actor   TEXT   NOT NULL,
    rows    BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    PRIMARY KEY (export, sha256)
);

-- What was done instead, for those whom no campaign reached.
CREATE TABLE reach_measure (
    incident  TEXT   NOT NULL,
    n         BIGINT NOT NULL, -- from 1
    kind      TEXT   NOT NULL,
    taken_on  TEXT   NOT NULL, -- a day
    reference TEXT   NOT NULL, -- where it can be seen
    note      TEXT   NOT NULL,
    campaigns TEXT   NOT NULL, -- JSON: for those whom these did not reach
    people    BIGINT NOT NULL, -- how many it stands for
    fresh     BIGINT NOT NULL, -- for whom nothing had been done before
    at        BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    PRIMARY KEY (incident, n)
);

-- +goose Down
DROP TABLE reach_measure;
DROP TABLE reach_result;
DROP TABLE reach_export;

-- +goose Up

-- What outlives a case, outside of its key: nothing here has an identifier of anybody affected.

-- What is to be done so that it does not happen again, every version of it; the newest stands.
CREATE TABLE closing_task (
    incident TEXT   NOT NULL,
    n        BIGINT NOT NULL, -- from 1
    version  BIGINT NOT NULL, -- from 1
    title    TEXT   NOT NULL,
    owner    TEXT   NOT NULL,
    due      TEXT   NOT NULL, -- a day; '': none
    state    TEXT   NOT NULL, -- open, doing, done, dropped
    note     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    PRIMARY KEY (incident, n, version)
);

-- What was learnt.
CREATE TABLE closing_lesson (
    incident TEXT   NOT NULL,
    n        BIGINT NOT NULL, -- from 1
    text     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    PRIMARY KEY (incident, n)
);

-- Legal holds: while one is on, nothing of the case is shredded.
CREATE TABLE closing_hold (
    incident  TEXT   NOT NULL,
    n         BIGINT NOT NULL, -- from 1
    why       TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    ended_at  BIGINT NOT NULL, -- 0: it is on
    ended_by  TEXT   NOT NULL,
    ended_why TEXT   NOT NULL,
    PRIMARY KEY (incident, n)
);

-- What is kept of cases, as laws want it. Several of one case are versions of it.
CREATE TABLE closing_retained (
    incident TEXT   NOT NULL,
    sha256   TEXT   NOT NULL, -- hex, of data
    data     BYTEA  NOT NULL, -- docs/FORMAT.md, what is kept of a case
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    PRIMARY KEY (incident, sha256)
);

-- +goose Down
DROP TABLE closing_retained;
DROP TABLE closing_hold;
DROP TABLE closing_lesson;
DROP TABLE closing_task;

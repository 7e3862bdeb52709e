-- +goose Up

-- Whom to tell by webhook. What is sealed is sealed under the key notify.key.
CREATE TABLE notify_hook (
    id         TEXT   NOT NULL PRIMARY KEY,
    url        BYTEA  NOT NULL, -- sealed: it may have a token in it
    host       TEXT   NOT NULL, -- of the URL, to show
    secret     BYTEA  NOT NULL, -- sealed
    kinds      TEXT   NOT NULL, -- with spaces between them; '' is all
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    ended_at   BIGINT NOT NULL, -- 0: it is told
    why        TEXT   NOT NULL
);

-- Whom to write to.
CREATE TABLE notify_person (
    id      TEXT  NOT NULL PRIMARY KEY, -- a pseudonym, or a name as tasks and notes have it, in lower case
    address BYTEA NOT NULL,             -- sealed
    lang    TEXT  NOT NULL              -- ja or en
);

CREATE TABLE notify_delivery (
    id        TEXT   NOT NULL PRIMARY KEY,
    message   TEXT   NOT NULL, -- the same for all that hear of one thing
    kind      TEXT   NOT NULL,
    case_id   TEXT   NOT NULL,
    about     TEXT   NOT NULL,
    hook      TEXT   NOT NULL, -- '' where it is mail
    person    TEXT   NOT NULL, -- '' where it is a webhook
    at        BIGINT NOT NULL,
    state     TEXT   NOT NULL, -- pending, delivered, given-up, nobody
    tries     BIGINT NOT NULL,
    next_at   BIGINT NOT NULL,
    ended_at  BIGINT NOT NULL,
    said      TEXT   NOT NULL  -- what came back last
);
CREATE INDEX notify_delivery_due ON notify_delivery (state, next_at);
CREATE INDEX notify_delivery_at ON notify_delivery (at, id);

-- What was told once and is not told again.
CREATE TABLE notify_told (
    key TEXT   NOT NULL PRIMARY KEY,
    at  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE notify_told;
DROP TABLE notify_delivery;
DROP TABLE notify_person;
DROP TABLE notify_hook;

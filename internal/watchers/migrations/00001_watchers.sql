-- +goose Up

-- Who asked to be told, once whoever reads the mailbox has confirmed it. Addresses are sealed under the room's key.
CREATE TABLE watchers_person (
    n       BIGINT NOT NULL PRIMARY KEY, -- drawn at random, so that links of one who has left are nobody else's
    who     BYTEA  NOT NULL UNIQUE,      -- a keyed hash of the address, 16 bytes, by which rosters are matched
    address BYTEA  NOT NULL,             -- sealed
    lang    TEXT   NOT NULL,
    digest  BIGINT NOT NULL,             -- 1: once a day, all together
    since   BIGINT NOT NULL
);

-- Incidents that somebody wants to hear of whether or not they are in them.
CREATE TABLE watchers_follow (
    incident TEXT   NOT NULL,
    n        BIGINT NOT NULL,
    PRIMARY KEY (incident, n)
);
CREATE INDEX watchers_follow_n ON watchers_follow (n);

-- Addresses that were left and are not confirmed, and what counts limits.
CREATE TABLE watchers_asked (
    id      TEXT   NOT NULL PRIMARY KEY,
    who     BYTEA  NOT NULL,
    address BYTEA  NOT NULL, -- sealed; empty once it is not needed any more
    lang    TEXT   NOT NULL,
    follow  TEXT   NOT NULL, -- an incident to follow; '': none
    at      BIGINT NOT NULL,
    state   TEXT   NOT NULL, -- waiting, sent, confirmed, passed-over (beyond the limit of an address), given-up
    n       BIGINT NOT NULL, -- whom it became; 0: nobody yet
    tries   BIGINT NOT NULL,
    next_at BIGINT NOT NULL
);
CREATE INDEX watchers_asked_due ON watchers_asked (state, next_at);
CREATE INDEX watchers_asked_who ON watchers_asked (who, at);
CREATE INDEX watchers_asked_at ON watchers_asked (at);

-- How each incident stood when it was looked at last, so that what has changed since is told. The row of '' says that this was begun.
CREATE TABLE watchers_seen (
    incident TEXT   NOT NULL PRIMARY KEY,
    state    TEXT   NOT NULL,
    scope    TEXT   NOT NULL, -- which scope is public; '': none
    told     BIGINT NOT NULL  -- version of the newest addendum or correction
);

-- What is to be told, and whether it was matched against those who watch.
CREATE TABLE watchers_news (
    id       TEXT   NOT NULL PRIMARY KEY,
    incident TEXT   NOT NULL,
    kind     TEXT   NOT NULL, -- in, addendum, final
    ref      TEXT   NOT NULL,
    roster   TEXT   NOT NULL, -- '': only those who follow
    at       BIGINT NOT NULL,
    state    TEXT   NOT NULL, -- matching, matched, gone
    matched  BIGINT NOT NULL,
    UNIQUE (incident, kind, ref)
);

-- What each is told. tag is a keyed hash of n under the case's key, so that who was told of an incident cannot be read once the case is
-- shredded; n is there only while it is needed.
CREATE TABLE watchers_mail (
    incident TEXT   NOT NULL,
    kind     TEXT   NOT NULL,
    ref      TEXT   NOT NULL,
    tag      BYTEA  NOT NULL,
    n        BIGINT NOT NULL, -- 0 once it has left
    state    TEXT   NOT NULL, -- waiting, intended, handed-over, refused, unknown, dropped
    mail     TEXT   NOT NULL, -- by which it left: the same for all that one mail told
    tries    BIGINT NOT NULL,
    due      BIGINT NOT NULL,
    PRIMARY KEY (incident, kind, ref, tag)
);
CREATE INDEX watchers_mail_due ON watchers_mail (state, due, n);
CREATE INDEX watchers_mail_n ON watchers_mail (n, incident, kind, ref);

-- +goose Down
DROP TABLE watchers_mail;
DROP TABLE watchers_news;
DROP TABLE watchers_seen;
DROP TABLE watchers_asked;
DROP TABLE watchers_follow;
DROP TABLE watchers_person;

-- +goose Up

-- What is done with the accounts of one roster. The last of an incident is the one that counts.
CREATE TABLE reset_run (
    id         TEXT   NOT NULL PRIMARY KEY,
    incident   TEXT   NOT NULL,
    num        BIGINT NOT NULL, -- of the incident's
    roster     TEXT   NOT NULL,
    ready      BOOLEAN NOT NULL, -- all of its blocks are there
    accounts   BIGINT NOT NULL,
    unlisted   BIGINT NOT NULL, -- accounts that the roster counts and does not name
    bits       BIGINT NOT NULL, -- of a tag, by which reset_lookup is divided
    bulk       TEXT   NOT NULL, -- '', running, paused, done: the bulk order
    why        TEXT   NOT NULL, -- it is paused, or what it waits for
    per_second DOUBLE PRECISION NOT NULL, -- at most; 0: as quickly as the connector takes it
    connector  TEXT   NOT NULL, -- hex SHA-256 of what was approved as it
    holder     TEXT   NOT NULL, -- the process that carries it out; '' is nobody
    until      BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    UNIQUE (incident, num)
);

-- How 256 accounts, who follow one another in the roster, stand.
CREATE TABLE reset_block (
    run       TEXT   NOT NULL,
    n         BIGINT NOT NULL,
    states    BYTEA  NOT NULL, -- 12 bytes an account: state.go
    accounts  BYTEA  NOT NULL, -- their ids, sealed under the case's key
    due       BIGINT NOT NULL, -- seconds since 1970 from when the bulk order has something to do here; 0: at once; -1: nothing
    again     BIGINT NOT NULL, -- the same of what is looked at again
    waiting   BIGINT NOT NULL,
    intended  BIGINT NOT NULL,
    deferred  BIGINT NOT NULL,
    forced    BIGINT NOT NULL,
    resetting BIGINT NOT NULL,
    reset     BIGINT NOT NULL,
    gone      BIGINT NOT NULL,
    refused   BIGINT NOT NULL,
    unknown   BIGINT NOT NULL,
    pending   BIGINT NOT NULL, -- of all, whose old password may still be taken
    PRIMARY KEY (run, n)
);
CREATE INDEX reset_block_due ON reset_block (run, due);
CREATE INDEX reset_block_again ON reset_block (run, again);

-- Where an address or an account stands, by keyed hash: 12 bytes each, in order.
CREATE TABLE reset_lookup (
    run     TEXT   NOT NULL,
    n       BIGINT NOT NULL,
    entries BYTEA  NOT NULL,
    PRIMARY KEY (run, n)
);

-- When people could reset, and what was said of it.
CREATE TABLE reset_hour (
    incident TEXT   NOT NULL,
    n        BIGINT NOT NULL,
    state    TEXT   NOT NULL, -- announced, opened, closed, reopened, lifted
    at       BIGINT NOT NULL,
    promised BIGINT NOT NULL, -- for when; 0: for no time
    why      TEXT   NOT NULL,
    actor    TEXT   NOT NULL,
    PRIMARY KEY (incident, n)
);

-- Links that were sent, of which only a hash is kept. What is used, or over, is gone.
CREATE TABLE reset_token (
    hash     BYTEA  NOT NULL PRIMARY KEY,
    run      TEXT   NOT NULL,
    incident TEXT   NOT NULL,
    place    BIGINT NOT NULL, -- -1: of nobody, so that asking costs the same for all
    sealed   BYTEA  NOT NULL, -- the address that it went to, the language, and where the person came from
    expires  BIGINT NOT NULL,
    claimed  BIGINT NOT NULL -- since when it is being used; 0: it is not
);
CREATE INDEX reset_token_place ON reset_token (run, place);
CREATE INDEX reset_token_expires ON reset_token (expires);

-- How often links were asked for of an address lately.
CREATE TABLE reset_asked (
    lookup BYTEA  NOT NULL PRIMARY KEY,
    since  BIGINT NOT NULL,
    n      BIGINT NOT NULL
);
CREATE INDEX reset_asked_since ON reset_asked (since);

-- Mails that are to be sent.
CREATE TABLE reset_mail (
    id       TEXT   NOT NULL PRIMARY KEY,
    incident TEXT   NOT NULL,
    run      TEXT   NOT NULL,
    place    BIGINT NOT NULL, -- it is sent once the old password of the account here is refused; -1: at once
    sealed   BYTEA  NOT NULL,
    due      BIGINT NOT NULL,
    tries    BIGINT NOT NULL
);
CREATE INDEX reset_mail_due ON reset_mail (due);

-- People who have lost their mailbox.
CREATE TABLE reset_lost (
    id         TEXT   NOT NULL PRIMARY KEY,
    incident   TEXT   NOT NULL,
    run        TEXT   NOT NULL,
    place      BIGINT NOT NULL,
    state      TEXT   NOT NULL, -- asked, confirmed, sent, refused
    sealed     BYTEA  NOT NULL, -- the account, the new address, and how they were recognised
    asked_at   BIGINT NOT NULL,
    asked_by   TEXT   NOT NULL,
    decided_at BIGINT NOT NULL,
    decided_by TEXT   NOT NULL,
    due        BIGINT NOT NULL -- of the link, once it is confirmed
);
CREATE INDEX reset_lost_of ON reset_lost (incident, asked_at);

-- +goose Down
DROP TABLE reset_lost;
DROP TABLE reset_mail;
DROP TABLE reset_asked;
DROP TABLE reset_token;
DROP TABLE reset_hour;
DROP TABLE reset_lookup;
DROP TABLE reset_block;
DROP TABLE reset_run;

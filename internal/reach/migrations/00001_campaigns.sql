-- +goose Up

CREATE TABLE reach_campaign (
    id         TEXT   NOT NULL PRIMARY KEY,
    num        BIGINT NOT NULL UNIQUE, -- in the tokens of its mails
    incident   TEXT   NOT NULL,
    roster     TEXT   NOT NULL,
    part       TEXT   NOT NULL,
    spec       TEXT   NOT NULL, -- JSON: audience, texts, what it waits for
    settings   TEXT   NOT NULL, -- JSON: rates; they may change while it runs
    texts      TEXT   NOT NULL, -- JSON: what is sent, word for word, once it is approved; ''
    state      TEXT   NOT NULL, -- making, draft, approved, running, paused, cancelled, done
    why        TEXT   NOT NULL, -- it is paused, or what it waits for while it runs
    start_at   BIGINT NOT NULL, -- 0: at once
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    started_at BIGINT NOT NULL, -- 0: not yet
    ended_at   BIGINT NOT NULL  -- 0: not yet
);

-- A range of a campaign's recipients, which one process at a time sends to.
CREATE TABLE reach_shard (
    campaign TEXT   NOT NULL,
    n        BIGINT NOT NULL,
    holder   TEXT   NOT NULL, -- of the process; '' is nobody
    until    BIGINT NOT NULL,
    PRIMARY KEY (campaign, n)
);

-- The states of 256 recipients, who follow one another in the roster. A mail costs a part of two writes of such a row.
CREATE TABLE reach_block (
    campaign   TEXT   NOT NULL,
    n          BIGINT NOT NULL,
    states     BYTEA  NOT NULL, -- 12 bytes a recipient: state.go
    addresses  BYTEA  NOT NULL, -- a keyed hash of theirs: the roster that is sent to is the one that was counted
    due        BIGINT NOT NULL, -- seconds since 1970 from when there is somebody to send to; 0: at once; -1: nobody
    pending    BIGINT NOT NULL,
    intended   BIGINT NOT NULL,
    handed     BIGINT NOT NULL,
    accepted   BIGINT NOT NULL,
    deferred   BIGINT NOT NULL,
    refused    BIGINT NOT NULL,
    bounced    BIGINT NOT NULL,
    unknown    BIGINT NOT NULL,
    substitute BIGINT NOT NULL,
    PRIMARY KEY (campaign, n)
);
CREATE INDEX reach_block_due ON reach_block (campaign, due);

-- What became of each mail, at each try, with what was said: of a group, in the order in which it was written down.
CREATE TABLE reach_journal (
    id       TEXT   NOT NULL PRIMARY KEY,
    campaign TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    lo       BIGINT NOT NULL, -- first and last block in it
    hi       BIGINT NOT NULL,
    sealed   BYTEA  NOT NULL -- under the case's key: servers repeat addresses
);
CREATE INDEX reach_journal_block ON reach_journal (campaign, lo, hi);

-- Receivers that refuse us rather than persons.
CREATE TABLE reach_receiver (
    campaign TEXT   NOT NULL,
    lookup   BYTEA  NOT NULL, -- a keyed hash of the domain, which may be one person's
    name     BYTEA  NOT NULL, -- sealed
    until    BIGINT NOT NULL, -- nothing is sent to it until then
    pauses   BIGINT NOT NULL, -- how many in a row
    said     BYTEA  NOT NULL, -- sealed: what it said last
    PRIMARY KEY (campaign, lookup)
);

-- What people and the machine did with a campaign.
CREATE TABLE reach_event (
    id       TEXT   NOT NULL PRIMARY KEY,
    campaign TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    what     TEXT   NOT NULL,
    why      TEXT   NOT NULL
);
CREATE INDEX reach_event_of ON reach_event (campaign, at);

-- +goose Down
DROP TABLE reach_event;
DROP TABLE reach_receiver;
DROP TABLE reach_journal;
DROP TABLE reach_block;
DROP TABLE reach_shard;
DROP TABLE reach_campaign;

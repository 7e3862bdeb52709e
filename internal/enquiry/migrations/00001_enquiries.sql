-- +goose Up

-- Whether an incident's form is open, and mail to it is taken.
CREATE TABLE enquiry_desk (
    incident TEXT   NOT NULL PRIMARY KEY,
    open     BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL
);

-- What people ask. Who they are and what they write is sealed under the case's key, which shredding destroys.
CREATE TABLE enquiry (
    id       TEXT   NOT NULL PRIMARY KEY,
    incident TEXT   NOT NULL,
    state    TEXT   NOT NULL, -- unverified, open, answered, closed, merged, spam
    before   TEXT   NOT NULL, -- the state that undoing a merge brings back
    channel  TEXT   NOT NULL, -- web, mail, telephone, post
    lang     TEXT   NOT NULL,
    topic    TEXT   NOT NULL,
    assignee TEXT   NOT NULL,
    due      BIGINT NOT NULL, -- 0: no deadline
    created  BIGINT NOT NULL,
    ended    BIGINT NOT NULL, -- when it was closed; 0: it is not
    verified BIGINT NOT NULL, -- when the mailbox was; 0: it was not
    version  BIGINT NOT NULL,
    merged   TEXT   NOT NULL, -- into which
    wiped    BIGINT NOT NULL, -- 1: who and what is gone, by its age
    who      BYTEA  NOT NULL, -- keyed hash of the address under the case's key; empty where there is none
    person   BYTEA  NOT NULL  -- sealed
);
CREATE INDEX enquiry_queue ON enquiry (incident, state, due);
CREATE INDEX enquiry_who ON enquiry (incident, who);
CREATE INDEX enquiry_ended ON enquiry (state, ended);

-- What was written: by them (asked), to them (answer, verify), told by telephone or post (spoken), and among the staff (note).
CREATE TABLE enquiry_message (
    id        TEXT   NOT NULL PRIMARY KEY,
    enquiry   TEXT   NOT NULL,
    incident  TEXT   NOT NULL,
    seq       BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    kind      TEXT   NOT NULL,
    actor     TEXT   NOT NULL,
    state     TEXT   NOT NULL, -- of mail: pending, intended, handed-over, deferred, refused, bounced, unknown, left (unknown, and decided so)
    said      TEXT   NOT NULL, -- why, without anybody's address
    tries     BIGINT NOT NULL,
    due       BIGINT NOT NULL, -- pending, deferred: when it is tried; intended: until when its process has it
    batch     TEXT   NOT NULL,
    canned    TEXT   NOT NULL,
    corrected TEXT   NOT NULL, -- by which message
    seen      BYTEA  NOT NULL, -- keyed hash of what came by mail, so that it is taken once
    sealed    BYTEA  NOT NULL
);
CREATE UNIQUE INDEX enquiry_message_order ON enquiry_message (enquiry, seq);
CREATE INDEX enquiry_message_due ON enquiry_message (state, due);
CREATE INDEX enquiry_message_batch ON enquiry_message (batch, state);
CREATE INDEX enquiry_message_at ON enquiry_message (incident, kind, at);

-- Which facts an answer said, and how they stood.
CREATE TABLE enquiry_said (
    message  TEXT NOT NULL,
    incident TEXT NOT NULL,
    fact     TEXT NOT NULL,
    item     TEXT NOT NULL, -- *: all of a list
    version  TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (message, fact, item)
);
CREATE INDEX enquiry_said_fact ON enquiry_said (incident, fact, item);

-- What came with a mail: a stranger's bytes, sealed, and never shown.
CREATE TABLE enquiry_file (
    id       TEXT   NOT NULL PRIMARY KEY,
    message  TEXT   NOT NULL,
    enquiry  TEXT   NOT NULL,
    incident TEXT   NOT NULL,
    size     BIGINT NOT NULL,
    name     BYTEA  NOT NULL,
    data     BYTEA  NOT NULL
);
CREATE INDEX enquiry_file_of ON enquiry_file (enquiry);
CREATE INDEX enquiry_file_in ON enquiry_file (incident);

-- Who did what.
CREATE TABLE enquiry_event (
    id       TEXT   NOT NULL PRIMARY KEY,
    incident TEXT   NOT NULL,
    enquiry  TEXT   NOT NULL, -- "": of the desk
    seq      BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    what     TEXT   NOT NULL,
    detail   TEXT   NOT NULL  -- ids, states and topics: nothing of a person
);
CREATE UNIQUE INDEX enquiry_event_of ON enquiry_event (enquiry, incident, seq);

CREATE TABLE enquiry_link (
    a TEXT NOT NULL,
    b TEXT NOT NULL,
    PRIMARY KEY (a, b)
);

CREATE TABLE enquiry_topic (
    incident TEXT   NOT NULL,
    id       TEXT   NOT NULL,
    ja       TEXT   NOT NULL,
    en       TEXT   NOT NULL,
    canned   TEXT   NOT NULL, -- the answer that is given to it
    hidden   BIGINT NOT NULL,
    position BIGINT NOT NULL,
    version  BIGINT NOT NULL,
    PRIMARY KEY (incident, id)
);

-- Answers that are given again: Markdown with references to facts.
CREATE TABLE enquiry_canned (
    incident TEXT   NOT NULL,
    id       TEXT   NOT NULL,
    version  BIGINT NOT NULL,
    public   BIGINT NOT NULL, -- the version that the help page may show; 0: none
    gone     BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    spec     TEXT   NOT NULL, -- JSON
    PRIMARY KEY (incident, id)
);

-- One answer to many.
CREATE TABLE enquiry_batch (
    id       TEXT   NOT NULL PRIMARY KEY,
    incident TEXT   NOT NULL,
    kind     TEXT   NOT NULL, -- answer, correction
    state    TEXT   NOT NULL, -- draft, running, paused, done, dropped
    created  BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    version  BIGINT NOT NULL,
    spec     TEXT   NOT NULL  -- JSON
);
CREATE INDEX enquiry_batch_of ON enquiry_batch (incident, created);

CREATE TABLE enquiry_recipient (
    batch   TEXT NOT NULL,
    enquiry TEXT NOT NULL,
    PRIMARY KEY (batch, enquiry)
);

-- What limits count by: keyed hashes of addresses over all incidents, kept for two days; and forms that were used.
CREATE TABLE enquiry_asked (
    id  TEXT   NOT NULL PRIMARY KEY,
    who BYTEA  NOT NULL,
    at  BIGINT NOT NULL
);
CREATE INDEX enquiry_asked_who ON enquiry_asked (who, at);
CREATE INDEX enquiry_asked_at ON enquiry_asked (at);

CREATE TABLE enquiry_form (
    nonce TEXT   NOT NULL PRIMARY KEY,
    at    BIGINT NOT NULL
);

-- +goose Down
DROP TABLE enquiry_form;
DROP TABLE enquiry_asked;
DROP TABLE enquiry_recipient;
DROP TABLE enquiry_batch;
DROP TABLE enquiry_canned;
DROP TABLE enquiry_topic;
DROP TABLE enquiry_link;
DROP TABLE enquiry_event;
DROP TABLE enquiry_file;
DROP TABLE enquiry_said;
DROP TABLE enquiry_message;
DROP TABLE enquiry;
DROP TABLE enquiry_desk;

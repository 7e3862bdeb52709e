-- +goose Up

-- Who is in a by-mail incident, by keyed hashes under the case's key, which shredding destroys.
CREATE TABLE people_set (
    incident TEXT   NOT NULL PRIMARY KEY,
    roster   TEXT   NOT NULL, -- that it is of
    complete BIGINT NOT NULL  -- 1: all of it is here
);

CREATE TABLE people_member (
    incident TEXT  NOT NULL,
    tag      BYTEA NOT NULL,
    PRIMARY KEY (incident, tag)
);

-- Questions that are answered by mail. Addresses are sealed under the case's key, and gone once the answer has left.
CREATE TABLE people_asked (
    id       TEXT   NOT NULL PRIMARY KEY,
    incident TEXT   NOT NULL,
    who      BYTEA  NOT NULL, -- a keyed hash of the address, for limits over all incidents
    address  BYTEA  NOT NULL, -- sealed; empty once it is not needed any more
    lang     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    state    TEXT   NOT NULL, -- waiting, answered, passed-over (beyond the limit of an address), given-up
    tries    BIGINT NOT NULL,
    next_at  BIGINT NOT NULL
);
CREATE INDEX people_asked_due ON people_asked (state, next_at);
CREATE INDEX people_asked_who ON people_asked (who, at);
CREATE INDEX people_asked_at ON people_asked (at);

-- +goose Down
DROP TABLE people_asked;
DROP TABLE people_member;
DROP TABLE people_set;

-- +goose Up

-- A set of each roster, so that servers that make sets of two rosters at once never answer from a mixture. All of them are made again from rosters.
DROP TABLE people_member;
CREATE TABLE people_member (
    incident TEXT  NOT NULL,
    roster   TEXT  NOT NULL,
    tag      BYTEA NOT NULL,
    PRIMARY KEY (incident, roster, tag)
);
DROP TABLE people_set;
CREATE TABLE people_set (
    incident TEXT   NOT NULL,
    roster   TEXT   NOT NULL, -- that it is of
    token    TEXT   NOT NULL, -- another one each time that it was begun: who was taken away its members does not say that it is whole
    complete BIGINT NOT NULL, -- 1: all of it is here
    PRIMARY KEY (incident, roster)
);

-- +goose Down
DROP TABLE people_set;
CREATE TABLE people_set (
    incident TEXT   NOT NULL PRIMARY KEY,
    roster   TEXT   NOT NULL,
    complete BIGINT NOT NULL
);
DROP TABLE people_member;
CREATE TABLE people_member (
    incident TEXT  NOT NULL,
    tag      BYTEA NOT NULL,
    PRIMARY KEY (incident, tag)
);

-- +goose Up

-- Who was told of an incident otherwise than by a campaign, as those who were shown the notice at their login: a keyed hash under the case's
-- key of each name that they are known by here, and nothing else of them. It is written once, in the transaction in which it comes true.
CREATE TABLE told (
    incident TEXT    NOT NULL,
    person   BYTEA   NOT NULL,
    channel  TEXT    NOT NULL, -- login
    own      BOOLEAN NOT NULL, -- the name by which they were met; others are their further names
    at       BIGINT  NOT NULL,
    PRIMARY KEY (incident, channel, person)
);

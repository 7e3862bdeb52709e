-- +goose Up

-- Domains whose affected addresses are shown to whoever has shown that they are theirs.
CREATE TABLE watchers_domain (
    id       TEXT   NOT NULL PRIMARY KEY,
    domain   TEXT   NOT NULL,
    token    TEXT   NOT NULL, -- that the domain shows
    contact  BYTEA  NOT NULL, -- sealed under the room's key
    lang     TEXT   NOT NULL,
    state    TEXT   NOT NULL, -- asked, waiting, proven, lapsed, revoked
    how      TEXT   NOT NULL, -- dns, file, mailbox
    at       BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    next_at  BIGINT NOT NULL,
    mail     TEXT   NOT NULL, -- waiting, sent
    mail_at  BIGINT NOT NULL DEFAULT 0,
    tries    BIGINT NOT NULL
);
CREATE INDEX watchers_domain_due ON watchers_domain (state, next_at);

-- What was done with a domain, and each time that its addresses were looked at.
CREATE TABLE watchers_domain_log (
    domain   TEXT   NOT NULL, -- id of the watch
    n        BIGINT NOT NULL, -- from 1
    at       BIGINT NOT NULL,
    what     TEXT   NOT NULL,
    incident TEXT   NOT NULL,
    PRIMARY KEY (domain, n)
);

-- +goose Down
DROP TABLE watchers_domain_log;
DROP TABLE watchers_domain;

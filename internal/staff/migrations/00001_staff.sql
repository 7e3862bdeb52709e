-- +goose Up

-- id is a pseudonym: it stays in what they did when name is gone.
CREATE TABLE staff_account (
    id             TEXT   NOT NULL PRIMARY KEY,
    name           TEXT   NOT NULL,
    roles          TEXT   NOT NULL, -- with commas between them
    every          BIGINT NOT NULL, -- access to all cases, actor.Access
    created        BIGINT NOT NULL,
    approver_since BIGINT NOT NULL, -- 0: is none
    held_from      BIGINT NOT NULL, -- from when the time runs that a new approver waits
    oidc           TEXT   NOT NULL, -- issuer and subject, hashed; '' is none
    removed        BIGINT NOT NULL, -- 0: is there
    forget         BIGINT NOT NULL  -- when the name of a removed one goes; 0: never
);
CREATE UNIQUE INDEX staff_account_oidc ON staff_account (oidc) WHERE oidc <> '';

CREATE TABLE staff_passkey (
    id      TEXT   NOT NULL PRIMARY KEY, -- hex of the credential's id
    account TEXT   NOT NULL REFERENCES staff_account (id),
    name    TEXT   NOT NULL,
    data    BYTEA  NOT NULL, -- the credential record of WebAuthn, as JSON
    created BIGINT NOT NULL,
    used    BIGINT NOT NULL
);
CREATE INDEX staff_passkey_account ON staff_passkey (account);

CREATE TABLE staff_code (
    hash    TEXT   NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL REFERENCES staff_account (id),
    used    BIGINT NOT NULL -- 0: not yet
);

-- Links that are good for one person, once.
CREATE TABLE staff_invitation (
    id      TEXT   NOT NULL PRIMARY KEY,
    hash    TEXT   NOT NULL UNIQUE, -- of the token
    kind    TEXT   NOT NULL,        -- first, invite, recover
    account TEXT   NOT NULL,        -- whom it lets back in; '' is a new one
    name    TEXT   NOT NULL,
    roles   TEXT   NOT NULL,
    every   BIGINT NOT NULL,
    by_id   TEXT   NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

CREATE TABLE staff_access (
    case_id TEXT   NOT NULL,
    account TEXT   NOT NULL REFERENCES staff_account (id),
    access  BIGINT NOT NULL,
    by_id   TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (account, case_id)
);
CREATE INDEX staff_access_case ON staff_access (case_id);

-- A row of an ended session stays until it would have expired, so that a request that was under way cannot bring it back.
CREATE TABLE staff_session (
    hash    TEXT    NOT NULL PRIMARY KEY, -- of the cookie's token
    id      TEXT    NOT NULL UNIQUE,      -- by which its owner ends it
    account TEXT    NOT NULL,             -- '' before anybody is signed in
    device  TEXT    NOT NULL,
    data    BYTEA   NOT NULL,
    created BIGINT  NOT NULL,
    seen    BIGINT  NOT NULL,
    expires BIGINT  NOT NULL,
    ended   BOOLEAN NOT NULL
);
CREATE INDEX staff_session_account ON staff_session (account);

-- What was done with people and their keys; only ever added to.
CREATE TABLE staff_log (
    seq     BIGINT NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    who     TEXT   NOT NULL,
    what    TEXT   NOT NULL,
    about   TEXT   NOT NULL, -- pseudonym
    case_id TEXT   NOT NULL, -- '' is none
    note    TEXT   NOT NULL
);

-- +goose Down
DROP TABLE staff_log;
DROP TABLE staff_session;
DROP TABLE staff_access;
DROP TABLE staff_invitation;
DROP TABLE staff_code;
DROP TABLE staff_passkey;
DROP TABLE staff_account;

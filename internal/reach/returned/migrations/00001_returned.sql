-- +goose Up

-- What came back. The message itself is not kept.
CREATE TABLE returned_message (
    hash      BYTEA   NOT NULL PRIMARY KEY, -- SHA-256 of the message without what is written on its way
    at        BIGINT  NOT NULL,
    kind      TEXT    NOT NULL, -- failed, delayed, delivered, auto-reply, complaint, other
    reason    TEXT    NOT NULL, -- as Sisimai names it; '' is none
    status    TEXT    NOT NULL, -- RFC 3463
    permanent BOOLEAN NOT NULL,
    matched   TEXT    NOT NULL, -- token, message-id, address, seed; '' is nobody
    case_id   TEXT    NOT NULL, -- '' where it is of no message of a case
    token     TEXT    NOT NULL, -- what the campaign knows the message by
    state     TEXT    NOT NULL, -- that it moved the message to
    said      BYTEA   NOT NULL  -- sealed under the case's key: what the server said
);
CREATE INDEX returned_message_case ON returned_message (case_id, reason);

-- Who is not written to again, in one case, and why. Addresses and notes are sealed under the case's key, and found by an HMAC under it.
CREATE TABLE returned_suppression (
    id        TEXT   NOT NULL PRIMARY KEY,
    case_id   TEXT   NOT NULL,
    lookup    BYTEA  NOT NULL,
    address   BYTEA  NOT NULL, -- sealed
    reason    TEXT   NOT NULL,
    note      BYTEA  NOT NULL, -- sealed; '' is none
    at        BIGINT NOT NULL,
    by_whom   TEXT   NOT NULL,
    until_at  BIGINT NOT NULL,
    lifted_at BIGINT NOT NULL, -- 0: it holds until then
    lifted_by TEXT   NOT NULL
);
CREATE UNIQUE INDEX returned_suppression_one ON returned_suppression (case_id, lookup) WHERE lifted_at = 0;

-- Mail that was sent to come back.
CREATE TABLE returned_seed (
    token   TEXT   NOT NULL PRIMARY KEY,
    sent_at BIGINT NOT NULL,
    sent_by TEXT   NOT NULL,
    back_at BIGINT NOT NULL  -- 0: it has not
);

-- +goose Down
DROP TABLE returned_seed;
DROP TABLE returned_suppression;
DROP TABLE returned_message;

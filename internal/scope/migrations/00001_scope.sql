-- +goose Up

-- What was written as the rules of an incident's scope, every version. A condition may name somebody: sealed under the case's key.
CREATE TABLE scope_rules (
    incident TEXT   NOT NULL,
    seq      BIGINT NOT NULL, -- from 1
    saved_at BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    text     BYTEA  NOT NULL,
    PRIMARY KEY (incident, seq)
);

-- What was tried and made of an export and rules.
CREATE TABLE scope_run (
    incident TEXT   NOT NULL,
    seq      BIGINT NOT NULL, -- from 1
    kind     TEXT   NOT NULL, -- dry, commit
    state    TEXT   NOT NULL, -- running, done, failed, cancelled, interrupted
    actor    TEXT   NOT NULL,
    export   BIGINT NOT NULL, -- its entry in the case's record
    rules    BIGINT NOT NULL, -- scope_rules.seq
    was      TEXT   NOT NULL, -- the roster that was current when it began; empty: there was none
    began_at BIGINT NOT NULL,
    ended_at BIGINT,
    moved    BIGINT NOT NULL, -- grows whenever something of it changes
    stop     BIGINT NOT NULL, -- 1: somebody wants it to end
    stage    TEXT   NOT NULL,
    done     BIGINT NOT NULL,
    total    BIGINT NOT NULL,
    outcome  BYTEA  NOT NULL, -- sealed
    PRIMARY KEY (incident, seq)
);

-- +goose Down
DROP TABLE scope_run;
DROP TABLE scope_rules;

-- +goose Up

CREATE TABLE proposal (
    id          TEXT   NOT NULL PRIMARY KEY,
    kind        TEXT   NOT NULL,
    incident    TEXT   NOT NULL, -- '' where it is of none
    request     BYTEA  NOT NULL, -- what was asked for, as JSON
    bytes       BYTEA  NOT NULL, -- exactly what would be done, as canonical JSON
    digest      TEXT   NOT NULL, -- hex SHA-256 of bytes
    effect      TEXT   NOT NULL, -- JSON
    proposer    TEXT   NOT NULL, -- as actor.Actor.String
    person      TEXT   NOT NULL, -- their pseudonym
    proposed_at BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    alone_from  BIGINT NOT NULL, -- from when the same person may approve; 0: never
    state       TEXT   NOT NULL, -- proposed, approved, started, done, void, withdrawn
    approver    TEXT   NOT NULL,
    since       BIGINT NOT NULL, -- since when they are an approver
    approved_at BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL,
    claimed_at  BIGINT NOT NULL, -- until then a process carries it out
    why         TEXT   NOT NULL, -- it is void or withdrawn, or could not be carried out yet
    result      BYTEA  NOT NULL
);
CREATE INDEX proposal_state ON proposal (state, proposed_at);

-- How approval goes, from a time on: only ever added to.
CREATE TABLE proposal_rule (
    seq     BIGINT  NOT NULL PRIMARY KEY,
    at      BIGINT  NOT NULL,
    by      TEXT    NOT NULL,
    alone   BOOLEAN NOT NULL, -- one person may approve what they proposed themselves, after a delay
    delay   BIGINT  NOT NULL, -- microseconds
    applies BIGINT  NOT NULL  -- to what is proposed from then on
);

-- +goose Down
DROP TABLE proposal_rule;
DROP TABLE proposal;

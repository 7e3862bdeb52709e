-- +goose Up

-- What was read of a page at one time. Its bytes lie in the data folder.
CREATE TABLE collect_document (
    id       TEXT    NOT NULL PRIMARY KEY,
    url      TEXT    NOT NULL, -- that was asked for; file:NAME of a file that somebody gave
    final    TEXT    NOT NULL, -- that answered
    status   BIGINT  NOT NULL, -- of HTTP; 0 of a file
    form     TEXT    NOT NULL, -- html, pdf, mail, text; '' where it could not be read
    media    TEXT    NOT NULL,
    sha256   TEXT    NOT NULL, -- of the bytes
    said     TEXT    NOT NULL, -- SHA-256 of the text: what a change is found by
    fetched  BIGINT  NOT NULL,
    etag     TEXT    NOT NULL,
    modified TEXT    NOT NULL,
    warc     TEXT    NOT NULL, -- name of the file that preserves it
    title    TEXT    NOT NULL,
    text     TEXT    NOT NULL,
    scanned  BOOLEAN NOT NULL,
    pages    BIGINT  NOT NULL
);
CREATE INDEX collect_document_url ON collect_document (url, fetched);
CREATE INDEX collect_document_said ON collect_document (said);

-- What waits for a person, and what became of it.
CREATE TABLE collect_item (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL, -- disclosure, digest, warning, other, scanned, change, gone, correction, reply, verified, flag
    relation     TEXT   NOT NULL, -- new, addendum, source; of a change: addendum, correction, silent
    state        TEXT   NOT NULL, -- new, accepting, accepted, ignored, merged
    document     TEXT   NOT NULL, -- '' where there is none
    before       TEXT   NOT NULL, -- of a change: the document that it was
    url          TEXT   NOT NULL,
    title        TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    name         TEXT   NOT NULL, -- of the organisation, as it is compared
    told         TEXT   NOT NULL, -- the day of the notice, where it says one
    rank         BIGINT NOT NULL,
    incident     TEXT   NOT NULL, -- that it is about; '' is a new one
    near         TEXT   NOT NULL, -- the item that it says the same as
    sketch       BYTEA  NOT NULL, -- of the text, by which others like it are found
    source       TEXT   NOT NULL, -- that brought it; '' where a person did
    note         TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    created_by   TEXT   NOT NULL,
    decided_at   BIGINT NOT NULL,
    decided_by   TEXT   NOT NULL
);
CREATE INDEX collect_item_state ON collect_item (state, rank, created_at);
CREATE INDEX collect_item_name ON collect_item (name);
CREATE INDEX collect_item_url ON collect_item (url);

-- What was done with items. What is intended is written before it is done, so that whoever starts next finishes it.
CREATE TABLE collect_act (
    id        TEXT   NOT NULL PRIMARY KEY,
    item      TEXT   NOT NULL,
    what      TEXT   NOT NULL, -- accept, ignore, merge, split
    at        BIGINT NOT NULL,
    by        TEXT   NOT NULL,
    before    TEXT   NOT NULL, -- the item's state, incident, near and relation
    payload   TEXT   NOT NULL, -- of an acceptance: what is recorded
    done      BOOLEAN NOT NULL,
    undone_at BIGINT NOT NULL,
    undone_by TEXT   NOT NULL
);
CREATE INDEX collect_act_item ON collect_act (item, at);

-- What readers made of what was proposed: the archive's own measure of how well it is read for.
CREATE TABLE collect_label (
    act      TEXT   NOT NULL,
    seq      BIGINT NOT NULL,
    document TEXT   NOT NULL,
    lang     TEXT   NOT NULL,
    fact_key TEXT   NOT NULL,
    item     TEXT   NOT NULL,
    rule     TEXT   NOT NULL,
    sure     BOOLEAN NOT NULL,
    outcome  TEXT   NOT NULL, -- accepted, corrected, skipped, added
    proposed TEXT   NOT NULL, -- JSON; '' where nothing was
    given    TEXT   NOT NULL, -- JSON; '' where it was skipped
    PRIMARY KEY (act, seq)
);

CREATE TABLE collect_source (
    id       TEXT   NOT NULL PRIMARY KEY,
    kind     TEXT   NOT NULL, -- feed, sitemap, list, hibp, shirase
    url      TEXT   NOT NULL,
    settings TEXT   NOT NULL, -- JSON
    state    TEXT   NOT NULL, -- on, off
    etag     TEXT   NOT NULL,
    modified TEXT   NOT NULL,
    next_at  BIGINT NOT NULL,
    lease    BIGINT NOT NULL, -- until then somebody is at it
    failures BIGINT NOT NULL,
    said     TEXT   NOT NULL, -- what went wrong last
    read_at  BIGINT NOT NULL,
    added_at BIGINT NOT NULL,
    added_by TEXT   NOT NULL
);

-- Pages that a source named: each is read once.
CREATE TABLE collect_found (
    url     TEXT   NOT NULL PRIMARY KEY,
    source  TEXT   NOT NULL,
    title   TEXT   NOT NULL,
    state   TEXT   NOT NULL, -- waiting, done, given-up, old
    next_at BIGINT NOT NULL,
    lease   BIGINT NOT NULL,
    tries   BIGINT NOT NULL,
    said    TEXT   NOT NULL,
    at      BIGINT NOT NULL
);
CREATE INDEX collect_found_due ON collect_found (state, next_at);

-- Pages that are looked at again.
CREATE TABLE collect_watch (
    url      TEXT   NOT NULL PRIMARY KEY,
    incident TEXT   NOT NULL,
    document TEXT   NOT NULL, -- as it was last
    state    TEXT   NOT NULL, -- alive, changed, gone
    since    BIGINT NOT NULL, -- of the state
    from_at  BIGINT NOT NULL,
    next_at  BIGINT NOT NULL,
    lease    BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    missing  BIGINT NOT NULL, -- times in a row that it was not there
    seen_at  BIGINT NOT NULL
);
CREATE INDEX collect_watch_due ON collect_watch (next_at);
CREATE INDEX collect_watch_incident ON collect_watch (incident);

-- What those concerned said, and whether they have shown whose word it is.
CREATE TABLE collect_claim (
    item        TEXT   NOT NULL PRIMARY KEY,
    token       TEXT   NOT NULL,
    domain      TEXT   NOT NULL, -- '' where none is claimed
    contact     BYTEA  NOT NULL, -- sealed; empty where none was given
    text        TEXT   NOT NULL,
    next_at     BIGINT NOT NULL,
    until_at    BIGINT NOT NULL,
    lease       BIGINT NOT NULL,
    verified_at BIGINT NOT NULL,
    how         TEXT   NOT NULL -- dns, file
);

-- +goose Down
DROP TABLE collect_claim;
DROP TABLE collect_watch;
DROP TABLE collect_found;
DROP TABLE collect_source;
DROP TABLE collect_label;
DROP TABLE collect_act;
DROP TABLE collect_item;
DROP TABLE collect_document;

-- +goose Up

-- Places where somebody says that the data of an incident circulates. A place is sealed under the case's key: it leads to the data.
CREATE TABLE spread_place (
    id         TEXT   NOT NULL PRIMARY KEY,
    incident   TEXT   NOT NULL,
    tag        BYTEA  NOT NULL, -- keyed hash of the place: the same is one, however often it is reported
    place      BYTEA  NOT NULL, -- sealed
    kind       TEXT   NOT NULL, -- forum, social, file-sharing, dark-web, messenger, other
    state      TEXT   NOT NULL, -- reported, confirmed, requested, taken-down, dismissed
    reports    BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    decided_by TEXT   NOT NULL,
    decided_at BIGINT NOT NULL,
    UNIQUE (incident, tag)
);

-- +goose Down
DROP TABLE spread_place;

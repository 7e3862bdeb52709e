-- +goose Up

-- Why the key of a case was to be destroyed although the case was not closed, or something had come up since. It stays when the key is gone:
-- nothing here has an identifier of anybody affected.
CREATE TABLE closing_shred (
    incident TEXT   NOT NULL,
    despite  TEXT   NOT NULL,
    open     TEXT   NOT NULL, -- a line for each thing that was open: its kind, and which
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    PRIMARY KEY (incident)
);

-- +goose Down
DROP TABLE closing_shred;

-- +goose Up

-- Texts to post on social media, which a second person has approved. They are public.
CREATE TABLE spread_snippet (
    id       TEXT   NOT NULL PRIMARY KEY,
    incident TEXT   NOT NULL,
    ja       TEXT   NOT NULL,
    en       TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL, -- who approved it
    dropped  BIGINT NOT NULL  -- when it was taken off the page; 0: it is there
);
CREATE INDEX spread_snippet_of ON spread_snippet (incident, dropped, at);

-- +goose Down
DROP TABLE spread_snippet;

-- +goose Up

-- Layers that no longer stand in the newest statement. They are served for some days more, so that who looks rarely can
-- still see what was published, and are removed then.
CREATE TABLE index_left (
    root         TEXT   NOT NULL PRIMARY KEY,
    locator_bits BIGINT NOT NULL,
    n            BIGINT NOT NULL,
    seq          BIGINT NOT NULL, -- of the first statement without it
    left_at      BIGINT NOT NULL  -- its time
);

-- +goose Down
DROP TABLE index_left;

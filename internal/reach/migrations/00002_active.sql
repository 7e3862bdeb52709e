-- +goose Up

-- Whose accounts are in use are written to first, where the roster says of whom that is so.
ALTER TABLE reach_campaign ADD COLUMN active BIGINT NOT NULL DEFAULT -1; -- of its audience; -1: the roster does not say
ALTER TABLE reach_shard ADD COLUMN first BIGINT NOT NULL DEFAULT 0;      -- 1: those in it were not gone through yet
ALTER TABLE reach_block ADD COLUMN active BIGINT NOT NULL DEFAULT 0;     -- of its pending and intended ones

-- +goose Down
ALTER TABLE reach_block DROP COLUMN active;
ALTER TABLE reach_shard DROP COLUMN first;
ALTER TABLE reach_campaign DROP COLUMN active;

-- +goose Up
-- SHA-256 of a roster's file, in hex: what is sealed can be verified without its key. '' of rosters that were made before.
ALTER TABLE roster ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE roster DROP COLUMN sha256;

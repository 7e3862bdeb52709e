-- +goose Up
-- Hex SHA-256 of the roster's file, by which it is verified without its key; '' where it is not known: made
-- before this was kept, or again after the file was lost.
ALTER TABLE roster ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE roster DROP COLUMN sha256;

-- +goose Up

-- How the case's record stood when what is kept of it was taken: where it stands otherwise when the key goes, that is taken anew.
ALTER TABLE publish_shred ADD COLUMN stands TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE publish_shred DROP COLUMN stands;

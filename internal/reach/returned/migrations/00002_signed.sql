-- +goose Up

-- How the mail that came back last for it was signed, as JSON; '': nobody has looked.
ALTER TABLE returned_seed ADD COLUMN signed TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE returned_seed DROP COLUMN signed;

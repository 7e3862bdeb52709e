-- +goose Up
-- Whose part of the scope a roster is: a party's id; '' for the whole, which is what the index is made from.
ALTER TABLE roster ADD COLUMN part TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE roster DROP COLUMN part;

-- +goose Up

-- What limits count by is under the key of the case that was asked about, and goes with it.
DELETE FROM enquiry_asked;
ALTER TABLE enquiry_asked ADD COLUMN incident TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE enquiry_asked DROP COLUMN incident;

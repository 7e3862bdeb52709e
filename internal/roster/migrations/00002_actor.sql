-- +goose Up
-- Who made a roster, and who had a case shredded.
ALTER TABLE roster ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE roster_case ADD COLUMN shred_actor TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE roster_case DROP COLUMN shred_actor;
ALTER TABLE roster DROP COLUMN actor;

-- +goose Up
-- When something else than a roster was first sealed under the case's key: from then on a missing key is a lost one.
ALTER TABLE roster_case ADD COLUMN key_used_at BIGINT;

-- +goose Down
ALTER TABLE roster_case DROP COLUMN key_used_at;

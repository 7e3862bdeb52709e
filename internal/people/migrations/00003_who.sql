-- +goose Up

-- A keyed hash of an address is under the case's key from now on, and goes with it. Those that were under the room's key say nothing any more:
-- the key is destroyed.
UPDATE people_asked SET who = '';

-- +goose Down
SELECT 1;

-- +goose Up

-- Who took a text off the page; "" of those that were taken off before this was kept.
ALTER TABLE spread_snippet ADD COLUMN dropped_by TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE spread_snippet DROP COLUMN dropped_by;

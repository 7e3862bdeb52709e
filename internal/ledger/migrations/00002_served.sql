-- +goose Up

-- How many entries the served checkpoint covers: what stands below it is public
-- everywhere, from the transaction that writes this number on.
ALTER TABLE ledger_turn ADD COLUMN served BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE ledger_turn DROP COLUMN served;

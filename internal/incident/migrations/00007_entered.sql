-- +goose Up
-- When a notice came into the ledger, by the clock of who put it there: what it says of its time is fixed when it is proposed, and a second
-- person may approve it days later. NULL of those that an earlier version published, which kept none.
ALTER TABLE incident_notice ADD COLUMN entered_at BIGINT;

-- +goose Down
ALTER TABLE incident_notice DROP COLUMN entered_at;

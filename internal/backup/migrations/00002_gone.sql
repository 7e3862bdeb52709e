-- +goose Up

-- When a copy was destroyed by this program, or found to be gone from the folder that it was in; 0: it is there, as far as is known.
ALTER TABLE backup_key ADD COLUMN gone_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE backup_key DROP COLUMN gone_at;

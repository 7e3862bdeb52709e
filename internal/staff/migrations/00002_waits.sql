-- +goose Up

-- Until when somebody waits is kept as it was when they began to: a setting that is lowered later shortens nobody's wait.
ALTER TABLE staff_account ADD COLUMN held_until BIGINT NOT NULL DEFAULT 0; -- 0: as long as the setting says, from held_from
-- How often roles and access to all cases were changed: a page that shows what was before changes nothing.
ALTER TABLE staff_account ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- The waiting time that was last served by, of which there is one row at most.
CREATE TABLE staff_hold (
    one    BIGINT NOT NULL PRIMARY KEY,
    micros BIGINT NOT NULL
);

-- +goose Down
DROP TABLE staff_hold;
ALTER TABLE staff_account DROP COLUMN version;
ALTER TABLE staff_account DROP COLUMN held_until;

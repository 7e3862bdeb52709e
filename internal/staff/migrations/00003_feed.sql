-- +goose Up

-- The address of somebody's calendar, which they give to a program that signs in as nobody. One a person.
CREATE TABLE staff_feed (
    account TEXT   NOT NULL PRIMARY KEY REFERENCES staff_account (id),
    hash    TEXT   NOT NULL UNIQUE, -- of the token in the address
    created BIGINT NOT NULL
);

CREATE INDEX staff_log_case ON staff_log (case_id, seq);

-- +goose Down
DROP INDEX staff_log_case;
DROP TABLE staff_feed;

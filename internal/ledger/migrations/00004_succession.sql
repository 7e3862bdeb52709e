-- +goose Up

-- The keys that have signed the log, in their order, and what each committed to follow it.
CREATE TABLE ledger_key (
    n         BIGINT PRIMARY KEY,      -- 1, 2, 3, ...
    vkey      TEXT   NOT NULL,
    next      TEXT   NOT NULL,         -- hex SHA-256 of the vkey that alone may follow; '' where none was made yet
    statement BYTEA,                   -- of a key that another has followed: the last statement under it,
    proof     BYTEA                    -- and that it is in the log, under a checkpoint that the key signed
);
INSERT INTO ledger_key (n, vkey, next) SELECT 1, vkey, '' FROM ledger_head;

-- +goose Down
DROP TABLE ledger_key;

-- +goose Up

-- The newest cosignature of every witness that was ever asked. Rows go forward only, and stay when a witness is asked no more.
CREATE TABLE ledger_witness (
    vkey TEXT PRIMARY KEY,   -- c2sp.org/signed-note, type 0x04
    size BIGINT NOT NULL,    -- of the tree that it cosigned
    time BIGINT NOT NULL,    -- of the cosignature, seconds since 1970 by the witness's clock
    line TEXT NOT NULL       -- the signature line, without its newline
);

-- +goose Down
DROP TABLE ledger_witness;

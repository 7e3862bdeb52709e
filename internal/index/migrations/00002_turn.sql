-- +goose Up

-- One row, whose update is the lock under which layers are named by the tables
-- above, and removed where nothing names them.
CREATE TABLE index_turn (
    id   BIGINT PRIMARY KEY CHECK (id = 1),
    turn BIGINT NOT NULL
);
INSERT INTO index_turn (id, turn) VALUES (1, 0);

-- +goose Down
DROP TABLE index_turn;

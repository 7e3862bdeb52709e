-- +goose Up

-- Which backups were made: one row each, when it was whole and verified.
CREATE TABLE backup_made (
    id      TEXT   NOT NULL PRIMARY KEY, -- hex SHA-256 of its manifest
    place   TEXT   NOT NULL,             -- the folder, as the machine that made it names it
    number  BIGINT NOT NULL,             -- in that folder
    made_at BIGINT NOT NULL,
    files   BIGINT NOT NULL,
    bytes   BIGINT NOT NULL
);

-- Which sealed copies of keys were made, recorded before each is: shredding a case destroys its key here, and these are the
-- copies that it does not reach.
CREATE TABLE backup_key (
    name      TEXT   NOT NULL, -- of the key's file
    recipient TEXT   NOT NULL, -- age, to whom it is sealed
    place     TEXT   NOT NULL, -- the folder
    file      TEXT   NOT NULL, -- in it
    made_at   BIGINT NOT NULL, -- of the newest
    PRIMARY KEY (name, recipient, place)
);

-- +goose Down
DROP TABLE backup_key;
DROP TABLE backup_made;

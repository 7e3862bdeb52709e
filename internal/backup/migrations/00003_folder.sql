-- +goose Up

-- Every folder that backups were written to, by the random id that lies in it, and each place where it was seen: two media that are mounted at
-- one place are two folders.
CREATE TABLE backup_folder (
    id    TEXT   NOT NULL,
    place TEXT   NOT NULL,
    at    BIGINT NOT NULL, -- when it was seen there last
    was   TEXT   NOT NULL, -- the place by which backup_key names what lay in it before folders had ids; '' where nothing did
    PRIMARY KEY (id, place)
);

ALTER TABLE backup_made ADD COLUMN folder TEXT NOT NULL DEFAULT ''; -- '': before folders had ids

-- Copies are in folders, and not at places. Of those that were made before folders had ids only the place is known, which stands for a folder
-- until that is seen again.
CREATE TABLE backup_copy (
    folder    TEXT   NOT NULL, -- its id, or the place
    file      TEXT   NOT NULL, -- in it
    name      TEXT   NOT NULL, -- of the key's file
    recipient TEXT   NOT NULL, -- age, to whom it is sealed; '' where only the file says that there is one
    place     TEXT   NOT NULL, -- where the folder was last
    made_at   BIGINT NOT NULL, -- of the newest
    gone_at   BIGINT NOT NULL, -- when this program destroyed it, or found it to be gone from its folder; 0: it is there, as far as is known
    PRIMARY KEY (folder, file)
);
CREATE INDEX backup_copy_name ON backup_copy (name);
INSERT INTO backup_copy (folder, file, name, recipient, place, made_at, gone_at)
    SELECT place, file, name, recipient, place, made_at, gone_at FROM backup_key;
-- Each folder has one first backup. Where a place has seen several, one of them was looked into and spoken of for all.
UPDATE backup_copy SET gone_at = 0 WHERE (SELECT count(*) FROM backup_made m WHERE m.place = backup_copy.place AND m.number = 1) > 1;
DROP TABLE backup_key;

-- +goose Down
CREATE TABLE backup_key (
    name      TEXT   NOT NULL,
    recipient TEXT   NOT NULL,
    place     TEXT   NOT NULL,
    file      TEXT   NOT NULL,
    made_at   BIGINT NOT NULL,
    gone_at   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (name, recipient, place)
);
INSERT INTO backup_key (name, recipient, place, file, made_at, gone_at)
    SELECT name, recipient, place, file, max(made_at), min(gone_at) FROM backup_copy GROUP BY name, recipient, place, file;
DROP TABLE backup_copy;
ALTER TABLE backup_made DROP COLUMN folder;
DROP TABLE backup_folder;

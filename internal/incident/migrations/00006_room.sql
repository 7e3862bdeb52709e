-- +goose Up
-- What is true of the room as a whole, in one row of its own: it stood beside the archive's version, and the archive is a
-- room of its own now (internal/archive). served is how many entries of the ledger are public; drafts counts what is
-- recorded and not public, for previews; baselined says that what an earlier version showed unsigned has been taken over.
CREATE TABLE incident_room (
    one       BIGINT  NOT NULL PRIMARY KEY,
    served    BIGINT  NOT NULL,
    drafts    BIGINT  NOT NULL,
    baselined BOOLEAN NOT NULL
);
INSERT INTO incident_room (one, served, drafts, baselined) SELECT one, served, drafts, baselined FROM incident_archive;
ALTER TABLE incident_archive DROP COLUMN served;
ALTER TABLE incident_archive DROP COLUMN drafts;
ALTER TABLE incident_archive DROP COLUMN baselined;

-- +goose Down
ALTER TABLE incident_archive ADD COLUMN served BIGINT NOT NULL DEFAULT 0;
ALTER TABLE incident_archive ADD COLUMN drafts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE incident_archive ADD COLUMN baselined BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE incident_archive SET served = (SELECT served FROM incident_room), drafts = (SELECT drafts FROM incident_room),
    baselined = (SELECT baselined FROM incident_room);
DROP TABLE incident_room;

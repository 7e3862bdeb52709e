-- +goose Up
-- What the public sees of the operator's own incidents, as each notice left it: written in the transaction that appends the
-- notice to the ledger, and shown once the served checkpoint covers that entry (ledger_index < incident_archive.served).
-- facts is JSON (state in public.go). baseline is the seq up to which facts were shown before they had to be signed; 0
-- where there are none. It can be made again from notices and facts, which `ledger verify` does.
CREATE TABLE incident_public (
    incident     TEXT   NOT NULL REFERENCES incident (id),
    version      BIGINT NOT NULL, -- of the notice; 0 where facts were shown before any
    ledger_index BIGINT NOT NULL, -- of the notice; -1 with version 0
    baseline     BIGINT NOT NULL,
    facts        TEXT   NOT NULL,
    PRIMARY KEY (incident, version)
);
CREATE INDEX incident_public_by_index ON incident_public (ledger_index);

-- A merge into an own incident is public with the notice that tells its facts: ledger_index is that notice's. NULL: it waits
-- for one. -1: it was public at once.
ALTER TABLE incident_merge ADD COLUMN ledger_index BIGINT;
UPDATE incident_merge SET ledger_index = -1;

-- served is how many entries of the ledger are public; drafts counts what is recorded and not public, for previews;
-- baselined says that what an earlier version showed unsigned has been taken over.
ALTER TABLE incident_archive ADD COLUMN served BIGINT NOT NULL DEFAULT 0;
ALTER TABLE incident_archive ADD COLUMN drafts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE incident_archive ADD COLUMN baselined BOOLEAN NOT NULL DEFAULT FALSE;

-- Who recorded it, beside author, which says whose it is.
ALTER TABLE incident_fact ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE incident_merge ADD COLUMN actor TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE incident_merge DROP COLUMN actor;
ALTER TABLE incident_fact DROP COLUMN actor;
ALTER TABLE incident_archive DROP COLUMN baselined;
ALTER TABLE incident_archive DROP COLUMN drafts;
ALTER TABLE incident_archive DROP COLUMN served;
ALTER TABLE incident_merge DROP COLUMN ledger_index;
DROP TABLE incident_public;

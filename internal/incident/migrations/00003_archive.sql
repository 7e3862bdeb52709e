-- +goose Up
-- What lists, searches, feeds and statistics need of an incident, made from its facts in the transaction that records
-- them. Everything here can be made again from the facts; incident_archive says in which form it was made.
CREATE TABLE incident_archive (
    one     BIGINT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    form    BIGINT NOT NULL,
    engine  TEXT   NOT NULL
);
INSERT INTO incident_archive (one, version, form, engine) VALUES (1, 0, 0, '');

-- num is the incident's number in the text index and in the columns that searches count by; changed is the archive's
-- version that touched it last, so that a server reads only what is new to it.
CREATE TABLE incident_entry (
    num          BIGINT NOT NULL PRIMARY KEY,
    incident     TEXT   NOT NULL UNIQUE REFERENCES incident (id),
    organisation TEXT   NOT NULL,
    changed      BIGINT NOT NULL,
    data         TEXT   NOT NULL
);
CREATE INDEX incident_entry_by_change ON incident_entry (changed);
CREATE INDEX incident_entry_by_organisation ON incident_entry (organisation);

-- An organisation's id stays once it was given out. joined is the organisation that a common name made it one with;
-- empty where it stands for itself.
CREATE TABLE incident_organisation (
    id     TEXT   NOT NULL PRIMARY KEY,
    num    BIGINT NOT NULL UNIQUE,
    joined TEXT   NOT NULL
);

-- folded is the name as names are compared; a name belongs to one organisation.
CREATE TABLE incident_name (
    folded       TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL REFERENCES incident_organisation (id),
    num          BIGINT NOT NULL,
    name         TEXT   NOT NULL
);
CREATE INDEX incident_name_by_organisation ON incident_name (organisation);

-- +goose Down
DROP TABLE incident_name;
DROP TABLE incident_organisation;
DROP TABLE incident_entry;
DROP TABLE incident_archive;

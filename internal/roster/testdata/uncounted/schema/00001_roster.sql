-- +goose Up

-- One row a case. Whoever adds a roster, sweeps or shreds updates it first, and so waits for the others.
CREATE TABLE roster_case (
    incident   TEXT   NOT NULL PRIMARY KEY,
    seq        BIGINT NOT NULL, -- of the current roster, 0 for none
    shred_at   BIGINT,          -- shredding was decided
    shredded_at BIGINT          -- and done
);

-- Only ever added to. The file is rosters/<incident>/<id>.age; nothing here tells who is in it.
CREATE TABLE roster (
    incident   TEXT   NOT NULL REFERENCES roster_case (incident),
    seq        BIGINT NOT NULL,
    id         TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    meta       TEXT   NOT NULL, -- JSON: counts, sets, index (meta in file.go)
    PRIMARY KEY (incident, seq)
);

-- +goose Down
DROP TABLE roster;
DROP TABLE roster_case;

-- +goose Up

-- Whether request, bytes, effect, why and result are sealed under the case's key (1), are gone with it (2), or are in the clear (0), as of
-- what is of no case that has a key. The digest of the bytes stays in the clear: it is what was signed for.
ALTER TABLE proposal ADD COLUMN sealed BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE proposal DROP COLUMN sealed;

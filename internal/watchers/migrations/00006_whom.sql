-- +goose Up

-- Whom a row is of, and by which mail it left, is under the case's key from now on: a backup that is made while something waits says of nobody
-- that they were in a case, once its key is destroyed, and what was told of two cases by one mail does not join them. n and mail stay empty; what
-- earlier versions wrote there is sealed when the room is opened, as a key is needed for it.
ALTER TABLE watchers_mail ADD COLUMN whom BYTEA NOT NULL DEFAULT ''; -- sealed: n, and the mail by which it was tried; empty once it has left
UPDATE watchers_mail SET n = 0, mail = '', due = 0 WHERE state IN ('handed-over', 'refused', 'dropped');
UPDATE watchers_mail SET mail = '' WHERE n = 0 AND mail <> '';

DROP INDEX watchers_mail_due;
CREATE INDEX watchers_mail_due ON watchers_mail (state, due);
DROP INDEX watchers_mail_n;
CREATE INDEX watchers_mail_of ON watchers_mail (incident, state, tag);
CREATE INDEX watchers_mail_clear ON watchers_mail (incident) WHERE n <> 0; -- what is still to be sealed

-- That a domain's owner was shown addresses of a case goes with it.
CREATE INDEX watchers_domain_log_of ON watchers_domain_log (incident);

-- +goose Down
DROP INDEX watchers_domain_log_of;
DROP INDEX watchers_mail_clear;
DROP INDEX watchers_mail_of;
CREATE INDEX watchers_mail_n ON watchers_mail (n, incident, kind, ref);
DROP INDEX watchers_mail_due;
CREATE INDEX watchers_mail_due ON watchers_mail (state, due, n);
ALTER TABLE watchers_mail DROP COLUMN whom;

-- +goose Up

-- Which domains have addresses in a case is under the case's key, too: a domain may be of one person. domain is a keyed hash of the watch's id from now
-- on, and every domain that is proven has a row of each scope, whether or not it has addresses there. What earlier versions wrote is sealed when the
-- room is opened.
ALTER TABLE watchers_domain_news ADD COLUMN whom BYTEA NOT NULL DEFAULT ''; -- sealed: id of the watch, how many it was told of, and whether it is told
CREATE INDEX watchers_domain_news_clear ON watchers_domain_news (incident) WHERE people <> 0; -- what is still to be sealed

-- Of each look a line (looked), and one for each case that was looked through (shown): shown, sealed under its key, says whether there was an address.
ALTER TABLE watchers_domain_log ADD COLUMN shown BYTEA NOT NULL DEFAULT '';

-- +goose Down
DELETE FROM watchers_domain_log WHERE what = 'shown';
ALTER TABLE watchers_domain_log DROP COLUMN shown;
DROP INDEX watchers_domain_news_clear;
DELETE FROM watchers_domain_news;
ALTER TABLE watchers_domain_news DROP COLUMN whom;

-- +goose Up

-- What earlier versions wrote in the clear is asked for at each turn, as the key of a case may be away when the room is opened: by indexes that hold
-- nothing once it is sealed. Of domains that is also that a scope has none of their addresses any more.
DROP INDEX watchers_domain_news_clear;
CREATE INDEX watchers_domain_news_clear ON watchers_domain_news (incident) WHERE length(whom) = 0;
CREATE INDEX watchers_domain_log_clear ON watchers_domain_log (incident) WHERE what = 'looked' AND incident <> '';
-- Rows in the clear are due first, and wait for their key: whoever takes what is due goes past them.
DROP INDEX watchers_mail_due;
CREATE INDEX watchers_mail_due ON watchers_mail (state, n, due);
-- A domain's page shows the newest of its log.
CREATE INDEX watchers_domain_log_at ON watchers_domain_log (domain, at, n);

-- +goose Down
DROP INDEX watchers_domain_log_at;
DROP INDEX watchers_mail_due;
CREATE INDEX watchers_mail_due ON watchers_mail (state, due);
DROP INDEX watchers_domain_log_clear;
DROP INDEX watchers_domain_news_clear;
CREATE INDEX watchers_domain_news_clear ON watchers_domain_news (incident) WHERE people <> 0;

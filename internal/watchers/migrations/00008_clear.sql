-- +goose Up

-- What earlier versions wrote in the clear is asked for at each turn, as the key of a case may be away when the room is opened: by indexes that hold
-- nothing once it is sealed. Of domains that is also that a scope has none of their addresses any more.
DROP INDEX watchers_domain_news_clear;
CREATE INDEX watchers_domain_news_clear ON watchers_domain_news (incident) WHERE length(whom) = 0;
CREATE INDEX watchers_domain_log_clear ON watchers_domain_log (incident) WHERE what = 'looked' AND incident <> '';

-- +goose Down
DROP INDEX watchers_domain_log_clear;
DROP INDEX watchers_domain_news_clear;
CREATE INDEX watchers_domain_news_clear ON watchers_domain_news (incident) WHERE people <> 0;

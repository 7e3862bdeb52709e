-- +goose Up

-- In which order an owner was told of an incident: a number that was told before is news again where another one was told since.
ALTER TABLE watchers_domain_news ADD COLUMN n BIGINT NOT NULL DEFAULT 0;
UPDATE watchers_domain_news SET n = (SELECT count(*) FROM watchers_domain_news o WHERE o.domain = watchers_domain_news.domain AND o.incident = watchers_domain_news.incident
    AND (o.due < watchers_domain_news.due OR o.due = watchers_domain_news.due AND o.ref <= watchers_domain_news.ref));
CREATE INDEX watchers_domain_news_of ON watchers_domain_news (incident, domain, n);

-- How often in a row it could not be looked whether a domain shows its proof: it is looked ever less often.
ALTER TABLE watchers_domain ADD COLUMN fails BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE watchers_domain DROP COLUMN fails;
DROP INDEX watchers_domain_news_of;
ALTER TABLE watchers_domain_news DROP COLUMN n;

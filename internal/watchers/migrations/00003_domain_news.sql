-- +goose Up

-- That a domain has addresses in an incident: its owner is told how many, and nothing else.
CREATE TABLE watchers_domain_news (
    domain   TEXT   NOT NULL, -- id of the watch
    incident TEXT   NOT NULL,
    ref      TEXT   NOT NULL, -- which scope
    people   BIGINT NOT NULL, -- addresses of the domain in it
    state    TEXT   NOT NULL, -- waiting, sent, given-up
    tries    BIGINT NOT NULL,
    due      BIGINT NOT NULL,
    PRIMARY KEY (domain, incident, ref)
);
CREATE INDEX watchers_domain_news_due ON watchers_domain_news (state, due);

-- +goose Down
DROP TABLE watchers_domain_news;

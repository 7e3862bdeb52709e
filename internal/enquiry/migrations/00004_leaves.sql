-- +goose Up

-- What is still to leave is counted each second while somebody looks at a desk: of all messages there ever were, these are few.
CREATE INDEX enquiry_message_leaves ON enquiry_message (incident, state) WHERE state IN ('pending', 'intended', 'deferred');

-- How a desk gets on is counted from an index alone, each time that a board looks.
CREATE INDEX enquiry_moves ON enquiry (incident, version, state, assignee);

-- A report that came back is taken once, however often it is brought.
CREATE TABLE enquiry_report (
    incident TEXT   NOT NULL,
    seen     BYTEA  NOT NULL, -- keyed hash of it under the case's key
    enquiry  TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (incident, seen)
);
CREATE INDEX enquiry_report_of ON enquiry_report (enquiry);

-- +goose Down
DROP TABLE enquiry_report;
DROP INDEX enquiry_moves;
DROP INDEX enquiry_message_leaves;

-- +goose Up

-- A desk of a hundred thousand enquiries is counted and listed from indexes alone: what is sealed is read of those that are shown.
DROP INDEX enquiry_queue;
CREATE INDEX enquiry_queue ON enquiry (incident, state, due, created, id, topic);
DROP INDEX enquiry_who;
CREATE INDEX enquiry_who ON enquiry (incident, who, topic, state);
CREATE INDEX enquiry_topics ON enquiry (incident, topic, who, state, verified);
CREATE INDEX enquiry_days ON enquiry (incident, state, channel, lang, (created / 86400000000), created);
CREATE INDEX enquiry_came ON enquiry (incident, created, id, channel);

-- Whether an answer that said it may have to be corrected still: what was corrected once is not looked at again.
ALTER TABLE enquiry_said ADD COLUMN stands BIGINT NOT NULL DEFAULT 1;
UPDATE enquiry_said SET stands = 0 WHERE message IN (SELECT id FROM enquiry_message WHERE corrected <> '');
DROP INDEX enquiry_said_fact;
CREATE INDEX enquiry_said_fact ON enquiry_said (incident, stands, fact, item, version, message);

-- What is to be sent is found in the order in which it is due, of each kind by itself.
DROP INDEX enquiry_message_due;
CREATE INDEX enquiry_message_due ON enquiry_message (state, kind, due, id, batch);

-- +goose Down
DROP INDEX enquiry_message_due;
CREATE INDEX enquiry_message_due ON enquiry_message (state, due);
DROP INDEX enquiry_said_fact;
ALTER TABLE enquiry_said DROP COLUMN stands;
CREATE INDEX enquiry_said_fact ON enquiry_said (incident, fact, item);
DROP INDEX enquiry_came;
DROP INDEX enquiry_days;
DROP INDEX enquiry_topics;
DROP INDEX enquiry_who;
CREATE INDEX enquiry_who ON enquiry (incident, who);
DROP INDEX enquiry_queue;
CREATE INDEX enquiry_queue ON enquiry (incident, state, due);

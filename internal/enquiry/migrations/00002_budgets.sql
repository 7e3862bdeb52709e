-- +goose Up

-- By what it came, so that letters, whose sender anybody makes up, use up nothing of the form's budget.
ALTER TABLE enquiry_asked ADD COLUMN channel TEXT NOT NULL DEFAULT 'web';
CREATE INDEX enquiry_waits ON enquiry (state, channel);

-- A letter is taken once, and parts are read where they were merged into: both are looked for each time, however many there are.
CREATE INDEX enquiry_message_seen ON enquiry_message (incident, seen);
CREATE INDEX enquiry_merged ON enquiry (merged);

-- +goose Down
DROP INDEX enquiry_merged;
DROP INDEX enquiry_message_seen;
DROP INDEX enquiry_waits;
ALTER TABLE enquiry_asked DROP COLUMN channel;

-- +goose Up

-- Earlier versions kept of whom it was what was not told: now once, and not looked for at each turn among all that was ever dropped.
UPDATE watchers_mail SET n = 0 WHERE state = 'dropped' AND n <> 0;

-- +goose Down
UPDATE watchers_mail SET n = 0 WHERE state = 'dropped' AND n <> 0;

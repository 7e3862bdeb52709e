INSERT INTO roster_case (incident, seq) VALUES ('export', 1);
INSERT INTO roster (incident, seq, id, created_at, meta) VALUES ('export', 1, 'podyfhlwydhwnhmv', 1785574800000000, '{"counts":{"total":5,"excluded":{"foreign":1},"duplicates":1,"invalid":1,"affected":2,"identities":{"email":3,"phone":1},"withoutEmail":0},"index":["email","phone"],"phoneRegion":"JP","sets":[["email"]]}');
INSERT INTO roster_case (incident, seq) VALUES ('half', 1);
INSERT INTO roster (incident, seq, id, created_at, meta) VALUES ('half', 1, 'ohvvohh6uirabckp', 1785574800000000, '{"counts":{"total":2,"excluded":{"foreign":0},"duplicates":0,"invalid":1,"affected":1,"identities":{"email":1,"phone":1},"withoutEmail":0},"index":["email","phone"],"phoneRegion":"JP","sets":[["email"]]}');

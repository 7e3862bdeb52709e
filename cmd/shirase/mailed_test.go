package main

import (
	"strings"
	"testing"

	"shirase/internal/people"
	"shirase/internal/store/storetest"
	"shirase/internal/watchers"
)

// TestMailCounted: a case without a campaign, whose people had mail by a reset, by answers and by news, is not certified as one of which no relay has
// anything; and what nobody can count is called unknown.
func TestMailCounted(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newShredWorld(t, url)
		w.ok(t, "init")
		w.ok(t, "case", "declare", "--title", "T", "--organisation", "Example Shop", "--known", "2026-08-20T10:09+09:00", "--id", "loss-2026")
		w.ok(t, "case", "close", "loss-2026", "--why", "x")
		_, in := opened(t, w.data)
		for _, sent := range []func() (int64, error){ // their tables are there
			func() (int64, error) { return people.Sent(t.Context(), in.db, "loss-2026") },
			func() (int64, error) { return watchers.Sent(t.Context(), in.db, "loss-2026") },
		} {
			if n, err := sent(); err != nil || n != 0 {
				t.Fatal(n, err)
			}
		}
		for _, q := range []string{
			`INSERT INTO reset_hour (incident, n, state, at, promised, why, actor) VALUES ('loss-2026', 1, 'opened', 1, 0, '', ''), ('loss-2026', 2, 'lifted', 2, 0, '', '')`,
			`INSERT INTO people_set (incident, roster, token, complete) VALUES ('loss-2026', 'r', 't', 1)`,
			`INSERT INTO watchers_mail (incident, kind, ref, tag, n, state, mail, tries, due) VALUES ('loss-2026', 'in', '', '1', 0, 'handed-over', '', 1, 0)`,
		} {
			if _, err := in.db.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		in.close()
		if out := w.ok(t, "scope", "shred", "loss-2026"); !strings.Contains(out, "what relays noted of mail (3 ") || !strings.Contains(out, "the accounts' own database") {
			t.Error(out)
		}
		if out := w.ok(t, "case", "certificate", "loss-2026"); !strings.Contains(strings.Join(strings.Fields(out), " "), "remains relay-logs 3") || !strings.Contains(out, "unknown  accounts") {
			t.Error(out)
		}
	})
}

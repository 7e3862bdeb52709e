package main

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"shirase/internal/incident"
	"shirase/internal/store"
)

// TestHidden: once there is staff, no command of incidents makes anything public of an incident that has a case, and none of one of
// one's own that has none. A command that is not in the table is a mistake.
func TestHidden(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	data := filepath.Join(t.TempDir(), "data")
	command := func(args ...string) (string, int) {
		t.Helper()
		var out strings.Builder
		exit := run(t.Context(), append(args, "--data", data), &out, &out)
		return out.String(), exit
	}
	ok := func(args ...string) {
		t.Helper()
		if out, exit := command(args...); exit != exitDone {
			t.Fatalf("%v: exit %d: %s", args, exit, out)
		}
	}
	facts := func(id string) string {
		t.Helper()
		name := filepath.Join(t.TempDir(), "facts.yaml")
		write(t, name, "id: "+id+"\nfacts:\n  - {key: title, value: Secret}\n  - {key: organisation, value: Example Shop}\n  - {key: affected.count, value: 777, unit: persons}\n")
		return name
	}
	ok("init")
	ok("case", "declare", "--title", "Secret", "--organisation", "Example Shop", "--known", "2026-08-20T10:09+09:00", "--id", "hidden")
	ok("incident", "new", "--facts", facts("draft"))
	for _, id := range []string{"press-a", "press-b"} { // of others, and public before there was staff
		name := filepath.Join(t.TempDir(), "facts.yaml")
		write(t, name, "id: "+id+"\nfacts:\n  - {key: title, value: Known}\n  - {key: organisation, value: Other}\n")
		ok("incident", "new", "--facts", name)
		ok("incident", "disown", id)
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(data, "shirase.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `INSERT INTO staff_account (id, name, roles, every, created, approver_since, held_from, oidc, removed, forget) VALUES ('p-first', 'p-first', 'commander,approver', 3, 1, 1, 1, '', 0, 0)`); err != nil {
		t.Fatal(err)
	}
	in, err := incident.New(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	export, page := filepath.Join(t.TempDir(), "export.json"), filepath.Join(t.TempDir(), "notice.txt")
	write(t, page, "Secret\n\nExample Shop\n\n777 people were affected by unauthorised access to our server on 20 August 2026.\n")
	table := map[string][][]string{
		"new":        {{"--facts", facts("another")}, {"--facts", facts("hidden")}},
		"add":        {{"--facts", facts("hidden")}, {"--facts", facts("draft")}},
		"show":       {{"hidden"}},
		"own":        {{"hidden"}, {"draft"}},
		"disown":     {{"hidden"}, {"draft"}},
		"import":     {{"--format", "notice", facts("hidden")}},
		"export":     {{"--format", "hibp", "--out", export}},
		"duplicates": {{}},
		"merge":      {{"hidden", "press-a"}, {"press-a", "hidden"}, {"draft", "press-b"}, {"press-b", "draft"}},
		"retire":     {{"hidden"}},
		"reopen":     {{"hidden"}},
		"withdraw":   {{"hidden"}},
		"fetch":      {{page}, {"http://127.0.0.1:9/hidden"}},
	}
	for _, c := range (&app{out: io.Discard, err: io.Discard}).cmdIncident().Commands() {
		rows, listed := table[c.Name()]
		if !listed {
			t.Errorf("incident %s is not tried against the public pages", c.Name())
		}
		for _, args := range rows {
			out, exit := command(append([]string{"incident", c.Name()}, args...)...)
			for _, id := range []string{"hidden", "draft", "another"} {
				if shown, err := in.Public().Get(t.Context(), id); !errors.Is(err, incident.ErrNotFound) {
					t.Errorf("incident %s %v (exit %d, %s): %s is public: %+v, %v", c.Name(), args, exit, out, id, shown, err)
				}
			}
			for _, id := range []string{"press-a", "press-b"} {
				if shown, err := in.Public().Get(t.Context(), id); err != nil || shown.Title("en") != "Known" || len(shown.Facts) != 2 {
					t.Errorf("incident %s %v (exit %d, %s): %s: %+v, %v", c.Name(), args, exit, out, id, shown, err)
				}
			}
		}
	}
	if out, exit := command("incident", "disown", "another"); exit != exitDone || !strings.Contains(out, "Nothing is done yet") {
		t.Errorf("a draft without a case is proposed to be another's: exit %d: %s", exit, out)
	}
}

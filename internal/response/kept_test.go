package response

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/incident"
)

// TestKept: what a case holds changes with everything that is recorded, and not by being looked at or proposed.
func TestKept(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		if k, err := d.Kept(ctx, "none"); err != nil || k.Entries != 0 || len(k.Evidence) != 0 {
			t.Errorf("of no case: %+v, %v", k, err)
		}
		id := d.declare(nil).ID
		is := func() Kept {
			t.Helper()
			k, err := d.Kept(ctx, id)
			if err != nil || k.Entries == 0 || k.SHA256 == "" {
				t.Fatalf("%+v, %v", k, err)
			}
			return k
		}
		before := is()
		if _, err := d.Get(ctx, staff("p1", id, actor.Reads, actor.Commander), id); err != nil {
			t.Fatal(err)
		}
		if k, err := d.get(ctx, id); err != nil || k.log[len(k.log)-1].Kind() != "seen" {
			t.Fatalf("nobody saw it: %v", err)
		}
		if fmt.Sprint(is()) != fmt.Sprint(before) {
			t.Error("to look at a case changes what it holds")
		}
		if _, err := d.AddNote(ctx, by, id, Note{Text: "x"}); err != nil {
			t.Fatal(err)
		}
		if noted := is(); noted.Entries != before.Entries+1 || noted.SHA256 == before.SHA256 {
			t.Errorf("a note: %+v", noted)
		}
	})
}

// TestDeclareTellsNothing: a member who declares a case hears nothing of an incident that is hidden from them: not by the id that they
// get, not by its title, and not by its name.
func TestDeclareTellsNothing(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		x := Declaration{Title: "Secret", Organisation: "Example Shop", Known: moment(t, "2026-08-20T10:09+09:00")}
		hidden, err := d.Declare(ctx, by, x)
		if err != nil {
			t.Fatal(err)
		}
		file, err := incident.ParseFactsFile("facts.yaml", []byte("id: draft\nfacts: [{key: title, value: Secret}, {key: organisation, value: Third}]"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Incidents.Create(ctx, by, file); err != nil {
			t.Fatal(err)
		}
		who := staff("p1", "", actor.None, actor.Commander)
		seen := map[string]bool{}
		for _, organisation := range []string{"Example Shop", "Example Shop", "Other Shop", "Third"} {
			x.Organisation = organisation
			k, err := d.Declare(ctx, who, x)
			if err != nil {
				t.Fatal(err)
			}
			name, rest, found := strings.Cut(k.ID, "-2026-08-20-")
			if !found || len(rest) != 6 || strings.Trim(rest, "0123456789") == "" || seen[k.ID] {
				t.Errorf("of %s a case %s: its id has no letters by chance", organisation, k.ID)
			}
			seen[k.ID] = true
			if k.ID == hidden.ID || k.ID == "draft" || name == "" {
				t.Errorf("they have %s", k.ID)
			}
		}
		said := map[string]string{}
		for _, id := range []string{hidden.ID, "draft"} {
			x := x
			x.ID, x.Title, x.Organisation = id, "Secret", "Third"
			if _, err := d.Declare(ctx, who, x); !errors.Is(err, incident.ErrExist) {
				t.Errorf("%s by its name: %v", id, err)
			} else {
				said[strings.ReplaceAll(err.Error(), id, "ID")] = id
			}
			if list, err := d.List(ctx, who); err != nil || len(list) != 0 {
				t.Errorf("they see %v, %v", list, err)
			}
		}
		if len(said) != 1 {
			t.Errorf("a hidden case and a draft are told apart: %v", said)
		}
		x.ID, x.Title, x.Organisation = "draft", "Secret", "Third"
		if _, err := d.Declare(ctx, by, x); err != nil {
			t.Errorf("the host, of its own draft: %v", err)
		}
	})
}

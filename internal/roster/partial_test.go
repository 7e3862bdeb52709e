package roster

import (
	"database/sql"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestReadInPart: of a row in which one identity cannot be read, the others are in
// the roster, and what cannot stays counted with it.
func TestReadInPart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		o := Options{MaxRejects: new(float64(1)), TempDir: t.TempDir(), PhoneRegion: "JP",
			Export: writeFile(t, "x.csv", "id,mail,tel\n1,user1@example.com,unknown\n2,nowhere,090-1234-5678\n,user3@example.com,\n4,nowhere,unknown\n,nowhere,unknown\n"),
			Rules:  mustRules(t, "columns: {account: id, email: mail, phone: tel}\nindex: [email, phone, account]\norganisation: line\n"+everyone)}
		made, err := h.Create(t.Context(), actor.Operator(), "a", o)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			`account "line\x001" email [] ["1"] +0`, `account "line\x002" email [] ["2"] +0`, `account "line\x004" email [] ["4"] +0`,
			`email "user1@example.com" email [] ["1"] +0`, `email "user3@example.com" email [] [] +0`, `phone "+819012345678" email [] ["2"] +0`,
		}
		if got := h.members(t, made); !slices.Equal(got, want) {
			t.Errorf("members\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		latest, err := h.Latest(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		unreadable := map[identity.Kind]int64{identity.KindAccount: 2, identity.KindEmail: 3, identity.KindPhone: 3}
		if c := latest.Counts; !maps.Equal(c.Unreadable, unreadable) || c.Invalid != 1 || c.Affected != 4 || latest.PhoneRegion != "JP" {
			t.Errorf("%+v, region %q", c, latest.PhoneRegion)
		}
	})
}

// TestUncounted: rosters that were made before Unreadable and Without were counted
// are read as they were. The same scope has the bytes that it had, but for what is
// counted since: one account has no number.
func TestUncounted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := openUncounted(t, db)
		for incident, want := range map[string]string{
			"export": `{"total":5,"excluded":{"foreign":1},"duplicates":1,"invalid":1,"affected":2,"identities":{"email":3,"phone":1},"withoutEmail":0}`,
			"half":   `{"total":2,"excluded":{"foreign":0},"duplicates":0,"invalid":1,"affected":1,"identities":{"email":1,"phone":1},"withoutEmail":0}`,
		} {
			r, err := h.Latest(t.Context(), incident)
			if err != nil {
				t.Fatal(err)
			}
			if got := countsJSON(t, r.Counts); got != want || r.Counts.Unreadable != nil {
				t.Errorf("%s: %s\nwant %s", incident, got, want)
			}
			// To the end: the file's footer is what the table says.
			if got := h.members(t, r); int64(len(got)) != r.Counts.Identities[identity.KindEmail]+r.Counts.Identities[identity.KindPhone] {
				t.Errorf("%s: members %q", incident, got)
			}
			rules, err := os.ReadFile("testdata/uncounted/rules.yaml")
			if err != nil {
				t.Fatal(err)
			}
			again, err := h.Create(t.Context(), actor.Operator(), incident, Options{Export: "testdata/uncounted/" + incident + ".csv",
				Rules: mustRules(t, string(rules)), TempDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case incident == "export" && (again.Counts.Without[identity.KindPhone] != 1 || again.Counts.Unfound(identity.KindPhone) != 1 || r.Counts.Unfound(identity.KindPhone) != 0):
				t.Errorf("the account without a number is not counted: %+v", again)
			case incident == "export" && countsJSON(t, uncounted(again.Counts)) != want:
				t.Errorf("the same scope has other figures: %+v", again)
			case incident == "half" && (again.ID == r.ID || again.Counts.Invalid != 0 || again.Counts.Unreadable[identity.KindPhone] != 1 || len(h.members(t, again)) != 3):
				t.Errorf("the row that is read in part is not there: %+v", again)
			}
		}
	})
}

// uncounted takes the count of accounts without an identity away.
func uncounted(c Counts) Counts {
	c.Without = nil
	return c
}

// openUncounted opens a room whose tables, files and keys are of an earlier version.
func openUncounted(t *testing.T, db *store.DB) *home {
	t.Helper()
	fixture, folder := os.DirFS("testdata/uncounted"), t.TempDir()
	schema, err := fs.Sub(fixture, "schema")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), "roster", schema); err != nil {
		t.Fatal(err)
	}
	rows, err := fs.ReadFile(fixture, "rosters.sql")
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx *sql.Tx) error {
		for _, insert := range strings.Split(strings.TrimSpace(string(rows)), ";\n") {
			if _, err := tx.ExecContext(t.Context(), strings.TrimSuffix(insert, ";")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := files.Open(filepath.Join(folder, "files"))
	if err != nil {
		t.Fatal(err)
	}
	dir.Close()
	if err := os.CopyFS(filepath.Join(folder, "files", "rosters"), os.DirFS("testdata/uncounted/files/rosters")); err != nil {
		t.Fatal(err)
	}
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	for _, incident := range []string{"export", "half"} {
		key, err := fs.ReadFile(fixture, "keys/"+keyName(incident))
		if err == nil {
			err = keys.Create(keyName(incident), key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return openHome(t, db, folder)
}

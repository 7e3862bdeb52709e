package closing

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shirase/internal/enquiry"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestNobodyOutlives: what outlives a case names nobody of its roster, nobody who asked, and no party's contact, where no look of a text would
// tell: neither what somebody writes, which is refused, nor what is kept of the case, of which it is left out.
func TestNobodyOutlives(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		keys, err := files.OpenKeys(filepath.Join(t.TempDir(), "keys"))
		must(err)
		t.Cleanup(func() { keys.Close() })
		w.Rosters = w.rosters
		w.Desk, err = enquiry.New(ctx, enquiry.Rooms{DB: db, Keys: keys, Seal: w.rosters.Sealer, Incident: w.Cases.Incidents.Get, Wanted: func(context.Context) (bool, error) { return false, nil }, Own: func(context.Context, string) (bool, error) { return true, nil },
			Deliver: func(context.Context, enquiry.Letter) (enquiry.Outcome, string) { return enquiry.Taken, "" }})
		must(err)
		w.declare("shop")
		export := filepath.Join(t.TempDir(), "export.csv")
		must(os.WriteFile(export, []byte("id,mail,tel\naccount-7001,hana@example.com,090-5555-1234\nCORP\\hana01,taro@example.com,\nauth0|5f7c8ec7c33c,jiro@example.com,\n"), 0o600))
		rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail, phone: tel}\nphoneRegion: JP\nsets:\n  - {classes: [email]}\n"), incident.ClassWords())
		must(err)
		_, err = w.rosters.Create(ctx, by, "shop", roster.Options{Export: export, Rules: rules, TempDir: t.TempDir()})
		must(err)
		must(w.Desk.SetOpen(ctx, by, "shop", true))
		_, err = w.Desk.Record(ctx, by, "shop", enquiry.Recorded{Channel: enquiry.Telephone, Topic: "data", Lang: language.JA, Text: "x", Person: enquiry.Person{Name: "山田　花子", Address: "asks@example.net"}})
		must(err)
		for _, name := range []string{"Hana Victim", "李明", "した"} {
			_, err = w.Desk.Record(ctx, by, "shop", enquiry.Recorded{Channel: enquiry.Telephone, Topic: "data", Lang: language.EN, Text: "x", Person: enquiry.Person{Name: name, Address: "other@example.net"}})
			must(err)
		}
		_, err = w.Cases.PutParty(ctx, by, "shop", 0, response.Party{ID: "acme", Name: "Acme", Kind: "client", Contact: "Jane Contact"})
		must(err)
		for _, name := range []string{"account-7001", "hana at example.com", "090,5555,1234", "山田花子", "asks at example.net", "Jane Contact", "CORP\\hana01", "auth0|5f7c8ec7c33c", "花子 山田", "Victim, Hana", "HANA VICTIM", "李明"} {
			text := "told " + name + " of it"
			_, err := w.PutTask(ctx, by, "shop", 0, 0, func(o *Task) { o.Title = text })
			_, owned := w.PutTask(ctx, by, "shop", 0, 0, func(o *Task) { o.Title, o.Owner = "Call back", name })
			_, learnt := w.Learn(ctx, by, "shop", text)
			_, held := w.Hold(ctx, by, "shop", text)
			_, ready := w.Ready(ctx, by, "shop", text)
			for what, err := range map[string]error{"a task": err, "an owner": owned, "a lesson": learnt, "a hold": held, "a reason": ready} {
				if !errors.Is(err, ErrIdentifies) {
					t.Errorf("%s names %s, and outlives the case: %v", what, name, err)
				}
			}
			_, err = w.Cases.Decide(ctx, by, "shop", response.Decision{Question: text, Decision: "yes"})
			must(err)
			r, err := w.Retain(ctx, by, "shop")
			if err != nil || strings.Contains(string(r.Data), name) || r.LeftOut == 0 {
				t.Errorf("%s is kept, and outlives the case: %v %s", name, err, r.Data)
			}
		}
		// Who writes a common word for a name has it left out until they are found to be nobody.
		word := func() error {
			_, err := w.PutTask(ctx, by, "shop", 0, 0, func(o *Task) { o.Title = "ログの説明を短くする" })
			return err
		}
		e, err := w.Desk.Record(ctx, by, "shop", enquiry.Recorded{Channel: enquiry.Telephone, Topic: "data", Lang: language.JA, Text: "x", Person: enquiry.Person{Name: "説明", Address: "more@example.net"}})
		must(err)
		if err := word(); !errors.Is(err, ErrIdentifies) {
			t.Error(err)
		}
		must(w.Desk.Move(ctx, by, "shop", e, 1, enquiry.Spam))
		must(word())
		_, err = w.PutTask(ctx, by, "shop", 0, 0, func(o *Task) { o.Title = "Keep account-7002 and hana of nowhere for 30 days" })
		must(err)
	})
}

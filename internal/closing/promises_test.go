package closing

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/response"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// publish has a notice of what no notice has said of an incident.
func (w *world) publish(id string) {
	w.t.Helper()
	facts, err := w.Cases.Incidents.Unpublished(w.t.Context(), id, time.Time{})
	if err == nil && len(facts) == 0 {
		err = errors.New("nothing is new")
	}
	w.notice(id, incident.KindAddendum, facts, err)
}

// whole has the whole text anew.
func (w *world) whole(id string) {
	w.t.Helper()
	inc, err := w.Cases.Incidents.Get(w.t.Context(), id)
	w.notice(id, incident.KindRevision, inc.Facts, err)
}

func (w *world) notice(id, kind string, facts []incident.Fact, err error) {
	w.t.Helper()
	ctx := w.t.Context()
	if err == nil {
		err = w.DB.Update(ctx, func(tx *sql.Tx) error {
			n := incident.Notice{Incident: id, Kind: kind, About: 1, Time: time.Now().UTC().Truncate(time.Second), Facts: facts, Text: language.Both("お知らせ", "A notice")}
			if n.Version, err = w.Cases.Incidents.NextVersion(ctx, tx, id); err != nil {
				return err
			}
			if n.Version == 1 {
				n.Kind = incident.KindFirst
			}
			if n.Kind != incident.KindAddendum {
				n.About = 0
			}
			if n, err = incident.NewNotice(n); err != nil {
				return err
			}
			return w.Cases.Incidents.RecordNotice(ctx, tx, n, n.Version)
		})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestPublicPromiseOpen: what was promised in public keeps a case open until a notice says what became of it, and not until somebody records
// something.
func TestPublicPromiseOpen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.declare("shop")
		planned := "  - {key: title, value: Taken}\n  - {key: action, id: reset, value: {ja: 再設定の受付, en: The reset}, status: planned, promised: \"2030-01-01T18:00\"}\n"
		w.facts("shop", planned)
		w.publish("shop")
		open := func(what string, untold bool) {
			t.Helper()
			_, items, err := w.Checklist(ctx, by, "shop")
			i := slices.IndexFunc(items, func(i Item) bool { return i.About == "clock promise-reset" })
			if err != nil || i < 0 || !items[i].Refuses || strings.Contains(items[i].Text.EN, "was not told") != untold || (items[i].Command == "shirase notice draft shop") != untold {
				t.Fatalf("%s, and it is off the list: %+v, %v", what, items, err)
			}
			if _, err := w.Close(ctx, by, "shop", Asked{Why: "done"}); !errors.Is(err, ErrOpen) {
				t.Fatalf("%s, and the case is closed: %v", what, err)
			}
		}
		open("it is promised", false)
		w.facts("shop", "  - {key: action, id: reset, retract: true}\n")
		open("it is taken back, and nobody was told", true)
		w.facts("shop", "  - {key: action, id: reset, value: {ja: 再設定の受付, en: The reset}, status: kept, promised: \"2030-01-01T18:00\", at: \"2026-08-21T15:00\"}\n")
		open("it is called kept, and nobody was told", true)
		w.publish("shop")
		if _, err := w.Close(ctx, by, "shop", Asked{Why: "done"}); err != nil {
			t.Error(err)
		}
	})
}

// TestPromiseLeftOut: a public promise that was taken back, and that a whole text leaves out, stands until a notice says so: the next addendum does.
func TestPromiseLeftOut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.declare("shop")
		w.facts("shop", "  - {key: title, value: Taken}\n  - {key: action, id: reset, value: {ja: 再設定の受付, en: The reset}, status: planned, promised: \"2030-01-01T18:00\"}\n")
		w.publish("shop")
		w.facts("shop", "  - {key: action, id: reset, retract: true}\n")
		w.whole("shop")
		if _, err := w.Close(ctx, by, "shop", Asked{Why: "done"}); !errors.Is(err, ErrOpen) {
			t.Fatalf("left out of a whole text, and over: %v", err)
		}
		n, err := compose.Notice(ctx, w.Cases.Incidents, "shop", compose.Draft{Kind: incident.KindAddendum})
		if err != nil || !strings.Contains(n.Text.EN, "The reset") || !strings.Contains(n.Text.EN, "is taken back") || !strings.Contains(n.Text.JA, "再設定の受付") {
			t.Fatalf("%s, %v", n.Text.EN, err)
		}
		w.publish("shop")
		if left, err := w.Cases.Incidents.Unpublished(ctx, "shop", time.Time{}); err != nil || len(left) != 0 {
			t.Errorf("%+v, %v", left, err)
		}
		if _, err := w.Close(ctx, by, "shop", Asked{Why: "done"}); err != nil {
			t.Error(err)
		}
	})
}

// TestTakenBack: a promise of the case that was withdrawn, and a party that had a claim to be told and was made something else, or was said not to
// be concerned, are off the list, and stand as what somebody else agrees to.
func TestTakenBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.Staffed = func(context.Context) (bool, error) { return true, nil }
		must := func(_ *response.Case, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		back := func(id string) (out []string) {
			t.Helper()
			_, items, err := w.Checklist(ctx, by, id)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range items {
				if i.Second && !i.Refuses {
					out = append(out, i.key())
				}
			}
			return out
		}
		put := func(id string, p response.Party) {
			t.Helper()
			k, err := w.Cases.PutParty(ctx, by, id, 0, p)
			must(k, err)
		}
		w.declare("promised")
		k, err := w.Cases.Promise(ctx, by, "promised", 0, 0, func(p *response.Promise) { p.Text, p.Due = "a call to the clients", "2030-01-01T10:00+09:00" })
		must(k, err)
		must(w.Cases.Promise(ctx, by, "promised", k.Promises[0].ID, 0, func(p *response.Promise) { p.State, p.Why = "withdrawn", "nobody asks" }))
		w.declare("kind")
		w.declare("left")
		for id, as := range map[string]response.Party{"kind": {ID: "acme", Name: "Acme", Kind: "other"}, "left": {ID: "acme", Name: "Acme", Kind: "client", Left: true}} {
			put(id, response.Party{ID: "acme", Name: "Acme", Kind: "client"})
			put(id, as)
		}
		for _, id := range []string{"promised", "kind", "left"} {
			if got := back(id); len(got) != 1 {
				t.Fatalf("%s: %q", id, got)
			}
			if _, err := w.Close(ctx, by, id, Asked{Why: "done"}); !errors.Is(err, proposal.ErrWanted) {
				t.Errorf("%s is taken back, and the case closed, by one person: %v", id, err)
			}
			says := map[string]string{"promised": "promises that were withdrawn: 1"}[id]
			if says == "" {
				says = "parties that were never told, and are said to be owed nothing: 1"
			}
			plan, err := w.Act().Plan(ctx, by, id, []byte(`{"why":"done","despite":""}`))
			if err != nil || !strings.HasSuffix(plan.Effect.Says.EN, ". "+says) || !strings.HasSuffix(plan.Effect.Says.JA, "1件") {
				t.Errorf("%s: a second person is asked for: %+v, %v", id, plan.Effect.Says, err)
			}
		}
		// Who was told is owed nothing, and what was never owed is none of it; nor is what stands again.
		must(w.Cases.Inform(ctx, by, "kind", response.Informed{Party: "acme", At: "2026-08-21T10:00+09:00", What: "all of it"}))
		put("left", response.Party{ID: "acme", Name: "Acme", Kind: "client"})
		put("left", response.Party{ID: "police", Name: "Police", Kind: "police"})
		put("left", response.Party{ID: "police", Name: "Police", Kind: "police", Left: true})
		must(w.Cases.Promise(ctx, by, "promised", k.Promises[0].ID, 0, func(p *response.Promise) { p.State = "kept" }))
		for _, id := range []string{"promised", "kind", "left"} {
			if got := back(id); len(got) != 0 {
				t.Errorf("%s: %q", id, got)
			}
		}
	})
}

package closing

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/proposal"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

var by = actor.Operator()

type world struct {
	*Closing
	t       *testing.T
	rosters *roster.Rosters
	told    []Message
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := files.Open(filepath.Join(t.TempDir(), "files"))
	must(err)
	keys, err := files.OpenKeys(filepath.Join(t.TempDir(), "keys"))
	must(err)
	t.Cleanup(func() { dir.Close(); keys.Close() })
	incidents, err := incident.New(ctx, db, archive.Changed)
	must(err)
	_, err = archive.New(ctx, db, incidents)
	must(err)
	w := &world{t: t}
	w.rosters, err = roster.New(ctx, db, dir, keys)
	must(err)
	book, err := law.Open()
	must(err)
	cases, err := response.New(ctx, response.Rooms{DB: db, Dir: dir, Incidents: incidents, Book: book, Seal: w.rosters.Sealer})
	must(err)
	w.Closing, err = New(ctx, Rooms{DB: db, Cases: cases, Tell: func(_ context.Context, _ *sql.Tx, m Message) error {
		if !slices.ContainsFunc(w.told, func(o Message) bool { return o.Key == m.Key }) {
			w.told = append(w.told, m)
		}
		return nil
	}})
	must(err)
	return w
}

// declare opens a case of a processor that owes a promise.
func (w *world) declare(id string, regimes ...string) {
	w.t.Helper()
	known, err := incident.ParseMoment("2026-08-20T10:09+09:00", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Cases.Declare(w.t.Context(), by, response.Declaration{ID: id, Title: "T", Organisation: "Example Shop", Known: known, Regimes: regimes}); err != nil {
		w.t.Fatal(err)
	}
}

func refusing(items []Item) (out []string) {
	for _, i := range Refusing(items) {
		out = append(out, i.Kind+" "+i.About)
	}
	return out
}

// TestCloseRefused: an item of a final report that is not known, a promise and a party that was told nothing each keep a case open, with the
// place and the command that ends it; with a reason it is closed all the same, and both stand in its record.
func TestCloseRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.declare("plain")
		if _, items, err := w.Checklist(ctx, by, "plain"); err != nil || len(refusing(items)) != 0 {
			t.Fatalf("%v, %v", refusing(items), err)
		}
		if _, err := w.Close(ctx, by, "plain", Asked{}); !errors.Is(err, ErrInput) {
			t.Error(err)
		}
		if k, err := w.Close(ctx, by, "plain", Asked{Why: "done", Despite: "of nothing"}); err != nil || !k.Closed || k.ClosedFor.Despite != "" {
			t.Errorf("%+v, %v", k, err)
		}
		if _, err := w.Close(ctx, by, "plain", Asked{Why: "done"}); !errors.Is(err, response.ErrClosed) {
			t.Error(err)
		}

		w.declare("owing", "jp-appi")
		k, err := w.Cases.Promise(ctx, by, "owing", 0, 0, func(p *response.Promise) { p.Text, p.Due = "the next update", "2030-01-01T10:00+09:00" })
		if err != nil {
			t.Fatal(err)
		}
		promise := k.Promises[0].ID
		if _, err := w.Cases.PutParty(ctx, by, "owing", 0, response.Party{ID: "acme", Name: "Acme", Kind: "client"}); err != nil {
			t.Fatal(err)
		}
		_, items, err := w.Checklist(ctx, by, "owing")
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(refusing(items), ",")
		for _, want := range []string{"unknown item cause", "unknown report ppc-kakuho", "promise clock promise-case-", "untold party acme"} {
			if !strings.Contains(all, want) {
				t.Errorf("%s is not among %s", want, all)
			}
		}
		for _, i := range items {
			if i.Command == "" || i.Text.JA == "" || i.Text.EN == "" || !strings.HasPrefix(i.Where("owing"), "/console/") || strings.Contains(i.Command, "CASE") {
				t.Errorf("%+v", i)
			}
		}
		var open *OpenError
		if _, err := w.Close(ctx, by, "owing", Asked{Why: "done"}); !errors.As(err, &open) || !errors.Is(err, ErrOpen) || !strings.Contains(open.Hint(), "--despite") {
			t.Fatal(err)
		}
		// Each that is ended keeps it open no longer.
		if _, err := w.Cases.Promise(ctx, by, "owing", promise, 0, func(p *response.Promise) { p.State = "kept" }); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Cases.Inform(ctx, by, "owing", response.Informed{Party: "acme", At: "2026-08-21T10:00+09:00", What: "all of it"}); err != nil {
			t.Fatal(err)
		}
		if _, items, err = w.Checklist(ctx, by, "owing"); err != nil || strings.Contains(strings.Join(refusing(items), ","), "promise") || strings.Contains(strings.Join(refusing(items), ","), "untold") {
			t.Errorf("%v, %v", refusing(items), err)
		}
		// A report that was handed in with something unknown is to be completed.
		if _, err := w.Cases.State(ctx, by, "owing", 0, response.Stated{Item: "cause", Unknown: true}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Cases.Send(ctx, by, "owing", response.Sending{Kind: "ppc-kakuho", Lang: language.JA, To: "PPC", At: "2026-09-10T10:00+09:00"}); err != nil {
			t.Fatal(err)
		}
		if _, items, err = w.Checklist(ctx, by, "owing"); err != nil || !strings.Contains(strings.Join(refusing(items), ","), "unknown item cause") {
			t.Errorf("%v, %v", refusing(items), err)
		}
		k, err = w.Close(ctx, by, "owing", Asked{Why: "done", Despite: "nobody can find out any more"})
		if err != nil || !k.Closed || k.ClosedFor.Despite == "" || !slices.Contains(k.ClosedFor.Open, "unknown item cause") {
			t.Errorf("%+v, %v", k.ClosedFor, err)
		}
		v, err := w.View(ctx, by, "owing") // tells what was open then in words
		if err != nil || len(v.Then) != len(k.ClosedFor.Open) {
			t.Fatalf("%+v, %v", v, err)
		}
		for i, key := range k.ClosedFor.Open {
			if said := v.Then[i]; said.JA == key || said.EN == key || said.JA == said.EN {
				t.Errorf("%s is told as %q", key, said.JA)
			}
		}
	})
}

// TestCloseStaffed: where there is staff nobody overrules alone, and what was approved is void once something else is open.
func TestCloseStaffed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.Staffed = func(context.Context) (bool, error) { return true, nil }
		w.declare("owing")
		w.declare("plain")
		if _, err := w.Close(ctx, by, "plain", Asked{Why: "done"}); err != nil {
			t.Errorf("what nothing keeps open wants no second person: %v", err)
		}
		if _, err := w.Cases.PutParty(ctx, by, "owing", 0, response.Party{ID: "acme", Name: "Acme", Kind: "client"}); err != nil {
			t.Fatal(err)
		}
		asked := Asked{Why: "done", Despite: "they are wound up"}
		if _, err := w.Close(ctx, by, "owing", asked); !errors.Is(err, proposal.ErrWanted) {
			t.Fatal(err)
		}
		act, request := w.Act(), []byte(`{"why":"done","despite":"they are wound up"}`)
		plan, err := act.Plan(ctx, by, "owing", request)
		if err != nil || len(plan.Effect.Doubts) < 2 {
			t.Fatalf("%+v, %v", plan, err)
		}
		if _, err := w.Cases.PutParty(ctx, by, "owing", 0, response.Party{ID: "other", Name: "Other", Kind: "client"}); err != nil {
			t.Fatal(err)
		}
		settle := func(*sql.Tx) error { return nil }
		if _, err := act.Do(ctx, by, "owing", request, plan.Digest(), settle); !errors.Is(err, proposal.ErrChanged) {
			t.Fatalf("something else is open than was approved: %v", err)
		}
		if plan, err = act.Plan(ctx, by, "owing", request); err != nil {
			t.Fatal(err)
		}
		if _, err := act.Do(ctx, by, "owing", request, plan.Digest(), settle); err != nil {
			t.Fatal(err)
		}
		if k, err := w.Cases.Get(ctx, by, "owing"); err != nil || !k.Closed || len(k.ClosedFor.Open) != 2 {
			t.Errorf("%+v, %v", k.ClosedFor, err)
		}
	})
}

// TestOutlives: tasks and lessons are there, changed and told of after the case's key is gone, and take nothing that looks like a person's.
func TestOutlives(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.declare("shop")
		now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
		w.Now = func() time.Time { return now }
		for _, bad := range []string{"call hana@example.com", "hana＠example.com", "call 090-1234-5678", "０９０１２３４５６７８ へ", "on 2026-12-01 09012345678"} {
			if _, err := w.PutTask(ctx, by, "shop", 0, 0, func(o *Task) { o.Title = bad }); !errors.Is(err, ErrIdentifies) {
				t.Errorf("%s: %v", bad, err)
			}
			if _, err := w.Learn(ctx, by, "shop", bad); !errors.Is(err, ErrIdentifies) {
				t.Errorf("%s: %v", bad, err)
			}
		}
		task, err := w.PutTask(ctx, by, "shop", 0, 0, func(o *Task) {
			o.Title, o.Owner, o.Due = "1,692,496 passwords by a slow function, of 2026-08-20 10:09", "Sato", "2026-12-05"
		})
		if err != nil || task.N != 1 || task.Version != 1 {
			t.Fatalf("%+v, %v", task, err)
		}
		for _, o := range []func(*Task){func(o *Task) { o.Title = "" }, func(o *Task) { o.Title, o.Due = "x", "soon" }, func(o *Task) { o.Title, o.State = "x", "later" }} {
			if _, err := w.PutTask(ctx, by, "shop", 0, 0, o); !errors.Is(err, ErrInput) {
				t.Error(err)
			}
		}
		if _, err := w.PutTask(ctx, by, "none", 0, 0, func(o *Task) { o.Title = "x" }); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if err := w.rosters.Shred(ctx, by, "shop"); err != nil {
			t.Fatal(err)
		}
		v, err := w.View(ctx, by, "shop")
		if err != nil || !v.Shredded || v.Case != nil || len(v.Tasks) != 1 {
			t.Fatalf("%+v, %v", v, err)
		}
		if err := errors.Join(w.Remind(ctx), w.Remind(ctx)); err != nil || len(w.told) != 1 || w.told[0].To[0] != "Sato" {
			t.Fatalf("%+v, %v", w.told, err)
		}
		now = now.AddDate(0, 1, 0)
		if err := errors.Join(w.Remind(ctx), w.Remind(ctx)); err != nil || len(w.told) != 2 {
			t.Fatalf("%+v, %v", w.told, err)
		}
		if _, err := w.PutTask(ctx, by, "shop", 1, 7, func(o *Task) { o.State = "done" }); !errors.Is(err, ErrStale) {
			t.Error(err)
		}
		if done, err := w.PutTask(ctx, by, "shop", 1, 1, func(o *Task) { o.State = "done" }); err != nil || !done.Over() || done.Title != task.Title {
			t.Errorf("%+v, %v", done, err)
		}
		stranger := actor.Staff(actor.Member{ID: "p-x", Roles: []actor.Role{actor.Commander}}, "console")
		if _, err := w.Tasks(ctx, stranger, "shop"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a stranger hears of the case: %v", err)
		}
		if all, err := w.Tasks(ctx, stranger, ""); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
	})
}

// TestRetained: what is kept has what laws ask for, says until when and by which, holds nothing that looks like a person's, and is the same as
// long as the case is; under a hold nothing is shredded.
func TestRetained(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.declare("shop", "eu-gdpr", "ca-qc", "ca-pipeda", "jp-appi")
		if _, err := w.Cases.Decide(ctx, by, "shop", response.Decision{Question: "tell hana@example.com?", Decision: "yes, by 090-1234-5678", Why: "account 123456789012 is theirs"}); err != nil {
			t.Fatal(err)
		}
		r, err := w.Retain(ctx, by, "shop")
		if err != nil {
			t.Fatal(err)
		}
		until := map[string]string{}
		for _, k := range r.Keep {
			until[k.Rule] = k.Span + " " + k.Until
			if k.Citation == "" {
				t.Errorf("%+v", k)
			}
		}
		// PIPEDA's regulation, section 6: 24 months; Québec's, five years; GDPR article 33(5) names no end; Japan's act no record.
		if until["eu-gdpr-register"] != "open " || until["ca-qc-register"] != "5y 2031-08-20" || until["ca-pipeda-records"] != "24mo 2028-08-20" || len(until) != 3 {
			t.Errorf("%v", until)
		}
		for _, s := range []string{"hana@example.com", "090-1234-5678", "123456789012"} {
			if strings.Contains(string(r.Data), s) {
				t.Errorf("%s is kept: %s", s, r.Data)
			}
		}
		if r.LeftOut != 3 {
			t.Errorf("%d texts were left out", r.LeftOut)
		}
		again, err := w.Retain(ctx, by, "shop")
		if err != nil || again.SHA256 != r.SHA256 {
			t.Fatalf("%v: the same case gives another record", err)
		}
		h, err := w.Hold(ctx, by, "shop", "a claim")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Allowed(ctx, "shop"); !errors.Is(err, ErrHeld) {
			t.Error(err)
		}
		if err := errors.Join(w.Release(ctx, by, "shop", h.N, "settled"), w.Allowed(ctx, "shop")); err != nil {
			t.Error(err)
		}
		if err := w.Release(ctx, by, "shop", h.N, "again"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if _, err := w.Kept(ctx, by, "shop"); !errors.Is(err, ErrNotFound) {
			t.Errorf("of a case that goes on something lies in the clear: %v", err)
		}
		if _, err := w.DB.ExecContext(ctx, `INSERT INTO closing_retained (incident, sha256, data, at, actor) VALUES ('shop', 'another version', $1, 9999999999999999, '')`, again.Data); err != nil {
			t.Fatal(err)
		}
		if err := w.rosters.ShredIf(ctx, by, "shop", func(tx *sql.Tx) error { return w.Keep(ctx, tx, by, "shop", again) }); err != nil {
			t.Fatal(err)
		}
		if kept, err := w.Kept(ctx, by, "shop"); err != nil || kept.SHA256 != r.SHA256 || len(kept.Decisions) != 1 {
			t.Errorf("%+v, %v", kept, err)
		}
		var versions int
		if err := w.DB.QueryRowContext(ctx, `SELECT count(*) FROM closing_retained WHERE incident = 'shop'`).Scan(&versions); err != nil || versions != 1 {
			t.Errorf("%d versions are kept, %v", versions, err)
		}
		if _, err := w.DB.ExecContext(ctx, `UPDATE closing_retained SET sha256 = 'x'`); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Kept(ctx, by, "shop"); err == nil {
			t.Error("what was kept was edited, and nobody says so")
		}
	})
}

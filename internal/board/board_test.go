package board

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/gate"
	"shirase/internal/contain/reset"
	"shirase/internal/enquiry"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/reach"
	"shirase/internal/reach/smtp"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

const id = "shop"

// world is the rooms behind a board.
type world struct {
	*testing.T
	Rooms
	boards *Boards
	now    time.Time
	root   string
	told   int // how often facts were recorded
	db     *store.DB
}

func each(t *testing.T, do func(w *world)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		w := &world{T: t, root: t.TempDir(), db: db, now: time.Now()}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		dir, err := files.Open(filepath.Join(w.root, "files"))
		must(err)
		keys, err := files.OpenKeys(filepath.Join(w.root, "keys"))
		must(err)
		t.Cleanup(func() { dir.Close(); keys.Close() })
		w.Incidents, err = incident.New(ctx, db, nil)
		must(err)
		w.Rosters, err = roster.New(ctx, db, dir, keys)
		must(err)
		book, err := law.Open()
		must(err)
		w.Cases, err = response.New(ctx, response.Rooms{DB: db, Dir: dir, Incidents: w.Incidents, Book: book, Seal: w.Rosters.Sealer})
		must(err)
		rules, err := gate.ParseRules("routes.yaml", []byte("routes:\n  - {name: login, paths: [/login], undecided: closed}\n"))
		must(err)
		w.Gate, err = gate.New(ctx, gate.Rooms{DB: db, Dir: dir, Keys: keys, Latest: w.Rosters.Latest, Named: w.Rosters.Named, Members: w.Rosters.Members, Rules: rules, ResetURL: "https://example.jp/reset"})
		must(err)
		w.Campaigns, err = reach.New(ctx, reach.Rooms{DB: db, Rosters: w.Rosters, Files: dir, Incident: w.Incidents.Get, Known: w.Incidents.Get, Number: func(context.Context, string) (string, error) { return "n-1", nil },
			Wanted: func(context.Context) (bool, error) { return false, nil }, Preflight: func(context.Context, string) ([]language.Text, error) { return nil, nil },
			Mailer: &reach.Mailer{Relays: []smtp.Relay{{Address: "127.0.0.1:1", Security: smtp.None, Hello: "notice.example.jp"}}, Bounces: "back@bounce.example.jp"}})
		must(err)
		w.Desk, err = enquiry.New(ctx, enquiry.Rooms{DB: db, Keys: keys, Seal: w.Rosters.Sealer, Incident: w.Incidents.Get,
			Wanted: func(context.Context) (bool, error) { return false, nil }, Own: func(context.Context, string) (bool, error) { return true, nil },
			Deliver: func(context.Context, enquiry.Letter) (enquiry.Outcome, string) { return enquiry.Taken, "" }})
		must(err)
		w.Resets, err = reset.New(ctx, reset.Rooms{DB: db, Rosters: w.Rosters})
		must(err)
		w.boards = New(ctx, w.Rooms, func(what string, err error) { t.Errorf("%s: %v", what, err) })
		w.boards.now = func() time.Time { return w.now }
		w.boards.Now = w.boards.now
		known, err := incident.ParseMoment("2026-08-20T10:09+09:00", nil)
		must(err)
		_, err = w.Cases.Declare(ctx, actor.Operator(), response.Declaration{ID: id, Title: "Unauthorised access", Organisation: "Example", Known: known})
		must(err)
		do(w)
	})
}

func (w *world) board() *Board {
	w.Helper()
	b, err := w.boards.Make(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return b
}

func (w *world) facts(list string) {
	w.Helper()
	w.told++ // what is as of later stands, and the declaration says something as of now
	asOf := time.Now().In(incident.Japan).Add(time.Duration(w.told) * time.Minute).Format("2006-01-02T15:04")
	file, err := incident.ParseFactsFile("facts.yaml", fmt.Appendf(nil, "id: %s\nzone: \"+09:00\"\nasOf: %q\nfacts:\n%s", id, asOf, list))
	if err == nil {
		_, err = w.Incidents.Add(w.Context(), actor.Operator(), file)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// scoped makes a roster: of ten rows seven accounts, two of which share an address.
func (w *world) scoped() {
	w.Helper()
	path := filepath.Join(w.root, "export.csv")
	var rows strings.Builder
	rows.WriteString("id,mail,country\n")
	for n := range 9 {
		fmt.Fprintf(&rows, "%d,p%d@example.com,%s\n", n, min(n, 5), []string{"JP", "KR"}[n/7])
	}
	rows.WriteString("0,p0@example.com,JP\n")
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nexclude:\n  - {name: foreign, when: 'country != \"JP\"'}\nsets:\n  - {classes: [email]}\n"), incident.ClassWords())
	if err == nil {
		err = os.WriteFile(path, []byte(rows.String()), 0o600)
	}
	if err == nil {
		_, err = w.Rosters.Create(w.Context(), actor.Operator(), id, roster.Options{Export: path, Rules: rules, TempDir: w.root})
	}
	if err != nil {
		w.Fatal(err)
	}
}

// TestNothingKnown: what nobody knows is null, in the figures of the command too, and never 0.
func TestNothingKnown(t *testing.T) {
	each(t, func(w *world) {
		data, err := json.Marshal(w.board())
		if err != nil {
			w.Fatal(err)
		}
		var got struct {
			Phase                   string
			Scope                   map[string]any
			Told                    map[string]any
			Reset, Spread, Watching any
			Enquiries               map[string]any
			Silence                 map[string]any
			Unknown                 []language.Text
			Steps                   []map[string]any
		}
		if err := json.Unmarshal(data, &got); err != nil {
			w.Fatal(err)
		}
		for name, value := range map[string]any{"scope.base": got.Scope["base"], "scope.affected": got.Scope["affected"], "scope.revision": got.Scope["revision"], "told.roster": got.Told["roster"],
			"told.parts": got.Told["parts"], "reset": got.Reset, "spread": got.Spread,
			"watching": got.Watching, "calls": got.Enquiries["callsPerHour"], "staff": got.Enquiries["staff"], "wait": got.Enquiries["expectedWaitSeconds"], "longest": got.Silence["longest"], "current": got.Silence["current"]} {
			if value != nil {
				w.Errorf("%s is %v, and nobody knows it", name, value)
			}
		}
		if got.Phase != Noticed || len(got.Steps) != 7 || got.Steps[1]["at"] != nil {
			w.Errorf("the phase is %s: %v", got.Phase, got.Steps)
		}
		if got.Silence["untilFirst"] == nil || !slices.ContainsFunc(got.Unknown, func(x language.Text) bool { return strings.Contains(x.EN, "roster") }) {
			w.Errorf("what is not known is not said: %v, %v", got.Silence, got.Unknown)
		}
	})
}

// TestAddsUp: whom everything has told adds up to the roster, at each step of a campaign, and the scope to its export.
func TestAddsUp(t *testing.T) {
	each(t, func(w *world) {
		ctx, by := w.Context(), actor.Operator()
		w.scoped()
		b := w.board()
		s := b.Scope
		if s.Base == nil || *s.Base != 10 || *s.Affected != 7 || len(s.Excluded) != 1 || *s.Base != *s.Affected+s.Excluded[0].N+s.Other {
			w.Fatalf("the scope does not add up: %+v", s)
		}
		if *b.Told.Roster != 7 || b.Told.Begun || b.Told.Parts != nil {
			w.Errorf("nothing was begun: %+v", b.Told)
		}
		c, err := w.Campaigns.Create(ctx, by, reach.Spec{Incident: id, From: reach.Sender{Name: language.Same("Notices"), Address: "notice@example.jp"},
			Subject: language.Both("お知らせ", "A notice"), Text: language.Both("お知らせ", "A notice")}, reach.Rates{}, time.Time{})
		if err != nil {
			w.Fatal(err)
		}
		p, err := w.Campaigns.Plan(ctx, by, id, reach.Asked{Campaign: c.ID, Despite: "x"})
		if err == nil {
			err = w.Campaigns.Approve(ctx, by, p, nil)
		}
		if err != nil {
			w.Fatal(err)
		}
		if b = w.board(); b.Told.Parts == nil || b.Told.Parts.All() != 7 || b.Told.Parts.Remaining() != 7 || !b.Told.Accounts {
			w.Errorf("a campaign that has begun: %+v", b.Told.Parts)
		}
		if data, err := json.Marshal(b.Told.Parts); err != nil || !strings.Contains(string(data), `"underway":7`) || !strings.Contains(string(data), `"notified":0,"remaining":7`) {
			w.Errorf("%s, %v", data, err)
		}
		if err := w.Campaigns.Cancel(ctx, by, c.ID, "x"); err != nil {
			w.Fatal(err)
		}
		if b = w.board(); b.Told.Parts.All() != 7 || b.Told.Parts.Nothing != 7 {
			w.Errorf("one that was cancelled: %+v", b.Told.Parts)
		}
	})
}

// TestLargeRoster: where counting people takes long, a board is there at once, says that it counts, and has the figures when they are counted.
func TestLargeRoster(t *testing.T) {
	each(t, func(w *world) {
		ctx, by := w.Context(), actor.Operator()
		w.boards.atOnce = 0
		counted := make(chan struct{}, 10)
		w.boards.Moved = func() { counted <- struct{}{} }
		w.scoped()
		c, err := w.Campaigns.Create(ctx, by, reach.Spec{Incident: id, From: reach.Sender{Name: language.Same("Notices"), Address: "notice@example.jp"},
			Subject: language.Both("お知らせ", "A notice"), Text: language.Both("お知らせ", "A notice")}, reach.Rates{}, time.Time{})
		if err != nil {
			w.Fatal(err)
		}
		p, err := w.Campaigns.Plan(ctx, by, id, reach.Asked{Campaign: c.ID, Despite: "x"})
		if err == nil {
			err = w.Campaigns.Approve(ctx, by, p, nil)
		}
		if err != nil {
			w.Fatal(err)
		}
		a, before, err := w.boards.Current(ctx, id)
		if err != nil || !a.Told.Counting || a.Told.Parts != nil || a.Told.Campaigns[0].Total != 6 {
			w.Fatalf("%+v, %v", a.Told, err)
		}
		<-counted
		b, after, err := w.boards.Current(ctx, id)
		if err != nil || after == before || b.Told.Counting || b.Told.Parts == nil || b.Told.Parts.All() != 7 {
			w.Errorf("counted: %+v, %v", b.Told, err)
		}
	})
}

// TestCountedAnew: whom a campaign has told is counted anew with each recipient whose state changes, however many there are: also once it is over.
func TestCountedAnew(t *testing.T) {
	each(t, func(w *world) {
		ctx, by := w.Context(), actor.Operator()
		w.scoped()
		c, err := w.Campaigns.Create(ctx, by, reach.Spec{Incident: id, From: reach.Sender{Name: language.Same("Notices"), Address: "notice@example.jp"},
			Subject: language.Both("お知らせ", "A notice"), Text: language.Both("お知らせ", "A notice")}, reach.Rates{}, time.Time{})
		if err != nil {
			w.Fatal(err)
		}
		p, err := w.Campaigns.Plan(ctx, by, id, reach.Asked{Campaign: c.ID, Despite: "x"})
		if err == nil {
			err = w.Campaigns.Approve(ctx, by, p, nil)
		}
		if err == nil {
			err = w.Campaigns.Cancel(ctx, by, c.ID, "x")
		}
		if err != nil {
			w.Fatal(err)
		}
		change := func(set string) {
			if _, err := w.db.ExecContext(ctx, `UPDATE reach_block SET `+set+` WHERE n = 0`); err != nil {
				w.Fatal(err)
			}
		}
		roll := func() *reach.Summary {
			if _, err := w.boards.Get(ctx, id, ""); err != nil {
				w.Fatal(err)
			}
			return w.boards.kept[id].roll
		}
		change(`accepted = 1000000`)
		was := roll()
		if same := roll(); was == nil || same != was {
			w.Fatal("counted again, and nothing has changed")
		}
		for _, column := range []string{"bounced", "bounced", "substitute", "deferred"} {
			change(column + ` = ` + column + ` + 1, accepted = accepted - 1`)
			now := roll()
			if now == was {
				w.Errorf("one more is %s, and nobody is counted", column)
			}
			was = now
		}
		versions, err := w.Campaigns.Versions(ctx)
		change(`bounced = bounced + 1, accepted = accepted - 1`)
		after, failed := w.Campaigns.Versions(ctx)
		if err != nil || failed != nil || versions[id] != after[id] {
			w.Errorf("a page that is followed is drawn anew for one mail: %v, %v", err, failed)
		}
	})
}

// TestMilestones: what the gate, campaigns and the forced reset were the first to do is when a milestone was reached, however often it was done since.
func TestMilestones(t *testing.T) {
	each(t, func(w *world) {
		ctx, by := w.Context(), actor.Operator()
		step := func(b *Board, id string) Step {
			return b.Steps[slices.IndexFunc(b.Steps, func(s Step) bool { return s.ID == id })]
		}
		if b := w.board(); step(b, CutOff).Reached() || step(b, ResetOpen).Reached() || step(b, ToldStep).Reached() {
			w.Fatalf("nothing was done: %+v", b.Steps)
		}
		for range 2 {
			if err := w.Gate.Do(ctx, by, gate.KindBlock, id, gate.Asked{Route: "login", State: gate.Closed, Why: "x"}); err != nil {
				w.Fatal(err)
			}
			if err := w.Gate.Do(ctx, by, gate.KindLift, id, gate.Asked{Route: "login", Why: "x"}); err != nil {
				w.Fatal(err)
			}
		}
		first := time.Date(2026, 8, 20, 10, 57, 0, 0, incident.Japan)
		runs, err := w.Gate.History(ctx, actor.Server(), id)
		if err != nil || len(runs) != 2 {
			w.Fatalf("%+v, %v", runs, err)
		}
		earlier := slices.MinFunc(runs, func(a, b gate.Block) int { return a.Since.Compare(b.Since) })
		if _, err := w.db.ExecContext(ctx, `UPDATE gate_block SET since = $2 WHERE id = $1`, earlier.ID, store.Micros(first)); err != nil {
			w.Fatal(err)
		}
		if s := step(w.board(), CutOff); s.From != "gate" || !s.At.Time.Equal(first) {
			w.Errorf("cut off: %+v", s)
		}
		for i, state := range []string{reset.Announced, reset.Opened, reset.Closed, reset.Reopened, reset.Closed} {
			if _, err := w.db.ExecContext(ctx, `INSERT INTO reset_hour (incident, n, state, at, promised, why, actor) VALUES ($1, $2, $3, $4, 0, '', 'operator')`, id, i+1, state, store.Micros(first.Add(time.Duration(i)*time.Hour))); err != nil {
				w.Fatal(err)
			}
			b := w.board()
			if s := step(b, ResetOpen); s.Reached() != (i > 0) || i > 0 && !s.At.Time.Equal(first.Add(time.Hour)) {
				w.Errorf("after %s: %+v", state, s)
			}
			if b.Reset == nil || b.Reset.State != state {
				w.Errorf("after %s: %+v", state, b.Reset)
			}
		}
		b := w.board()
		b.take(&reach.Summary{Told: map[reach.Channel]reach.ByChannel{reach.Mail: {Handed: 1, First: first.Add(2 * time.Hour)}}})
		if s := step(b, ToldStep); s.From != "campaign" || !s.At.Time.Equal(first.Add(2*time.Hour)) {
			w.Errorf("told: %+v", s)
		}
		ahead := w.board() // of an exercise, whose time is before that of its campaigns
		ahead.take(&reach.Summary{Told: map[reach.Channel]reach.ByChannel{reach.Mail: {Handed: 1, First: ahead.At.AddDate(0, 0, 3)}}})
		if s := step(ahead, ToldStep); s.Reached() || ahead.Told.Parts.HandedOver != 1 || !slices.ContainsFunc(ahead.Unknown, func(x language.Text) bool { return strings.Contains(x.EN, "first told") }) {
			w.Errorf("told at a time to come: %+v, %+v", s, ahead.Unknown)
		}
	})
}

// TestPhase: the phase follows from what is recorded, and goes back where that is taken back.
func TestPhase(t *testing.T) {
	each(t, func(w *world) {
		w.scoped()
		for _, c := range []struct{ facts, phase string }{
			{"  - {key: scope.state, value: investigating}\n", Noticed},
			{"  - {key: contained, value: \"2026-08-20T10:57\"}\n", CutOff},
			{"  - {key: scope.state, value: final}\n", ScopeKnown},
			{"  - {key: scope.state, value: reopened}\n", CutOff},
			{"  - {key: disclosed, value: \"2026-08-20T18:00\"}\n", Published},
			{"  - {key: persons-notified, value: \"2026-08-21\"}\n", ToldStep},
		} {
			w.facts(c.facts)
			if b := w.board(); b.Phase != c.phase {
				w.Errorf("after %s the phase is %s", c.facts, b.Phase)
			}
		}
		k, err := w.Cases.Get(w.Context(), actor.Server(), id)
		if err != nil {
			w.Fatal(err)
		}
		facts, err := w.Incidents.Moved(w.Context(), id)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := w.Cases.CloseAs(w.Context(), actor.Operator(), id, response.Ending{Closed: response.Closed{Why: "x"}, Head: k.Head, Facts: facts}, nil); err != nil {
			w.Fatal(err)
		}
		if b := w.board(); b.Phase != ClosedStep || b.Silence.Current != nil {
			w.Errorf("a closed case is in %s, and its silence %v", b.Phase, b.Silence.Current)
		}
	})
}

// TestSaidOtherwise: a fact that contradicts another, a figure that is not the roster's, and promises with what became of them; and how long nothing was said.
func TestSaidOtherwise(t *testing.T) {
	each(t, func(w *world) {
		w.scoped()
		w.now = time.Date(2026, 8, 22, 9, 0, 0, 0, incident.Japan)
		w.facts(`  - {key: affected.count, value: 9, unit: accounts, qualifier: exact}
  - {key: discovered, value: "2026-08-20T10:09"}
  - {key: contained, value: "2026-08-19T10:57"}
  - {key: disclosed, value: "2026-08-20T18:00"}
  - {key: addendum, id: a1, value: 追記, at: "2026-08-20T21:00"}
  - {key: addendum, id: a2, value: 追記, at: "2026-08-21T20:00"}
  - {key: action, id: open, value: {ja: 受付, en: opening}, status: slipped, promised: "2026-08-20T18:00", at: "2026-08-20T23:00"}
  - {key: next-update, value: "2026-08-22T12:00"}
`)
		b := w.board()
		kinds := map[string]int{}
		for _, c := range b.Contradictions {
			kinds[c.Kind]++
		}
		if kinds["facts"] == 0 || kinds["figure"] != 1 {
			w.Errorf("contradictions: %+v", b.Contradictions)
		}
		i := slices.IndexFunc(b.Promises, func(p Promise) bool { return p.ID == "open" })
		if i < 0 || b.Promises[i].Fate != string(law.Slipped) {
			w.Errorf("promises: %+v", b.Promises)
		}
		s := b.Silence
		if s.Words != 3 || s.Longest.Long() != 23*time.Hour || s.Current.Long() != 13*time.Hour || s.Before.Long() != 7*time.Hour+51*time.Minute || s.Next.IsZero() {
			w.Errorf("silence: %+v", s)
		}
	})
}

// TestWordsWhenPublished: a notice is a public word from when it came into the ledger, and not from when it was proposed; one of which an earlier
// version did not keep that, from the time that it says.
func TestWordsWhenPublished(t *testing.T) {
	each(t, func(w *world) {
		w.now = time.Date(2026, 8, 25, 10, 0, 0, 0, incident.Japan)
		w.Incidents.By(func() time.Time { return w.now })
		w.facts("  - {key: cause, value: intrusion}\n")
		inc, err := w.Incidents.Get(w.Context(), id)
		if err != nil {
			w.Fatal(err)
		}
		proposed := w.now.AddDate(0, 0, -4)
		n, err := incident.NewNotice(incident.Notice{Incident: id, Version: 1, Kind: incident.KindFirst, Time: proposed, Facts: inc.Facts, Text: language.Both("お知らせ", "A notice")})
		if err == nil {
			err = w.db.Update(w.Context(), func(tx *sql.Tx) error { return w.Incidents.RecordNotice(w.Context(), tx, n, 7) })
		}
		if err != nil {
			w.Fatal(err)
		}
		b := w.board()
		i := slices.IndexFunc(b.Steps, func(s Step) bool { return s.ID == Published })
		if !b.Silence.First.Equal(w.now) || !b.Steps[i].At.Time.Equal(w.now) {
			w.Errorf("it was proposed at %s, and published at %s: %+v, %+v", proposed, w.now, b.Silence, b.Steps[i])
		}
		if _, err := w.db.ExecContext(w.Context(), `UPDATE incident_notice SET entered_at = NULL`); err != nil {
			w.Fatal(err)
		}
		if b := w.board(); !b.Silence.First.Equal(proposed) {
			w.Errorf("of an earlier version: %+v", b.Silence)
		}
	})
}

// TestOnce: a board is put together once for a version, and anew for another one; one whose key is gone is nobody's any more.
func TestOnce(t *testing.T) {
	each(t, func(w *world) {
		ctx := w.Context()
		a, version, err := w.boards.Current(ctx, id)
		if err != nil {
			w.Fatal(err)
		}
		if same, err := w.boards.Get(ctx, id, version); err != nil || same != a {
			w.Errorf("it is put together again for the same version: %v", err)
		}
		w.facts("  - {key: cause, value: intrusion}\n")
		b, later, err := w.boards.Current(ctx, id)
		if err != nil || later == version || b == a {
			w.Errorf("a fact changes nothing: %v", err)
		}
		k := w.boards.kept[id]
		if w.boards.Sweep(); k.board == nil {
			w.Error("a board that is shown is let go")
		}
		w.now = w.now.Add(keptFor)
		if w.boards.Sweep(); k.board != nil {
			w.Error("a board that nobody is shown any more stays in memory")
		}
		if _, later, err = w.boards.Current(ctx, id); err != nil || w.boards.kept[id].board == nil {
			w.Fatal(err)
		}
		// The key goes in another process, which says nothing to this one.
		if err := w.Rosters.Shred(ctx, actor.Operator(), id); err != nil {
			w.Fatal(err)
		}
		shown := w.boards.kept[id].board
		for what, ask := range map[string]func() error{
			"Get":     func() error { _, err := w.boards.Get(ctx, id, later); return err },
			"Version": func() error { _, err := w.boards.Version(ctx, id, "", ""); return err },
			"Current": func() error { _, _, err := w.boards.Current(ctx, id); return err },
		} {
			w.boards.kept[id] = &kept{making: make(chan struct{}, 1), board: shown, version: later}
			if err := ask(); !errors.Is(err, roster.ErrShredded) || len(w.boards.kept) != 0 {
				w.Errorf("%s: a board is shown, or left, of a case whose key is gone: %v", what, err)
			}
		}
		if _, _, err := w.boards.Current(ctx, "none"); err == nil {
			w.Error("there is a board of no case")
		}
	})
}

package closing

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/response"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func (w *world) facts(id, list string) {
	w.t.Helper()
	file, err := incident.ParseFactsFile("facts.yaml", []byte("id: "+id+"\nzone: \"+09:00\"\nasOf: \"2026-08-21T16:00\"\nfacts:\n"+list))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Cases.Incidents.Add(w.t.Context(), by, file); err != nil {
		w.t.Fatal(err)
	}
}

// TestCloseRaced: a promise or a fact that is recorded after it was looked at what is open, and before the case is closed, keeps it open.
func TestCloseRaced(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		for id, meanwhile := range map[string]func(){
			"promised": func() {
				if _, err := w.Cases.Promise(ctx, by, "promised", 0, 0, func(p *response.Promise) { p.Text, p.Due = "the next update", "2030-01-01T10:00+09:00" }); err != nil {
					t.Error(err)
				}
			},
			"stated": func() { w.facts("stated", "  - {key: next-update, value: \"2030-01-01T10:00\"}\n") },
		} {
			w.declare(id)
			done := false
			w.Now = func() time.Time { // the list is begun: the case was read
				if !done {
					done = true
					meanwhile()
				}
				return time.Now()
			}
			if _, err := w.Close(ctx, by, id, Asked{Why: "done"}); !errors.Is(err, ErrOpen) || !done {
				t.Errorf("%s: closed past what came meanwhile: %v", id, err)
			}
			k, err := w.Cases.Get(ctx, by, id)
			if err != nil || k.Closed {
				t.Errorf("%s: %v, %v", id, k.Closed, err)
			}
			facts, err := w.Cases.Incidents.Moved(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			for _, end := range []response.Ending{{Facts: facts}, {Head: k.Head}} {
				end.Why = "x"
				if _, err := w.Cases.CloseAs(ctx, by, id, end, nil); !errors.Is(err, response.ErrMoved) {
					t.Errorf("%s: closed as of something else: %v", id, err)
				}
			}
		}
	})
}

// TestCloseNeedsRemove: whoever may propose and not close a case cannot propose it either.
func TestCloseNeedsRemove(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.declare("owing")
		if _, err := w.Cases.PutParty(ctx, by, "owing", 0, response.Party{ID: "acme", Name: "Acme", Kind: "client"}); err != nil {
			t.Fatal(err)
		}
		room, err := proposal.New(ctx, proposal.Rooms{DB: db, Acts: map[string]proposal.Act{KindClose: w.Act()}, Staffed: func(context.Context) (bool, error) { return true, nil }, Approvers: func(context.Context) (int, error) { return 2, nil }})
		if err != nil {
			t.Fatal(err)
		}
		staff := func(access actor.Access, role actor.Role) actor.Actor {
			return actor.Staff(actor.Member{ID: "p-1", Roles: []actor.Role{role}, Access: map[string]actor.Access{"owing": access}}, "console")
		}
		asked := Asked{Why: "done", Despite: "they are wound up"}
		for _, who := range []actor.Actor{staff(actor.Full, actor.Writer), staff(actor.Contributes, actor.Commander)} {
			if _, err := room.Propose(ctx, who, KindClose, "owing", asked); !errors.Is(err, actor.ErrRole) && !errors.Is(err, actor.ErrAccess) {
				t.Errorf("proposed by who may not: %v", err)
			}
			if _, err := w.Close(ctx, who, "owing", asked); !errors.Is(err, actor.ErrRole) && !errors.Is(err, actor.ErrAccess) {
				t.Errorf("closed by who may not: %v", err)
			}
		}
		if _, err := room.Propose(ctx, staff(actor.Full, actor.Commander), KindClose, "owing", asked); err != nil {
			t.Error(err)
		}
	})
}

// TestSinceClosed: what comes up after a case was closed stands on its list, beside what was overruled then, which does not; and its key is
// not destroyed meanwhile, but with a reason that stays.
func TestSinceClosed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.Rosters = w.rosters
		w.declare("owing")
		if _, err := w.Cases.PutParty(ctx, by, "owing", 0, response.Party{ID: "acme", Name: "Acme", Kind: "client"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Ready(ctx, by, "none", ""); err != nil {
			t.Errorf("an incident without a case has nothing to close: %v", err)
		}
		if _, err := w.Ready(ctx, by, "owing", ""); !errors.Is(err, ErrUnready) {
			t.Errorf("the key of a case that is not closed: %v", err)
		}
		if r, err := w.Ready(ctx, by, "owing", "a court has ordered it"); err != nil || !slices.Contains(r.Stands, "not closed") || !slices.Contains(r.Stands, "untold party acme") || !doubted(r, "Acme") || !doubted(r, "not closed") || !doubted(r, "a court has ordered it") {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := w.Close(ctx, by, "owing", Asked{Why: "done", Despite: "they are wound up"}); err != nil {
			t.Fatal(err)
		}
		at := func() []string {
			t.Helper()
			v, err := w.View(ctx, by, "owing")
			if err != nil {
				t.Fatal(err)
			}
			return refusing(v.Open)
		}
		if open := at(); len(open) != 0 {
			t.Errorf("what was overruled is open: %q", open)
		}
		r, err := w.Ready(ctx, by, "owing", "")
		if err != nil || !doubted(r, "they are wound up") {
			t.Errorf("%+v, %v", r, err)
		}
		w.facts("owing", "  - {key: next-update, value: \"2030-01-01T10:00\"}\n")
		if open := at(); len(open) != 1 || !strings.HasPrefix(open[0], "promise clock ") {
			t.Errorf("what came up since is not on the list: %q", open)
		}
		if _, err := w.Ready(ctx, by, "owing", ""); !errors.Is(err, ErrUnready) {
			t.Error(err)
		}
		if _, err := w.Ready(ctx, by, "owing", "hana@example.com wants it"); !errors.Is(err, ErrIdentifies) {
			t.Errorf("a reason that stays names somebody: %v", err)
		}
		if r, err = w.Ready(ctx, by, "owing", "the update was given elsewhere"); err != nil || !doubted(r, "given elsewhere") {
			t.Errorf("%+v, %v", r, err)
		}
		overruled := func() (n int) {
			t.Helper()
			if err := w.DB.QueryRowContext(ctx, `SELECT count(*) FROM closing_shred`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		errLate := errors.New("it does not come about")
		if err := w.rosters.ShredIf(ctx, by, "owing", func(tx *sql.Tx) error { return errors.Join(r.Keep(ctx, tx), errLate) }); !errors.Is(err, errLate) || overruled() != 0 {
			t.Errorf("what did not come about is said to have been overruled: %v", err)
		}
		if err := w.rosters.ShredIf(ctx, by, "owing", func(tx *sql.Tx) error { return r.Keep(ctx, tx) }); err != nil || overruled() != 1 {
			t.Fatal(err)
		}
		if v, err := w.View(ctx, by, "owing"); err != nil || v.Overruled == nil || v.Overruled.Despite != "the update was given elsewhere" || len(v.Overruled.Open) != 1 || v.Overruled.By != by.String() {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// TestWaiting: questions that were to be answered by mail and are not stand on the list, also of a case that is closed, and before whoever approves that
// its key is destroyed. They keep no case open: a stranger could.
func TestWaiting(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		wait := map[string]int64{"clinic": 40}
		w.Waiting = func(_ context.Context, id string) (int64, error) { return wait[id], nil }
		w.declare("clinic")
		w.declare("other")
		listed := func(id string) (n int64) {
			t.Helper()
			v, err := w.View(ctx, by, id)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range v.Open {
				if i.Kind == "asked" {
					n += i.N
				}
			}
			return n
		}
		if listed("clinic") != 40 || listed("other") != 0 {
			t.Errorf("%d and %d", listed("clinic"), listed("other"))
		}
		if _, err := w.Close(ctx, by, "clinic", Asked{Why: "done"}); err != nil {
			t.Fatal(err)
		}
		if r, err := w.Ready(ctx, by, "clinic", ""); err != nil || listed("clinic") != 40 || !doubted(r, "by mail: 40.") {
			t.Errorf("%d are listed, %+v, %v", listed("clinic"), r, err)
		}
		wait["clinic"] = 0
		if r, err := w.Ready(ctx, by, "clinic", ""); err != nil || listed("clinic") != 0 || doubted(r, "Questions") {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func doubted(r Ready, what string) bool {
	return slices.ContainsFunc(r.Doubts, func(t language.Text) bool { return strings.Contains(t.EN, what) })
}

// TestHoldSaid: that a legal hold was on, and who ended it why, is part of what is approved when the key is destroyed.
func TestHoldSaid(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.declare("shop")
		if _, err := w.Close(ctx, by, "shop", Asked{Why: "done"}); err != nil {
			t.Fatal(err)
		}
		before, err := w.Ready(ctx, by, "shop", "")
		if err != nil {
			t.Fatal(err)
		}
		h, err := w.Hold(ctx, by, "shop", "claim before the district court")
		if err == nil {
			err = w.Release(ctx, by, "shop", h.N, "settled out of court")
		}
		if err != nil {
			t.Fatal(err)
		}
		after, err := w.Ready(ctx, by, "shop", "")
		if err != nil || !doubted(after, "claim before the district court") || !doubted(after, "settled out of court") || slices.Equal(before.Stands, after.Stands) {
			t.Errorf("%+v, %v", after, err)
		}
	})
}

// TestRefusedLaw: a law that had been applied, or that the facts speak for, is not refused without a word: it stands on the list and in the
// record of the closing, and once there is staff somebody else agrees.
func TestRefusedLaw(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		staffed := false
		w.Staffed = func(context.Context) (bool, error) { return staffed, nil }
		for _, id := range []string{"alone", "two", "other"} {
			w.declare(id, "jp-appi")
		}
		w.declare("never")
		refuse := func(id, law string) {
			t.Helper()
			if _, err := w.Cases.Apply(ctx, by, id, 0, response.Regime{ID: law, Refused: true, Why: "nobody is in Japan"}); err != nil {
				t.Fatal(err)
			}
		}
		for id, law := range map[string]string{"alone": "jp-appi", "two": "jp-appi", "never": "us-sec"} {
			refuse(id, law)
		}
		_, items, err := w.Checklist(ctx, by, "alone")
		i := slices.IndexFunc(items, func(i Item) bool { return i.Kind == "refused" })
		if err != nil || i < 0 || !items[i].Second || items[i].Refuses || items[i].About != "regime jp-appi" || !strings.Contains(items[i].Text.EN, "nobody is in Japan") {
			t.Fatalf("%+v, %v", items, err)
		}
		if _, items, err := w.Checklist(ctx, by, "never"); err != nil || slices.ContainsFunc(items, func(i Item) bool { return i.Kind == "refused" }) {
			t.Errorf("a law that nothing speaks for: %+v, %v", items, err)
		}
		k, err := w.Close(ctx, by, "alone", Asked{Why: "done"})
		if err != nil || !slices.Contains(k.ClosedFor.Open, "refused regime jp-appi") {
			t.Errorf("%+v, %v", k, err)
		}
		staffed = true
		if _, err := w.Close(ctx, by, "never", Asked{Why: "done"}); err != nil {
			t.Errorf("what nobody has to agree to: %v", err)
		}
		if _, err := w.Close(ctx, by, "two", Asked{Why: "done"}); !errors.Is(err, proposal.ErrWanted) {
			t.Fatalf("one person has taken all reports off the list, and closed the case: %v", err)
		}
		act, request := w.Act(), []byte(`{"why":"done","despite":""}`)
		plan, err := act.Plan(ctx, by, "two", request)
		if err != nil || len(plan.Effect.Doubts) != 1 || !strings.Contains(plan.Effect.Doubts[0].EN, "nobody is in Japan") {
			t.Fatalf("%+v, %v", plan, err)
		}
		if _, err := act.Do(ctx, by, "two", request, plan.Digest(), func(*sql.Tx) error { return nil }); err != nil {
			t.Error(err)
		}
	})
}

// TestOtherReports: what was not known when another authority was told keeps a case open too, until it is known and was sent.
func TestOtherReports(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		for kind, law := range map[string]string{"gdpr-33": "eu-gdpr", "pmark": "jp-pmark", "sec-8k": "us-sec"} {
			w.declare(kind, law)
			if _, _, err := w.Cases.Send(ctx, by, kind, response.Sending{Kind: kind, Lang: language.EN, To: "the authority", At: "2026-08-22T10:00+09:00"}); err != nil {
				t.Fatal(err)
			}
			_, items, err := w.Checklist(ctx, by, kind)
			if open := refusing(items); err != nil || !slices.ContainsFunc(open, func(s string) bool { return strings.HasPrefix(s, "unknown item "+kind+" ") }) {
				t.Errorf("%s was sent with items of which nobody knows, and %q is open: %v", kind, open, err)
			}
		}
		w.declare("unsent", "eu-gdpr")
		if _, err := w.Cases.Know(ctx, by, "unsent", 0, response.Knows{Word: "risk", Is: true}); err != nil {
			t.Fatal(err)
		}
		_, items, err := w.Checklist(ctx, by, "unsent")
		if open := refusing(items); err != nil || !slices.Contains(open, "unknown report gdpr-33") {
			t.Errorf("what a law wants was not handed in, and %q is open: %v", open, err)
		}
	})
}

// TestSweptLiving: what an earlier version kept when a case was to be shredded and was not goes when the room is opened; of one whose key is gone it
// stays.
func TestSweptLiving(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		for _, id := range []string{"living", "gone"} {
			w.declare(id)
			for _, q := range []string{`INSERT INTO closing_retained (incident, sha256, data, at, actor) VALUES ($1, 'x', 'x', 1, '')`, `INSERT INTO closing_shred (incident, despite, open, at, actor) VALUES ($1, 'x', 'x', 1, '')`} {
				if _, err := w.DB.ExecContext(ctx, q, id); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.rosters.Shred(ctx, by, "gone"); err != nil {
			t.Fatal(err)
		}
		rooms := w.Rooms
		rooms.Ending = w.rosters.Ending
		if _, err := New(ctx, rooms); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"closing_retained", "closing_shred"} {
			var n int
			var id string
			if err := w.DB.QueryRowContext(ctx, `SELECT count(*), max(incident) FROM `+table).Scan(&n, &id); err != nil || n != 1 || id != "gone" {
				t.Errorf("%s: %d are left, %s, %v", table, n, id, err)
			}
		}
	})
}

// TestStands: how a case stands is another text as soon as something is recorded in it, a fact is, or a hold is put on or ended: what is kept of it
// would be another record.
func TestStands(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.declare("shop")
		var seen []string
		for _, step := range []struct {
			what string
			do   func() error
		}{
			{"nothing", func() error { return nil }},
			{"a note", func() error {
				_, err := w.Cases.Decide(ctx, by, "shop", response.Decision{Question: "stop?", Decision: "no", Why: "it is over"})
				return err
			}},
			{"a fact", func() error { w.facts("shop", "  - {key: next-update, value: \"2030-01-01T10:00\"}\n"); return nil }},
			{"a hold", func() error { _, err := w.Hold(ctx, by, "shop", "a claim"); return err }},
			{"its end", func() error { return w.Release(ctx, by, "shop", 1, "settled") }},
		} {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			var now string
			if err := w.DB.Update(ctx, func(tx *sql.Tx) (err error) { now, err = w.Stands(ctx, tx, "shop"); return err }); err != nil || slices.Contains(seen, now) {
				t.Errorf("%s has come, and it stands as before: %q, %v", step.what, now, err)
			}
			seen = append(seen, now)
		}
	})
}

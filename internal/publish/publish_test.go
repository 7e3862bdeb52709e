package publish

import (
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/index"
	"shirase/internal/language"
)

// TestDifferences tries each way in which facts, roster and rules can disagree: it is named, nothing is published, and a
// reason publishes it and is kept.
func TestDifferences(t *testing.T) {
	count := func(number, unit, qualifier string) string {
		return "\n  - {key: affected.count, value: " + number + ", unit: " + unit + ", qualifier: " + qualifier + "}"
	}
	half := "h1,h1@example.com,not-a-number,,JP\n"
	twice := "0,m0@example.com,,,JP\n" // the same account again
	for name, c := range map[string]struct {
		facts, export, rules string
		want                 string // the code; "": they agree
	}{
		"they agree":                          {"", rows(6), rules, ""},
		"fewer accounts are told":             {count("5", "accounts", "exact"), rows(6), rules, "count"},
		"more accounts are told":              {count("7", "accounts", "exact"), rows(6), rules, "count"},
		"about as many":                       {count("6", "accounts", "about"), rows(6), rules, ""},
		"about, and far from it":              {count("60", "accounts", "about"), rows(6), rules, "count"},
		"at most, and there are more":         {count("5", "accounts", "at-most"), rows(6), rules, "count"},
		"at most":                             {count("60", "accounts", "at-most"), rows(6), rules, ""},
		"as many persons as accounts":         {count("6", "persons", "exact"), rows(6), rules, ""},
		"more persons than accounts":          {count("7", "persons", "exact"), rows(6), rules, "count"},
		"fewer persons than addresses":        {count("5", "persons", "exact"), rows(6), rules, "count"},
		"persons, two accounts of one":        {count("6", "persons", "exact"), rows(6, "x,m0@example.com,,,JP\n"), rules, ""},
		"records, a later row among them":     {count("7", "records", "exact"), rows(6, twice), rules, ""},
		"records, and there are fewer":        {count("9", "records", "exact"), rows(6, twice), rules, "count"},
		"a class that the rules do not give":  {"\n  - {key: data-class, value: birth-date}", rows(6), rules, "class-not-in-rules"},
		"a class that is asked and not known": {"\n  - {key: data-class, value: birth-date, certainty: unknown}", rows(6), rules, ""},
		"a class that the facts do not tell":  {"", rows(6), strings.Replace(rules, "classes: [email]", "classes: [email, phone]", 1), "class-not-told"},
		"a rule's number":                     {"\n  - {key: excluded, id: foreign, value: abroad, count: 2, unit: accounts}", rows(6), rules, "excluded"},
		"accounts, of two rows of one":        {"\n  - {key: excluded, id: foreign, value: abroad, count: 1, unit: accounts}", rows(6, "f,f@example.com,,,US\n"), rules, ""},
		"records, and the rule has more":      {"\n  - {key: excluded, id: foreign, value: abroad, count: 1, unit: records}", rows(6, "f,f@example.com,,,US\n"), rules, "excluded"},
		"about 7, and there are 6":            {count("7", "accounts", "about"), rows(6), rules, ""},
		"a rule's number that is right":       {"\n  - {key: excluded, id: foreign, value: abroad, count: 1, unit: accounts}", rows(6), rules, ""},
		"a row that cannot be read":           {"", rows(6, "\"z,broken\n"), rules, "unreadable"},
		"an address that cannot be read":      {count("7", "accounts", "exact"), rows(6, "z,nobody,,,JP\n"), rules, "unreadable"},
		"a number that nobody checks by":      {count("7", "accounts", "exact"), rows(6, half), rules, ""},
		"a number that people check by":       {count("7", "accounts", "exact"), rows(6, half), strings.Replace(rules, "index: [email]", "index: [email, phone]", 1), "unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			db := sqlite(t)
			w := newWorld(t, db)
			w.record(agreeing)
			if c.facts != "" {
				w.record("id: shop\nasOf: \"2026-11-21T16:00+09:00\"\nfacts:" + c.facts)
			}
			w.scope("shop", c.export, c.rules)
			prop, err := w.Propose(t.Context(), by, Request{Incident: "shop"})
			if err != nil {
				t.Fatal(err)
			}
			var codes []string
			for _, d := range prop.Differences {
				codes = append(codes, d.Code)
			}
			if c.want == "" {
				if len(codes) > 0 {
					t.Fatalf("%+v", prop.Differences)
				}
				if _, err := w.Publish(t.Context(), by, prop); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !slices.Equal(codes, []string{c.want}) {
				t.Fatalf("%+v, want %s", prop.Differences, c.want)
			}
			_, err = w.Publish(t.Context(), by, prop)
			var hint interface{ Hint() string }
			if !errors.Is(err, ErrDifferent) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "--despite") || !strings.Contains(err.Error(), prop.Differences[0].What) {
				t.Fatalf("published: %v", err)
			}
			if w.shown("shop", "A case") {
				t.Fatal("it is public although it was refused")
			}
			if _, _, err := w.Run(t.Context(), by, Request{Incident: "shop", Despite: " checked by hand "}); err != nil {
				t.Fatal(err)
			}
			records, err := w.Records(t.Context(), "shop")
			if err != nil || len(records) != 2 {
				t.Fatalf("%+v, %v", records, err)
			}
			for _, r := range records {
				if r.Despite != "checked by hand" || r.Actor != "operator by command line" || !slices.Equal(r.Differences, prop.Differences) || len(r.Proposal) != 64 {
					t.Errorf("%+v", r)
				}
			}
			n, err := w.Incidents.Notices(t.Context(), "shop")
			if err != nil || len(n) != 1 || strings.Contains(string(n[0].Data), "by hand") || strings.Contains(string(n[0].Data), "operator") {
				t.Errorf("the reason or the actor is signed: %v", err)
			}
		})
	}
}

// TestNothingDiffers: a reason that was not needed is not kept as if it had been.
func TestNothingDiffers(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.record(agreeing)
		w.scope("shop", rows(6), rules)
		prop, _, err := w.Run(t.Context(), by, Request{Incident: "shop", Despite: "just in case"})
		if err != nil || prop.Despite != "" {
			t.Errorf("%q, %v", prop.Despite, err)
		}
	})
}

// TestHalfReadable: a row of which the telephone number cannot be read is found by its address, and the number of those
// values stays with the published revision.
func TestHalfReadable(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.record(agreeing)
		w.record("id: shop\nasOf: \"2026-11-21T16:00+09:00\"\nfacts: [{key: affected.count, value: 7, unit: accounts}]")
		w.scope("shop", rows(6, "h1,half@example.com,not-a-number,,JP\n"), rules)
		if _, _, err := w.Run(t.Context(), by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		if v := w.ask("half@example.com"); v.Result != check.Affected {
			t.Errorf("the half-readable row: %s", v.Result)
		}
		if v := w.ask("stranger@example.com"); v.Result != check.NotInScope {
			t.Errorf("a stranger: %s", v.Result)
		}
		st, _, _, err := w.Index.Statement(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, ok, err := w.Scope(t.Context(), st, "shop")
		if err != nil || !ok || r.Counts.Unreadable[identity.KindPhone] != 1 {
			t.Errorf("%+v, %v, %v", r.Counts, ok, err)
		}
	})
}

func unlimited(*http.Request, int) (time.Duration, bool) { return 0, true }

// ask checks an address with the real client against what is served.
func (w *world) ask(address string) *check.Verdict {
	w.t.Helper()
	v, err := w.tryAsk(address)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) tryAsk(address string) (*check.Verdict, error) {
	w.t.Helper()
	h := index.NewHost(w.Index, w.Log(), nil)
	s := httptest.NewServer(h.Mux(index.NewEvaluator(w.keys, unlimited, h.Keys, nil)))
	defer s.Close()
	policy, err := check.LedgerPolicy(w.VKey())
	if err != nil {
		w.t.Fatal(err)
	}
	id, err := identity.ParseEmail(address)
	if err != nil {
		w.t.Fatal(err)
	}
	c := &check.Client{Server: s.URL, Policy: policy, Audit: true}
	a, err := c.Check(w.t.Context(), id)
	if err != nil {
		return nil, err
	}
	return &a.Verdict, nil
}

// TestState: nothing recorded is what there is; what is recorded as final has a roster; a notice cannot say another state
// than the statement does.
func TestState(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing)
		if _, pub, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil || pub.Statement.Incident("shop").State != check.Investigating {
			t.Fatalf("nothing recorded and no roster: %v", err)
		}
		n := w.notice(1)
		if !strings.Contains(n.Text.EN, "still being established") || strings.Contains(n.Text.EN, "You can check your own address") || !strings.Contains(n.Text.EN, "https://notice.example/incidents/shop/help") {
			t.Errorf("an investigating notice promises a check, or has no link to its help page:\n%s", n.Text.EN)
		}
		w.record("id: shop\nfacts: [{key: scope.state, value: final}]")
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); !errors.Is(err, ErrNoRoster) {
			t.Errorf("final without a roster: %v", err)
		}
		w.record("id: shop\nfacts: [{key: addendum, id: \"1\", at: \"2026-11-22T10:00+09:00\", value: x}]")
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: &compose.Draft{Kind: incident.KindAddendum}}); !errors.Is(err, incident.ErrNotice) || !strings.Contains(err.Error(), "would say that the scope is final") {
			t.Errorf("a notice says another state than the statement: %v", err)
		}
		w.scope("shop", rows(6), rules)
		if _, pub, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil || pub.Statement.Incident("shop").State != check.Final {
			t.Fatal(err)
		}
		if n := w.notice(2); !strings.Contains(n.Text.EN, "You can check your own address here: ") || !strings.Contains(n.Text.JA, "https://notice.example/incidents/shop/help") {
			t.Errorf("a final notice has no links:\n%s", n.Text.EN)
		}
	})
}

// TestUnusedRoster: who has worked out who is affected does not tell everybody that it is not known because a fact was left standing, as the one that
// declaring a case records.
func TestUnusedRoster(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing)
		w.record("id: shop\nfacts: [{key: scope.state, value: investigating}]")
		w.scope("shop", rows(6), rules)
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); !errors.Is(err, ErrDifferent) || !strings.Contains(err.Error(), "a roster of 6 accounts is there") || !strings.Contains(err.Error(), "record scope.state: final") {
			t.Fatalf("a roster is there, and nobody can be checked: %v", err)
		}
		if d, err := w.Doubts(ctx, "shop"); err != nil || len(d) != 1 || !strings.Contains(d[0].EN, "roster of 6") || !strings.Contains(d[0].JA, "名簿") {
			t.Errorf("%q, %v", d, err)
		}
		if look, err := w.Look(ctx, by, "shop", compose.Draft{Kind: incident.KindFirst}); err != nil || len(look.Differences) != 1 || look.Differences[0].Code != "roster-unused" || look.Differences[0].JA == "" {
			t.Errorf("the draft: %+v, %v", look, err)
		}
		if _, pub, err := w.Run(ctx, by, Request{Incident: "shop", Despite: "the second export is not through"}); err != nil || pub.Statement.Incident("shop").State != check.Investigating {
			t.Fatalf("with a reason: %v", err)
		}
		w.record("id: shop\nfacts: [{key: scope.state, value: final}]")
		if _, pub, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil || pub.Statement.Incident("shop").State != check.Final {
			t.Fatalf("final: %v", err)
		}
	})
}

func (w *world) notice(version int) incident.Notice {
	w.t.Helper()
	list, err := w.Incidents.Notices(w.t.Context(), "shop")
	if err != nil || len(list) < version {
		w.t.Fatalf("%d notices, %v", len(list), err)
	}
	return list[version-1]
}

// TestNoticeOfThePublishedScope: a notice speaks of the scope that is published: a revision while another is only committed
// promises no check, and a scope that changed is told by a notice also where its number is no fact and an addendum came since.
func TestNoticeOfThePublishedScope(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(strings.Replace(agreeing, "  - {key: affected.count, value: 6, unit: accounts, qualifier: exact}\n", "", 1))
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		w.scope("shop", rows(6), rules)
		_, pub, err := w.Run(ctx, by, Request{Incident: "shop", Notice: &compose.Draft{Kind: incident.KindRevision}})
		if err != nil {
			t.Fatal(err)
		}
		if text := pub.Notice.Text.EN; strings.Contains(text, "You can check your own address") || strings.Contains(text, "6 accounts") || !strings.Contains(text, "still being established") {
			t.Errorf("a notice tells of a scope that is not published:\n%s", text)
		}
		if _, pub, err = w.Run(ctx, by, Request{Incident: "shop"}); err != nil || !strings.Contains(pub.Notice.Text.EN, "6 accounts") {
			t.Fatalf("%v:\n%s", err, pub.Notice.Text.EN)
		}
		if _, pub, err = w.Run(ctx, by, Request{Incident: "shop", Notice: &compose.Draft{Kind: incident.KindRevision}}); err != nil || !strings.Contains(pub.Notice.Text.EN, "6 accounts") {
			t.Errorf("a revision leaves out who is affected: %v\n%s", err, pub.Notice.Text.EN)
		}
		w.record("id: shop\nfacts: [{key: addendum, id: \"1\", at: \"2026-11-22T10:00+09:00\", value: x}]")
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: &compose.Draft{Kind: incident.KindAddendum, Item: "1"}}); err != nil {
			t.Fatal(err)
		}
		w.scope("shop", rows(9), rules)
		if _, pub, err = w.Run(ctx, by, Request{Incident: "shop"}); err != nil || pub.Notice.Kind != incident.KindRevision || !strings.Contains(pub.Notice.Text.EN, "9 accounts") {
			t.Errorf("a scope that changed is told by no notice: %v, %s", err, pub.Notice.ID)
		}
		if _, pub, err = w.Run(ctx, by, Request{Incident: "shop"}); err != nil || pub.Changed {
			t.Errorf("published again: %v", err)
		}
	})
}

// TestSealedAnew: a scope that is made and sealed anew, and says what the one before did, is a new revision of the check, and no new
// version of the notice: a text that a person wrote stands. One that says something else is told.
func TestSealedAnew(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(strings.Replace(agreeing, "  - {key: affected.count, value: 6, unit: accounts, qualifier: exact}\n", "", 1))
		w.scope("shop", rows(6), rules)
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		text := language.Text{JA: "ご迷惑をおかけしました。", EN: "We are sorry."}
		_, written, err := w.Run(ctx, by, Request{Incident: "shop", Notice: &compose.Draft{Kind: incident.KindRevision, Text: text}})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ n, version int64 }{{6, 2}, {7, 3}} {
			w.scope("shop", strings.Replace(rows(int(c.n)), "m0@", "another@", 1), rules)
			upcoming, fresh, err := w.Upcoming(ctx, "shop")
			if err != nil || upcoming.Version != c.version || fresh != (c.version != written.Notice.Version) {
				t.Errorf("%d accounts: a preview shows version %d, new: %v, %v", c.n, upcoming.Version, fresh, err)
			}
			prop, pub, err := w.Run(ctx, by, Request{Incident: "shop"})
			if err != nil {
				t.Fatal(err)
			}
			if !prop.Statement.Changed || pub.Notice.Version != c.version {
				t.Errorf("%d accounts: statement changed: %v; version %d of the notice, want %d", c.n, prop.Statement.Changed, pub.Notice.Version, c.version)
			}
		}
	})
}

// TestOnlyWhatIsTold: a retraction makes nothing else public, and of what waits a notice can be told what to tell.
func TestOnlyWhatIsTold(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing)
		w.scope("shop", rows(6), rules)
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		w.record("id: shop\nfacts: [{key: title, value: A draft title}, {key: sector, value: retail}, {key: cause, value: intrusion}]")
		text := language.Text{JA: "取り下げます。", EN: "We withdraw it."}
		_, pub, err := w.Run(ctx, by, Request{Incident: "shop", Notice: &compose.Draft{Kind: incident.KindRetraction, About: 1, Text: text}})
		if err != nil {
			t.Fatal(err)
		}
		if len(pub.Notice.Facts) != 0 || !w.shown("shop", "A case") {
			t.Errorf("a retraction makes drafts public: %v, %+v", err, pub.Notice.Facts)
		}
		if _, _, err = w.Run(ctx, by, Request{Incident: "shop", Notice: &compose.Draft{Kind: incident.KindRevision}}); err != nil {
			t.Fatal(err)
		}
		w.record("id: shop\nfacts: [{key: title, value: Another title}, {key: sector, value: health}]")
		_, pub, err = w.Run(ctx, by, Request{Incident: "shop", Notice: &compose.Draft{Kind: incident.KindAddendum, Only: []string{"sector"}, Text: text}})
		if err != nil || len(pub.Notice.Facts) != 1 || pub.Notice.Facts[0].Key != "sector" || w.shown("shop", "Another title") {
			t.Errorf("more is told than was chosen: %v, %+v", err, pub.Notice)
		}
		if _, _, err = w.Run(ctx, by, Request{Incident: "shop", Notice: &compose.Draft{Kind: incident.KindAddendum, Only: []string{"country"}, Text: text}}); !errors.Is(err, incident.ErrNotice) {
			t.Errorf("a fact that does not wait: %v", err)
		}
	})
}

// TestUnknownClass: what nobody knows to be exposed is not told to be.
func TestUnknownClass(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.record(agreeing)
		w.record("id: shop\nfacts: [{key: data-class, value: phone, certainty: unknown}]")
		w.scope("shop", rows(6), rules)
		_, pub, err := w.Run(t.Context(), by, Request{Incident: "shop"})
		if err != nil || strings.Contains(pub.Notice.Text.EN, "elephone") {
			t.Errorf("%v:\n%s", err, pub.Notice.Text.EN)
		}
		res, err := w.archive.Search(t.Context(), archive.Query{Classes: []string{"phone"}})
		if err != nil || res.Total != 0 {
			t.Errorf("it is found by it: %d, %v", res.Total, err)
		}
	})
}

// TestFiguresArePublished: the figures of a scope are those of the published revision, and not of a scope made since.
func TestFiguresArePublished(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.record(agreeing)
		w.scope("shop", rows(6), rules)
		_, pub, err := w.Run(t.Context(), by, Request{Incident: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		w.scope("shop", rows(9), rules)
		if r, ok, err := w.Scope(t.Context(), pub.Statement, "shop"); err != nil || !ok || r.Counts.Affected != 6 {
			t.Errorf("%d affected, %v, %v", r.Counts.Affected, ok, err)
		}
	})
}

// TestLostRace: of two that publish at once, the one that is overtaken proposes anew, and both are published.
func TestLostRace(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ids := []string{"a", "b", "c"}
		for _, id := range ids {
			w.record("id: " + id + "\nfacts: [{key: title, value: " + id + "}, {key: scope.state, value: investigating}]")
		}
		// One that is certainly overtaken: its proposal is from before another's publication.
		old, err := w.Propose(t.Context(), by, Request{Incident: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Run(t.Context(), by, Request{Incident: "b"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Publish(t.Context(), by, old); !errors.Is(err, ErrStale) {
			t.Fatalf("a proposal that was overtaken: %v", err)
		}
		if w.shown("a", "a") {
			t.Fatal("half of it is public")
		}
		again, err := w.Propose(t.Context(), by, Request{Incident: "a"})
		if err != nil || again.ID() != old.ID() && string(again.Notice.Data) == string(old.Notice.Data) {
			t.Errorf("the same bytes have another name: %v", err)
		}
		var all sync.WaitGroup
		for _, id := range ids {
			for range 2 {
				all.Go(func() {
					if _, _, err := w.Run(t.Context(), by, Request{Incident: id}); err != nil {
						t.Errorf("%s: %v", id, err)
					}
				})
			}
		}
		all.Wait()
		for _, id := range ids {
			if list, err := w.Incidents.Public().Notices(t.Context(), id); err != nil || len(list) != 1 {
				t.Errorf("%s has %d notices, %v", id, len(list), err)
			}
		}
		w.mustVerify()
	})
}

func (w *world) mustVerify() {
	w.t.Helper()
	if _, err := Verify(w.t.Context(), w.DB, w.Dir, w.Index, w.VKey()); err != nil {
		w.t.Fatal(err)
	}
}

// TestNobody: no door can leave the actor out.
func TestNobody(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.record(agreeing)
		var nobody actor.Actor
		ctx := t.Context()
		prop, err := w.Propose(ctx, by, Request{Incident: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		for what, do := range map[string]func() error{
			"propose":  func() error { _, err := w.Propose(ctx, nobody, Request{Incident: "shop"}); return err },
			"publish":  func() error { _, err := w.Publish(ctx, nobody, prop); return err },
			"reissue":  func() error { _, err := w.Reissue(ctx, nobody, true); return err },
			"page":     func() error { _, _, err := w.RecordPage(ctx, nobody, map[string]string{"a": "b"}); return err },
			"create":   func() error { _, err := w.Incidents.Create(ctx, nobody, &incident.FactsFile{ID: "x"}); return err },
			"add":      func() error { _, err := w.Incidents.Add(ctx, nobody, &incident.FactsFile{ID: "shop"}); return err },
			"merge":    func() error { _, err := w.Incidents.Merge(ctx, nobody, "x", "shop"); return err },
			"own":      func() error { return w.Incidents.Own(ctx, nobody, "shop") },
			"disown":   func() error { return w.Disown(ctx, nobody, "shop") },
			"shred":    func() error { return w.Rosters.Shred(ctx, nobody, "shop") },
			"a roster": func() error { _, err := w.Rosters.Create(ctx, nobody, "shop", rosterOptions); return err },
			"import":   func() error { _, err := w.Incidents.Import(ctx, nobody, nil, incident.ImportOptions{}); return err },
		} {
			if err := do(); !errors.Is(err, actor.ErrNobody) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if n, err := w.ledger.Served(ctx); err != nil || n != 0 {
			t.Errorf("%d entries, %v", n, err)
		}
	})
}

// TestOneMoment stops a publication at each of its three moments, as a process does that is killed there: committed and
// not synced; synced, and the transaction that serves it undone. Pages, search and statement show nothing of it before it
// is served, and all of it after the next start.
func TestOneMoment(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing)
		w.scope("shop", rows(6), rules)
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		h := index.NewHost(w.Index, w.Log(), nil)
		mustShow := func(when, title string, seq int64) {
			t.Helper()
			if !w.shown("shop", title) {
				t.Errorf("%s: the page does not say %q", when, title)
			}
			res, err := w.archive.Search(ctx, archive.Query{Text: title})
			if err != nil || res.Total != 1 {
				t.Errorf("%s: %d found, %v", when, res.Total, err)
			}
			if list, err := w.Incidents.Public().Notices(ctx, "shop"); err != nil || int64(len(list)) != seq {
				t.Errorf("%s: %d notices, %v", when, len(list), err)
			}
			if st := h.Statement(ctx); st == nil || st.Seq != seq || st.Incident("shop").Title["en"] != title {
				t.Errorf("%s: the statement is not the one that the page is of", when)
			}
		}
		mustShow("published", "A case", 1)

		commit := func(title string) {
			t.Helper()
			w.record("id: shop\nfacts: [{key: title, value: " + title + "}]")
			prop, err := w.Propose(ctx, by, Request{Incident: "shop"})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.ledger.Update(ctx, func(tx *sql.Tx) error { return w.commit(ctx, tx, by, prop, &Publication{}) }); err != nil {
				t.Fatal(err)
			}
		}
		commit("Second title")
		mustShow("committed and not synced", "A case", 1)
		w.mustVerify() // what is on its way is nobody's edit
		if _, _, err := openRooms(t, w.DB, w.root, w.skey); err != nil {
			t.Fatal(err)
		}
		mustShow("opened by who only reads", "A case", 1)
		w.open(w.DB)
		h = index.NewHost(w.Index, w.Log(), nil)
		mustShow("started again", "Second title", 2)

		commit("Third title")
		// The checkpoint's file is written, and the transaction that serves it is not committed.
		died := errors.New("died")
		other, _, err := openRooms(t, w.DB, w.root, w.skey)
		if err == nil {
			err = other.Sync(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		mustShow("another process served it", "Third title", 3)
		commit("Fourth title")
		if err := syncWith(t, w, func() error { return died }); !errors.Is(err, died) {
			t.Fatalf("the transaction that serves did not fail: %v", err)
		}
		mustShow("the file is written, and the transaction undone", "Third title", 3)
		w.open(w.DB)
		h = index.NewHost(w.Index, w.Log(), nil)
		mustShow("started again after that", "Fourth title", 4)
		w.mustVerify()
	})
}

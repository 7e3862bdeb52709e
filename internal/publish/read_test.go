package publish

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/incident/lint"
	"shirase/internal/language"
	"shirase/internal/store"
)

// TestTextThatSpeaksAgainstTheFacts: what is found in a text stops it, in either language, until somebody says why; and nothing is
// published before readers hear of a fact that overturns what they were told.
func TestTextThatSpeaksAgainstTheFacts(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing + `
  - {key: secondary-damage, value: login, status: none-confirmed}`)
		w.scope("shop", rows(6), rules)
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		look := &compose.Draft{Kind: incident.KindAddendum, Text: language.Both("続報です。https://exampIe-check.com で確認できます。", "An update. See the help page.")}
		_, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: look})
		if !errors.Is(err, ErrDifferent) || !strings.Contains(err.Error(), "Japanese, line 1") {
			t.Errorf("a look-alike: %v", err)
		}
		prop, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: look, Despite: "it is the desk's new page"})
		if err != nil || len(prop.Differences) != 1 || prop.Differences[0].Code != "text-link" || prop.Differences[0].JA == "" {
			t.Fatalf("%+v, %v", prop, err)
		}
		records, err := w.Records(ctx, "shop")
		if last := records[len(records)-1]; err != nil || last.Despite != "it is the desk's new page" || len(last.Differences) != 1 {
			t.Errorf("%+v, %v", last, err)
		}
		plan, err := planOf(prop)
		if said := plan.Effect.Doubts; err != nil || !strings.Contains(said[len(said)-1].JA+said[0].JA, "それでも公表する理由") && !strings.Contains(said[1].JA, "それでも公表する理由") {
			t.Errorf("an approver is not told why: %+v, %v", said, err)
		}
		w.record(`id: shop
asOf: "2026-11-22T16:00+09:00"
facts:
  - {key: secondary-damage, value: login, status: confirmed}
  - {key: alias, id: shop, value: Shop}`)
		other := &compose.Draft{Kind: incident.KindAddendum, Only: []string{"alias"}}
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: other, Despite: "whatever"}); !errors.Is(err, ErrOverturned) {
			t.Errorf("something else is published first: %v", err)
		}
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: &compose.Draft{Kind: incident.KindAddendum, Only: []string{"secondary-damage"}}}); err != nil {
			t.Errorf("the addendum that tells it: %v", err)
		}
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: other}); err != nil {
			t.Errorf("something else after it: %v", err)
		}
	})
}

// TestOwnTextIsNotHeldUp: what publish writes from times alone, whichever of them are recorded and however long it took, is read as those times
// and no others.
func TestOwnTextIsNotHeldUp(t *testing.T) {
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "own.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	incidents, err := incident.New(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, cause := range []string{"intrusion", "unknown"} {
		for _, window := range []string{"", `{key: window.end, value: "2026-08-19T10:00"}`, `{key: window.end, value: "2026-08-19", qualifier: about}`,
			`{key: window.start, value: "2026-08-19T09:00"}`, `{key: window.start, value: "2026-08-19T09:00"}, {key: window.end, value: "2026-08-19T10:00"}`} {
			for _, contained := range []string{"2026-08-20T10:40", "2026-08-21T10:00", "2026-08-22T11:05", "2026-08-23"} { // 40 minutes, a day, two days and an hour later
				f, err := incident.ParseFactsFile("facts.yaml", []byte(`{id: shop, zone: "+09:00", asOf: "2026-08-24T10:00", facts: [{key: organisation, value: {ja: 株式会社例示, en: Example}},
  {key: title, value: {ja: 個人情報の漏えい, en: A leak of personal data}}, {key: data-class, value: email}, {key: cause, value: `+cause+`},
  {key: discovered, value: "2026-08-20T10:00"}, {key: contained, value: "`+contained+`"}, `+window+`]}`))
				if err != nil {
					t.Fatal(err)
				}
				inc := incident.Incident{ID: "shop", Facts: f.Facts}
				n, err := compose.Whole(t.Context(), incidents, inc, compose.Figures{})
				if err != nil {
					t.Fatal(err)
				}
				for _, lang := range []language.Lang{language.JA, language.EN} {
					text := n.Text.In(lang)
					found, err := lint.Text([]byte(text), lint.Known{Incident: inc, Recorded: f.Facts, Kind: lint.Report})
					if err != nil {
						t.Fatal(err)
					}
					read++
					for _, x := range found {
						if !x.Warning {
							t.Errorf("%s, contained %s, %s, %s: %s, %q in\n%s", cause, contained, window, lang, x.What.EN, text[x.From:x.To], text)
						}
					}
				}
			}
		}
	}
	if read != 2*5*4*2 {
		t.Errorf("%d texts read", read)
	}
}

// TestLeftOut: a whole text without what was taken back tells that, but of a promise.
func TestLeftOut(t *testing.T) {
	whole := &incident.Notice{Kind: incident.KindRevision}
	for key, want := range map[string]bool{"excluded": true, "action": false} {
		if told(whole, incident.Fact{Key: key, Item: "one", Retracted: true}) != want {
			t.Error(key)
		}
	}
}

// TestPromiseLeftOut: a promise that was taken back, and that a whole text left out, is told by an addendum; another whole text, which would not tell it
// either, is not published for it.
func TestPromiseLeftOut(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing)
		w.scope("shop", rows(6), rules)
		w.record("id: shop\nasOf: \"2026-11-21T16:00+09:00\"\nfacts: [{key: action, id: reset, value: {ja: 再設定の受付, en: The reset}, status: planned, promised: \"2030-01-01T18:00+09:00\"}]")
		version := func(n *compose.Draft) int64 {
			t.Helper()
			_, pub, err := w.Run(ctx, by, Request{Incident: "shop", Notice: n, Despite: "checked"})
			if err != nil {
				t.Fatal(err)
			}
			return pub.Notice.Version
		}
		version(nil)
		w.record("id: shop\nasOf: \"2026-11-21T17:00+09:00\"\nfacts: [{key: action, id: reset, retract: true}]")
		if one, two := version(nil), version(nil); one != 2 || two != 2 {
			t.Errorf("whole texts: version %d, then %d", one, two)
		}
		if v := version(&compose.Draft{Kind: incident.KindAddendum}); v != 3 || !strings.Contains(w.notice(3).Text.EN, "The reset” is taken back") || !strings.Contains(w.notice(3).Text.JA, "取り消します") {
			t.Errorf("version %d: %s", v, w.notice(3).Text.EN)
		}
		if v := version(nil); v != 3 {
			t.Errorf("version %d for nothing", v)
		}
	})
}

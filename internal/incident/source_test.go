package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestHouseSources: where the house finds the source of a fact stays in the house. A notice freezes what it was, what the public reads says that
// too, of notices from before as well, and nothing is unpublished for it.
func TestHouseSources(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		ctx := t.Context()
		file := parse(t, `{id: shop, zone: "+09:00", asOf: "2026-03-01", facts: [{key: secondary-damage, value: login, status: none-confirmed, source: "login logs, evidence 12"},
  {key: affected.count, value: 7, unit: persons, source: "scope, run 31"}, {key: persons-notified, value: "2026-02-01", source: "campaigns c-abcdefghij, c-2bcdefghij"},
  {key: secondary-damage, value: spread, status: none-confirmed, source: enquiries},
  {key: cause, value: intrusion, source: "scope, run 31 of the report by Example Security"}, {key: source, id: press, value: "https://press.example/1"}, {key: discovered, value: "2026-01-01", source: press}]}`)
		if _, err := s.Create(ctx, by, file); err != nil {
			t.Fatal(err)
		}
		release(t, s, "shop")
		told := map[string]string{"secondary-damage login": "login logs", "affected.count": "scope", "persons-notified": "campaigns", "secondary-damage spread": "enquiries",
			"cause": "scope, run 31 of the report by Example Security", "discovered": "press", "source press": ""}
		check := func(when string) {
			t.Helper()
			inc, err := s.Public().Get(ctx, "shop")
			if err != nil || len(inc.Facts) != len(told) {
				t.Fatalf("%s: %+v, %v", when, inc.Facts, err)
			}
			for _, f := range inc.Facts {
				item := f.Item
				if f.Key == "secondary-damage" && item == "" {
					item = f.Value.Word
				}
				if want, ok := told[strings.TrimSpace(f.Key+" "+item)]; !ok || f.Source != want {
					t.Errorf("%s: the source of %s %s is %q, want %q", when, f.Key, item, f.Source, want)
				}
			}
			past, err := s.Public().Record(ctx, "shop")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range past {
				for _, f := range p.Facts {
					if f.Source != PublicSource(f.Source) {
						t.Errorf("%s: the history says %q", when, f.Source)
					}
				}
			}
			all, err := s.Notices(ctx, "shop")
			if err != nil {
				t.Fatal(err)
			}
			var frozen []heard
			for _, n := range all {
				frozen = append(frozen, heard{Notice: n})
			}
			if problems, err := s.factRows(ctx, "shop", frozen); err != nil || len(problems) != 0 || len(frozen) == 0 {
				t.Errorf("%s: what was recorded is not what was published: %+v, %v", when, problems, err)
			}
			if left, err := s.Unpublished(ctx, "shop", time.Time{}); err != nil || len(left) != 0 {
				t.Errorf("%s: %+v are not published, %v", when, left, err)
			}
		}
		notices, err := s.Notices(ctx, "shop")
		if err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{"evidence 12", `run 31"`, "c-abcdefghij"} {
			if strings.Contains(string(notices[0].Data), private) {
				t.Errorf("the notice says %s", private)
			}
		}
		if inc, err := s.Get(ctx, "shop"); err != nil || !slices.ContainsFunc(inc.Facts, func(f Fact) bool { return f.Source == "login logs, evidence 12" }) {
			t.Errorf("the house does not find its evidence any more: %v", err)
		}
		check("now")
		// As a version before left it: a notice whose facts have the house's own numbers.
		n := notices[0]
		n.Version, n.Kind, n.ID = 2, KindRevision, NoticeID("shop", 2)
		n.Facts = slices.Clone(n.Facts)
		for i := range n.Facts {
			if n.Facts[i].Source == "scope" {
				n.Facts[i].Source = "scope, run 31"
			}
		}
		if err := n.encode(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(n.Data), "run 31\"") {
			t.Fatal("it is no notice of before")
		}
		serve(t, s, n)
		check("after a notice of before")
	})
	for _, lang := range []language.Lang{language.JA, language.EN} {
		for _, source := range []string{"login logs, evidence 12", "scope, run 7", "campaigns c-abcdefghij, c-2bcdefghij", "enquiries"} {
			if name := SourceName(lang, source); name == source && lang == language.JA || strings.ContainsAny(name, "0123456789") || name != SourceName(lang, PublicSource(source)) {
				t.Errorf("%s is called %q in %s", source, name, lang)
			}
		}
	}
	if SourceName(language.EN, "a report") != "a report" || PublicSource("campaigns of 2020") != "campaigns of 2020" {
		t.Error("a citation is not left as it is")
	}
}

package incident

import (
	"database/sql"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/hint"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
	"shirase/internal/web"
)

var update = flag.Bool("update", false, "write the vectors of notices anew")

// recordAt stores a composed notice the way publishing does, without a ledger.
func recordAt(t *testing.T, s *Incidents, db *store.DB, n Notice, at int64) Notice {
	t.Helper()
	if err := db.Update(t.Context(), func(tx *sql.Tx) error { return s.RecordNotice(t.Context(), tx, n, at) }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Public().Notice(t.Context(), n.ID); !errors.Is(err, ErrNoNotice) {
		t.Fatalf("%s is public before its entry is served: %v", n.ID, err)
	}
	if err := db.Update(t.Context(), func(tx *sql.Tx) error { return s.Serve(t.Context(), tx, at+1) }); err != nil {
		t.Fatal(err)
	}
	got, err := s.Public().Notice(t.Context(), n.ID)
	if err != nil || string(got.Data) != string(n.Data) {
		t.Fatalf("%s read back: %v", n.ID, err)
	}
	return got
}

// modelNotices publishes the model case as it went: the first notice, four addenda, the lifting.
func modelNotices(t *testing.T, s *Incidents, db *store.DB) []Notice {
	t.Helper()
	ctx := t.Context()
	if _, err := s.Create(ctx, by, parse(t, string(ModelCase()))); err != nil {
		t.Fatal(err)
	}
	disclosed := time.Date(2013, 7, 19, 7, 0, 0, 0, time.UTC)
	first, err := s.Compose(ctx, "naver-2013", Draft{Kind: KindFirst, AsOf: disclosed})
	if err != nil {
		t.Fatal(err)
	}
	recordAt(t, s, db, first, 0)
	for i, item := range []string{"1", "2", "3", "4", ""} {
		n, err := s.Compose(ctx, "naver-2013", Draft{Kind: KindAddendum, Item: item})
		if err != nil {
			t.Fatalf("addendum %q: %v", item, err)
		}
		recordAt(t, s, db, n, int64(i+1))
	}
	list, err := s.Notices(ctx, "naver-2013")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestModelSequence holds that the model case is told as it went, and that its notices together say every fact.
func TestModelSequence(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		list := modelNotices(t, s, db)
		if len(list) != 6 {
			t.Fatalf("%d notices", len(list))
		}
		if list[0].Kind != KindFirst || list[0].Format != 1 {
			t.Errorf("the first is %s of format %d", list[0].Kind, list[0].Format)
		}
		for _, later := range []string{"18時30分", "解除", "21時09分"} {
			if strings.Contains(list[0].Text.JA, later) {
				t.Errorf("the first notice knows of %s", later)
			}
		}
		for i, want := range []struct{ ja, en string }{
			{"- 2013年7月19日 18時（予定）: パスワード再設定機能の設置とサービスの再開（予定どおりには行われませんでした）", "this promise was not kept"},
			{"2013年7月19日 21時09分: パスワード再設定機能を設置（7月19日 21時頃の予定どおり）", "as promised for 19 July, about 21:00"},
			{"7月20日のうちに終える予定です", "closed for maintenance"},
			{"（7月20日の予定どおり）", "as promised for 20 July"},
			{"## 解除した措置\n\n- 2013年8月2日 15時: パスワードの再設定を必須とする措置（解除）", "2 August 2013, 15:00: The forced password reset (lifted)"},
		} {
			n := list[i+1]
			if n.Kind != KindAddendum || n.Format != 2 || n.About != 1 {
				t.Errorf("%s is %s about %d", n.ID, n.Kind, n.About)
			}
			if !strings.Contains(n.Text.JA, want.ja) || !strings.Contains(n.Text.EN, want.en) {
				t.Errorf("%s does not say %q and %q:\n%s\n%s", n.ID, want.ja, want.en, n.Text.JA, n.Text.EN)
			}
			if strings.Contains(n.Text.JA+n.Text.EN, "{{") {
				t.Errorf("%s shows a reference", n.ID)
			}
		}
		if rest, err := s.Unpublished(t.Context(), "naver-2013"); err != nil || len(rest) != 0 {
			t.Errorf("not published: %v, %v", rest, err)
		}
		if _, err := s.Compose(t.Context(), "naver-2013", Draft{Kind: KindAddendum}); !errors.Is(err, ErrNothingNew) || hint.Of(err) == "" {
			t.Errorf("an addendum of nothing: %v", err)
		}
	})
}

// TestCorrectionAndRetraction follows a figure that was wrong, and a notice that is withdrawn.
func TestCorrectionAndRetraction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		ctx := t.Context()
		if _, err := s.Create(ctx, by, parse(t, `
id: a
zone: "+09:00"
asOf: "2026-03-01T10:00"
facts:
  - {key: title, value: {ja: 会員情報の流出, en: Exposed accounts}}
  - {key: affected.count, value: 1690000, unit: accounts, qualifier: about}
  - {key: excluded, id: foreign, value: {ja: 国外, en: abroad}}
`)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Compose(ctx, "a", Draft{Kind: KindCorrection}); !errors.Is(err, ErrNotice) || !strings.Contains(hint.Of(err), "shirase publish") {
			t.Errorf("a correction of nothing: %v", err)
		}
		first, err := s.Compose(ctx, "a", Draft{Kind: KindFirst})
		if err != nil {
			t.Fatal(err)
		}
		recordAt(t, s, db, first, 0)
		if _, err := s.Add(ctx, by, parse(t, `
id: a
zone: "+09:00"
asOf: "2026-03-02T16:00"
facts:
  - {key: affected.count, value: 1692496, unit: accounts}
  - {key: excluded, id: foreign, retract: true}
`)); err != nil {
			t.Fatal(err)
		}
		n, err := s.Compose(ctx, "a", Draft{Kind: KindCorrection})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"誤「約169万アカウント」、正「169万2,496アカウント」", "「国外」は、取り消します", "第1版に誤りがありました"} {
			if !strings.Contains(n.Text.JA, want) {
				t.Errorf("the correction does not say %q:\n%s", want, n.Text.JA)
			}
		}
		if !strings.Contains(n.Text.EN, "not “about 1,690,000 accounts” but “1,692,496 accounts”") {
			t.Error(n.Text.EN)
		}
		if len(n.Was) != 2 || *n.Was[0].Value.Number != 1690000 {
			t.Errorf("was %+v", n.Was)
		}
		recordAt(t, s, db, n, 1)
		for _, d := range []struct {
			Draft
			problem string
		}{
			{Draft{Kind: KindRetraction}, "which version"},
			{Draft{Kind: KindRetraction, About: 2}, "say why"},
			{Draft{Kind: KindRetraction, About: 3, Text: Text{"甲", "a"}}, "version 3"},
			{Draft{Kind: KindFirst}, "first notice already"},
			{Draft{Kind: "adendum"}, "no kind"},
			{Draft{Kind: KindAddendum, Item: "9"}, "not recorded"},
		} {
			_, err := s.Compose(ctx, "a", d.Draft)
			if err == nil || !strings.Contains(err.Error(), d.problem) && !strings.Contains(err.Error(), "no item") || hint.Of(err) == "" {
				t.Errorf("%+v: %v (%s)", d.Draft, err, hint.Of(err))
			}
		}
		n, err = s.Compose(ctx, "a", Draft{Kind: KindRetraction, About: 2, Text: Text{"数え方を誤りました。{{affected.count digits}}", "Miscounted: {{affected.count digits}}."}})
		if err != nil {
			t.Fatal(err)
		}
		recordAt(t, s, db, n, 2)
		if _, err := s.Compose(ctx, "a", Draft{Kind: KindAddendum, About: 2, Text: Text{"甲", "a"}}); !errors.Is(err, ErrNotice) || !strings.Contains(err.Error(), "withdrawn by version 3") {
			t.Errorf("an addendum to what was withdrawn: %v", err)
		}
		list, err := s.Notices(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		st := Standings(list)
		if !slices.Equal(st[1].Corrected, []int64{2}) || st[2].Withdrawn != 3 || st[1].Superseded || !st[2].Superseded {
			t.Errorf("standings %+v", st)
		}
	})
}

// TestReferences holds how each kind of fact is written where a text refers to it.
func TestReferences(t *testing.T) {
	file := parse(t, string(ModelCase()))
	for i := range file.Facts { // as addFacts would
		if file.Facts[i].AsOf.IsZero() {
			t.Fatal("the model case says every as-of")
		}
	}
	inc := Incident{ID: file.ID, Facts: current(file.Facts)}
	var vectors []struct{ Markdown, JA, EN string }
	src, err := os.ReadFile("testdata/references.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(src, &vectors, json.RejectUnknownMembers(true), json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		for lang, want := range map[web.Lang]string{web.JA: v.JA, web.EN: v.EN} {
			if got, err := inc.Render(lang, "x.md", v.Markdown); err != nil || got != want {
				t.Errorf("%s: %q, %v; want %q", v.Markdown, got, err, want)
			}
		}
	}
	for _, c := range []struct{ text, at, problem, remedy string }{
		{"a {{affected.cuont}}", "x.md:1:3", `no fact "affected.cuont"`, "did you mean `affected.count`"},
		{"a\nべ {{", "x.md:2:3", "does not end", "{{affected.count}}"},
		{"{{affected.count\n}}", "x.md:1:1", "does not end", "same line"},
		{"{{}}", "x.md:1:1", "nothing", "{{affected.count}}"},
		{"{{closed}}", "x.md:1:1", `"closed" is not recorded`, "record it first"},
		{"{{action reset-9}}", "x.md:1:1", `no item "reset-9"`, "did you mean"},
		{"{{action reset-1 promised fast}}", "x.md:1:1", `has no "fast"`, "clock"},
		{"{{action mail promised}}", "x.md:1:1", "no such time", "record the time"},
		{"{{disclosed clock}}", "x.md:1:1", "no time of day", "leave the style away"},
		{"{{title x}}", "x.md:1:1", `"title" has no "x"`, "asOf"},
		{"{{" + strings.Repeat("a", 300) + "}}", "x.md:1:1", "does not end", ""},
		{strings.Repeat("{{title}}", maxReferences+1), "x.md:1:", "more than 500", ""},
		{"a\u202eb", "x.md:1:2", "U+202E", "remove"},
		{"a\x00b", "x.md:1:2", "U+0000", "remove"},
		{"\xff", "x.md", "UTF-8", ""},
		{" \n", "x.md", "empty", ""},
		{strings.Repeat("長", maxNoticeText+1), "x.md", "longer than", ""},
	} {
		_, err := inc.Render(web.JA, "x.md", c.text)
		if !errors.Is(err, ErrNotice) || !strings.HasPrefix(err.Error(), c.at) || !strings.Contains(err.Error(), c.problem) || !strings.Contains(hint.Of(err), c.remedy) || hint.Of(err) == "" {
			t.Errorf("%.40q: %v (%s)", c.text, err, hint.Of(err))
		}
	}
}

// TestHostileReferences holds that a fact never becomes markup through a reference either.
func TestHostileReferences(t *testing.T) {
	hostile := "<script>alert(1)</script> [x](javascript:alert(1)) {{title}} **b**"
	inc := Incident{ID: "a", Facts: []Fact{{Key: "title", Value: Value{Text: Text{hostile, hostile}}}}}
	text, err := inc.Render(web.EN, "x.md", "# {{title}}\n\na {{title}} b")
	if err != nil {
		t.Fatal(err)
	}
	html, err := HTML(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<strong>", "<a "} {
		if strings.Contains(string(html), bad) {
			t.Errorf("%s in %s", bad, html)
		}
	}
}

// TestNoticeVectors holds the published forms: what is in testdata/notices is read, and read to the same bytes, for
// ever. Good ones are made by -update from the cases above; the bad ones are edits of them.
func TestNoticeVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	good, err := filepath.Glob("testdata/notices/*.json")
	if err != nil || len(good) < 5 {
		t.Fatalf("%d vectors, %v", len(good), err)
	}
	for _, name := range good {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := ParseNotice(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if string(n.Data) != string(data) {
			t.Errorf("%s: other bytes", name)
		}
		if want := strings.TrimSuffix(filepath.Base(name), ".json"); !strings.HasPrefix(want, n.Kind) {
			t.Errorf("%s is a %s", name, n.Kind)
		}
	}
	var bad []struct{ From, Replace, By, Why string }
	src, err := os.ReadFile("testdata/notices-refused.txt")
	if err != nil {
		t.Fatal(err)
	}
	dec := jsontext.NewDecoder(strings.NewReader(string(src)))
	for dec.PeekKind() == '{' {
		var b struct{ From, Replace, By, Why string }
		if err := json.UnmarshalDecode(dec, &b, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		bad = append(bad, b)
	}
	if len(bad) < 10 {
		t.Fatalf("%d refused vectors", len(bad))
	}
	for _, b := range bad {
		data, err := os.ReadFile("testdata/notices/" + b.From)
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.Replace(string(data), b.Replace, b.By, 1)
		if edited == string(data) {
			t.Errorf("%s holds no %s", b.From, b.Replace)
			continue
		}
		if _, err := ParseNotice([]byte(edited)); !errors.Is(err, ErrNotice) || !strings.Contains(err.Error(), b.Why) {
			t.Errorf("%s, %s → %s: %v, want %q", b.From, b.Replace, b.By, err, b.Why)
		}
	}
}

// writeVectors makes the vectors anew, from a small incident.
func writeVectors(t *testing.T) {
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "v.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := room(t, db)
	ctx := t.Context()
	if _, err := s.Create(ctx, by, parse(t, `
id: shop-2026
zone: "+09:00"
asOf: "2026-03-01T10:00"
facts:
  - {key: title, value: {ja: 会員情報の流出, en: Exposed accounts}}
  - {key: affected.count, value: 1690000, unit: accounts, qualifier: about}
  - {key: excluded, id: foreign, value: {ja: 国外, en: abroad}}
  - {key: addendum, id: "1", at: "2026-03-02T16:00", asOf: "2026-03-02T16:00", value: {ja: 数が確定しました。, en: The number is settled.}}
  - {key: affected.count, value: 1692496, unit: accounts, asOf: "2026-03-02T16:00"}
  - {key: excluded, id: foreign, retract: true, asOf: "2026-03-03"}
  - {key: affected.count, value: 1692495, unit: accounts, asOf: "2026-03-03T09:00"}
`)); err != nil {
		t.Fatal(err)
	}
	for i, v := range []struct {
		name string
		Draft
	}{
		{"first", Draft{Kind: KindFirst, AsOf: time.Date(2026, 3, 1, 1, 0, 0, 0, time.UTC)}},
		{"addendum", Draft{Kind: KindAddendum, Item: "1"}},
		{"correction", Draft{Kind: KindCorrection}},
		{"retraction", Draft{Kind: KindRetraction, About: 2, Text: Text{"追記を取り下げます。対象は{{affected.count}}です。", "The addendum is withdrawn: {{affected.count}}."}}},
		{"revision", Draft{Kind: KindRevision, Text: Text{"# {{title}}\n\n{{affected.count}}", "# {{title}}\n\n{{affected.count}}"}}},
	} {
		n, err := s.Compose(ctx, "shop-2026", v.Draft)
		if err != nil {
			t.Fatal(err)
		}
		recordAt(t, s, db, n, int64(i))
		if err := os.WriteFile("testdata/notices/"+v.name+".json", n.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzRender feeds texts to the references: an error has a place and a remedy, and what comes out is safe to show.
func FuzzRender(f *testing.F) {
	file, err := ParseFactsFile("f", ModelCase())
	if err != nil {
		f.Fatal(err)
	}
	inc := Incident{ID: file.ID, Facts: current(file.Facts)}
	for _, seed := range []string{"{{title}}", "{{action reset-1 promised short}}", "{{{{title}}}}", "{\\{title}}", "{{action  reset-2\tline }}", "{{data-class password:hashed}}", "{{", "}}{{contact url}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, lang := range []web.Lang{web.JA, web.EN} {
			out, err := inc.Render(lang, "f", text)
			if err != nil {
				if !errors.Is(err, ErrNotice) || hint.Of(err) == "" || strings.Contains(err.Error(), "\n") {
					t.Fatalf("error without place or remedy: %q", err)
				}
				return
			}
			if len(out) > MaxNotice+maxText {
				t.Fatal("too long")
			}
			if _, err := HTML(out); err != nil {
				t.Fatal(err)
			}
			if _, err := inc.referred("f", text); err != nil {
				t.Fatalf("rendered, and not found again: %v", err)
			}
		}
	})
}

package compose

import (
	"database/sql"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// by is who acts in tests.
var by = actor.Operator()

// room opens a room on db.
func room(t *testing.T, db *store.DB) *incident.Incidents {
	t.Helper()
	s, err := incident.New(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t testing.TB, src string) *incident.FactsFile {
	t.Helper()
	file, err := incident.ParseFactsFile("facts.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// held is the incident of a file as it is once it is recorded.
func held(t *testing.T, src string) subject {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "held.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	inc, err := room(t, db).Create(t.Context(), by, parse(t, src))
	if err != nil {
		t.Fatal(err)
	}
	return subject{inc}
}

var update = flag.Bool("update", false, "write the vectors of notices anew")

// recordAt stores a composed notice the way publishing does, without a ledger.
func recordAt(t *testing.T, s *incident.Incidents, db *store.DB, n incident.Notice, at int64) incident.Notice {
	t.Helper()
	if err := db.Update(t.Context(), func(tx *sql.Tx) error { return s.RecordNotice(t.Context(), tx, n, at) }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Public().Notice(t.Context(), n.ID); !errors.Is(err, incident.ErrNoNotice) {
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
func modelNotices(t *testing.T, s *incident.Incidents, db *store.DB) []incident.Notice {
	t.Helper()
	ctx := t.Context()
	if _, err := s.Create(ctx, by, parse(t, string(incident.ModelCase()))); err != nil {
		t.Fatal(err)
	}
	disclosed := time.Date(2013, 7, 19, 7, 0, 0, 0, time.UTC)
	first, err := Notice(ctx, s, "naver-2013", Draft{Kind: incident.KindFirst, AsOf: disclosed})
	if err != nil {
		t.Fatal(err)
	}
	recordAt(t, s, db, first, 0)
	for i, item := range []string{"1", "2", "3", "4", ""} {
		n, err := Notice(ctx, s, "naver-2013", Draft{Kind: incident.KindAddendum, Item: item})
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
		if list[0].Kind != incident.KindFirst || list[0].Format != 1 {
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
			if n.Kind != incident.KindAddendum || n.Format != 2 || n.About != 1 {
				t.Errorf("%s is %s about %d", n.ID, n.Kind, n.About)
			}
			if !strings.Contains(n.Text.JA, want.ja) || !strings.Contains(n.Text.EN, want.en) {
				t.Errorf("%s does not say %q and %q:\n%s\n%s", n.ID, want.ja, want.en, n.Text.JA, n.Text.EN)
			}
			if strings.Contains(n.Text.JA+n.Text.EN, "{{") {
				t.Errorf("%s shows a reference", n.ID)
			}
		}
		if rest, err := s.Unpublished(t.Context(), "naver-2013", time.Time{}); err != nil || len(rest) != 0 {
			t.Errorf("not published: %v, %v", rest, err)
		}
		if _, err := Notice(t.Context(), s, "naver-2013", Draft{Kind: incident.KindAddendum}); !errors.Is(err, ErrNothingNew) || hint.Of(err) == "" {
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
		if _, err := Notice(ctx, s, "a", Draft{Kind: incident.KindCorrection}); !errors.Is(err, incident.ErrNotice) || !strings.Contains(hint.Of(err), "shirase publish") {
			t.Errorf("a correction of nothing: %v", err)
		}
		first, err := Notice(ctx, s, "a", Draft{Kind: incident.KindFirst})
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
		n, err := Notice(ctx, s, "a", Draft{Kind: incident.KindCorrection})
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
			{Draft{Kind: incident.KindRetraction}, "which version"},
			{Draft{Kind: incident.KindRetraction, About: 2}, "say why"},
			{Draft{Kind: incident.KindRetraction, About: 3, Text: language.Both("甲", "a")}, "version 3"},
			{Draft{Kind: incident.KindFirst}, "first notice already"},
			{Draft{Kind: "adendum"}, "no kind"},
			{Draft{Kind: incident.KindAddendum, Item: "9"}, "not recorded"},
		} {
			_, err := Notice(ctx, s, "a", d.Draft)
			if err == nil || !strings.Contains(err.Error(), d.problem) && !strings.Contains(err.Error(), "no item") || hint.Of(err) == "" {
				t.Errorf("%+v: %v (%s)", d.Draft, err, hint.Of(err))
			}
		}
		n, err = Notice(ctx, s, "a", Draft{Kind: incident.KindRetraction, About: 2, Text: language.Both("数え方を誤りました。{{affected.count digits}}", "Miscounted: {{affected.count digits}}.")})
		if err != nil {
			t.Fatal(err)
		}
		recordAt(t, s, db, n, 2)
		if _, err := Notice(ctx, s, "a", Draft{Kind: incident.KindAddendum, About: 2, Text: language.Both("甲", "a")}); !errors.Is(err, incident.ErrNotice) || !strings.Contains(err.Error(), "withdrawn by version 3") {
			t.Errorf("an addendum to what was withdrawn: %v", err)
		}
		list, err := s.Notices(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		st := incident.Standings(list)
		if !slices.Equal(st[1].Corrected, []int64{2}) || st[2].Withdrawn != 3 || st[1].Superseded || !st[2].Superseded {
			t.Errorf("standings %+v", st)
		}
	})
}

func TestNotice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		ctx := t.Context()
		inc, err := s.Create(ctx, by, parse(t, string(incident.ModelCase())))
		if err != nil {
			t.Fatal(err)
		}
		n, err := Whole(ctx, s, inc, Figures{Time: time.Unix(1_774_000_000, 0), Accounts: 1692496, URL: "https://notice.example/", Demonstration: true})
		if err != nil {
			t.Fatal(err)
		}
		if n.ID != "naver-2013-v1" || n.Kind != "first" || n.LedgerIndex != -1 {
			t.Errorf("%s %s %d", n.ID, n.Kind, n.LedgerIndex)
		}
		if _, err := s.Public().Notice(ctx, n.ID); !errors.Is(err, incident.ErrNoNotice) {
			t.Errorf("a prepared notice is published: %v", err)
		}
		again, err := Whole(ctx, s, inc, Figures{Time: time.Unix(1_774_000_000, 0), Accounts: 1692496, URL: "https://notice.example/", Demonstration: true})
		if err != nil || string(again.Data) != string(n.Data) {
			t.Errorf("prepared twice, the bytes differ (%v)", err)
		}
		if err := db.Update(ctx, func(tx *sql.Tx) error { return errors.Join(s.RecordNotice(ctx, tx, n, 7), s.Serve(ctx, tx, 8)) }); err != nil {
			t.Fatal(err)
		}
		got, err := s.Public().Notice(ctx, n.ID)
		if err != nil || got.LedgerIndex != 7 || string(got.Data) != string(n.Data) || got.Text != n.Text || len(got.Facts) != len(inc.Facts) {
			t.Errorf("read back: %v, %v", got.ID, err)
		}
		if next, err := Whole(ctx, s, inc, Figures{}); err != nil || next.ID != "naver-2013-v2" || next.Kind != "revision" {
			t.Errorf("next: %s %s, %v", next.ID, next.Kind, err)
		}
		if list, err := s.Notices(ctx, inc.ID); err != nil || len(list) != 1 {
			t.Errorf("%d notices, %v", len(list), err)
		}
		for _, id := range []string{"", "naver-2013", "naver-2013-v0", "naver-2013-v01", "naver-2013-v2", "-v1", "../x-v1", "naver-2013-v99999999999999999999"} {
			if _, err := s.Public().Notice(ctx, id); !errors.Is(err, incident.ErrNoNotice) {
				t.Errorf("notice %q: %v", id, err)
			}
		}
		// An edit in the database does not pass for the notice.
		edited := strings.Replace(string(n.Data), "1692496", "1692495", 1)
		if _, err := db.ExecContext(ctx, `UPDATE incident_notice SET data = $1`, []byte(edited)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Public().Notice(ctx, n.ID); !errors.Is(err, incident.ErrNotice) {
			t.Errorf("an edited notice is shown: %v", err)
		}
	})
}

// TestModelNotice holds what the model case's notice has to say, in both languages.
func TestModelNotice(t *testing.T) {
	inc := held(t, string(incident.ModelCase()))
	figures := Figures{Time: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), Accounts: 1692496, URL: "https://notice.example/", Demonstration: true}
	ja, en := noticeJA(inc, figures), noticeEN(inc, figures)
	t.Log("\n" + ja + "\n" + en)
	for _, want := range []string{
		"# NAVER会員情報への不正アクセスに関するお知らせ", "LINE株式会社　2013年7月19日", "デモ",
		"2013年7月17日 20時51分から7月18日 10時57分まで: ", "7月18日 10時09分: ", "7月18日 10時57分: ", "7月18日 20時: ",
		"13時間18分", "48分", "約270万アカウント", "169万2,496アカウントが対象です",
		"NAVERまとめ、Nドライブ、NAVER Photo Album、pick、cafe", "日本以外", "OpenID", "LINEとlivedoor",
		"メールアドレス", "ハッシュ化されたパスワード", "ニックネーム",
		"2013年7月19日 16時現在", "お問い合わせ", "不正ログイン", "改ざん",
		"7月19日 18時（予定）: ", "予定どおりには行われませんでした", "7月19日 21時頃の予定どおり", "7月20日の予定どおり", "8月2日 15時: ", "解除",
		"2013年7月19日 18時30分: ", "- 7月19日 21時09分: ", "- 7月20日 1時: ", "- 7月20日 19時20分: ",
		"<http://help.naver.jp/faq?itemNo=1287>", "<http://linecorp.com/press/2013/0719581>", "<https://notice.example/>",
	} {
		if !strings.Contains(ja, want) {
			t.Errorf("the Japanese notice does not say %q", want)
		}
	}
	for _, want := range []string{
		"LINE Corporation, 19 July 2013", "demonstration", "From 17 July 2013, 20:51 to 18 July, 10:57",
		"13 hours 18 minutes", "48 minutes", "1,692,496 accounts are affected, of about 2,700,000 accounts in all",
		"NAVER Matome, N Drive, NAVER Photo Album, pick and cafe", "Hashed password", "As of 19 July 2013, 16:00, no sign",
		"19 July, 18:00 (planned): ", "this promise was not kept", "as promised for 19 July, about 21:00", "as promised for 20 July", "2 August, 15:00: ", "lifted", "20 July, 19:20: ",
	} {
		if !strings.Contains(en, want) {
			t.Errorf("the English notice does not say %q", want)
		}
	}
}

// TestSparseNotice renders a notice of hardly any facts: no empty section, no dangling sentence.
func TestSparseNotice(t *testing.T) {
	for _, src := range []string{
		`{id: a, facts: [{key: alias, value: x}]}`,
		`{id: a, facts: [{key: discovered, value: "2013-07-18T10:09+09:00"}, {key: affected.count, value: 88, unit: persons}]}`,
		`{id: a, facts: [{key: window.end, value: "2013-07"}, {key: cause, value: unknown}, {key: scope.state, value: investigating}]}`,
	} {
		inc := held(t, src)
		for _, text := range []string{noticeJA(inc, Figures{Time: time.Unix(0, 0)}), noticeEN(inc, Figures{Time: time.Unix(0, 0)})} {
			lines := strings.Split(strings.TrimSpace(text), "\n")
			for i, line := range lines {
				if strings.HasPrefix(line, "## ") && (i+2 >= len(lines) || strings.HasPrefix(lines[i+2], "#")) {
					t.Errorf("an empty section %q in\n%s", line, text)
				}
			}
			if strings.Contains(text, "<nil>") || strings.Contains(text, "%!") || strings.Contains(text, ": \n") {
				t.Errorf("not well formed:\n%s", text)
			}
		}
	}
}

// TestHostileFacts holds that what facts say never becomes markup.
func TestHostileFacts(t *testing.T) {
	for _, hostile := range []string{
		`<script>alert(1)</script>`, `[x](javascript:alert(1))`, `![x](https://tracker.example/x.png)`, `</h1><img src=x onerror=alert(1)>`,
		"# heading", "1. item", "- item", "**bold** _it_ `code` ~~no~~", "a | b", "&lt;b&gt; &amp;", "<https://elsewhere.example>", "= =", "\\<b>",
	} {
		twice := language.Same(hostile)
		inc := subject{incident.Incident{ID: "a", Facts: []incident.Fact{
			{Key: "title", Value: incident.Value{Text: twice}}, {Key: "organisation", Value: incident.Value{Text: twice}},
			{Key: "excluded", Value: incident.Value{Text: twice}}, {Key: "addendum", Value: incident.Value{Text: twice, Time: incident.Moment{Time: time.Unix(0, 0).UTC(), Precision: incident.Day}}},
			{Key: "contact", Value: incident.Value{Text: twice, Telephone: hostile, Hours: twice}},
			{Key: "source", Value: incident.Value{Text: twice}}, {Key: "service", Value: incident.Value{Text: twice, Status: "affected"}},
		}}}
		for _, source := range []string{noticeJA(inc, Figures{}), noticeEN(inc, Figures{})} {
			html, err := incident.HTML(source)
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range []string{"<script", "<img", "javascript:alert(1)\"", "<strong>", "<em>", "<code>", "<b>", "<a ", "omitted"} {
				if strings.Contains(string(html), bad) {
					t.Errorf("%q became %s in\n%s", hostile, bad, html)
				}
			}
			if n := strings.Count(string(html), "<h1"); n != 1 {
				t.Errorf("%q: %d first headings", hostile, n)
			}
		}
	}
}

// TestVectors composes the vectors of notices from a small incident: what each holds is what it held when it was written
// (-update writes them anew). Only the words of a text that nobody wrote by hand may have become others since.
func TestVectors(t *testing.T) {
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
		{"first", Draft{Kind: incident.KindFirst, AsOf: time.Date(2026, 3, 1, 1, 0, 0, 0, time.UTC)}},
		{"addendum", Draft{Kind: incident.KindAddendum, Item: "1"}},
		{"correction", Draft{Kind: incident.KindCorrection}},
		{"retraction", Draft{Kind: incident.KindRetraction, About: 2, Text: language.Both("追記を取り下げます。対象は{{affected.count}}です。", "The addendum is withdrawn: {{affected.count}}.")}},
		{"revision", Draft{Kind: incident.KindRevision, Text: language.Same("# {{title}}\n\n{{affected.count}}")}},
	} {
		v.Draft.Time = time.Date(2026, 4, 1, 3, 4, 5, 0, time.UTC)
		n, err := Notice(ctx, s, "shop-2026", v.Draft)
		if err != nil {
			t.Fatal(err)
		}
		recordAt(t, s, db, n, int64(i))
		name := "../testdata/notices/" + v.name + ".json"
		if *update {
			if err := os.WriteFile(name, n.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		was, err := incident.ParseNotice(data)
		if err != nil {
			t.Fatal(err)
		}
		if n, err = incident.ParseNotice(n.Data); err != nil {
			t.Fatal(err)
		}
		if v.Draft.Text == (language.Text{}) {
			n.Text, n.Draft = was.Text, was.Draft
		}
		n.Data, was.Data = nil, nil
		if !reflect.DeepEqual(n, was) {
			t.Errorf("%s: %+v, was %+v", v.name, n, was)
		}
	}
}

// byYear is an incident of which years are known, and one day.
const byYear = `
id: by-year
zone: "+09:00"
asOf: "2016-05-10"
facts:
  - {key: organisation, value: Alpha}
  - {key: title, value: By the year}
  - {key: window.start, value: 2013}
  - {key: window.end, value: "2015", qualifier: about}
  - {key: discovered, value: "2015"}
  - {key: contained, value: "2016-03-02"}
`

// TestYear: a time that is known by its year is written as a year, and never as the first of January.
func TestYear(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		inc, err := s.Create(t.Context(), by, parse(t, byYear))
		if err != nil {
			t.Fatal(err)
		}
		for lang, want := range map[language.Lang][]string{
			language.JA: {"2013年から2015年頃まで", "- 2015年"},
			language.EN: {"From 2013 to about 2015: ", "- 2015: "},
		} {
			n, err := Whole(t.Context(), s, inc, Figures{Time: time.Date(2016, 5, 10, 0, 0, 0, 0, time.UTC)})
			if err != nil {
				t.Fatal(err)
			}
			text := n.Text.In(lang)
			for _, w := range append(want, lang.Pick("2016年3月2日", "2 March 2016")) {
				if !strings.Contains(text, w) {
					t.Errorf("%s: no %q in\n%s", lang, w, text)
				}
			}
			if strings.Contains(text, "1月1日") || strings.Contains(text, "January") {
				t.Errorf("%s: a day is made up\n%s", lang, text)
			}
		}
	})
}

// FuzzTexts holds that whatever a facts file can say becomes a text in both languages that pages can show.
func FuzzTexts(f *testing.F) {
	f.Add(incident.ModelCase())
	f.Add([]byte(byYear))
	f.Add([]byte(`{id: a, facts: [{key: window.end, value: "2013-07"}, {key: cause, value: unknown}, {key: scope.state, value: investigating}]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := incident.ParseFactsFile("f", src)
		if err != nil {
			return
		}
		inc := subject{incident.Incident{ID: file.ID, Facts: file.Facts}}
		for _, source := range []string{noticeJA(inc, Figures{Time: time.Unix(0, 0)}), noticeEN(inc, Figures{Time: time.Unix(0, 0)})} {
			if _, err := incident.HTML(source); err != nil {
				t.Fatal(err)
			}
		}
	})
}

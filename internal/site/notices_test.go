package site

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/incident"
)

// pageText is the words of a page, without its markup.
func pageText(body string) string {
	body = regexp.MustCompile(`(?s)<(script|template)[^>]*>.*?</(script|template)>`).ReplaceAllString(body, "")
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, ""))
}

// TestNoticePages holds what each kind of notice says at its top, and where it leads.
func TestNoticePages(t *testing.T) {
	w := fullWorld(t)
	for _, c := range []struct {
		path  string
		wants []string
		links []string
	}{
		{"/notices/naver-2013-v1", []string{"第1版（初版）", "このお知らせへの追記・訂正", "本日21時ごろの予定となりました", "第2版"}, []string{"/notices/naver-2013-v6?lang=ja", "/notices/naver-2013-v1?against=6&amp;lang=ja#diff"}},
		{"/notices/naver-2013-v2", []string{"これは、第1版への追記です", "shirase verify notice.json --proof notice.proof"}, []string{"/notices/naver-2013-v1?lang=ja"}},
		{"/notices/naver-2013-v6", []string{"解除した措置", "パスワードの再設定を必須とする措置（解除）"}, nil},
		{"/notices/example-school-v1", []string{"このお知らせには訂正があります", "これは以前の版です"}, []string{"/notices/example-school-v2?lang=ja", "/notices/example-school-v5?lang=ja"}},
		{"/notices/example-school-v2", []string{"これは、第1版の訂正です", "訂正した事実", "約500人", "549人"}, []string{"/notices/example-school-v1?lang=ja"}},
		{"/notices/example-school-v3", []string{"このお知らせは取り下げられました", "全員に連絡しました"}, []string{"/notices/example-school-v4?lang=ja"}},
		{"/notices/example-school-v4", []string{"これは、第3版の取り下げです", "549人のうち一部です"}, []string{"/notices/example-school-v3?lang=ja"}},
		{"/notices/example-school-v1?against=5", []string{"第1版までと第5版までの違い", "対象の数", "文面の違い", "[+549+]"}, nil},
	} {
		sep := "?"
		if strings.Contains(c.path, "?") {
			sep = "&"
		}
		body := w.get("GET", c.path+sep+"lang=ja").Body.String()
		text := pageText(body)
		for _, want := range c.wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", c.path, want)
			}
		}
		for _, link := range c.links {
			if !strings.Contains(body, `href="`+link+`"`) {
				t.Errorf("%s does not lead to %s", c.path, link)
			}
		}
	}
	for _, path := range []string{"/notices/naver-2013-v1?against=7", "/notices/naver-2013-v1?against=1", "/notices/naver-2013-v1?against=-1", "/notices/naver-2013-v1?against=x", "/notices/naver-2013-v1?against=99999999999999999999"} {
		if rec := w.get("GET", path); rec.Code != 404 {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
}

// TestLaterInOrder: addenda stand in the order of the times that they give, whatever the order of their publication.
func TestLaterInOrder(t *testing.T) {
	w := fullWorld(t)
	body := pageText(w.get("GET", "/notices/naver-2013-v1?lang=en").Body.String())
	at := 0
	for _, want := range []string{"19 July 2013, 18:30", "19 July 2013, 21:09", "20 July 2013, 01:00", "20 July 2013, 19:20", "Version 6"} {
		section := body[strings.Index(body, "What was added to this notice"):]
		i := strings.Index(section, want)
		if i < at {
			t.Errorf("%q stands out of order", want)
		}
		at = i
	}
}

// TestHelpPage holds what somebody who is affected finds there, and that its as-of is at its top.
func TestHelpPage(t *testing.T) {
	w := fullWorld(t)
	for lang, wants := range map[string][]string{
		"ja": {"2013年8月2日 15時現在", "最新の追記", "再び設置しました", "対象となった方に、していただきたいこと", "予定より遅れ", "解除", "19日 21時頃の予定", "サービスの状況", "NAVERまとめ",
			"まだ分かっていないこと", "その後の記録がありません", "お客様お問い合わせ窓口", "http://help.naver.jp/faq?itemNo=1287"},
		"en": {"As of 2 August 2013, 15:00", "The newest addendum", "later than promised", "lifted", "promised for about 19 July 2013, 21:00", "what became of it is not recorded"},
	} {
		text := pageText(w.get("GET", "/incidents/naver-2013/help?lang="+lang).Body.String())
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the help page does not say %q", lang, want)
			}
		}
	}
	if rec := w.get("GET", "/incidents/nowhere/help"); rec.Code != 404 {
		t.Errorf("help for nothing: %d", rec.Code)
	}
}

// TestRecordedPage: what others published is never shown as a notice of theirs, its source is kept, and the
// organisation can correct and reply.
func TestRecordedPage(t *testing.T) {
	w := fullWorld(t)
	body := w.get("GET", "/incidents/example-shop?lang=ja").Body.String()
	text := pageText(body)
	for _, want := range []string{"ここでは確認できません", "署名もしていません", "組織からの回答", "閲覧の記録を調べています", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"会員ページの設定に誤りがあり", "CC BY 4.0", "2026年5月18日", "desk@notice.example"} {
		if !strings.Contains(text, want) {
			t.Errorf("the record does not say %q", want)
		}
	}
	if strings.Contains(body, `id="notices"`) || strings.Contains(body, "/notices/") {
		t.Error("a record is shown as a notice")
	}
	if strings.Index(text, "組織からの回答") > strings.Index(text, "記録している事実") {
		t.Error("the reply stands below the facts")
	}
	if !strings.Contains(body, `href="mailto:desk@notice.example?subject=`) {
		t.Error("there is no way to correct it")
	}
}

// TestIncidentHistory: what was said before stands beside what holds, and what cannot be found by a check is counted.
func TestIncidentHistory(t *testing.T) {
	w := fullWorld(t)
	text := pageText(w.get("GET", "/incidents/example-school?lang=ja").Body.String())
	for _, want := range []string{"事実の移り変わり", "約500人", "549人", "2026年6月2日 16時現在"} {
		if !strings.Contains(text, want) {
			t.Errorf("the history does not say %q", want)
		}
	}
	text = pageText(w.get("GET", "/incidents/naver-2013?lang=ja").Body.String())
	for _, want := range []string{"アドレスの登録がないアカウント", "読み取れなかった行", "予定どおりには行われませんでした", "その後の記録がありません", "確かさ", "可能性あり"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestData reads the JSON-LD of every page that has one.
func TestData(t *testing.T) {
	w := fullWorld(t)
	for path, kind := range map[string]string{"/incidents/naver-2013": "Report", "/notices/example-school-v1": "Article", "/notices/example-school-v3": "Article", "/incidents/example-shop": "Report"} {
		body := w.get("GET", path+"?lang=ja").Body.String()
		m := regexp.MustCompile(`(?s)<script type="application/ld\+json">(.*?)</script>`).FindStringSubmatch(body)
		if m == nil {
			t.Errorf("%s has no data", path)
			continue
		}
		var v map[string]any
		if err := json.Unmarshal([]byte(m[1]), &v); err != nil {
			t.Errorf("%s: %v: %s", path, err, m[1])
			continue
		}
		if v["@context"] != "https://schema.org" || v["@type"] != kind || v["inLanguage"] != "ja" {
			t.Errorf("%s: %v", path, v)
		}
		if path == "/notices/example-school-v1" && v["correction"] == nil || path == "/notices/example-school-v3" && v["creativeWorkStatus"] != "Withdrawn" {
			t.Errorf("%s does not tell programs what came of it: %v", path, v)
		}
	}
	hostile := newWorld(t, nil, "id: a\nfacts:\n  - {key: title, value: '</script><script>alert(1)</script>'}\n")
	if body := hostile.get("GET", "/incidents/a").Body.String(); strings.Contains(body, "<script>alert") {
		t.Error("a title ends the data block")
	}
}

// TestCompare holds the difference of two texts: putting the edits together gives each of them back.
func TestCompare(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"a b c\n", "a b c\n", "a b c"},
		{"対象は約169万件です。\n", "対象は169万2,496件です。\n", "対象は[−約−]169万[+2,496+]件です。"},
		{"one two three\n", "one 2 three\n", "one [−two−][+2+] three"},
		{"a\nb\nc\n", "a\nc\nd\n", "a\n[−b−]\nc\n[+d+]"},
		{"", "x", "[+x+]"},
		{"<b>\n", "<i>\n", "&lt;[−b−][+i+]&gt;"},
	} {
		got := string(diffHTML(c.a, c.b, []string{"", ""}))
		plain := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(got, "")
		if strings.TrimSpace(plain) != c.want {
			t.Errorf("%q → %q: %q, want %q", c.a, c.b, plain, c.want)
		}
	}
	big := make([]string, 5000)
	for i := range big {
		big[i] = strings.Repeat("x", i%7+1)
	}
	other := slices.Clone(big)
	slices.Reverse(other)
	checkEdits(t, big, other)
}

func checkEdits(t *testing.T, a, b []string) {
	t.Helper()
	var from, to strings.Builder
	for _, e := range compare(a, b) {
		if e.op <= 0 {
			from.WriteString(e.text)
		}
		if e.op >= 0 {
			to.WriteString(e.text)
		}
	}
	if from.String() != strings.Join(a, "") || to.String() != strings.Join(b, "") {
		t.Fatalf("%q and %q are not given back", a, b)
	}
}

// FuzzCompare: whatever the texts, the difference gives both back and has no markup of theirs.
func FuzzCompare(f *testing.F) {
	f.Add("a\nb", "a\nc")
	f.Add("約169万件", "169万2,496件")
	f.Add("<script>", "\n\n\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		checkEdits(t, lines(a), lines(b))
		checkEdits(t, words(a), words(b))
		if strings.Contains(string(diffHTML(a, b, []string{"", ""})), "<script") {
			t.Fatal("markup")
		}
	})
}

// TestProblemPages: every code that a door answers with is explained, and no other.
func TestProblemPages(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	out, err := exec.Command("git", "-C", "../..", "grep", "-hoE", `web\.Problem\{[^}]*Code: *"[a-z-]+"|Problem\{Status: [^}]*Code: "[a-z-]+"`, "--", "*.go", ":!*_test.go").Output()
	if err != nil {
		t.Skip(err)
	}
	w := fullWorld(t)
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`Code: *"([a-z-]+)"`).FindAllSubmatch(bytes.TrimSpace(out), -1) {
		seen[string(m[1])] = true
	}
	if len(seen) < 5 {
		t.Fatalf("found only %v", seen)
	}
	for code := range seen {
		if rec := w.get("GET", "/problems/"+code); rec.Code != 200 {
			t.Errorf("/problems/%s: %d", code, rec.Code)
		}
	}
	if rec := w.get("GET", "/problems/other"); rec.Code != 404 {
		t.Errorf("a problem that there is not: %d", rec.Code)
	}
}

// TestImportedPage: what came from a data set says so, under whose name and licence, and never looks like a notice.
func TestImportedPage(t *testing.T) {
	w := fullWorld(t)
	file, err := incident.ParseFactsFile("f", []byte(`{id: other-2020, asOf: "2020-02-03", facts: [{key: title, value: Other}, {key: data-class, value: email}]}`))
	if err != nil {
		t.Fatal(err)
	}
	rows := []incident.Record{{Dataset: "example", ExternalID: "1", ID: file.ID, Facts: file.Facts, AsOf: file.Facts[0].AsOf, Licence: "CC BY 4.0", Attribution: "Example Breach List", URL: "https://list.example/1"}}
	counts, err := w.incidents.Import(t.Context(), actor.Operator(), func() (incident.Record, error) {
		if len(rows) == 0 {
			return incident.Record{}, io.EOF
		}
		r := rows[0]
		rows = rows[1:]
		return r, nil
	}, incident.ImportOptions{})
	if err != nil || counts.Imported != 1 {
		t.Fatalf("%+v, %v", counts, err)
	}
	body := w.get("GET", "/incidents/other-2020?lang=en").Body.String()
	text := pageText(body)
	for _, want := range []string{"cannot be checked here", "is not signed", "imported from Example Breach List", "Licence: CC BY 4.0", "recorded from a source"} {
		if !strings.Contains(text, want) {
			t.Errorf("the record does not say %q", want)
		}
	}
	if !strings.Contains(body, `href="https://list.example/1"`) || strings.Contains(body, `id="notices"`) || strings.Contains(text, "The official notice says what this page says") {
		t.Error("the record does not lead to its source, or looks like a notice")
	}
}

// TestSourcesInWords: the column of sources says in the reader's language what the house counted, and not by which of its own numbers.
func TestSourcesInWords(t *testing.T) {
	w := newWorld(t, nil, `id: shop
asOf: "2026-11-20T16:00+09:00"
facts:
  - {key: organisation, value: Shop}
  - {key: title, value: A case}
  - {key: secondary-damage, value: login, status: none-confirmed, source: "login logs, evidence 12"}
  - {key: affected.count, value: 7, unit: accounts, source: "scope, run 31"}
  - {key: persons-notified, value: "2026-11-19", source: "campaigns c-abcdefghij"}
`)
	for lang, names := range map[string][]string{"ja": {"ログインの記録の調査", "対象の集計", "お知らせの送信の記録"}, "en": {"a search of login logs", "the count of those affected", "the records of who was told"}} {
		text := pageText(w.get("GET", "/incidents/shop?lang="+lang).Body.String())
		for _, want := range names {
			if !strings.Contains(text, want) {
				t.Errorf("in %s no source is called %s", lang, want)
			}
		}
		for _, private := range []string{"evidence 12", "run 31", "c-abcdefghij"} {
			if strings.Contains(text, private) {
				t.Errorf("the page says %s", private)
			}
		}
	}
}

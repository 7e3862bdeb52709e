package site

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
)

func TestArchivePage(t *testing.T) {
	w := fullWorld(t)
	for _, c := range []struct {
		query, lang string
		status      int
		wants       []string
		not         []string
	}{
		{"", "ja", 200, []string{"ここに記録している公表は、4件です。", "LINE株式会社", "確認できます", `href="/feeds/atom.xml"`, "情報の種類"}, []string{"noindex", "ここでは確認できません"}},
		{"?q=%E3%83%8D%E3%82%A4%E3%83%90%E3%83%BC", "ja", 200, []string{"1件が見つかりました。", "NAVER会員情報への不正アクセス", "noindex", `value="ネイバー"`}, []string{"例示商店"}},
		{"?cause=ransomware", "en", 200, []string{"1 incident was found.", "Ransomware at a contractor", "Remove all", `name="cause" value="ransomware"`, "under investigation"}, []string{"noindex"}},
		{"?q=xyzzy", "en", 200, []string{"Nothing was found.", "fewer or shorter words", "See the whole archive"}, []string{"<table"}},
		{"?q=user1@example.com", "en", 200, []string{"An e-mail address cannot be searched for here."}, []string{"user1@example.com"}},
		{"?year=twelve", "en", 400, []string{"The search was not made."}, []string{"twelve"}},
		{"?q=" + strings.Repeat("a", 300), "ja", 400, []string{"検索の言葉が長すぎます。"}, nil},
		{"?cursor=AAAA", "ja", 400, []string{"最初のページから"}, nil},
		{"?organisation=line", "en", 200, []string{"1 incident was found.", `name="organisation" value="line"`}, nil},
		{"?q=" + url.QueryEscape(`"><script>alert(1)</script>`), "en", 200, []string{"Nothing was found."}, []string{"<script>alert"}},
		{"?q=" + url.QueryEscape("\u202eNAVER\u0000"), "en", 200, []string{"1 incident was found."}, []string{"\u202e"}},
		{"?limit=1", "en", 200, []string{`rel="next"`, "Next page"}, nil},
	} {
		target := "/incidents" + c.query
		if strings.Contains(target, "?") {
			target += "&lang=" + c.lang
		} else {
			target += "?lang=" + c.lang
		}
		rec := w.get("GET", target)
		if rec.Code != c.status {
			t.Errorf("%s: %d", target, rec.Code)
		}
		for _, want := range c.wants {
			if !strings.Contains(rec.Body.String(), want) {
				t.Errorf("%s does not say %q", target, want)
			}
		}
		for _, not := range c.not {
			if strings.Contains(rec.Body.String(), not) {
				t.Errorf("%s says %q", target, not)
			}
		}
	}
	// Every page after another shows the rest.
	seen, target := 0, "/incidents?limit=1"
	for range 5 {
		body := w.get("GET", target).Body.String()
		seen += strings.Count(body, `class="title"`)
		next := regexp.MustCompile(`rel="next" href="([^"]*)"`).FindStringSubmatch(body)
		if next == nil {
			break
		}
		target = strings.ReplaceAll(next[1], "&amp;", "&")
	}
	if seen != 4 {
		t.Errorf("%d incidents on the pages, of 4", seen)
	}
}

func TestOrganisationPage(t *testing.T) {
	w := newWorld(t, nil, string(incident.ModelCase()), `
id: line-2020
facts:
  - {key: organisation, value: {ja: ネイバー, en: NAVER}}
  - {key: title, value: Another one}
  - {key: discovered, value: "2020-02-01"}
  - {key: disclosed, value: "2020-02-04"}
`)
	body := w.get("GET", "/organisations/line?lang=en").Body.String()
	for _, want := range []string{"NAVER", "Another one", "Unauthorised access to NAVER accounts", "<b>2<small>days</small></b>", "of 2 where both are known", "/feeds/atom.xml?lang=en&amp;organisation=line", `"@type":"Organization"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, id := range []string{"nobody", "..", "%00", "LINE"} {
		if rec := w.get("GET", "/organisations/"+id); rec.Code != http.StatusNotFound && rec.Code/100 != 3 {
			t.Errorf("%s: %d", id, rec.Code)
		}
	}
}

func TestMedianSpan(t *testing.T) {
	for _, c := range []struct {
		minutes []int64
		want    string
	}{{[]int64{0}, "0 days"}, {[]int64{1440}, "1 day"}, {[]int64{1440, 2880}, "1.5 days"}, {[]int64{60 * 5}, "5 hours"}, {[]int64{5760, 0, 2880}, "2 days"}} {
		if value, unit := medianSpan("en", c.minutes); value+" "+unit != c.want {
			t.Errorf("%v: %s %s, want %s", c.minutes, value, unit, c.want)
		}
	}
}

// TestRoughDates: a list writes no day of what is known to the month or the year, and tells programs as much.
func TestRoughDates(t *testing.T) {
	for _, c := range []struct{ at, ja, en string }{
		{"2013+09:00", `<time datetime="2013">2013年</time>`, `<time datetime="2013">2013</time>`},
		{"2013-07+09:00", `<time datetime="2013-07">2013年7月</time>`, `<time datetime="2013-07">July 2013</time>`},
		{"2013-07-18+09:00", `<time datetime="2013-07-18">2013年7月18日</time>`, `<time datetime="2013-07-18">18 July 2013</time>`},
		{"2013-07-18T10:09+09:00", `<time datetime="2013-07-18">2013年7月18日</time>`, `<time datetime="2013-07-18">18 July 2013</time>`},
	} {
		m, err := incident.ParseMoment(c.at, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := archive.Entry{ID: "a", Date: m.Time, DateKey: "window.start", DatePrecision: m.Precision}
		if ja, en := entryDate(language.JA, e), entryDate(language.EN, e); string(ja) != c.ja || string(en) != c.en {
			t.Errorf("%s: %s, %s", c.at, ja, en)
		}
		if n, ok := days(m, m); ok != (m.Precision <= incident.Day) {
			t.Errorf("%s: %d days, %v", c.at, n, ok)
		}
	}
}

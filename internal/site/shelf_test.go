package site

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/site/sitetest"
)

// rough is known to the year only, and its organisation has a name that is long, has what breaks paths and markup, and runs from right to left.
var rough = "id: rough-1\nasOf: \"2011-05-01\"\nfacts:\n  - {key: organisation, value: {ja: '" + roughName + "', en: 'A/B <Trust> ../x'}}\n" +
	"  - {key: title, value: {ja: 紛失, en: A loss}}\n  - {key: cause, value: lost-media}\n  - {key: disclosed, value: \"2011\"}\n"

var roughName = "שלום/../<b>" + strings.Repeat("長い名前", 60)

// TestShelves: what is public stands under its year, month, cause and sector, and each page leads to its neighbours, its feeds and what is narrower.
func TestShelves(t *testing.T) {
	w := newWorld(t, nil, sitetest.Full()...)
	file, err := incident.ParseFactsFile("rough.yaml", []byte(rough))
	if err != nil {
		t.Fatal(err)
	}
	w.Record(t, file)
	for path, wants := range map[string][]string{
		"/archive": {`href="/archive/2013"`, `href="/archive/2026-05"`, `href="/archive/cause/ransomware"`, `href="/archive/sector/unknown"`, "/archive/calendar.csv", "/feeds/atom.xml",
			"/feeds/feed.json", "2011年（月の記録なし）", `href="/incidents?month=unknown&amp;year=2011"`, "<svg"},
		"/archive/2026":                {`rel="canonical" href="https://notice.example/archive/2026"`, `href="/archive/2026-04"`, `href="/archive/2013" rel="prev"`, "/feeds/atom.xml?year=2026", `href="/incidents?cause=ransomware&amp;year=2026"`, "委託先のランサムウェア被害"},
		"/archive/2026-05":             {`href="/archive/2026-04" rel="prev"`, `href="/archive/2026-06" rel="next"`, "/feeds/feed.json?month=2026-05", "会員ページの設定の誤り", "【<bdi>例示商店</bdi>】</a>"},
		"/archive/2011":                {"2011年（月の記録なし）", "紛失"},
		"/archive/2011-05":             {"ここに記録がないことは、漏えいがなかったことを意味しません", `noindex`, `href="/archive/2013-07" rel="next"`},
		"/archive/cause/ransomware":    {"委託先のランサムウェア被害", "/feeds/atom.xml?cause=ransomware", `href="/incidents?cause=ransomware&amp;month=2026-04"`, `href="/incidents?cause=ransomware&amp;year=2026"`},
		"/incidents?year=2026":         {`rel="canonical" href="https://notice.example/archive/2026"`},
		"/incidents?organisation=line": {`rel="canonical" href="https://notice.example/organisations/line"`},
		"/incidents?month=2026-05":     {`rel="canonical" href="https://notice.example/archive/2026-05"`, "月：2026年5月"},
		"/organisations/line":          {"/feeds/atom.xml?organisation=line", `href="/archive"`},
	} {
		rec := w.get("GET", path)
		for _, want := range wants {
			if !strings.Contains(rec.Body.String(), want) {
				t.Errorf("%s has no %s", path, want)
			}
		}
		if rec.Code != http.StatusOK {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
	if body := w.get("GET", "/archive", "Accept-Language", "en").Body.String(); strings.Contains(body, "【") || !strings.Contains(body, "Example Shop") {
		t.Error("the English list has the Japanese form, or no organisation")
	}
	csv := w.get("GET", "/archive/calendar.csv").Body.String()
	if !strings.Contains(csv, "2026-05,1\r\n") || !strings.Contains(csv, "2011,1\r\n") {
		t.Errorf("calendar.csv: %s", csv)
	}
	for _, path := range []string{"/archive/20", "/archive/2026-13", "/archive/2026-5", "/archive/unknown", "/archive/cause/nothing", "/archive/cause/", "/archive/sector/..", "/archive/1", "/archive/2026-05-01", "/archive/2026%2F05",
		"/archive/cause/%E2%80%AE"} {
		if rec := w.get("GET", path); rec.Code != http.StatusNotFound && rec.Code/100 != 3 {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
}

// TestShelvesShowNoDraft: what is not published is in no list, no count and no calendar, until it is.
func TestShelvesShowNoDraft(t *testing.T) {
	w := newWorld(t, nil, sitetest.Full()...)
	file, err := incident.ParseFactsFile("draft.yaml", []byte("id: secret-1\nasOf: \"2019-03-01\"\nfacts:\n  - {key: organisation, value: 秘密商店}\n  - {key: title, value: 秘密}\n  - {key: cause, value: theft}\n  - {key: disclosed, value: \"2019-03-02\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.incidents.Create(t.Context(), actor.Operator(), file); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/archive", "/archive/2019", "/archive/2019-03", "/archive/cause/theft", "/archive/calendar.csv", "/organisations", "/feeds"} {
		if body := w.get("GET", path).Body.String(); strings.Contains(body, "秘密") || path != "/archive/2019" && strings.Contains(body, "/archive/2019\"") || strings.Contains(body, "2019-03,") {
			t.Errorf("%s shows a draft", path)
		}
	}
	if rec := w.get("GET", "/organisations/"+url.PathEscape("秘密商店")); rec.Code != http.StatusNotFound {
		t.Errorf("a draft's organisation is found by its name: %d", rec.Code)
	}
}

// TestOrganisationNamed: an organisation is found by each of its names, whatever is in them, and its page has one address.
func TestOrganisationNamed(t *testing.T) {
	w := newWorld(t, nil, sitetest.Full()...)
	file, err := incident.ParseFactsFile("rough.yaml", []byte(rough))
	if err != nil {
		t.Fatal(err)
	}
	w.Record(t, file)
	for name, want := range map[string]string{"LINE株式会社": "/organisations/line", "ネイバー": "/organisations/line", "line corporation": "/organisations/line", "A/B <Trust> ../x": "/organisations/a-b-trust-x",
		roughName[:len("שלום/../<b>")]: "", strings.Repeat("あ", 5000): "", "\xff": "", "..": "", "///": ""} {
		rec := w.get("GET", "/organisations/"+url.PathEscape(name))
		if to := rec.Header().Get("Location"); to != want && name != ".." || want == "" && rec.Code == http.StatusOK {
			t.Errorf("%.40q: %d to %q, want %q", name, rec.Code, to, want)
		}
	}
	rec := w.get("GET", "/organisations/a-b-trust-x")
	if body := rec.Body.String(); rec.Code != http.StatusOK || strings.Contains(body, "/../<b>") || !strings.Contains(body, "&lt;b&gt;長い名前") {
		t.Errorf("a hostile name: %d", rec.Code)
	}
}

// TestSourceStates: the page of an incident says how each source stands; of one that nobody looked at, that; and nothing of a page that its
// public facts do not name.
func TestSourceStates(t *testing.T) {
	var list []Watched
	w := newWorld(t, func(o *Options) {
		o.Watched = func(context.Context, string) ([]Watched, error) { return list, nil }
	}, sitetest.Full()...)
	at := func(day int) time.Time { return time.Date(2026, 6, day, 3, 0, 0, 0, time.UTC) }
	page := func() string { return w.get("GET", "/incidents/example-shop").Body.String() }
	const url, recorded, other = "https://shop.example/news/1", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "0f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	if body := page(); !strings.Contains(body, "見に行ったことはありません") || strings.Contains(body, "保存した日") {
		t.Error("a source that nobody looked at passes for one that was")
	}
	for _, c := range []struct {
		watched Watched
		want    []string
		not     []string
	}{
		{Watched{url, SourceAlive, at(1), at(9), recorded, at(1)}, []string{"掲載中", "2026年6月9日", "（上のハッシュ値のもの）", "保存した日"}, []string{"保存したもののSHA-256", "見に行ったことはありません"}},
		{Watched{url, SourceChanged, at(3), at(9), other, at(3)}, []string{"内容が変わりました", "2026年6月3日", other, "保存したもののSHA-256"}, []string{"掲載中"}},
		{Watched{url, SourceGone, at(5), at(4), other, at(3)}, []string{"見られなくなりました", "2026年6月5日", other}, []string{"掲載中"}},
		{Watched{"https://shop.example/secret", SourceGone, at(5), at(4), other, at(3)}, []string{"見に行ったことはありません"}, []string{"secret", other}},
	} {
		list = []Watched{c.watched}
		body := page()
		for _, want := range c.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %s", c.watched.State, want)
			}
		}
		for _, not := range c.not {
			if strings.Contains(body, not) {
				t.Errorf("%s: has %s", c.watched.State, not)
			}
		}
	}
}

package archive

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// small are incidents that differ in what searches look at.
var small = []string{`
id: shop
facts:
  - {key: organisation, value: {ja: 例示商店株式会社, en: Example Shop Inc.}}
  - {key: title, value: {ja: 通販サイトへの不正アクセス, en: Intrusion into the online shop}}
  - {key: sector, value: retail}
  - {key: country, value: JP}
  - {key: cause, value: web-skimming}
  - {key: disclosed, value: "2024-05-10"}
  - {key: discovered, value: "2024-05-08"}
  - {key: data-class, value: payment-card}
  - {key: affected.count, value: 1200, unit: persons}
  - {key: certification, id: pmark, value: {ja: プライバシーマーク, en: PrivacyMark}}
  - {key: action, id: a, value: {ja: 京都府の警察に相談した, en: Spoke to the police in Kyoto}, status: taken, at: "2024-05-09"}
`, `
id: naver-2020
facts:
  - {key: organisation, value: ネイバー}
  - {key: title, value: {ja: 誤送信, en: A misdirected mail}}
  - {key: country, value: KR}
  - {key: cause, value: misdirected-mail}
  - {key: disclosed, value: "2020-01-02T10:00+09:00"}
  - {key: discovered, value: "2020-01-01T09:00+09:00"}
  - {key: data-class, value: email}
`, `
id: quiet
facts:
  - {key: title, value: {ja: 東京の件, en: The Tokyo case}}
  - {key: discovered, value: "2019-03-04"}
  - {key: disclosed, value: "2019-03-02"}
  - {key: regulator-notified, value: "2019-03"}
`}

func ids(res Result) string {
	var out []string
	for _, e := range res.Entries {
		out = append(out, e.ID)
	}
	return strings.Join(out, " ")
}

func search(t *testing.T, s *house, query string) Result {
	t.Helper()
	v, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParseQuery(v)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	res, err := s.Public().Search(t.Context(), q)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return res
}

func TestEntry(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		fill(t, s, small...)
		notices, err := s.Notices(t.Context(), "naver-2013")
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.Public().Entries(t.Context(), []string{"naver-2013", "none", "quiet", "naver-2020"})
		if err != nil || len(list) != 3 {
			t.Fatalf("%d entries, %v", len(list), err)
		}
		e := list[0]
		if e.Title.EN != "Unauthorised access to NAVER accounts" || e.OrganisationID != "line" || e.DateKey != "disclosed" ||
			e.Date.Format("2006-01-02") != "2013-07-19" || *e.Affected.Number != 1692496 || e.Affected.Unit != "accounts" || e.Cause != "intrusion" ||
			e.Sector != "internet" || e.Country != "JP" || !slices.Equal(e.Classes, []string{"email", "password:hashed", "nickname"}) ||
			!e.Updated.Equal(notices[0].Time) || e.Addenda != 4 {
			t.Errorf("%+v", e)
		}
		for what, got := range map[string][2]*Span{
			"detect":   {e.Detect, {798, incident.Minute}},
			"contain":  {e.Contain, {48, incident.Minute}},
			"disclose": {e.Disclose, {24 * 60, incident.Day}},
			"notify":   {e.NotifyRegulator, nil},
		} {
			if !reflect.DeepEqual(got[0], got[1]) {
				t.Errorf("%s: %+v, want %+v", what, got[0], got[1])
			}
		}
		quiet, later := list[1], list[2]
		if quiet.Disclose != nil || quiet.NotifyRegulator != nil {
			t.Errorf("disclosed before it was discovered, or known to the month: %+v, %+v", quiet.Disclose, quiet.NotifyRegulator)
		}
		if later.Disclose == nil || later.Disclose.Minutes != 25*60 || later.Affected.Number != nil {
			t.Errorf("%+v", later)
		}
		var all []string
		if err := s.Public().EachEntry(t.Context(), func(e Entry) error { all = append(all, e.ID); return nil }); err != nil || strings.Join(all, " ") != "naver-2013 shop naver-2020 quiet" {
			t.Errorf("each: %v, %v", all, err)
		}
	})
}

func TestSearch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		if res := search(t, s, ""); res.Total != 0 || len(res.Entries) != 0 {
			t.Errorf("an empty archive: %+v", res)
		}
		fill(t, s, small...)
		for query, want := range map[string]string{
			"":                            "shop naver-2020 quiet naver-2013",
			"sort=oldest":                 "naver-2013 quiet naver-2020 shop",
			"sort=largest":                "naver-2013 shop naver-2020 quiet",
			"year=2024&year=2013":         "shop naver-2013",
			"sector=unknown":              "naver-2020 quiet",
			"cause=intrusion":             "naver-2013",
			"class=password":              "naver-2013",
			"class=email":                 "naver-2020 naver-2013",
			"class=email&country=KR":      "naver-2020",
			"certification=PrivacyMark":   "shop",
			"size=1000000-":               "naver-2013",
			"size=unknown&size=1000-9999": "shop naver-2020 quiet",
			"disclose=0-1":                "naver-2013",
			"disclose=2-3":                "shop naver-2020",
			"dataset=hibp":                "",
			"dataset=own&limit=1":         "shop",
			"organisation=line":           "naver-2020 naver-2013",
			"organisation=nobody":         "",
			"q=NAVER":                     "naver-2020 naver-2013", // one by its alias
			"q=ネイバー":                      "naver-2020 naver-2013",
			"q=%EF%BE%88%EF%BD%B2%EF%BE%8A%EF%BE%9E%EF%BD%B0": "naver-2020 naver-2013", // half-width
			"q=ねいばー":                   "naver-2020 naver-2013",
			"q=nav":                    "naver-2020 naver-2013",
			"q=京都":                     "shop",
			"q=京":                      "quiet shop", // in the title first
			"q=都":                      "shop",
			"q=京都府の警察":                 "shop",
			"q=都京":                     "",
			"q=KYOTO+police":           "shop",
			"q=kyoto+naver":            "",
			`q="police+in+kyoto"`:      "shop",
			`q="kyoto+police"`:         "",
			`q=「police+in」`:            "shop",
			`q="polic"`:                "",
			"q=ハッシュ":                   "naver-2013",
			"q=payment+card":           "shop",
			"q=クレジットカード":               "shop",
			"q=9,700,000":              "",
			"q=！？&sort=newest":         "",
			"q=misdirected&year=2013":  "",
			"q=不正アクセス&sort=oldest":     "naver-2013 shop",
			"q=shop":                   "shop",
			"q=&sector=&sort=&lang=ja": "shop naver-2020 quiet naver-2013",
		} {
			if got := ids(search(t, s, query)); got != want {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		if res := search(t, s, "limit=1"); res.Total != 4 || res.Next == "" {
			t.Errorf("%+v", res)
		}
	})
}

// TestSearchFacets: what is chosen in one facet narrows the others and not itself.
func TestSearchFacets(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		fill(t, s, small...)
		counts := func(query, facet string) string {
			for _, f := range search(t, s, query).Facets {
				if f.Name == facet {
					var out []string
					for _, v := range f.Values {
						mark := ""
						if v.Chosen {
							mark = "*"
						}
						if v.Label.JA == "" || v.Label.EN == "" {
							t.Errorf("%s %s has no label", facet, v.Word)
						}
						out = append(out, fmt.Sprintf("%s%s=%d", mark, v.Word, v.Count))
					}
					return strings.Join(out, " ")
				}
			}
			return "none"
		}
		for _, c := range [][3]string{
			{"", "year", "2024=1 2020=1 2019=1 2013=1"},
			{"", "month", "none"}, // a calendar's, and no facet until it is asked for
			{"month=2013-07", "month", "2024-05=1 2020-01=1 2019-03=1 *2013-07=1"},
			{"month=2013-07", "year", "2013=1"},
			{"", "class", "email=2 nickname=1 password=1 password:hashed=1 payment-card=1"},
			{"", "country", "JP=2 KR=1 unknown=1"},
			{"country=KR", "country", "JP=2 *KR=1 unknown=1"},
			{"country=KR", "year", "2020=1"},
			{"country=KR&class=email", "country", "JP=1 *KR=1"},
			{"q=naver&year=1999", "year", "2020=1 2013=1 *1999=0"},
			{"", "size", "1000-9999=1 1000000-=1 unknown=2"},
			{"", "disclose", "0-1=1 2-3=2 unknown=1"},
			{"", "certification", "PrivacyMark=1"},
			{"", "dataset", "own=4"},
		} {
			if got := counts(c[0], c[1]); got != c[2] {
				t.Errorf("%s of %q: %s, want %s", c[1], c[0], got, c[2])
			}
		}
	})
}

// TestSearchPages walks every order page by page, while new incidents come in.
func TestSearchPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		fill(t, s, small...)
		for i := range 7 {
			if _, err := s.Create(t.Context(), by, parse(t, fmt.Sprintf("id: same-%d\nfacts: [{key: disclosed, value: \"2015-05-05\"}, {key: title, value: NAVER case %d}]", i, i))); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for _, sort := range Sorts {
			for _, text := range []string{"", "naver"} {
				query := url.Values{"sort": {sort}, "limit": {"2"}, "q": {text}}
				want := ids(search(t, s, url.Values{"sort": {sort}, "limit": {"100"}, "q": {text}}.Encode()))
				var got []string
				for {
					res := search(t, s, query.Encode())
					for _, e := range res.Entries {
						got = append(got, e.ID)
					}
					if res.Next == "" {
						break
					}
					if len(got) > 100 {
						t.Fatalf("%s does not end", sort)
					}
					query.Set("cursor", res.Next)
					if sort == Newest { // comes before, and moves nothing
						n++
						if _, err := s.Create(t.Context(), by, parse(t, fmt.Sprintf("id: new-%d\nfacts: [{key: disclosed, value: \"2026-01-%02d\"}]", n, n))); err != nil {
							t.Fatal(err)
						}
					}
				}
				if strings.Join(got, " ") != want {
					t.Errorf("%s %q: %v, want %s", sort, text, got, want)
				}
			}
		}
	})
}

func TestOrganisation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		// Two that nothing joins yet, then one that has both names.
		fill(t, s, "id: a\nfacts: [{key: organisation, value: 甲商事}, {key: disclosed, value: \"2001-01-01\"}]",
			"id: b\nfacts: [{key: organisation, value: Otsu Trading Ltd.}, {key: disclosed, value: \"2002-01-01\"}]")
		a, _ := s.Public().Entries(t.Context(), []string{"a", "b"})
		if len(a) != 2 || !strings.HasPrefix(a[0].OrganisationID, "o-") || a[1].OrganisationID != "otsu-trading" {
			t.Fatalf("%+v", a)
		}
		if got := ids(search(t, s, "q=otsu")); got != "b" {
			t.Errorf("before: %s", got)
		}
		fill2 := "id: c\nfacts: [{key: organisation, value: {ja: 甲商事（株）, en: Ko}}, {key: alias, id: o, value: OTSU TRADING}, {key: disclosed, value: \"2003-01-01\"}]"
		if _, err := s.Create(t.Context(), by, parse(t, fill2)); err != nil {
			t.Fatal(err)
		}
		if got := ids(search(t, s, "q=otsu")); got != "b" {
			t.Errorf("a draft joined two organisations: %s", got)
		}
		release(t, s, "c")
		o, err := s.Public().Organisation(t.Context(), "otsu-trading")
		if err != nil || o.ID != a[0].OrganisationID || len(o.Entries) != 3 || o.Entries[0].ID != "c" || o.Name.EN != "Ko" {
			t.Errorf("%+v, %v", o, err)
		}
		for _, q := range []string{"q=otsu&sort=oldest", "q=甲商事&sort=oldest", "organisation=" + o.ID + "&sort=oldest"} {
			if got := ids(search(t, s, q)); got != "a b c" {
				t.Errorf("%s: %s", q, got)
			}
		}
		for _, id := range []string{"", "nobody", "../x", strings.Repeat("a", 100)} {
			if _, err := s.Public().Organisation(t.Context(), id); !errors.Is(err, ErrNoOrganisation) {
				t.Errorf("%q: %v", id, err)
			}
		}
		line, err := s.Public().Organisation(t.Context(), "line")
		if err != nil || len(line.Aliases) == 0 {
			t.Errorf("%+v, %v", line, err)
		}
	})
}

// TestArchiveRebuilt: a store of an earlier form gets the same archive that a new one has.
func TestArchiveRebuilt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		fill(t, s, small...)
		before := search(t, s, "q=naver")
		for _, statement := range []string{`UPDATE incident_archive SET form = 0`, `DELETE FROM incident_entry`, `DELETE FROM incident_name`, `DELETE FROM incident_organisation`} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		again := room(t, db)
		if after := search(t, again, "q=naver"); ids(after) != ids(before) || after.Total != 2 {
			t.Errorf("%s, want %s", ids(after), ids(before))
		}
		// The other server, which held the old one, sees a fact that this one records.
		if _, err := again.Add(t.Context(), by, parse(t, "id: quiet\nfacts: [{key: title, value: NAVER too}]")); err != nil {
			t.Fatal(err)
		}
		if got := search(t, s, "q=naver&sort=newest"); got.Total != 2 {
			t.Errorf("a draft is found: %s", ids(got))
		}
		release(t, again, "quiet")
		if got := search(t, s, "q=naver&sort=newest"); got.Total != 3 {
			t.Errorf("%s", ids(got))
		}
		if got := search(t, s, "q=naver+too&year=2019"); got.Total != 1 { // and its old title too: the notice that told it stands
			t.Errorf("the new title is not found: %s", ids(got))
		}
	})
}

func TestQueryRefuses(t *testing.T) {
	for _, query := range []string{"x=1", "sector=none", "year=20", "year=02013", "size=5", "sort=best", "limit=0", "limit=101", "limit=1e1", "cursor=AA", "cursor=!",
		"q=" + strings.Repeat("a", 201), "q=" + strings.Repeat("a+", 13), "q=%ff", "q=a&q=b", "country=jp", "organisation=..", "class=blood", "disclose=1",
		"certification=a%00b", "dataset=A", "cursor=" + strings.Repeat("A", 100)} {
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseQuery(v); !errors.Is(err, ErrQuery) || hint.Of(err) == "" {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// FuzzQuery: whatever a URL says is refused or searched, never an error of the engine, and a query that was read has a
// URL that reads as the same query.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"q=naver", `q="a"+NEAR(b+c)*`, "q=a'b:*%26|!<->", "q=京&year=2013", "q=%E2%80%AEabc%00", "sort=newest&cursor=bgAAAA", "q=-a+^b+{x}+col:y", "q=0x"} {
		f.Add(s)
	}
	db, err := store.Open(f.Context(), "sqlite:"+f.TempDir()+"/fuzz.db")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	s := room(f, db)
	fill(f, s)
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		q, err := ParseQuery(v)
		if err != nil {
			if !errors.Is(err, ErrQuery) || hint.Of(err) == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		again, err := ParseQuery(q.Values())
		if err != nil || again.Values().Encode() != q.Values().Encode() {
			t.Fatalf("%q reads as %q: %v", query, again.Values().Encode(), err)
		}
		if _, err := s.Public().Search(t.Context(), q); err != nil {
			t.Fatalf("%q: %v", query, err)
		}
	})
}

// FuzzTokenize: tokens hold nothing that a query language knows, and every piece of a text that a person could copy
// finds it.
func FuzzTokenize(f *testing.F) {
	for _, s := range []string{"京都府", "LINE株式会社（NAVER）", "1,692,496件", "ガギグｶﾞｷﾞ", "Société Générale", "👍🏽 e\u0301", "\xff\u202e'\":*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, tok := range tokenize(s, 1000) {
			if tok.text == "" || strings.ContainsAny(tok.text, " '\"\\:*&|!()<>-^{}\x00") || tok.text == gap {
				t.Fatalf("token %q of %q", tok.text, s)
			}
		}
		for _, p := range phrases(s) {
			if len(p.tokens) == 0 {
				t.Fatalf("an empty phrase of %q", s)
			}
		}
	})
}

// TestArchiveMerged: an incident that turned out to be another one is in no list any more.
func TestArchiveMerged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		recordAll(t, s, parse(t, "id: press-x1\nasOf: \"2020-01-01\"\nfacts: [{key: organisation, value: Zeta}, {key: discovered, value: \"2020-01-01\"}, {key: data-class, value: email}]"))
		fill(t, s, small...)
		res := search(t, s, "dataset=own&dataset=press&q=zeta")
		if res.Total != 1 || res.Entries[0].Dataset == "" {
			all := search(t, s, "")
			t.Fatalf("%+v of %s", res, ids(all))
		}
		id := res.Entries[0].ID
		if _, err := s.Merge(t.Context(), by, id, "shop"); err != nil {
			t.Fatal(err)
		}
		if got := ids(search(t, s, "")); got != "shop naver-2020 "+id+" quiet naver-2013" {
			t.Errorf("before the notice that tells it: %s", got)
		}
		release(t, s, "shop")
		if got := ids(search(t, s, "")); got != "shop naver-2020 quiet naver-2013" {
			t.Errorf("%s", got)
		}
		if list, err := s.Public().Entries(t.Context(), []string{id}); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// TestToldShares: what was taken back, and what was merged into another, is counted under no heading.
func TestToldShares(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		for _, id := range []string{"a", "b", "c"} {
			recordAll(t, s, parse(t, "id: press-"+id+"\nasOf: \"2020-01-01\"\nfacts: [{key: title, value: "+id+"}, {key: excluded, id: x, value: abroad}]"))
		}
		share := func(word string) (int, int) {
			t.Helper()
			shares, of, err := NewPeers(s.Public()).Told(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, sh := range shares {
				if sh.Heading.Word == word {
					return sh.N, of
				}
			}
			t.Fatalf("no heading %s", word)
			return 0, 0
		}
		if n, of := share("excluded"); n != 3 || of != 3 {
			t.Fatalf("%d of %d", n, of)
		}
		if _, err := s.Add(t.Context(), by, parse(t, "id: press-c\nfacts: [{key: excluded, id: x, retract: true}]")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Merge(t.Context(), by, "press-a", "press-b"); err != nil {
			t.Fatal(err)
		}
		if n, of := share("what"); n != 2 || of != 2 {
			t.Errorf("told what: %d of %d", n, of)
		}
		if n, of := share("excluded"); n != 1 || of != 2 {
			t.Errorf("excluded: %d of %d", n, of)
		}
	})
}

// TestCalledBy holds what an organisation is called by: never by a record for being the newest.
func TestCalledBy(t *testing.T) {
	entry := func(year int, dataset, name string) Entry {
		return Entry{Date: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), Dataset: dataset, Organisation: language.Same(name)}
	}
	for want, list := range map[string][]Entry{
		"LinkedIn":     {entry(2023, "hibp", "LinkedInScrape2023"), entry(2021, "hibp", "LinkedInScrape"), entry(2012, "hibp", "LinkedIn")},
		"Example Inc.": {entry(2024, "hibp", "Example leak"), entry(2020, "washington-ag", "Example Inc."), entry(2022, "washington-ag", "Example, Inc.")},
		"LY":           {entry(2026, "hibp", "LINE data"), entry(2023, "", "LY"), entry(2013, "", "LINE")},
		"One":          {entry(2020, "hibp", "One")},
	} {
		if name := calledBy(list); name.EN != want {
			t.Errorf("called %q, want %q", name.EN, want)
		}
	}
}

package incident

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// room opens the room on db with a clock that stands still.
func room(t *testing.T, db *store.DB) *Incidents {
	t.Helper()
	s, err := New(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return time.Date(2026, 4, 1, 3, 4, 5, 6000, time.UTC) }
	return s
}

func parse(t *testing.T, src string) *FactsFile {
	t.Helper()
	file, err := ParseFactsFile("facts.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestCreate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		file := parse(t, string(ModelCase()))
		inc, err := s.Create(t.Context(), by, file)
		if err != nil {
			t.Fatal(err)
		}
		if superseded := 4; len(inc.Facts) != len(file.Facts)-superseded { // three promises and the forced reset as they began
			t.Errorf("%d facts are current, the file has %d", len(inc.Facts), len(file.Facts))
		}
		if got := inc.AsOf().UTC(); !got.Equal(time.Date(2013, 7, 19, 7, 0, 0, 0, time.UTC)) {
			t.Errorf("as of %v", got)
		}
		if got := inc.Updated().UTC(); !got.Equal(time.Date(2013, 8, 2, 6, 0, 0, 0, time.UTC)) {
			t.Errorf("updated %v", got)
		}
		if got := inc.Classes(); !slices.Equal(got, []string{"email", "password:hashed", "nickname"}) {
			t.Errorf("classes %v", got)
		}
		if inc.State() != StateFinal || inc.Organisation(language.JA) != "LINE株式会社" || inc.Title("en") != "Unauthorised access to NAVER accounts" {
			t.Errorf("%s, %s, %s", inc.State(), inc.Organisation(language.JA), inc.Title(language.EN))
		}
		if _, err := s.Create(t.Context(), by, file); !errors.Is(err, ErrExist) || hint.Of(err) == "" {
			t.Errorf("created twice: %v", err)
		}
		if _, err := s.Get(t.Context(), "other"); !errors.Is(err, ErrNotFound) || hint.Of(err) == "" {
			t.Errorf("an unknown incident: %v", err)
		}
		again := room(t, db)
		if list := everything(t, again); len(list) != 1 || list[0].ID != "naver-2013" {
			t.Errorf("listed %v", list)
		}
	})
}

// TestHistory holds which of several facts is shown.
func TestHistory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		ctx := t.Context()
		if _, err := s.Create(ctx, by, parse(t, `
id: a
zone: "+09:00"
facts:
  - {key: affected.count, value: 1690000, unit: accounts, qualifier: about, asOf: "2013-07-19T10:00"}
  - {key: excluded, id: foreign, value: abroad, asOf: "2013-07-19"}
  - {key: excluded, id: openid, value: OpenID, asOf: "2013-07-19"}
`)); err != nil {
			t.Fatal(err)
		}
		inc, err := s.Add(ctx, by, parse(t, `
id: a
zone: "+09:00"
facts:
  - {key: affected.count, value: 1692496, unit: accounts, asOf: "2013-07-19T16:00"}
  - {key: excluded, id: foreign, retract: true, asOf: "2013-07-20"}
`))
		if err != nil {
			t.Fatal(err)
		}
		if f, _ := inc.Fact("affected.count"); Count(language.EN, f.Value) != "1,692,496 accounts" {
			t.Errorf("the newest as-of is not shown: %s", Count(language.EN, f.Value))
		}
		if got := inc.Listed("excluded"); len(got) != 1 || got[0].Item != "openid" {
			t.Errorf("a retracted item is shown: %v", got)
		}
		// An older as-of that is recorded later changes nothing.
		inc, err = s.Add(ctx, by, parse(t, `
id: a
facts: [{key: affected.count, value: 9, unit: persons, asOf: "2013-07-18T10:00+09:00"}]
`))
		if err != nil {
			t.Fatal(err)
		}
		if f, _ := inc.Fact("affected.count"); *f.Value.Number != 1692496 {
			t.Errorf("an older fact is shown: %d", *f.Value.Number)
		}
		var rows int
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM incident_fact`).Scan(&rows); err != nil || rows != 6 {
			t.Errorf("%d facts are kept (%v), want all 6", rows, err)
		}
		if _, err := s.Add(ctx, by, parse(t, `{id: b, facts: [{key: title, value: x}]}`)); !errors.Is(err, ErrNotFound) {
			t.Errorf("facts added to nothing: %v", err)
		}
	})
}

// TestNothingHalfMade ends a creation in its middle.
func TestNothingHalfMade(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		file := parse(t, `{id: a, facts: [{key: title, value: x}, {key: cause, value: intrusion}]}`)
		file.Facts[1].Value.Text = language.Text{JA: "\xff"} // cannot be written as JSON
		if _, err := s.Create(t.Context(), by, file); err == nil {
			t.Fatal("a fact that cannot be stored was stored")
		}
		if list := everything(t, s); len(list) != 0 {
			t.Errorf("left behind: %v", list)
		}
	})
}

func TestMinimalFile(t *testing.T) {
	file := parse(t, `
id: naver-2013
facts:
  - {key: discovered, value: "2013-07-18T10:09+09:00", certainty: confirmed, asOf: "2013-07-19T16:00+09:00"}
  - {key: affected.count, value: 1692496, unit: accounts, qualifier: exact, source: notice}
`)
	if len(file.Facts) != 2 || file.Facts[0].Value.Time.String() != "2013-07-18T10:09+09:00" || *file.Facts[1].Value.Number != 1692496 {
		t.Errorf("%+v", file.Facts)
	}
}

func TestFactsFileRefused(t *testing.T) {
	for _, c := range []struct{ name, src, at, problem, remedy string }{
		{"empty", "", "", "holds nothing", "incident's id"},
		{"two documents", "id: a\n---\nid: b\n", ":3:1:", "a second document", "a file of its own"},
		{"list", "- a\n", ":1:1:", "not a mapping", "facts"},
		{"no id", "facts: []\n", ":", "`id` is missing", "id: example-2026"},
		{"bad id", "id: Naver_2013\nfacts: [{key: title, value: x}]\n", ":1:5:", "cannot be an incident's id", "hyphen"},
		{"no facts", "id: a\n", ":", "no list of facts", "add at least one"},
		{"top name", "id: a\nfact: []\n", ":2:1:", `has no "fact"`, "did you mean `facts`"},
		{"member", "id: a\nfacts:\n  - {key: title, valeu: x}\n", ":3:18:", `has no "valeu"`, "did you mean `value`"},
		{"key", "id: a\nfacts:\n  - {key: discoverd, value: \"2013-07-18\"}\n", ":3:11:", `no fact "discoverd"`, "did you mean `discovered`"},
		{"no value", "id: a\nfacts: [{key: title}]\n", ":2:", "no value", "add `value`"},
		{"misplaced", "id: a\nfacts: [{key: title, value: x, unit: accounts}]\n", ":2:38:", "`unit` does not belong", "certainty"},
		{"no unit", "id: a\nfacts: [{key: affected.count, value: 9}]\n", ":2:38:", "`unit` is missing", "persons"},
		{"attempts", "id: a\nfacts: [{key: affected.count, value: 9, unit: attempts}]\n", ":2:47:", `cannot be "attempts"`, "persons"},
		{"negative", "id: a\nfacts: [{key: affected.count, value: -9, unit: persons}]\n", ":2:38:", "not a count", "whole number"},
		{"fraction", "id: a\nfacts: [{key: affected.count, value: 1.5, unit: persons}]\n", ":2:38:", "not a count", "whole number"},
		{"grouped", "id: a\nfacts: [{key: affected.count, value: \"1,692,496\", unit: persons}]\n", ":2:38:", "not a count", "without separators"},
		{"beyond JSON", "id: a\nfacts: [{key: affected.count, value: 9007199254740992, unit: persons}]\n", ":2:38:", "not a count", "whole number"},
		{"class", "id: a\nfacts: [{key: data-class, value: password:hash}]\n", ":2:34:", `cannot be "password:hash"`, "did you mean `password"},
		{"certainty", "id: a\nfacts: [{key: title, value: x, certainty: sure}]\n", ":2:43:", `cannot be "sure"`, "confirmed"},
		{"time", "id: a\nfacts: [{key: discovered, value: yesterday}]\n", ":2:34:", "not a time", "2013-07-18T10:09+09:00"},
		{"no zone", "id: a\nfacts: [{key: discovered, value: \"2013-07-18T10:09\"}]\n", ":2:34:", "not a time", "zone"},
		{"no such day", "id: a\nfacts: [{key: discovered, value: \"2013-02-30\"}]\n", ":2:34:", "not a time", ""},
		{"year", "id: a\nfacts: [{key: discovered, value: \"0201-02-03\"}]\n", ":2:34:", "not plausible", "year"},
		{"twice", "id: a\nfacts: [{key: title, value: x}, {key: title, value: y}]\n", ":2:", "as of the same time", "asOf"},
		{"member twice", "id: a\nfacts: [{key: title, value: x, value: y}]\n", ":2:", "", ""},
		{"bidi", "id: a\nfacts: [{key: title, value: \"safe\u202eexe\"}]\n", ":2:29:", "U+202E", "remove"},
		{"control", "id: a\nfacts: [{key: title, value: \"a\\x07b\"}]\n", ":2:29:", "U+0007", "remove"},
		{"not UTF-8", "id: a\nfacts: [{key: title, value: \"\xff\"}]\n", "", "not UTF-8", "UTF-8"},
		{"syntax", "id: a\nfacts: [{key: title, value: x\n", ":2:", "", "YAML"},
		{"deep", "id: a\nfacts: " + strings.Repeat("[", 100_000), ":2:24:", "nested more than 16 deep", "levels"},
		{"deep dashes", "id: a\nfacts: \n" + strings.Repeat("- ", 500_000), ":3:33:", "nested more than 16 deep", "levels"},
		{"alias", "id: &x a\nfacts: [{key: title, value: *x}]\n", ":1:5:", "anchors and aliases", "write it out"},
		{"contact", "id: a\nfacts: [{key: contact, value: {name: desk}}]\n", ":2:", "nobody can reach", "telephone"},
		{"contact scheme", "id: a\nfacts: [{key: contact, value: {url: \"javascript:alert(1)\"}}]\n", ":2:37:", "not a web address", "https"},
		{"retraction with value", "id: a\nfacts: [{key: alias, id: x, value: y, retract: true}]\n", ":2:", "a retraction", "without a value"},
		{"retraction of nothing", "id: a\nfacts: [{key: alias, retract: true}]\n", ":2:", "a retraction", "id: ID"},
		{"large", "id: a\n#" + strings.Repeat("x", maxFactsFile), "", "larger than", "split"},
		{"long", "id: a\nfacts: [{key: title, value: \"" + strings.Repeat("長", maxText+1) + "\"}]\n", ":2:29:", "longer than", "shorten"},
		{"sum", "id: a\nfacts: [{key: source, value: book, sha256: abc}]\n", ":2:44:", "not a SHA-256", "sha256sum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseFactsFile("facts.yaml", []byte(c.src))
			if !errors.Is(err, ErrFacts) {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(err.Error(), "facts.yaml"+c.at) || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("error %q, want it at %s with %q", err, c.at, c.problem)
			}
			if h := hint.Of(err); h == "" || !strings.Contains(h, c.remedy) {
				t.Errorf("hint %q, want %q", h, c.remedy)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestMoment(t *testing.T) {
	for in, want := range map[string]string{
		"2013-07-18T10:09+09:00":    "2013-07-18T10:09+09:00",
		"2013-07-18T10:09:00+09:00": "2013-07-18T10:09+09:00",
		"2013-07-18T01:09Z":         "2013-07-18T01:09Z",
		"2013-07-18T10+09:00":       "2013-07-18T10+09:00",
		"2013-07-18":                "2013-07-18+09:00",
		"2013-07":                   "2013-07+09:00",
		"2013":                      "2013+09:00",
		"2013-07:00":                "2013-07:00", // the year, seven hours west of Greenwich
		"2013-07-18T10:09":          "2013-07-18T10:09+09:00",
	} {
		m, err := ParseMoment(in, Japan)
		if err != nil || m.String() != want {
			t.Errorf("%s: %s, %v; want %s", in, m, err, want)
			continue
		}
		var back Moment
		if err := back.UnmarshalText([]byte(want)); err != nil || back.String() != want {
			t.Errorf("%s is not read back: %s, %v", want, back, err)
		}
	}
	for _, in := range []string{"", "201", "20130", "2013-07-18T10:09:30+09:00", "2013-7-18", "18 July", "2013-07-18T25:00Z"} {
		if m, err := ParseMoment(in, Japan); err == nil {
			t.Errorf("%q was read as %s", in, m)
		}
	}
}

func TestHTMLDropsRawMarkup(t *testing.T) {
	html, err := HTML("<script>alert(1)</script>\n\na <b>b</b> [x](javascript:alert(1)) [y](data:text/html,x)\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<b>", "javascript:", "data:"} {
		if strings.Contains(string(html), bad) {
			t.Errorf("%s passed: %s", bad, html)
		}
	}
}

func TestVocabulary(t *testing.T) {
	for _, word := range []string{"email", "password", "password:plain", "password:hashed", "password:encrypted", "nickname", "name", "address",
		"phone", "birth-date", "gender", "account-id", "payment-card", "bank-account", "insurance-number", "national-id", "employer",
		"occupation", "health", "vehicle", "purchase-history", "ip-address", "message-content"} {
		if !KnownClass(word) || ClassLabel(language.JA, word) == word || ClassLabel(language.EN, word) == "" {
			t.Errorf("%s is not in the vocabulary", word)
		}
	}
	for _, word := range []string{"", "emails", "email:plain", "password:", "Password"} {
		if KnownClass(word) {
			t.Errorf("%q is in the vocabulary", word)
		}
	}
	for _, c := range Classes() {
		for _, id := range c.Advice {
			if !slices.ContainsFunc(steps, func(s Step) bool { return s.ID == id }) {
				t.Errorf("%s advises %q, which there is not", c.Word, id)
			}
		}
	}
	var order []string
	for _, s := range Advise([]string{"email", "nickname", "password:hashed"}) {
		order = append(order, s.ID)
	}
	if !slices.Equal(order, []string{"password", "reused", "two-step", "mail"}) {
		t.Errorf("advice in the order %v", order)
	}
}

func FuzzParseFactsFile(f *testing.F) {
	f.Add(ModelCase())
	f.Add([]byte("id: a\nfacts:\n  - {key: title, value: x}\n"))
	f.Add([]byte("id: &x a\nfacts: [*x]\n"))
	f.Add([]byte("? {a: b}\n: c\n"))
	f.Add([]byte("id: !!binary aGk=\nfacts: [{<<: {key: title}}]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := ParseFactsFile("f", src)
		if err != nil {
			if !errors.Is(err, ErrFacts) || hint.Of(err) == "" {
				t.Fatalf("error without place or remedy: %v", err)
			}
			return
		}
		if !ValidID(file.ID) || len(file.Facts) == 0 {
			t.Fatalf("accepted: %+v", file)
		}
	})
}

func FuzzParseNotice(f *testing.F) {
	file, err := ParseFactsFile("f", ModelCase())
	if err != nil {
		f.Fatal(err)
	}
	n := Notice{Incident: "naver-2013", Version: 1, Kind: "first", Time: time.Unix(1e9, 0), Facts: current(file.Facts), Text: language.Both("甲", "a")}
	for i := range n.Facts {
		if n.Facts[i].AsOf.IsZero() {
			n.Facts[i].AsOf = Moment{time.Unix(0, 0).UTC(), Day}
		}
	}
	if err := n.encode(); err != nil {
		f.Fatal(err)
	}
	f.Add(n.Data)
	f.Add([]byte(`{"facts":[{"asOf":"2013-07+09:00","certainty":"confirmed","key":"title","value":{"text":{"en":"a","ja":"b"}}}],"incident":"a","kind":"first","text":{"en":"a","ja":"b"},"time":"2026-04-01T00:00:00Z","v":1,"version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseNotice(data)
		if err != nil {
			if !errors.Is(err, ErrNotice) {
				t.Fatal(err)
			}
			return
		}
		if string(n.Data) != string(data) {
			t.Fatal("accepted bytes that are not canonical")
		}
	})
}

// TestParseNoticeRefuses changes one thing at a time in a good notice.
func TestParseNoticeRefuses(t *testing.T) {
	const good = `{"facts":[{"asOf":"2013-07-19T16:00+09:00","certainty":"confirmed","key":"title","value":{"text":{"en":"a","ja":"b"}}}],"incident":"a","kind":"first","text":{"en":"a","ja":"b"},"time":"2026-04-01T00:00:00Z","v":1,"version":1}`
	if _, err := ParseNotice([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"v":1,`, `"v":2,`}, {`"v":1,`, ``}, {`"version":1`, `"version":0`}, {`"version":1`, `"version":2`}, {`"version":1`, `"version":1.0`},
		{`"version":1}`, `"version":1} `}, {`"version":1}`, `"version":1,"x":1}`}, {`"kind":"first"`, `"kind":"second"`},
		{`"incident":"a"`, `"incident":"A"`}, {`Z"`, `+00:00"`}, {`00:00:00Z`, `00:00:00.0Z`}, {`confirmed`, `sure`}, {`"en":"a","ja":"b"},"time"`, `"en":"","ja":"b"},"time"`},
		{`"asOf":"2013-07-19T16:00+09:00"`, `"asOf":"2013-07-19T16:00:00+09:00"`}, {`"asOf":"2013-07-19T16:00+09:00",`, ``},
		{`"key":"title"`, `"key":"title","key":"title"`}, {`"certainty"`, `"certainty" `}, {`[{"asOf"`, `[null,{"asOf"`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("nothing to change: %v", change)
		}
		if _, err := ParseNotice([]byte(bad)); !errors.Is(err, ErrNotice) {
			t.Errorf("%s → %s: %v", change[0], change[1], err)
		}
	}
}

// TestWaiting lists the operator's own incidents of which no notice was published.
func TestWaiting(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		if list, err := s.Waiting(t.Context(), 5); err != nil || len(list) != 0 {
			t.Fatalf("%v, %v", list, err)
		}
		for _, id := range []string{"first", "second"} {
			if _, err := s.Create(t.Context(), by, parse(t, "{id: "+id+", facts: [{key: title, value: x}]}")); err != nil {
				t.Fatal(err)
			}
		}
		if list, err := s.Waiting(t.Context(), 5); err != nil || len(list) != 2 {
			t.Errorf("%v, %v", list, err)
		}
		if err := s.Disown(t.Context(), by, "first", agreed); err != nil {
			t.Fatal(err)
		}
		if list, err := s.Waiting(t.Context(), 5); err != nil || !slices.Equal(list, []string{"second"}) {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// agreed lets an incident be disowned.
func agreed(context.Context, *sql.Tx) error { return nil }

// TestWhoMay: who records facts of an incident has to have its case, and who has not hears that it is not there.
func TestWhoMay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, ctx := room(t, db), t.Context()
		file := func() *FactsFile {
			t.Helper()
			return parse(t, "id: shop\nasOf: \"2026-03-20+09:00\"\nfacts:\n  - {key: title, value: Shop}\n  - {key: organisation, value: Shop}\n")
		}
		member := func(access actor.Access, roles ...actor.Role) actor.Actor {
			return actor.Staff(actor.Member{ID: "p-1", Roles: roles, Access: map[string]actor.Access{"shop": access}}, "console")
		}
		if _, err := s.Create(ctx, member(actor.None, actor.Desk, actor.Administrator, actor.Approver), file()); !errors.Is(err, actor.ErrRole) {
			t.Errorf("created by who declares nothing: %v", err)
		}
		if _, err := s.Create(ctx, member(actor.None, actor.Writer), file()); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			who  actor.Actor
			want error
		}{
			{member(actor.None, actor.Writer), ErrNotFound}, {member(actor.Full, actor.Administrator), ErrNotFound}, {member(actor.Reads, actor.Writer), actor.ErrAccess},
			{member(actor.Full, actor.Desk), actor.ErrRole}, {member(actor.None, actor.Auditor), actor.ErrRole}, {actor.Actor{}, actor.ErrNobody}, {member(actor.Contributes, actor.Writer), nil},
		} {
			if _, err := s.Add(ctx, c.who, file()); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Errorf("facts by %s: %v, want %v", c.who, err, c.want)
			}
		}
		if _, err := s.Import(ctx, member(actor.Full, actor.Desk), nil, ImportOptions{}); !errors.Is(err, actor.ErrRole) {
			t.Errorf("imported by who records nothing: %v", err)
		}
		if _, err := s.Merge(ctx, member(actor.Full, actor.Approver), "shop", "shop"); !errors.Is(err, actor.ErrRole) {
			t.Errorf("merged by who records nothing: %v", err)
		}
		// Whose it is, and that two are one, is for who has both; of one that is hidden they hear that it is not there.
		if _, err := s.Create(ctx, by, parse(t, "{id: other, facts: [{key: title, value: x}]}")); err != nil {
			t.Fatal(err)
		}
		if err := s.Disown(ctx, by, "other", agreed); err != nil {
			t.Fatal(err)
		}
		for what, do := range map[string]func(who actor.Actor, id string) error{
			"own":        func(who actor.Actor, id string) error { return s.Own(ctx, who, id) },
			"disown":     func(who actor.Actor, id string) error { return s.Disown(ctx, who, id, agreed) },
			"merge":      func(who actor.Actor, id string) error { _, err := s.Merge(ctx, who, id, "shop"); return err },
			"merge into": func(who actor.Actor, id string) error { _, err := s.Merge(ctx, who, "shop", id); return err },
		} {
			hidden, none := do(member(actor.Full, actor.Writer), "other"), do(member(actor.Full, actor.Writer), "nothere")
			if !errors.Is(hidden, ErrNotFound) || strings.ReplaceAll(hidden.Error(), "other", "nothere") != none.Error() {
				t.Errorf("%s of a hidden incident: %v; of none: %v", what, hidden, none)
			}
			if err := do(member(actor.Reads, actor.Writer), "shop"); !errors.Is(err, actor.ErrAccess) {
				t.Errorf("%s by who only reads it: %v", what, err)
			}
			if err := do(member(actor.Full, actor.Desk), "shop"); !errors.Is(err, actor.ErrRole) {
				t.Errorf("%s by the desk: %v", what, err)
			}
		}
		if _, err := s.Public().Get(ctx, "shop"); !errors.Is(err, ErrNotFound) {
			t.Errorf("it is public: %v", err)
		}
	})
}

package lint

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestCriticised: what past responses were criticised for, in words of our own, each beside what would have stood.
func TestCriticised(t *testing.T) {
	grew := know(t, `  - {key: scope.state, value: final}
  - {key: affected.count, value: 7600000, unit: records, qualifier: exact}
`, `  - {key: affected.count, value: 35040000, unit: records, qualifier: exact}
`)
	stuffing := know(t, `  - {key: scope.state, value: final}
  - {key: affected.count, value: 50905, unit: accounts, qualifier: exact}
  - {key: attempts.count, value: 2236076, unit: attempts, qualifier: exact}
`)
	taken := know(t, `  - {key: scope.state, value: final}
  - {key: data-class, value: name}
  - {key: data-class, value: "password:encrypted"}
  - {key: contact, value: {url: "https://help.example.jp/incident", name: Desk}}
`)
	moved := know(t, `  - {key: scope.state, value: final}
  - {key: action, id: reset, status: planned, promised: "2026-08-20T18:00", value: {ja: 再設定, en: reset}}
`, `  - {key: action, id: reset, status: slipped, promised: "2026-08-20T18:00", value: {ja: 再設定, en: reset}}
  - {key: action, id: reset-2, status: planned, promised: "2026-08-20T21:00", value: {ja: 再設定, en: reset}}
`)
	plain := know(t, `  - {key: scope.state, value: final}
  - {key: data-class, value: "password:plain"}
  - {key: secondary-damage, value: misuse, status: confirmed}
  - {key: secondary-damage, value: login, status: reported}
`)
	investigating, final := know(t, open), know(t, settled)
	of := func(k Known, kind Kind) Known { k.Kind = kind; return k }
	site := func(k Known, host string) Known { k.Site = host; return k }
	for _, c := range []struct {
		name, text, rules string
		known             Known
	}{
		// Benesse 2014: 7.6 million, then 35.04 million 件, which were about 48 million 人.
		{"万: the old number", "漏えいした情報は約760万件です。", "overtaken", grew},
		{"万: the number", "漏えいした情報は約3,504万件です。", "", grew},
		{"万: persons for records", "漏えいの対象は約4,800万人です。", "unit", grew},
		{"万: in digits", "漏えいした情報は35,040,000件です。", "", grew},
		{"万: full width", "漏えいした情報は３５０４万件です。", "", grew},
		{"万: the unit of the number", "漏えいの対象は3,504万人です。", "unit", grew},
		{"million: the old number", "About 7.6 million records were leaked.", "overtaken", grew},
		{"million: the number", "About 35 million records were leaked.", "", grew},
		{"million: persons for records", "About 48 million people were affected.", "unit", grew},
		{"another number in a mail", "今回の漏えいの対象は2,070万件です。", "fact", of(grew, Mail)},
		{"a number of something else", "窓口は500人体制で、お問い合わせを受けています。", "", grew},
		// Attempts are no victims.
		{"attempts as accounts", "不正ログインの対象は2,236,076アカウントです。", "unit", stuffing},
		{"attempts", "不正ログインは2,236,076回試みられ、50,905アカウントが対象です。", "", stuffing},
		{"アカウント…件", "不正ログインの対象のアカウントは50,905件です。", "", stuffing},
		{"accounts as persons", "50,905 people were affected.", "unit", stuffing},
		{"attempts, English", "2,236,076 accounts were accessed.", "unit", stuffing},
		// Okta 2023: a count of 134, then all customers.
		{"134", "対象は134のお客様のみです。" + nextJA, "only", investigating},
		{"134, English", "The files of only 134 customers were accessed. " + nextEN, "only", investigating},
		{"less than 1 %", "影響はごく一部のお客様に限られます。" + nextJA, "only", investigating},
		{"at least 134", "At least 134 customers are affected so far, and we are still looking. " + nextEN, "", investigating},
		// Equifax 2017: a look-alike, sent on by its own staff.
		{"a look-alike in an answer", "こちらでご確認いただけます： securityequifax2017.com", "link", of(final, Answer)},
		{"a look-alike in a post", "Check whether you are affected at www.securityequifax2017.com today.", "link", of(final, Post)},
		{"another host of the same words", "https://example-notice.jp で確認できます。", "link", of(final, Answer)},
		{"a page under another domain", "確認は https://check-shop.example/ でできます。", "domain", site(taken, "check-shop.example")},
		{"a page under its own domain", "確認は https://check.example.jp/ でできます。", "", site(taken, "check.example.jp")},
		{"the desk's page", "詳しくは https://help.example.jp/incident をご覧ください。", "", taken},
		// LastPass 2022: hidden from search engines; "no customer data", then vaults.
		{"noindex", `<meta name="robots" content="noindex, nofollow">`, "noindex", final},
		{"a header", "X-Robots-Tag: none", "noindex", final},
		{"no customer data", "As of today no customer data was accessed.", "overturned", taken},
		{"no customer data, Japanese", "8月20日時点で、お客様の情報は流出していません。", "overturned", taken},
		{"no passwords", "No passwords were affected as of 20 August.", "overturned", taken},
		{"not included", "パスワードは含まれておりません。", "overturned", taken},
		{"cards are not included", "クレジットカード情報は含まれておりません。", "", taken},
		{"no cards", "No credit card numbers were affected.", "", taken},
		{"other services", "ほかのサービスのお客様の情報は流出していません。", "", taken},
		// A negative that a fact has overturned, in a text too short to be a notice.
		{"misuse", "8月20日時点で、悪用は確認されておりません。", "overturned", of(plain, Answer)},
		{"misuse, English", "As of 20 August there is no evidence of misuse.", "overturned", of(plain, Answer)},
		{"sign-ins", "8月20日現在、不正ログインは確認していません。", "overturned", of(plain, Mail)},
		{"tampering, of which no fact speaks", "8月20日現在、改ざんは確認していません。", "", of(plain, Mail)},
		// Words that the vocabulary has another for.
		{"hashed for encrypted", "ハッシュ化されたパスワードが対象です。", "vocabulary", of(taken, Answer)},
		{"encrypted for plain", "パスワードは暗号化されていました。", "vocabulary", of(plain, Answer)},
		{"encrypted for plain, English", "The passwords were encrypted.", "vocabulary", of(plain, Answer)},
		{"plain", "平文のパスワードが対象です。", "", of(plain, Answer)},
		// NAVER 2013: a reset that was promised for 18:00, then for 21:00.
		{"the promise that slipped", "パスワードの再設定は、本日18時に開始する予定です。", "overtaken", moved},
		{"the promise that stands", "パスワードの再設定は、本日21時に開始する予定です。", "", moved},
		{"the promise that slipped, English", "We will open the reset today at 18:00.", "overtaken", moved},
		// A mail and an answer need not say when the next update comes.
		{"a mail", "現時点で少なくとも134の会員に影響があります。", "", of(investigating, Mail)},
		{"a help page", "現時点で少なくとも134の会員に影響があります。", "next", of(investigating, Page)},
	} {
		found, err := Text([]byte(c.text), c.known)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var rules []string
		for _, f := range found {
			rules = append(rules, f.Rule)
		}
		if got := strings.Join(rules, " "); got != c.rules {
			t.Errorf("%s: %q, want %q: %+v", c.name, got, c.rules, found)
		}
	}
}

// TestOverturning: a published negative that a fact overturns is found, until a notice has told that fact.
func TestOverturning(t *testing.T) {
	facts := func(src string) []incident.Fact { return know(t, src).Incident.Facts }
	first := incident.Notice{Version: 1, Kind: incident.KindFirst, Facts: facts(settled + `  - {key: service, id: line, value: Line, status: unrelated}
  - {key: excluded, id: abroad, value: Accounts abroad}
`)}
	first.Text.JA, first.Text.EN = "お知らせ\n\n電話番号は含まれておりません。\n", "Notice\n\nNo telephone numbers were affected.\n"
	for name, src := range map[string]string{
		"a sign-in":     `  - {key: secondary-damage, value: login, status: reported}`,
		"a service":     `  - {key: service, id: line, value: Line, status: affected}`,
		"a class":       `  - {key: data-class, value: phone}`,
		"who was not":   `  - {key: excluded, id: abroad, retract: true}`,
		"nothing: more": `  - {key: data-class, value: name}`,
		"nothing: none": `  - {key: secondary-damage, value: misuse, status: confirmed}`,
	} {
		untold := facts(src + "\n")
		found := Overturning([]incident.Notice{first}, untold)
		if want := !strings.HasPrefix(name, "nothing"); (len(found) == 1) != want {
			t.Errorf("%s: %+v", name, found)
		}
		for _, o := range found {
			if o.Version != 1 || o.What.JA == "" || o.What.EN == "" {
				t.Errorf("%s: %+v", name, o)
			}
		}
	}
	withdrawn := incident.Notice{Version: 2, Kind: incident.KindRetraction, About: 1}
	if found := Overturning([]incident.Notice{first, withdrawn}, facts("  - {key: data-class, value: phone}\n")); len(found) != 0 {
		t.Errorf("a version that was withdrawn: %+v", found)
	}
}

// TestArchive writes a notice of each case of the archive from its facts, in both languages, and counts what is found in it: those
// facts agree with themselves, so that each finding is a false alarm.
func TestArchive(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		incidents, err := incident.New(ctx, db, nil)
		if err != nil {
			t.Fatal(err)
		}
		next, err := incident.Cases()
		if err != nil {
			t.Fatal(err)
		}
		texts, sentences := 0, 0
		var alarms []string
		for {
			r, err := next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			inc, err := incidents.Create(ctx, actor.Operator(), &incident.FactsFile{ID: r.ID, Facts: r.Facts})
			if err != nil {
				t.Fatal(err)
			}
			n, err := compose.Whole(ctx, incidents, inc, compose.Figures{Time: time.Date(2026, 8, 20, 0, 0, 0, 0, time.UTC)})
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{n.Text.JA, n.Text.EN} {
				found, err := Text([]byte(text), Known{Incident: inc, Recorded: r.Facts})
				if err != nil {
					t.Fatal(err)
				}
				texts, sentences = texts+1, sentences+len(sentenceEnd.FindAllString(text, -1))
				for _, f := range found {
					if slices.Contains([]string{"as-of", "promise", "later", "next"}, f.Rule) && strings.Contains(f.What.EN, "does not say") {
						t.Logf("%s:%d lacks: %s", r.ID, f.Line, f.What.EN) // what the facts themselves lack
						continue
					}
					alarms = append(alarms, r.ID+": "+f.Rule+": "+f.What.EN+": "+text[f.From:f.To])
				}
			}
		}
		t.Logf("%d texts of %d sentences: %d false alarms", texts, sentences, len(alarms))
		for _, a := range alarms {
			t.Log(a)
		}
		if texts < 26 || len(alarms) > 0 {
			t.Errorf("%d false alarms in %d texts", len(alarms), texts)
		}
	})
}

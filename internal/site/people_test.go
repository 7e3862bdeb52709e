package site

import (
	"regexp"
	"strings"
	"testing"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/site/sitetest"
)

// TestOperator holds that every page says who runs the site, in header, footer and title, and a notice whose it is.
func TestOperator(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Operator.Name = language.Both("例示ホールディングス株式会社", "Example Holdings Inc.")
		o.Operator.Imprint, o.Operator.Privacy = "https://holdings.example/about", "https://holdings.example/privacy"
	}, string(incident.ModelCase()), sitetest.Open)
	for _, path := range []string{"/", "/incidents", "/incidents/naver-2013", "/incidents/naver-2013/help", "/notices/naver-2013-v1", "/learn", "/statement", "/verify", "/how", "/organisations", "/nowhere"} {
		for lang, name := range map[string]string{"ja": "例示ホールディングス株式会社", "en": "Example Holdings Inc."} {
			body := w.get("GET", path+"?lang="+lang).Body.String()
			header, _, _ := strings.Cut(body, "<main")
			_, footer, _ := strings.Cut(body, "</main>")
			title := regexp.MustCompile(`<title>([^<]*)</title>`).FindStringSubmatch(body)
			if len(title) != 2 || !strings.HasSuffix(title[1], name) {
				t.Errorf("%s %s: title %q", lang, path, title)
			}
			if !strings.Contains(header, name) {
				t.Errorf("%s %s: the header does not say %s", lang, path, name)
			}
			for _, want := range []string{name, "https://holdings.example/about", "https://holdings.example/privacy", "mailto:desk@notice.example"} {
				if !strings.Contains(footer, want) {
					t.Errorf("%s %s: the footer does not say %s", lang, path, want)
				}
			}
		}
	}
	body := w.get("GET", "/notices/naver-2013-v1?lang=ja").Body.String()
	_, article, _ := strings.Cut(body, "<article")
	if head, _, _ := strings.Cut(article, "<h1"); !strings.Contains(head, "LINE株式会社") {
		t.Errorf("the notice does not stand under the organisation's name: %s", head)
	}
	if !strings.Contains(body, "｜LINE株式会社｜例示ホールディングス株式会社</title>") || !strings.Contains(body, `<p class="end">以上</p>`) {
		t.Error("the notice's title does not name whose it is, or its end is not set apart")
	}
	// Where nobody has said who runs it, the host's name stands there.
	nobody := newWorld(t, func(o *Options) { o.BaseURL = "https://notice.example:8443" })
	if body := nobody.get("GET", "/incidents?lang=ja").Body.String(); !strings.Contains(body, "｜notice.example:8443</title>") || strings.Contains(body, "<no value>") {
		t.Error("an operator without a name is not called by the host")
	}
}

// TestCovered holds that the home page says beside the box what a check answers for, and only that.
func TestCovered(t *testing.T) {
	w := fullWorld(t)
	for lang, wants := range map[string][]string{
		"ja": {"確認できる公表 1件", "NAVER会員情報への不正アクセス", "調査中の公表 1件", "委託先のランサムウェア被害"},
		"en": {"What can be checked: 1 incident", "Unauthorised access to NAVER accounts", "Under investigation: 1", "Ransomware at a contractor"},
	} {
		body := w.get("GET", "/?lang="+lang).Body.String()
		_, box, _ := strings.Cut(body, `class="covers"`)
		box, _, _ = strings.Cut(box, "</section>")
		for _, want := range wants {
			if !strings.Contains(box, want) {
				t.Errorf("%s: %q is not said beside the box", lang, want)
			}
		}
		for _, not := range []string{"会員ページの設定の誤り", "Member pages misconfigured"} { // recorded from elsewhere
			if strings.Contains(box, not) {
				t.Errorf("%s: what cannot be checked stands beside the box", lang)
			}
		}
		if _, recent, _ := strings.Cut(body, `id="recent"`); strings.Contains(recent, "確認できません") || strings.Contains(recent, "cannot be checked") || !strings.Contains(recent, "chip clear") {
			t.Errorf("%s: rows say what cannot be done", lang)
		}
	}
}

// partFacts are of incidents that are known by region, by year only, or by words that have to be people's.
const partFacts = `
id: example-clinic
zone: "-08:00"
asOf: "2024-03-02"
facts:
  - {key: organisation, value: Example Clinic}
  - {key: title, value: {ja: 診療所の情報流出, en: A clinic's breach}}
  - {key: country, value: US}
  - {key: window.start, value: "2024-01-03"}
  - {key: window.end, value: "2024-01-05"}
  - {key: discovered, value: "2024-01-09"}
  - {key: affected.part, value: 11049, unit: persons, region: US-WA}
  - {key: affected.part, value: 151626, unit: persons, region: US-OR}
  - {key: data-class, value: national-id}
  - {key: secondary-damage, id: enquiry, value: enquiry, status: none-confirmed}
  - {key: secondary-damage, id: login, value: login, status: none-confirmed}
  - {key: action, id: "1", status: planned, promised: "2024-01-10", value: {ja: 説明会の開催, en: A meeting}}
`

// TestPeoplesWords holds numbers of regions, labels of a country, and sentences that a reader would write.
func TestPeoplesWords(t *testing.T) {
	w := newWorld(t, nil, partFacts)
	ja, en := pageText(w.get("GET", "/incidents/example-clinic?lang=ja").Body.String()), pageText(w.get("GET", "/incidents/example-clinic?lang=en").Body.String())
	for _, want := range []string{"ワシントン州 11,049人", "オレゴン州 15万1,626人", "対象（ワシントン州）", "米国の社会保障番号", "本件に関するお問い合わせは、寄せられていません", "不正ログインは、確認されていません",
		"「説明会の開催」（2024年1月10日の予定）について、その後の記録がありません。", "2024年"} {
		if !strings.Contains(ja, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, want := range []string{"11,049 people in Washington State", "151,626 people in Oregon", "US Social Security number", "enquiries about this incident: none received"} {
		if !strings.Contains(en, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(ja, "マイナンバー") {
		t.Error("a number of the USA is called マイナンバー")
	}
	list := pageText(w.get("GET", "/incidents?lang=ja").Body.String())
	if !strings.Contains(list, "ワシントン州 11,049人、オレゴン州 15万1,626人") {
		t.Errorf("the list does not say how many, by region: %s", list)
	}
	// Without a date of disclosure the picture still says its year.
	if svg := regexp.MustCompile(`(?s)<svg[^>]*broad.*?</svg>`).FindString(w.get("GET", "/incidents/example-clinic?lang=ja").Body.String()); !strings.Contains(svg, "2024年") {
		t.Errorf("the timeline says no year: %q", svg)
	}
	for word, labels := range map[string][2]string{"national-id:my-number": {"マイナンバー", "My Number"}, "national-id:pension": {"基礎年金番号", "pension"}, "national-id:ssn": {"社会保障番号", "Social Security"}} {
		if ja, en := incident.ClassLabelIn(language.JA, "US", word), incident.ClassLabelIn(language.EN, "", word); !strings.Contains(ja, labels[0]) || !strings.Contains(en, labels[1]) {
			t.Errorf("%s: %s, %s", word, ja, en)
		}
	}
	if label := incident.ClassLabelIn(language.JA, "JP", "national-id"); strings.Contains(label, "マイナンバー") || strings.Contains(label, "社会保障") {
		t.Errorf("a number of a kind not stated is called %s", label)
	}
}

// TestNamed holds that what is not there is named, and that nothing of a program's words is left on a page.
func TestNamed(t *testing.T) {
	w := fullWorld(t)
	for target, wants := range map[string][]string{
		"/incidents/no-such-one?lang=ja": {"「no-such-one」という事案の記録はありません"}, "/organisations/nobody?lang=en": {"no organisation “nobody”"}, "/notices/x-v9?lang=ja": {"「x-v9」というお知らせ"},
		"/learn/compare?id=naver-2013&id=no-such-one&lang=ja": {"「no-such-one」という事案の記録はありません", "NAVER会員情報への不正アクセス"},
		"/learn/compare?id=%3Cscript%3E&lang=en":              {"no incident “&lt;script&gt;”"},
	} {
		rec := w.get("GET", target)
		if rec.Code != 404 {
			t.Errorf("%s: %d", target, rec.Code)
		}
		for _, want := range wants {
			if !strings.Contains(rec.Body.String(), want) {
				t.Errorf("%s does not say %q", target, want)
			}
		}
	}
	found := w.get("GET", "/learn/compare?id=naver-2013&q=%E4%BE%8B%E7%A4%BA&lang=ja").Body.String()
	if !strings.Contains(found, "id=naver-2013&amp;id=example-shop") || strings.Contains(found, "id=naver-2013&amp;id=naver-2013") {
		t.Error("a search does not offer what can be added")
	}
	if body := w.get("GET", "/learn/compare?q=user1@example.com").Body.String(); strings.Contains(body, "user1@example.com") {
		t.Error("an address is repeated")
	}
	list := w.get("GET", "/organisations?lang=ja").Body.String()
	for _, want := range []string{`href="/organisations/line?lang=ja"`, "LINE株式会社", "例示商店", "1件"} {
		if !strings.Contains(list, want) {
			t.Errorf("the list of organisations does not say %q", want)
		}
	}
	for _, path := range []string{"/", "/incidents", "/incidents/example-shop", "/organisations", "/organisations/line", "/learn", "/learn/compare?id=naver-2013&id=example-shop", "/nowhere"} {
		text := pageText(w.get("GET", path, "Accept-Language", "ja").Body.String())
		for _, raw := range []string{"n = ", "既定の順", "符号:", "hibp", "casesから", "press", "マイナンバーなど"} {
			if strings.Contains(text, raw) {
				t.Errorf("%s says %q: %s", path, raw, text[max(0, strings.Index(text, raw)-40):])
			}
		}
	}
}

// TestToldOnce holds that no page tells an addendum twice.
func TestToldOnce(t *testing.T) {
	w := fullWorld(t)
	for _, path := range []string{"/incidents/naver-2013?lang=ja", "/notices/naver-2013-v1?lang=ja"} {
		if n := strings.Count(pageText(w.get("GET", path).Body.String()), "メンテナンスを終え、パスワード再設定機能を再び設置しました"); n != 1 {
			t.Errorf("%s tells an addendum %d times", path, n)
		}
	}
}

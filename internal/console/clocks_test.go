package console

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/response"
)

// TestClocksPage: the page of a case's clocks says of each how it stands: what started it, until when, by which document it was done, why
// it waits or does not apply, where its rule stands and what of that was not read; and that of all clocks has those of one's own cases.
func TestClocksPage(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx, by := t.Context(), actor.Operator()
		d.first()
		p := d.hire("鈴木", actor.None, actor.Commander)
		id, hidden := d.declare("漏えいの事案"), d.declare("別の事案")
		if err := d.staff.GiveAccess(ctx, by, id, p.id, actor.Contributes); err != nil {
			t.Fatal(err)
		}
		must := func(_ *response.Case, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(d.cases.Apply(ctx, by, id, 0, response.Regime{ID: "eu-gdpr"}))
		must(d.cases.Apply(ctx, by, id, 0, response.Regime{ID: "us-sec"}))
		must(d.cases.Apply(ctx, by, id, 0, response.Regime{ID: "uk-gdpr", Refused: true, Why: "英国の居住者はいない"}))
		must(d.cases.Know(ctx, by, id, 0, response.Knows{Word: "wrongful", Is: true}))
		must(d.cases.Mark(ctx, by, id, 0, response.Marked{ID: "jp-appi-sokuho", State: "done", At: "2026-08-24T10:00+09:00", Why: "速報その1"}))
		must(d.cases.Mark(ctx, by, id, 0, response.Marked{ID: "eu-gdpr-33", State: "suspended", Why: "照会中"}))
		must(d.cases.Mark(ctx, by, id, 0, response.Marked{ID: "jp-appi-notify", State: "done", At: "2026-08-25+09:00"}))
		at := "/console/cases/" + id + "/clocks"
		page := p.get(at)
		if page.status != http.StatusOK {
			t.Fatal(page.status, page.body)
		}
		row := func(name string) string {
			t.Helper()
			i := strings.Index(page.body, `id="clock-`+name+`"`)
			if i < 0 {
				t.Fatalf("%s is not on the page", name)
			}
			rest := page.body[i:]
			if j := strings.Index(rest, "</tr>"); j >= 0 {
				rest = rest[:j]
			}
			return rest
		}
		for name, wants := range map[string][]string{
			"jp-appi-sokuho":     {"済み", "速報その1", "宣言で記録した、知った時点", "記録番号 1", "目安", "個人情報の保護に関する法律第26条第1項"},
			"jp-appi-kakuho-60":  {"2026年10月19日", "組織のいずれかの部署が知った時", "施行規則第7条第3号"},
			"jp-appi-substitute": {"不要になった"},
			"eu-gdpr-33":         {"中断", "照会中", "原文未確認", "GDPR article 33"},
			"us-sec-105":         {"まだ始まっていない", "重要性があると判断した時"},
		} {
			got := row(name)
			for _, want := range wants {
				if !strings.Contains(got, want) {
					t.Errorf("%s does not say %s:\n%s", name, want, got)
				}
			}
		}
		for _, want := range []string{"当てはまらないものと、その理由", "委託先の場合のみ", "英国の居住者はいない", "<svg", `class="bar done"`, `class="now"`} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the page does not say %s", want)
			}
		}
		bars, numbers := strings.Count(page.body, "<rect"), len(regexp.MustCompile(`<span class="n">\d+</span>`).FindAllString(page.body, -1))
		if bars == 0 || bars != numbers {
			t.Errorf("%d bars, and %d numbers in the tables", bars, numbers)
		}
		if english := p.get(at + "?lang=en"); !strings.Contains(english.body, "unverified") || !strings.Contains(english.body, "What does not apply, and why") {
			t.Error("it is not there in English")
		}

		// What is told to the page changes it: a word, a trigger, a regime that is refused.
		k, err := d.cases.Get(ctx, by, id)
		if err != nil {
			t.Fatal(err)
		}
		version := itoa(k.Entries)
		for name, form := range map[string]url.Values{
			"know":   {"word": {"listed"}, "is": {"yes"}, "version": {version}},
			"start":  {"trigger": {"materiality"}, "at": {"2026-08-21"}, "version": {version}},
			"regime": {"id": {"ch-fadp"}, "refused": {"yes"}, "why": {"スイスの居住者はいない"}, "version": {version}},
		} {
			if a := p.post("/console/cases/"+id+"/"+name, form); a.status != http.StatusSeeOther || !strings.HasSuffix(strings.Split(a.header.Get("Location"), "?")[0], "/clocks") {
				t.Errorf("%s: %d, to %s", name, a.status, a.header.Get("Location"))
			}
		}
		page = p.get(at)
		for _, want := range []string{"2026年8月27日", "スイスの居住者はいない"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the page does not say %s", want)
			}
		}
		if a := p.post("/console/cases/"+id+"/regime", url.Values{"id": {"hk-pdpo"}, "refused": {"yes"}, "version": {"1"}}); a.status != http.StatusUnprocessableEntity {
			t.Errorf("refused without a reason: %d", a.status)
		}

		all := p.get("/console/clocks")
		if all.status != http.StatusOK || !strings.Contains(all.body, "漏えいの事案") || strings.Contains(all.body, "別の事案") || strings.Contains(all.body, hidden+"/") || !strings.Contains(all.body, "<svg") {
			t.Errorf("all clocks: %d: %s", all.status, all.body)
		}
		if none := d.hire("高橋", actor.Full, actor.Administrator).get("/console/clocks"); none.status != http.StatusOK || strings.Contains(none.body, "漏えいの事案") {
			t.Errorf("of who sees no case: %d", none.status)
		}
	})
}

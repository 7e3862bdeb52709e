package browsertest

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestDocuments is the way from a declared case to the reports, in Japanese: clocks, the timeline, facts with what they touch, a notice that
// a second person approves, its addendum, and the sheets of the 速報 and the 確報.
func TestDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	o := newOffice(t)
	sato := o.administrator(t)
	sato.visit("/console/people")
	sato.write("input[name=name]", "鈴木 一郎")
	sato.click(`input[name=role][value=approver]`)
	eval[bool](sato, `(document.querySelector("select[name=every]").value = "contribute", true)`)
	sato.send(`form[data-confirm=invite] button`)
	sato.until(`document.querySelector("#link") !== null`)
	link := must(url.Parse(strings.TrimSpace(sato.text("#link"))))(t)
	suzuki := o.person(t)
	suzuki.visit("/console/join#" + link.Fragment)
	suzuki.until(`document.querySelector("#invitation").textContent.includes("鈴木 一郎")`)
	suzuki.click("form[data-join] button")
	suzuki.at("/console/account")
	o.waited(t)

	sato.visit("/console/cases/new")
	sato.write("input[name=title]", "会員情報への不正アクセス")
	sato.click("button[data-now='#known']")
	sato.click("input[name=illicit]")
	sato.send("main form button:not([type=button])")
	sato.until(`document.readyState === "complete" && /^\/console\/cases\/.+-20\d\d-/.test(location.pathname)`)
	kase := eval[string](sato, `location.pathname`)
	if text := sato.text("#clocks"); !strings.Contains(text, "速報") {
		t.Errorf("the clocks: %s", text)
	}
	sato.visit(kase + "/timeline")
	sato.write(`form[action$="/event"] input[name=at]`, "2013-07-18 10:57")
	sato.write(`form[action$="/event"] textarea`, "データベースのサーバーを切り離した。")
	sato.send(`form[action$="/event"] button:not([type=button])`)
	sato.until(`document.querySelector("#events").textContent.includes("切り離した")`)

	// Facts: each is shown with what it touches before it is recorded.
	record := func(key string, fields map[string]string) {
		t.Helper()
		sato.visit(kase + "/facts?key=" + url.QueryEscape(key))
		form := `section form[action$="/facts/preview"] `
		for name, value := range fields {
			eval[bool](sato, fmt.Sprintf(`(document.querySelector(%q).value = %q, true)`, form+`[name="`+name+`"]`, value))
		}
		sato.send(form + "button")
		sato.until(`document.querySelector("form[action$='/facts/save']") !== null`)
		if key == "affected.count" {
			if text := sato.text("main"); !strings.Contains(text, "個人情報保護委員会への速報") || !strings.Contains(text, "まだ記録していません") {
				t.Errorf("what a fact touches: %s", text)
			}
			sato.shot("touches")
		}
		sato.send(`form[action$="/facts/save"] button`)
		sato.until(`document.querySelector("#said").textContent.includes("記録しました")`)
	}
	record("affected.count", map[string]string{"f.value": "1692", "f.unit": "accounts", "f.qualifier": "exact"})
	record("data-class", map[string]string{"f.value": "email", "certainty": "possible"})
	record("secondary-damage", map[string]string{"f.value": "login", "f.status": "none-confirmed"})
	record("cause", map[string]string{"f.value": "intrusion"})
	sato.shot("facts")

	approve := func() {
		t.Helper()
		sato.until(`/^\/console\/proposals\/v-/.test(location.pathname) && document.readyState === "complete"`)
		suzuki.visit(eval[string](sato, `location.pathname`))
		suzuki.until(`document.querySelector(".effect") !== null`)
		suzuki.send(`form[action$="/approve"] button`)
		suzuki.until(`document.querySelector("h1").textContent.includes("実行済み")`)
	}
	sato.visit(kase)
	sato.send(`form[action$="/propose"] button`)
	approve()
	// An addendum with an address that nobody has allowed is not proposed without a reason.
	addendum := func(despite string) {
		t.Helper()
		sato.visit(kase)
		form := `form[action$="/propose"] `
		eval[bool](sato, fmt.Sprintf(`(() => { const f = s => document.querySelector(%q + s); f("select").value = "addendum";
			f("[name=ja]").value = "続報です。次回のお知らせは本日18時です。詳しくは help-example.com をご覧ください。";
			f("[name=en]").value = "An update. The next update comes at 18:00 today."; f("[name=despite]").value = %q; return true })()`, form, despite))
		sato.send(form + "button")
	}
	addendum("")
	sato.until(`document.querySelector("[data-refused]") !== null`)
	sato.expect("422")
	if text := sato.text("[data-refused]"); !strings.Contains(text, "help-example.com") {
		t.Errorf("what was found in a text: %s", text)
	}
	addendum("サポート会社の窓口で、確認済み")
	approve()
	if text := suzuki.text(".effect"); !strings.Contains(text, "サポート会社の窓口で、確認済み") {
		t.Errorf("an approver is not told why: %s", text)
	}
	o.run(t, "ledger", "verify")

	// The 速報, with what is not known.
	sato.visit(kase + "/documents")
	sato.shot("documents")
	sato.visit(kase + "/documents/ppc-sokuho")
	state := func(item, text, unknown string) {
		t.Helper()
		row := "#row-" + item + " "
		eval[bool](sato, fmt.Sprintf(`(() => { const r = s => document.querySelector(%q + s); r("details").open = true; r("textarea").value = %q; r("[name=unknown]").checked = %s; return true })()`, row, text, unknown))
		sato.send(row + "form button")
		sato.until(`document.querySelector("#said").textContent.includes("記録しました")`)
	}
	state("count", "", "true")
	sato.shot("sokuho")
	sato.look(view{width: 794, scheme: "light", paper: true})
	if err := os.WriteFile(filepath.Join("..", "..", "screenshots", "desk-sokuho-paper.png"), sato.picture(794), 0o644); err != nil {
		t.Fatal(err)
	}
	if pdf := must(chromedp.Run(sato.ctx, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPrintBackground())))(t); len(pdf) > 0 {
		if err := os.WriteFile(filepath.Join("..", "..", "screenshots", "desk-sokuho.pdf"), pdf, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	send := func() {
		t.Helper()
		eval[bool](sato, `(document.querySelector("form[action$='/send']").closest("details").open = true)`)
		sato.send(`form[action$="/send"] button`)
		sato.until(`document.querySelector("h1").textContent.includes("提出済み")`)
	}
	send()
	// The 確報: what was not known is completed, and what differs is shown.
	sato.visit(kase + "/documents/ppc-kakuho")
	for item, text := range map[string]string{"count": "本人の数は1,692人（重複を除いて数えた）", "response": "7月19日にメールで通知した",
		"prevention": "管理者の二段階認証を必須にした", "other": "警察に相談した"} {
		state(item, text, "false")
	}
	if text := sato.text("main"); !strings.Contains(text, "最後に提出したものとの違い") || !strings.Contains(text, "二段階認証") {
		t.Errorf("what differs: %s", text)
	}
	send()
	sato.shot("kakuho")
	sato.visit(kase)
	if text := sato.text("#clocks"); !strings.Contains(text, "済み") {
		t.Errorf("the clocks run on: %s", text)
	}
	sato.look(view{width: 1280, scheme: "light"})
	sato.visit(kase + "/documents/ppc-kakuho?lang=en")
	sato.shot("kakuho-en")
	sato.visit(kase + "/facts?lang=en")
	sato.shot("facts-en")
}

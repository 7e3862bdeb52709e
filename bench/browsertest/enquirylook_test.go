package browsertest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEnquiryLook looks at the desk's pages, the staff's and those that people ask by, as TestDeskLook does.
func TestEnquiryLook(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	o := newOffice(t, "mail.server", "127.0.0.1:9", "mail.from", "desk@example.jp", "mail.security", "none", "enquiry.address", "support@example.jp",
		"reset.steps", "契約番号への折り返し電話: contract,生年月日の確認: birth-date")
	write := func(name, text string) string {
		path := filepath.Join(o.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	facts := write("facts.yaml", `id: shop
asOf: "2026-08-20T16:00+09:00"
facts:
  - {key: affected.count, value: 1692496, unit: accounts, qualifier: exact}
  - {key: data-class, value: email}
  - {key: data-class, value: birth-date}
`)
	answer := write("how-many.yaml", "id: how-many\ntopic: affected\nname: {ja: 対象の数, en: How many}\nsubject: {ja: 対象の数について, en: How many are affected}\n"+
		"text:\n  ja: 対象は{{affected.count}}です。流出した可能性のある情報は、{{data-class}}です。\n  en: \"{{affected.count}} are affected: {{data-class}}.\"\n")
	accounts, rules := write("told.csv", "id,mail\n1,a@example.com\n"), write("rules.yaml", "columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n")
	for _, args := range [][]string{
		{"case", "declare", "--id", "shop", "--title", "アカウント情報データベースへの不正アクセス", "--organisation", "株式会社例示", "--known", "2026-08-20T10:09+09:00"},
		{"incident", "add", "--facts", facts}, {"scope", "--export", accounts, "--rules", rules, "--incident", "shop", "--commit"}, {"publish", "shop", "--despite", "demonstration"},
		{"enquiry", "open", "shop"}, {"enquiry", "canned", "put", "shop", answer},
		{"enquiry", "record", "shop", "--topic", "misuse", "--name", "山田 花子", "--telephone", "090-0000-0000",
			"--text", "身に覚えのない請求が届きました。どうすればよいですか。", "--step", "契約番号への折り返し電話"},
	} {
		o.run(t, args...)
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(o.run(t, "enquiry", "record", "shop", "--topic", "affected", "--name", "鈴木 一郎", "--text", "何人が対象ですか。"), "Recorded as "), ".")
	o.run(t, "enquiry", "answer", "shop", id, "--canned", "how-many", "--told")
	changed := write("changed.yaml", "id: shop\nasOf: \"2026-08-21T16:00+09:00\"\nfacts:\n  - {key: affected.count, value: 1692500, unit: accounts, qualifier: exact}\n")
	o.run(t, "incident", "add", "--facts", changed)
	o.run(t, "publish", "shop", "--despite", "demonstration")
	p := o.administrator(t)
	for _, place := range []string{"https://forum.example/thread/20260820?page=2", "例示SNSの公開グループ「名簿あります」"} {
		p.visit("/incidents/shop/spread?lang=ja")
		p.until(`document.querySelector("#place") !== null`)
		p.write("#place", place)
		p.click("main form button")
		p.until(`document.querySelector("[role=status]") !== null`)
	}
	var places []struct{ ID string }
	if err := json.Unmarshal([]byte(o.run(t, "spread", "list", "shop", "--json")), &places); err != nil || len(places) != 2 {
		t.Fatal(places, err)
	}
	o.run(t, "spread", "decide", "shop", places[0].ID, "taken-down")
	for _, lang := range []string{"ja", "en"} {
		for _, at := range []struct{ name, path string }{
			{"queue", "/console/cases/shop/enquiries"}, {"one", "/console/cases/shop/enquiries/" + id}, {"topics", "/console/cases/shop/enquiries/topics?calls=120&minutes=5&staff=12"}, {"script", "/console/cases/shop/enquiries/script"},
			{"spread", "/console/cases/shop/spread"}, {"form", "/enquiries/shop"}, {"help", "/incidents/shop/help"}, {"genuine", "/incidents/shop/genuine"}, {"report", "/incidents/shop/spread"},
		} {
			p.run(at.name+" "+lang, func() {
				mark := "?"
				if strings.Contains(at.path, "?") {
					mark = "&"
				}
				p.visit(at.path + mark + "lang=" + lang)
				p.until(`document.readyState === "complete" && document.querySelector("h1") !== null`)
				name := "enquiry-" + at.name + "-" + lang
				if at.name == "script" {
					p.keep(name+"-paper", view{width: 658, scheme: "light", paper: true})
				}
				eval[bool](p, `(document.querySelectorAll("details").forEach(d => d.open = true), true)`)
				p.face(name)
			})
		}
	}
}

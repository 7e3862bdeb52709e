package browsertest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// TestDeskLook looks at every page of the console: in both languages, by the rules of axe-core in light and dark, at 320 pixels, and at
// those of a case on paper. With SHIRASE_PICTURES=1 it leaves pictures in screenshots/, for people to look at.
func TestDeskLook(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	o := newOffice(t)
	id := o.staged(t) // while the host alone is there, and needs nobody's approval
	campaigns := o.reached(t)
	p := o.person(t)
	p.invited(o)
	p.face("desk-join")
	p.join()
	p.authenticator(webauthn.AuthenticatorTransportUsb)

	o.run(t, "publish", id, "--despite", "名簿は暫定です。")
	o.run(t, "staff", "invite", "鈴木 一郎", "--role", "approver,writer", "--every", "contribute")
	for _, lang := range []string{"ja", "en"} {
		p.run("feed "+lang, func() {
			p.visit("/console/account?lang=" + lang)
			eval[bool](p, `(window.sending = true)`)
			p.click(`form[data-confirm=feed] button`)
			p.until(`document.querySelector("#feed-at") !== null && window.sending === undefined`)
			p.face("desk-feed-" + lang)
		})
		p.run("campaign forms together "+lang, func() {
			p.visit(campaigns.begun + "?lang=" + lang)
			p.until(`document.querySelector('form[action*="/rates"]') !== null`)
			o.run(t, "campaign", "rates", campaigns.id, "--per-second", "20")
			eval[bool](p, `(document.querySelectorAll("details").forEach(d => d.open = true), true)`)
			p.write(`form[action*="/rates"] input[name=perSecond]`, "7")
			p.send(`form[action*="/rates"] button`)
			p.until(`document.querySelector("[data-refused]") !== null`)
			p.expect("409")
			if got := eval[string](p, `document.querySelector('form[action*="/rates"] input[name=perSecond]').value`); got != "7" {
				t.Errorf("what was entered is lost: %q", got)
			}
			p.face("desk-campaign-both-" + lang)
		})
		p.run("campaign without scripts "+lang, func() {
			scripts := func(off bool) {
				if _, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: off}); err != nil {
					t.Fatal(err)
				}
			}
			scripts(true)
			defer scripts(false)
			for name, path := range map[string]string{"campaigns": campaigns.list, "campaign": campaigns.begun, "campaign-preview": campaigns.draft + "/preview"} {
				p.visit(path + "?lang=" + lang)
				p.keep("desk-"+name+"-plain-"+lang, view{width: 390, scheme: "light"})
			}
		})
		for _, at := range []struct{ name, path string }{
			{"clocks", "/console/cases/" + id + "/clocks"}, {"now", "/console/cases/" + id}, {"timeline", "/console/cases/" + id + "/timeline"}, {"decisions", "/console/cases/" + id + "/decisions"},
			{"scope", "/console/cases/" + id + "/scope"}, {"reach", "/console/cases/" + id + "/reach"}, {"campaigns", campaigns.list}, {"campaign", campaigns.begun}, {"campaign-draft", campaigns.draft},
			{"campaign-preview", campaigns.draft + "/preview"},
			{"campaign-sent", campaigns.begun + "/preview"}, {"contain", "/console/cases/" + id + "/contain"}, {"reset", "/console/cases/" + id + "/reset"}, {"facts", "/console/cases/" + id + "/facts"},
			{"documents", "/console/cases/" + id + "/documents"}, {"sheet", "/console/cases/" + id + "/documents/ppc-sokuho"},
			{"letters", o.letters}, {"outcome", "/console/cases/" + id + "/reach/outcome"},
			{"draft", "/console/cases/" + id + "/documents/notice"}, {"form", "/console/cases/" + id + "/documents/ransomware-form"},
			{"record", "/console/cases/" + id + "/record"}, {"closing", "/console/cases/" + id + "/closing"}, {"closing-gone", "/console/cases/gone/closing"}, {"board", "/console/"},
			{"proposal", o.proposed(t)}, {"allclocks", "/console/clocks"}, {"proposals", "/console/proposals"},
			{"declare", "/console/cases/new"}, {"account", "/console/account"}, {"people", "/console/people"}, {"log", "/console/log"}, {"settings", "/console/settings"},
		} {
			p.run(at.name+" "+lang, func() {
				p.visit(at.path + "?lang=" + lang)
				p.until(`document.readyState === "complete" && document.querySelector("h1") !== null`)
				name := "desk-" + at.name + "-" + lang
				if strings.HasPrefix(at.path, "/console/cases/"+id) || at.name == "board" || at.name == "proposal" {
					p.keep(name+"-paper", view{width: 658, scheme: "light", paper: true})
				}
				if at.name == "clocks" {
					p.keep(name+"-light-390", view{width: 390, scheme: "light"})
				}
				eval[bool](p, `(document.querySelectorAll("details").forEach(d => d.open = true), true)`)
				p.face(name)
			})
		}
	}
}

// face holds a page of the console at 320 pixels, and against axe-core in light and dark, and keeps a picture of each.
func (p *tab) face(name string) {
	p.Helper()
	p.look(view{width: 320, scheme: "light"})
	p.fits(name, 320)
	p.keep(name+"-light-1280", view{width: 1280, scheme: "light"})
	p.axe(name+" light", true)
	p.keep(name+"-dark-390", view{width: 390, scheme: "dark"})
	p.axe(name+" dark", false)
}

// told are the pages of two campaigns of one case.
type told struct{ id, list, begun, draft string }

// reached publishes a case from the host, and makes two campaigns of it: one that has begun and is paused, and a draft.
func (o *office) reached(t *testing.T) told {
	t.Helper()
	written := func(name, text string) string {
		path := filepath.Join(o.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var accounts strings.Builder
	accounts.WriteString("id,mail,lang,used\n")
	for i := range 300 {
		fmt.Fprintf(&accounts, "%d,u%d@example.com,%s,%d\n", i, i, []string{"ja", "en", ""}[i%3], 2018+i%9)
	}
	campaign := `incident: told
from: {ja: 株式会社例示 お知らせ事務局, en: Example Inc. Notices, address: notice@example.jp}
replyTo: desk@example.jp
subject: {ja: 会員情報の漏えいについてのお詫びとお知らせ, en: About a loss of member data}
text:
  ja: |
    # お詫びとお知らせ

    {{organisation}}です。{{discovered}}に、会員情報への不正アクセスを確認しました。

    ## お客様について

    漏えいした項目は、{{you.exposed}}です。
  en: |
    # Notice

    This is {{organisation}}. On {{discovered}} we found that somebody else has read member data.

    ## Of you

    What was exposed: {{you.exposed}}.
rates: {perSecond: 5, perDomain: {"*": 2}}
`
	for _, args := range [][]string{
		{"case", "declare", "--id", "told", "--title", "会員情報データベースへの不正アクセス", "--organisation", "株式会社例示", "--known", "2026-08-20T10:09+09:00", "--persons", "300", "--regime", "jp-appi"},
		{"incident", "add", "--facts", written("told-facts.yaml", `id: told
asOf: "2026-08-20T16:00+09:00"
facts:
  - {key: title, value: {ja: 会員情報の漏えい, en: A loss of member data}}
  - {key: organisation, value: {ja: 株式会社例示, en: Example Inc.}}
  - {key: discovered, value: "2026-08-20T10:09+09:00"}
  - {key: affected.count, value: 300, unit: accounts, qualifier: exact}
  - {key: data-class, value: email}
`)},
		{"scope", "--export", written("members.csv", accounts.String()), "--rules",
			written("members.yaml", "columns: {account: id, email: mail, locale: lang}\nactive: 'used >= \"2025\"'\nsets:\n  - {classes: [email]}\n"), "--incident", "told", "--commit"},
		{"publish", "told", "--despite", "名簿は暫定です。"},
		{"config", "set", "campaign.relays", "127.0.0.1:1"},
		{"campaign", "keys"},
	} {
		o.run(t, args...)
	}
	file := written("campaign.yaml", campaign)
	made := func() string {
		var row struct{ ID string }
		if err := json.Unmarshal([]byte(o.run(t, "campaign", "new", file, "--json")), &row); err != nil {
			t.Fatal(err)
		}
		return row.ID
	}
	begun, draft := made(), made()
	o.run(t, "campaign", "start", begun, "--despite", "受信側が見るものは、まだ整っていません。")
	o.run(t, "campaign", "pause", begun, "--why", "文面を確かめています。")
	at := "/console/cases/told/reach"
	return told{begun, at, at + "/" + begun, at + "/" + draft}
}

// staged declares a case that has one of everything, from the host.
func (o *office) staged(t *testing.T) string {
	t.Helper()
	log := filepath.Join(o.dir, "auth.log")
	if err := os.WriteFile(log, []byte("2026-08-20T10:00:00+09:00 sshd: accepted password for root\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	facts := filepath.Join(o.dir, "facts.yaml")
	if err := os.WriteFile(facts, []byte(`id: shop
asOf: "2026-08-20T16:00+09:00"
facts:
  - {key: affected.count, value: 1692496, unit: accounts, qualifier: exact}
  - {key: data-class, value: email}
  - {key: data-class, value: "password:hashed"}
  - {key: action, id: reset, value: パスワードの再設定の受付, status: planned, promised: "2026-08-20T18:00+09:00"}
  - {key: next-update, value: "2026-08-20T21:00+09:00"}
`), 0o644); err != nil {
		t.Fatal(err)
	}
	written := func(name, text string) string {
		path := filepath.Join(o.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	accounts, rules := written("told.csv", "id,mail\n1,a@example.com\n2,b@example.com\n"), written("told-rules.yaml", "columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n")
	for _, args := range [][]string{
		{"case", "declare", "--id", "shop", "--title", "アカウント情報データベースへの不正アクセス", "--organisation", "株式会社例示", "--known", "2026-08-20T10:09+09:00", "--persons", "5000", "--illicit",
			"--regime", "jp-appi", "--regime", "eu-gdpr", "--playbook", "account-database"},
		{"incident", "add", "--facts", facts},
		{"case", "event", "shop", "--at", "2026-08-20T10:57+09:00", "--text", "データベースのサーバーを切り離した。", "--source", "当番"},
		{"case", "report", "shop", "--from", "customer", "--at", "2026-08-19T09:00+09:00", "--text", "覚えのないメールが届いた。"},
		{"case", "paste", "shop", log, "--source", "web-1"},
		{"case", "evidence", "add", "shop", log, "--source", "web-1", "--by", "山田"},
		{"case", "decide", "shop", "--question", "全員のログインを止めるか", "--decision", "止める", "--why", "ハッシュが見られた可能性がある。", "--fact", "affected.count"},
		{"case", "done", "shop", "jp-appi-sokuho", "--by", "速報の1", "--at", "2026-08-24T10:00+09:00"},
		{"case", "done", "shop", "jp-appi-notify", "--suspend", "--by", "流出したデータの削除を求めている。"},
		{"case", "regime", "shop", "uk-gdpr", "--refuse", "英国の居住者はいない。"},
		{"case", "note", "shop", "電話が増えている。"},
		{"case", "prevention", "shop", "--title", "パスワードを、遅い関数で保存する", "--owner", "山田", "--due", "2026-09-30"}, {"case", "prevention", "shop", "--title", "ログを読める人を二人にする"},
		{"case", "lesson", "shop", "--text", "最初のログを読むまでに40分かかった。"},
		{"case", "hold", "shop", "--why", "損害賠償の請求"},
		{"case", "declare", "--id", "gone", "--title", "誤送信", "--organisation", "株式会社例示", "--known", "2026-08-20T10:09+09:00", "--regime", "ca-qc", "--regime", "eu-gdpr"},
		{"case", "prevention", "gone", "--title", "宛先を二人で確かめる", "--owner", "佐藤", "--due", "2030-01-01"}, {"case", "close", "gone", "--why", "報告と通知を終えた"}, {"scope", "shred", "gone"},
		{"scope", "--export", accounts, "--rules", rules, "--incident", "shop", "--commit"},
	} {
		o.run(t, args...)
	}
	o.letters = o.house(t, written)
	return "shop"
}

// house has letters for two people go to a house, of whom one came back, and something else be done for that one. It gives the page of the campaign.
func (o *office) house(t *testing.T, written func(name, text string) string) string {
	t.Helper()
	list := written("list.csv", "id,氏名,住所\n1,例示 太郎,東京都千代田区1-1\n2,例示 花子,東京都千代田区2-2\n")
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	named := func(said, begin string) string {
		t.Helper()
		i := strings.Index(said, begin)
		if i < 0 {
			t.Fatal(said)
		}
		return said[i : i+12]
	}
	evidence := strings.Fields(o.run(t, "case", "evidence", "add", "shop", list, "--accounts"))[1]
	campaign := named(o.run(t, "campaign", "new", written("letters.yaml", "incident: shop\nchannel: post\n")), "c-")
	file := named(o.run(t, "campaign", "export", campaign, "--house", "例示印刷株式会社", "--to", key.Recipient().String(), "--purpose", "お詫びの郵送",
		"--destroy-by", time.Now().AddDate(0, 1, 0).Format(time.DateOnly), "--evidence", evidence,
		"--by", "account", "--key", "id", "--columns", "氏名,住所"), "x-")
	sealed := filepath.Join(o.dir, "letters.csv.age")
	o.run(t, "campaign", "handover", file, "--out", sealed)
	b, err := os.ReadFile(sealed)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := age.Decrypt(bytes.NewReader(b), key)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(plain).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatal(rows, err)
	}
	o.run(t, "campaign", "results", file, written("results.csv", "reference,outcome,date,reason\n"+rows[1][0]+",accepted,,\n"+rows[2][0]+",returned,,moved\n"))
	o.run(t, "campaign", "substitute", "shop", "--kind", "page", "--reference", "https://example.jp/notice")
	if said := o.run(t, "campaign", "outcome", "shop"); !strings.Contains(said, "told by post") || !strings.Contains(said, "something else was done") {
		t.Error(said)
	}
	o.run(t, "campaign", "new", "--channel", "post", "--unreached", campaign)
	return "/console/cases/shop/reach/" + campaign
}

// proposed is the page of the newest proposal.
func (o *office) proposed(t *testing.T) string {
	t.Helper()
	said := o.run(t, "proposal", "list")
	i := strings.Index(said, "v-")
	if i < 0 {
		t.Fatal(said)
	}
	return "/console/proposals/" + said[i:i+12]
}

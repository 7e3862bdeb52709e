package browsertest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// warRoom makes the model case, at a thousandth of its size, as it stands in its second day: everything that a board shows is there, and some of
// it contradicts something else. It gives the case.
func (o *office) warRoom(t *testing.T) string {
	t.Helper()
	const id = "naver-2013"
	written := func(name, text string) string {
		path := filepath.Join(o.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var accounts strings.Builder
	accounts.WriteString("member_id,mail,country,auth,nickname,lang\n")
	for i := range 2700 {
		country, by := "JP", "password"
		if i >= 2100 {
			country = "KR"
		}
		if i >= 1693 {
			by = []string{"twitter", "facebook", "livedoor"}[i%3]
		}
		fmt.Fprintf(&accounts, "%d,u%d@example.com,%s,%s,n,%s\n", i, i, country, by, []string{"ja", "en"}[i%2])
	}
	now := time.Now()
	at := func(d time.Duration) string {
		return now.Add(d).In(time.FixedZone("JST", 9*3600)).Format("2006-01-02T15:04Z07:00")
	}
	shifted := fmt.Sprintf(`id: %s
asOf: %q
facts:
  - {key: affected.count, value: 1692496, unit: accounts, qualifier: exact}
  - {key: scope.state, value: final}
`, id, at(3*time.Minute)) // the declaration says something as of now, too
	for _, args := range [][]string{
		{"case", "declare", "--id", id, "--title", "NAVER会員情報データベースへの不正アクセス", "--organisation", "LINE株式会社", "--known", at(-31 * time.Hour),
			"--illicit", "--regime", "jp-appi", "--regime", "eu-gdpr", "--playbook", "account-database"},
		{"incident", "add", "--facts", must(filepath.Abs("../../internal/incident/naver-2013.yaml"))(t)},
		{"incident", "add", "--facts", written("now.yaml", shifted)},
		{"scope", "--export", written("accounts.csv", accounts.String()), "--rules", written("rules.yaml", `columns: {account: member_id, email: mail, locale: lang}
exclude:
  - {name: foreign, when: 'country != "JP"'}
  - {name: openid, when: 'auth in ["twitter", "facebook", "livedoor"]'}
sets:
  - {classes: [email, "password:hashed", nickname]}
`), "--incident", id, "--commit"},
		{"case", "decide", id, "--question", "全員のログインを止めるか", "--decision", "すべての会員のログインを止め、再設定を求める", "--why", "ハッシュが見られた可能性がある。"},
		{"case", "decide", id, "--question", "海外のサービスも止めるか", "--decision", "止めない", "--why", "データベースが別である。"},
		{"case", "decide", id, "--question", "警察に届け出るか", "--decision", "届け出る", "--why", "不正アクセス禁止法。"},
		{"case", "decide", id, "--question", "再設定の受け付けをいつ開くか", "--decision", "試験のあと、21時ごろ", "--why", "18時には間に合わない。"},
		{"case", "task", id, "--title", "ヘルプページに再設定の手順を書き、読み合わせる", "--owner", "山田", "--due", at(2 * time.Hour)},
		{"case", "task", id, "--title", "名簿の業者が、どのログを残しているかを確かめる", "--owner", "高橋", "--due", at(-time.Hour)},
		{"case", "promise", id, "--text", "再設定の受け付けを開く", "--until", at(3 * time.Hour)},
		{"gate", "block", id, "--route", "login", "--state", "closed", "--why", "パスワードが知られた可能性がある"},
		{"gate", "block", id, "--accounts", "reset", "--url", "https://reset.example.jp/", "--why", "パスワードが知られた可能性がある"},
		{"reset", "announce", id, "--for", at(3 * time.Hour)},
		{"publish", id, "--despite", "名簿は千分の一"},
		{"enquiry", "open", id},
		{"enquiry", "record", id, "--text", "わたしは対象ですか。", "--topic", "affected"},
		{"enquiry", "record", id, "--text", "いつ使えますか。"},
		{"campaign", "keys"},
	} {
		o.run(t, args...)
	}
	var row struct{ ID string }
	if err := json.Unmarshal([]byte(o.run(t, "campaign", "new", written("mail.yaml", `incident: naver-2013
from: {ja: LINE株式会社, en: LINE Corporation, address: notice@example.jp}
subject: {ja: NAVER会員情報への不正アクセスについて, en: Unauthorised access to NAVER accounts}
text: {ja: "漏えいした項目は、{{you.exposed}}です。", en: "What was exposed: {{you.exposed}}."}
rates: {perSecond: 1}
`), "--json")), &row); err != nil {
		t.Fatal(err)
	}
	o.run(t, "campaign", "start", row.ID, "--despite", "受信側が見るものは、まだ整っていません。")
	o.run(t, "campaign", "pause", row.ID, "--why", "文面を確かめています。")
	o.run(t, "incident", "add", "--facts", written("later.yaml",
		fmt.Sprintf("id: %s\nasOf: %q\nfacts:\n  - {key: window.start, value: \"2013-07-17T19:12+09:00\"}\n", id, now.In(time.FixedZone("JST", 9*3600)).Format("2006-01-02T15:04-07:00"))))
	return id
}

// TestBoard looks at a case's board as a page, on a telephone, on a wall and on paper, and has two people follow it.
func TestBoard(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	o := newOffice(t, "enquiry.staff", "5", "campaign.relays", "127.0.0.1:1")
	id := o.warRoom(t)
	w := &way{T: t, o: o, sato: o.administrator(t)}
	w.second()
	path := "/console/cases/" + id + "/board"
	for _, lang := range []string{"ja", "en"} {
		w.sato.run("board "+lang, func() {
			w.sato.visit(path + "?lang=" + lang)
			w.sato.until(`document.readyState === "complete" && document.querySelector("#sit-unknown") !== null`)
			w.sato.face("desk-situation-" + lang)
			if n := w.sato.paper("desk-situation-" + lang); n != 1 {
				t.Errorf("a situation report in %s is %d pages", lang, n)
			}
			w.sato.wall(path, lang)
		})
	}
	t.Run("two viewers", func(t *testing.T) {
		w.suzuki.visit(path)
		w.sato.visit(path)
		for _, p := range []*tab{w.sato, w.suzuki} {
			p.until(`document.querySelector("#sit-decisions") !== null && document.querySelector("#live").hidden`)
		}
		eval[bool](w.suzuki, `(window.same = true)`) // a page that was loaded anew would not have it
		w.sato.visit("/console/cases/" + id + "/decisions")
		eval[bool](w.sato, `(document.querySelectorAll("details").forEach(d => d.open = true), true)`)
		form := `form[action$="/decide"]`
		w.sato.until(`document.querySelector('` + form + `') !== null`)
		w.fill(form, map[string]string{"question": "続報を今夜出すか", "decision": "22時に出す"})
		w.sato.send(form + " button")
		w.suzuki.until(`window.same && document.querySelector("#sit-decisions").textContent.includes("22時に出す")`)
	})
	t.Run("over", func(t *testing.T) { // a board that is not theirs to see any more does not stay on a screen that nobody touches
		w.suzuki.visit(path + "?wall")
		w.suzuki.until(`document.querySelector("#sit-decisions") !== null && document.querySelector("#live").hidden`)
		w.sato.visit("/console/people")
		if !eval[bool](w.sato, `(async () => {
			const of = [...document.querySelectorAll("a[href*='/console/people/']")].find(a => a.textContent.includes("鈴木")).pathname;
			return (await fetch(of + "/sessions/end", {method: "POST", body: new URLSearchParams()})).ok;
		})()`) {
			t.Fatal("their sign-in is not ended")
		}
		w.suzuki.until(`document.readyState === "complete" && document.querySelector("#sit-decisions") === null && document.querySelector("form[data-sign-in]") !== null`)
		w.suzuki.mu.Lock() // that the stream was refused is what the page went by
		w.suzuki.said = slices.DeleteFunc(w.suzuki.said, func(s string) bool {
			return strings.Contains(s, "status of 401") && strings.Contains(s, "/console/live")
		})
		w.suzuki.mu.Unlock()
	})
	t.Run("by a screen on a wall", func(t *testing.T) { // which opens nothing but its board
		var said struct{ Link string }
		if err := json.Unmarshal([]byte(o.run(t, "staff", "invite", "壁の画面", "--role", "desk", "--json")), &said); err != nil {
			t.Fatal(err)
		}
		p := o.person(t)
		p.visit("/console/join#" + must(url.Parse(said.Link))(t).Fragment)
		p.until(`document.querySelector("#invitation").textContent.includes("壁の画面")`)
		p.click("form[data-join] button")
		p.at("/console/account")
		o.run(t, "staff", "access", "壁の画面", id, "read")
		for _, lang := range []string{"ja", "en"} {
			p.visit(path + "?wall")
			p.until(`document.querySelector("#sit-decisions") !== null`)
			p.visit("/console/?lang=" + lang)
			p.until(`document.querySelector("main .actions a") !== null`)
			p.face("desk-on-wall-" + lang)
			p.click("main .actions a")
			p.until(`document.documentElement.matches(".wall") || document.querySelector(".wall #sit-decisions") !== null`)
		}
		p.quietAbout("status of 403")
	})
	t.Run("without scripts", func(t *testing.T) {
		if _, err := chromedp.Call(w.sato.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
			t.Fatal(err)
		}
		w.sato.visit(path)
		w.sato.keep("desk-situation-plain", view{width: 390, scheme: "light"})
	})
}

// wall looks at the board as it hangs on a wall: 1920 by 1080, nothing cut off, nothing to press, and letters that are read from afar.
func (p *tab) wall(path, lang string) {
	p.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 1920, Height: 1080, DeviceScaleFactor: 1}); err != nil {
		p.Fatal(err)
	}
	p.visit(path + "?wall&lang=" + lang)
	p.until(`document.readyState === "complete" && document.querySelector("#sit-unknown") !== null`)
	layout := eval[struct {
		Height, Smallest, Figure float64
		Cut, Controls            []string
	}](p, `(() => {
		const seen = (e) => e.checkVisibility() && e.getClientRects().length > 0;
		const sizes = [...document.querySelectorAll(".situation *")].filter(e => seen(e) && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim() !== "")).map(e => parseFloat(getComputedStyle(e).fontSize));
		return {Height: document.documentElement.scrollHeight, Smallest: Math.min(...sizes), Figure: parseFloat(getComputedStyle(document.querySelector(".headline b")).fontSize),
			Cut: [...document.querySelectorAll(".tile, .headline")].filter(e => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1).map(e => e.id || e.textContent),
			Controls: [...document.querySelectorAll("a, button, input, select, summary")].filter(seen).map(e => e.outerHTML.slice(0, 80))};
	})()`)
	if layout.Height > 1080 || len(layout.Cut) > 0 {
		p.Errorf("the wall in %s is %g high, and cuts off %q", lang, layout.Height, layout.Cut)
	}
	// On a screen of 55 inches a pixel is 0.63 mm: at 4 m, 16 minutes of arc (ISO 9241-303) are 18.6 mm, which are the letters of figures.
	if layout.Smallest < 20 || layout.Figure < 40 {
		p.Errorf("the wall in %s has letters of %g px, and figures of %g px", lang, layout.Smallest, layout.Figure)
	}
	if len(layout.Controls) > 0 {
		p.Errorf("there is something to press on a wall: %q", layout.Controls)
	}
	p.store("desk-situation-wall-"+lang+".png", p.picture(1920))
	p.axe("wall "+lang, true)
}

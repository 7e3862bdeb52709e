package browsertest

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// way is a case on its way, and the two who see it through.
type way struct {
	*testing.T
	o            *office
	sato, suzuki *tab
	kase         string // its address
}

// second has another person join, who approves.
func (w *way) second() {
	w.Helper()
	w.sato.visit("/console/people")
	w.sato.write("input[name=name]", "鈴木 一郎")
	w.sato.click(`input[name=role][value=approver]`)
	eval[bool](w.sato, `(document.querySelector("select[name=every]").value = "contribute", true)`)
	w.sato.send(`form[data-confirm=invite] button`)
	w.sato.until(`document.querySelector("#link") !== null`)
	link := must(url.Parse(strings.TrimSpace(w.sato.text("#link"))))(w.T)
	w.suzuki = w.o.person(w.T)
	w.suzuki.visit("/console/join#" + link.Fragment)
	w.suzuki.until(`document.querySelector("#invitation").textContent.includes("鈴木 一郎")`)
	w.suzuki.click("form[data-join] button")
	w.suzuki.at("/console/account")
	w.o.waited(w.T)
}

// fill fills in fields of a form below a selector, by their names.
func (w *way) fill(form string, fields map[string]string) {
	w.Helper()
	for name, value := range fields {
		eval[bool](w.sato, fmt.Sprintf(`(document.querySelector(%q).value = %q, true)`, form+` [name="`+name+`"]`, value))
	}
}

// record records a fact, after a look at what it touches.
func (w *way) record(key string, fields map[string]string, touches ...string) {
	w.Helper()
	w.sato.visit(w.kase + "/facts?key=" + url.QueryEscape(key))
	w.fill(`section form[action$="/facts/preview"]`, fields)
	w.sato.send(`section form[action$="/facts/preview"] button`)
	w.sato.until(`document.querySelector("form[action$='/facts/save']") !== null`)
	w.says(w.sato.text("main"), touches...)
	if len(touches) > 0 {
		w.sato.shot("touches")
	}
	w.sato.send(`form[action$="/facts/save"] button`)
	w.sato.until(`document.querySelector("#said").textContent.includes("記録しました")`)
}

// says holds that a text says all of these.
func (w *way) says(text string, wants ...string) {
	w.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			w.Errorf("it does not say %q: %s", want, text)
		}
	}
}

// approve has the other person approve what was just proposed, and gives what they were shown.
func (w *way) approve() string {
	w.Helper()
	w.sato.until(`/^\/console\/proposals\/v-/.test(location.pathname) && document.readyState === "complete"`)
	w.suzuki.visit(eval[string](w.sato, `location.pathname`))
	w.suzuki.until(`document.querySelector(".effect") !== null`)
	shown := w.suzuki.text("main")
	w.suzuki.send(`form[action$="/approve"] button`)
	w.suzuki.until(`document.querySelector("h1").textContent.includes("実行済み")`)
	return shown
}

// state writes an item of the open sheet.
func (w *way) state(item, text string, unknown bool) {
	w.Helper()
	row := "#row-" + item + " "
	eval[bool](w.sato, fmt.Sprintf(`(() => { const r = s => document.querySelector(%q + s); r("details").open = true; r("textarea").value = %q; r("[name=unknown]").checked = %t; return true })()`, row, text, unknown))
	w.sato.send(row + "form button")
	w.sato.until(`document.querySelector("#said").textContent.includes("記録しました")`)
}

// handIn records that the open sheet was handed in.
func (w *way) handIn() {
	w.Helper()
	eval[bool](w.sato, `(document.querySelector("form[action$='/send']").closest("details").open = true)`)
	w.sato.send(`form[action$="/send"] button`)
	w.sato.until(`document.querySelector("h1").textContent.includes("提出済み")`)
}

// bytes gives what an address of this instance answers to whoever is signed in.
func (p *tab) bytes(address string) []byte {
	p.Helper()
	text := eval[string](p, fmt.Sprintf(`(async () => { const r = await fetch(%q); if (!r.ok) throw new Error(String(r.status));
		const b = new Uint8Array(await r.arrayBuffer()); let s = ""; for (const c of b) s += String.fromCharCode(c); return btoa(s) })()`, address))
	return must(base64.StdEncoding.DecodeString(text))(p.T)
}

// cells reads the texts of a workbook's first sheet, in their order.
func cells(t *testing.T, book []byte) []string {
	t.Helper()
	archive := must(zip.NewReader(bytes.NewReader(book), int64(len(book))))(t)
	read := func(name string, into any) {
		t.Helper()
		f := must(archive.Open(name))(t)
		defer f.Close()
		if err := xml.Unmarshal(must(io.ReadAll(f))(t), into); err != nil {
			t.Fatal(err)
		}
	}
	var shared struct {
		Items []struct {
			Text string `xml:"t"`
		} `xml:"si"`
	}
	var sheet struct {
		Cells []struct {
			Type  string `xml:"t,attr"`
			Value int    `xml:"v"`
		} `xml:"sheetData>row>c"`
	}
	read("xl/sharedStrings.xml", &shared)
	read("xl/worksheets/sheet1.xml", &sheet)
	var out []string
	for _, c := range sheet.Cells {
		if c.Type != "s" || c.Value >= len(shared.Items) {
			t.Fatalf("a cell that is no text: %+v", c)
		}
		out = append(out, shared.Items[c.Value].Text)
	}
	return out
}

// pdf prints the open page on A4.
func (p *tab) pdf() []byte {
	p.Helper()
	p.look(view{width: 794, scheme: "light", paper: true})
	defer p.look(view{width: 1280, scheme: "light"})
	return must(chromedp.Run(p.ctx, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPrintBackground())))(p.T)
}

// paper prints the open page, keeps it where pictures are kept, and gives the number of its sheets.
func (p *tab) paper(name string) int {
	p.Helper()
	pdf := p.pdf()
	if pictures {
		p.store(name+".pdf", pdf)
	}
	return sheets(pdf)
}

// sheets counts those of a PDF.
func sheets(pdf []byte) int { return len(regexp.MustCompile(`/Type ?/Page[ \n/]`).FindAll(pdf, -1)) }

// TestWholeWay is the model case, scaled, from the first minute to the reports, in Japanese and by two people: declared, its clocks, the
// timeline, the scope from an export, the facts, a notice that the second person approves, what the public sees of it and can prove, an
// addendum, and the sheets of the 速報 and the 確報 with what was counted.
func TestWholeWay(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	o := newOffice(t)
	w := &way{T: t, o: o, sato: o.administrator(t)}
	w.second()
	sato := w.sato

	sato.visit("/console/cases/new")
	w.fill("main form", map[string]string{"title": "会員情報への不正アクセス"})
	sato.click("button[data-now='#known']")
	sato.click("input[name=illicit]")
	sato.send("main form button:not([type=button])")
	sato.until(`document.readyState === "complete" && /^\/console\/cases\/.+-20\d\d-/.test(location.pathname)`)
	w.kase = eval[string](sato, `location.pathname`)
	id := strings.TrimPrefix(w.kase, "/console/cases/")
	sato.visit(w.kase + "/clocks")
	w.says(sato.text("main"), "速報", "確報")
	yesterday := time.Now().AddDate(0, 0, -1).Format("2006-01-02")
	sato.visit(w.kase + "/timeline")
	w.fill(`form[action$="/event"]`, map[string]string{"at": yesterday + " 10:57", "text": "データベースのサーバーを切り離した。"})
	sato.send(`form[action$="/event"] button:not([type=button])`)
	sato.until(`document.querySelector("#events").textContent.includes("切り離した")`)

	// The scope: an export is uploaded, the rules make a roster, and what was counted becomes facts.
	file, sum, rows := members(t, 30<<10)
	affected := fmt.Sprint(rows - (rows+9)/10 - (rows+8)/10)
	sato.visit(w.kase + "/scope")
	sato.do(chromedp.SetUploadFiles("form[data-upload] input[type=file]", []string{file}))
	sato.send("form[data-upload] button:not([type=button])")
	w.says(sato.text("#exports"), sum)
	w.fill(`form[action$="/scope/run"]`, map[string]string{"text": strings.Replace(scopeText, "sets:", "  - {name: openid, when: 'auth == \"twitter\"'}\nsets:", 1)})
	sato.send(`form[action$="/scope/run"] button`)
	sato.until(`document.querySelector("#result").textContent.includes("この試算で名簿を作る")`)
	w.says(sato.text("#result"), affected)
	sato.send(`form[action$="/scope/commit"] button`)
	sato.until(`document.querySelector("#scope-facts") !== null`)
	w.fill(`form[action$="/scope/accept"]`, map[string]string{"ja excluded foreign": "日本以外で提供しているサービスのアカウント", "en excluded foreign": "Accounts of services offered outside Japan",
		"ja excluded openid": "ほかのサービスのIDでログインしているアカウント", "en excluded openid": "Accounts that sign in through other services"})
	sato.send(`form[action$="/scope/accept"] button`)
	w.says(sato.text("#scope-facts"), "記録済み")

	w.record("scope.state", map[string]string{"f.value": "final"})
	w.record("cause", map[string]string{"f.value": "intrusion"}, "個人情報保護委員会への速報", "まだ記録していません")
	w.record("discovered", map[string]string{"f.value": yesterday + " 10:09"})
	w.record("contained", map[string]string{"f.value": yesterday + " 10:57"})
	w.record("secondary-damage", map[string]string{"f.value": "login", "f.status": "none-confirmed"})
	w.record("action", map[string]string{"f.value": "全アカウントのパスワードを無効にしました", "f.value.en": "All passwords were made void", "f.status": "taken", "f.at": yesterday})
	sato.shot("facts")

	// The notice: drafted, with what it does not say yet; proposed as it was looked at; approved by the other person.
	sato.visit(w.kase + "/documents")
	sato.shot("documents")
	sato.visit(w.kase + "/documents/notice")
	w.says(sato.text("main"), affected, "お問い合わせ窓口", "未記入", "まだ何も公表していません")
	sato.shot("draft-gaps")
	w.record("contact", map[string]string{"f.name": "お客様窓口", "f.name.en": "Customers' desk", "f.telephone": "0120-000-000", "f.hours": "9時～18時"})
	sato.visit(w.kase + "/documents/notice")
	if sato.has("#gaps") {
		t.Errorf("what is missing in a notice that says all: %s", sato.text("#gaps"))
	}
	sato.shot("draft")
	sato.send(`form[action$="/notice/propose"] button`)
	w.says(w.approve(), "第1版", affected)
	w.suzuki.shot("way-approved")

	// What the public sees: the notice with its proof, which verifies, and a check that answers.
	public := o.person(t)
	public.visit("/notices/" + id + "-v1")
	w.says(public.text("main"), affected, "不正アクセス", "c2sp.org/tlog-proof@v1", "お客様窓口")
	data := eval[string](public, `document.querySelector('a[href^="/ledger/v1/data/"]').getAttribute("href")`)
	dir := t.TempDir()
	for name, at := range map[string]string{"notice.json": data, "notice.proof": "/notices/" + id + "-v1/proof"} {
		if err := os.WriteFile(filepath.Join(dir, name), public.bytes(at), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := regexp.MustCompile(`--ledger-key '([^']+)'`).FindStringSubmatch(eval[string](public, `document.querySelector("main").textContent`))
	if key == nil {
		t.Fatal("the notice does not say which key verifies it")
	}
	verify := func() ([]byte, error) {
		return exec.Command(o.program, "verify", filepath.Join(dir, "notice.json"), "--proof", filepath.Join(dir, "notice.proof"), "--ledger-key", key[1]).CombinedOutput()
	}
	if out, err := verify(); err != nil {
		t.Errorf("the proof of the notice: %v: %s", err, out)
	}
	changed := bytes.Replace(must(os.ReadFile(filepath.Join(dir, "notice.json")))(t), []byte(affected), []byte("1"), 1)
	if err := os.WriteFile(filepath.Join(dir, "notice.json"), changed, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := verify(); err == nil {
		t.Errorf("another notice has the same proof: %s", out)
	}
	if got := public.check("ja", "secret.person000000005@mail.example"); got.Shown != "affected" {
		t.Errorf("somebody of the scope is answered %q: %s", got.Shown, got.Text)
	}
	if got := public.check("ja", "secret.person000000010@mail.example"); got.Shown != "not-in-scope" { // of a service abroad
		t.Errorf("somebody who is excluded is answered %q: %s", got.Shown, got.Text)
	}

	// The addendum: drafted from what has changed, written on; what the lint finds wants a reason, which the approver reads.
	w.record("action", map[string]string{"f.value": "パスワードの再設定を始めました", "f.value.en": "Passwords can be set anew", "f.status": "taken", "f.at": time.Now().Format("2006-01-02")})
	sato.visit(w.kase + "/documents/addendum")
	source := eval[string](sato, `document.querySelector("textarea[name=ja]").value`)
	w.says(source, "{{action", "追記")
	w.says(sato.text(".pages"), "パスワードの再設定を始めました")
	write := func(text string) {
		t.Helper()
		w.fill("main form", map[string]string{"ja": source + "\n\n" + text + "\n"})
		sato.send(`form[data-draft=addendum] button:not([formaction])`)
		sato.until(`document.querySelector(".pages") !== null`)
	}
	write("詳しくは help-example.com をご覧ください。")
	w.says(sato.text("main .warn"), "help-example.com")
	sato.shot("addendum-found")
	sato.send(`form[data-draft=addendum] button[formaction]`)
	sato.until(`document.querySelector("[data-refused]") !== null`)
	sato.expect("422")
	w.fill("main form", map[string]string{"despite": "サポート会社の窓口で、確認済み"})
	sato.send(`form[data-draft=addendum] button[formaction]`)
	w.says(w.approve(), "サポート会社の窓口で、確認済み")
	public.visit("/notices/" + id + "-v1")
	w.says(public.text("#addenda ~ ol"), "追記")
	public.visit("/notices/" + id + "-v2")
	w.says(public.text("main"), "パスワードの再設定を始めました", "c2sp.org/tlog-proof@v1")
	o.run(t, "ledger", "verify")

	// The 速報: what was counted, and what is not known yet.
	sato.visit(w.kase + "/documents/ppc-sokuho")
	w.state("count", "", true)
	sato.shot("sokuho")
	if n := sato.paper("desk-sokuho"); n < 1 || n > 3 {
		t.Errorf("the 速報 is printed on %d sheets", n)
	}
	first := cells(t, sato.bytes(w.kase+"/documents/ppc-sokuho/file?form=xlsx"))
	w.says(strings.Join(first, "\n"), "規則8条1項3号", affected, "未確認", "お知らせ（第1版）", "お知らせ（追記）")
	w.handIn()
	// The 確報: what was not known is completed, and what differs is shown.
	sato.visit(w.kase + "/documents/ppc-kakuho")
	persons := "本人の数は" + affected + "人（アドレスの重複を除いて数えた）"
	for item, text := range map[string]string{"count": persons, "response": "本人へメールで通知した", "prevention": "管理者の二段階認証を必須にした", "other": "警察に相談した"} {
		w.state(item, text, false)
	}
	w.says(sato.text("main"), "最後に提出したものとの違い", "二段階認証")
	sato.shot("kakuho")
	last := cells(t, sato.bytes(w.kase+"/documents/ppc-kakuho/file?form=xlsx"))
	w.says(strings.Join(last, "\n"), persons, "二段階認証")
	if strings.Contains(strings.Join(last, "\n"), "未確認") || len(last) != 60 {
		t.Errorf("the 確報 has %d cells, or something that is not known: %q", len(last), last)
	}
	sato.paper("desk-kakuho")
	w.handIn()
	sato.visit(w.kase)
	w.says(sato.text("#clocks"), "済み")
	sato.shot("way-end")
	for name, at := range map[string]string{"kakuho-en": "/documents/ppc-kakuho", "facts-en": "/facts", "draft-en": "/documents/notice"} {
		sato.visit(w.kase + at + "?lang=en")
		sato.shot(name)
	}
	if foreign := o.stage.foreign(); len(foreign) > 0 {
		t.Errorf("pages asked elsewhere: %q", foreign)
	}
}

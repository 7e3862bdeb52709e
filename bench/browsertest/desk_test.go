package browsertest

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	_ "modernc.org/sqlite"

	"shirase/bench/served"
)

// office is an empty instance that is served, and a browser for each person.
type office struct {
	*browser
	dir, program string
	first        string   // the link of the first administrator
	pid          int      // of the server
	at           *url.URL // where it listens
	host         string
	letters      string // the page of a campaign of letters
}

// newOffice makes an instance, without any staff, and serves it.
func newOffice(t *testing.T, settings ...string) *office {
	t.Helper()
	return officeOf(t, []string{"init", "--operator-ja", "株式会社例示", "--operator-en", "Example Inc."}, settings...)
}

// officeOf makes an instance by a command, without any staff, and serves it.
func officeOf(t *testing.T, begin []string, settings ...string) *office {
	t.Helper()
	o := placeOf(t, begin)
	o.run(t, "config", "set", "gate.file", must(filepath.Abs("../../examples/gate/routes.yaml"))(t))
	o.set(t, settings...)
	o.serve(t, "127.0.0.1:0")
	o.start(t, findChromium(t))
	return o
}

// newPlace makes an instance that is not served yet. Where it will be, is known.
func newPlace(t *testing.T) *office {
	t.Helper()
	return placeOf(t, []string{"init", "--operator-ja", "株式会社例示", "--operator-en", "Example Inc."})
}

// placeOf makes an instance by a command.
func placeOf(t *testing.T, begin []string) *office {
	t.Helper()
	o := &office{browser: &browser{stage: newStage(t)}, dir: t.TempDir()}
	o.program = filepath.Join(o.dir, "shirase")
	if err := served.Build(o.program); err != nil {
		t.Fatal(err)
	}
	o.run(t, begin...)
	o.host = o.stage.host(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(o.at); r.Out.Host = r.In.Host }})
	return o
}

// set has settings, each with its value.
func (o *office) set(t *testing.T, settings ...string) {
	t.Helper()
	for i := 0; i+1 < len(settings); i += 2 {
		o.run(t, "config", "set", settings[i], settings[i+1])
	}
}

// serve serves the instance until the test ends, notes the link of the first administrator, and gives where it answers.
func (o *office) serve(t *testing.T, listen string) string {
	t.Helper()
	serve := exec.Command(o.program, "serve", "--json", "--listen", listen, "--data", o.data())
	serve.Stderr = os.Stderr
	out := must(serve.StdoutPipe())(t)
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	o.pid = serve.Process.Pid
	t.Cleanup(func() {
		serve.Process.Signal(os.Interrupt)
		if err := serve.Wait(); err != nil {
			t.Errorf("the server ends with %v", err)
		}
	})
	var said struct{ URL, Listen, First string }
	if err := json.Unmarshal(must(bufio.NewReader(out).ReadBytes('\n'))(t), &said); err != nil {
		t.Fatal(err)
	}
	o.at = must(url.Parse(said.URL))(t)
	if _, token, ok := strings.Cut(said.First, "#"); ok {
		o.first = "/console/join#" + token
	}
	return said.URL
}

func (o *office) data() string { return filepath.Join(o.dir, "data") }

// waited has everybody have waited as long as a new approver does, for whom no test has the time.
func (o *office) waited(t *testing.T) {
	t.Helper()
	db := must(sql.Open("sqlite", "file:"+filepath.Join(o.data(), "shirase.db")+"?_pragma=busy_timeout(10000)"))(t)
	defer db.Close()
	res := must(db.Exec(`UPDATE staff_account SET held_from = 1, held_until = 1 WHERE held_until > 1`))(t)
	if n := must(res.RowsAffected())(t); n == 0 {
		t.Fatal("nobody waits")
	}
}

func (o *office) run(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command(o.program, append(args, "--data", o.data())...)
	c.Dir = o.dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("shirase %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimPrefix(string(out), "EXERCISE 訓練 — nothing of this is real\n") // which is on standard error
}

// person opens a browser of their own, with an authenticator in it.
func (o *office) person(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(o.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &tab{T: t, ctx: ctx, host: o.host, on: o.stage, patience: o.patience}
	p.do(chromedp.Navigate("about:blank"))
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, cdplog.Enable, struct{}{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: eval[string](p, "navigator.userAgent"), AcceptLanguage: "ja"}); err != nil {
		t.Fatal(err)
	}
	p.authenticator(webauthn.AuthenticatorTransportInternal)
	t.Cleanup(p.quiet)
	p.look(view{width: 1280, scheme: "light"})
	return p
}

// authenticator gives the tab one more key, whose owner touches it at once.
func (p *tab) authenticator(by webauthn.AuthenticatorTransport) {
	p.Helper()
	if _, err := chromedp.Call(p.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: by, HasResidentKey: true, HasUserVerification: true,
		IsUserVerified: true, AutomaticPresenceSimulation: true}}); err != nil {
		p.Fatal(err)
	}
}

// administrator is the first person, who has followed the first link.
func (o *office) administrator(t *testing.T) *tab {
	t.Helper()
	p := o.person(t)
	p.invited(o)
	p.join()
	return p
}

// invited opens the first link and sees what it is for.
func (p *tab) invited(o *office) {
	p.Helper()
	p.visit(o.first)
	p.until(`document.querySelector("#invitation").textContent.includes("最初の管理者")`)
}

// join says who they are, and has their passkey made.
func (p *tab) join() {
	p.Helper()
	p.write("input[name=name]", "佐藤 花子")
	p.click("form[data-join] button")
	p.at("/console/account")
}

// at waits until a page is open and quiet.
func (p *tab) at(path string) {
	p.Helper()
	p.until(fmt.Sprintf(`document.readyState === "complete" && location.pathname === %q`, path))
}

// send sends a form and waits for the page that answers it. What was done may
// stand on the old page before that: the stream brings it to whoever did it too.
func (p *tab) send(selector string) {
	p.Helper()
	eval[bool](p, `(window.sending = true)`)
	p.click(selector)
	p.until(`window.sending === undefined && document.readyState === "complete"`)
}

// visit opens a page of the console and sees it.
func (p *tab) visit(path string) {
	p.Helper()
	p.do(chromedp.Navigate("http://" + p.host + path))
}

// fits holds that nothing sticks out of the page.
func (p *tab) fits(name string, width int64) {
	p.Helper()
	if over := eval[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		out := eval[string](p, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
			.map(e => e.tagName + "." + e.className).slice(0, 5).join(" ")`)
		p.Errorf("%s: at %d px, %d px stick out: %s", name, width, over, out)
	}
}

// shot holds that nothing sticks out of the page at both widths, and keeps a picture where pictures are kept.
func (p *tab) shot(name string) {
	p.Helper()
	for _, width := range []int64{1280, 390} {
		p.keep(fmt.Sprintf("desk-%s-%d", name, width), view{width: width, scheme: "light"})
		p.fits(name, width)
	}
	p.look(view{width: 1280, scheme: "light"})
}

// TestDesk is the way of a new instance, in Japanese: the first link, the second person, a case, and what is done in it.
func TestDesk(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	o := newOffice(t)
	sato := o.person(t)
	sato.invited(o)
	if got := eval[string](sato, `location.href`); strings.Contains(got, "#") {
		t.Errorf("the token stays in the address: %s", got)
	}
	sato.shot("join")
	sato.join()
	sato.shot("account")
	if text := sato.text("main"); !strings.Contains(text, "回復コード（いま一度だけ表示します）") || !strings.Contains(text, "もう1つ登録してください") {
		t.Fatal(text)
	}
	// The second passkey: on another authenticator, because one device holds one of an account.
	sato.authenticator(webauthn.AuthenticatorTransportUsb)
	sato.write("form[data-add-passkey] input[name=name]", "予備のキー")
	sato.click("form[data-add-passkey] button")
	sato.until(`document.querySelectorAll("#passkeys + * tbody tr, #passkeys ~ table:first-of-type tbody tr").length === 2`)

	// An invitation, confirmed by the passkey.
	sato.visit("/console/people")
	sato.shot("people")
	sato.write("input[name=name]", "鈴木 一郎")
	sato.click(`input[name=role][value=approver]`)
	sato.click(`input[name=role][value=writer]`)
	eval[bool](sato, `(document.querySelector("select[name=every]").value = "contribute", true)`)
	sato.send(`form[data-confirm=invite] button`)
	sato.until(`document.querySelector("#link") !== null`)
	sato.shot("invited")
	link := must(url.Parse(strings.TrimSpace(sato.text("#link"))))(t)

	suzuki := o.person(t)
	suzuki.visit("/console/join#" + link.Fragment)
	suzuki.until(`document.querySelector("#invitation").textContent.includes("鈴木 一郎")`)
	suzuki.click("form[data-join] button")
	suzuki.at("/console/account")
	o.waited(t)

	// Signed out and in again, from the page that was wanted.
	eval[bool](suzuki, `(document.querySelector('form[action="/console/sign-out"] button').click(), true)`)
	suzuki.at("/console/sign-in")
	suzuki.shot("signin")
	suzuki.visit("/console/people")
	suzuki.at("/console/sign-in")
	suzuki.click("form[data-sign-in] button")
	suzuki.at("/console/people")

	// A case, by keyboard: g n, and the form. Its draft is there again after the page was left.
	sato.visit("/console/")
	sato.shot("empty")
	sato.press("g", "n")
	sato.at("/console/cases/new")
	sato.write("input[name=title]", "アカウント情報データベースへの不正アクセス")
	sato.write("textarea[name=says]", "データベースのサーバーに、見覚えのないファイルがある。")
	sato.visit("/console/account")
	sato.visit("/console/cases/new")
	if got := eval[string](sato, `document.querySelector("input[name=title]").value`); got != "アカウント情報データベースへの不正アクセス" {
		t.Errorf("the draft is lost: %q", got)
	}
	sato.click("button[data-now='#known']")
	sato.until(`/^20\d\d-\d\d-\d\dT\d\d:\d\d\+09:00$/.test(document.querySelector("#known").value)`)
	sato.click("input[name=illicit]")
	eval[bool](sato, `(document.querySelector("select[name=playbook]").value = "account-database", true)`)
	sato.shot("declare")
	sato.send("main form button:not([type=button])")
	sato.until(`document.readyState === "complete" && /^\/console\/cases\/.+-20\d\d-\d\d-\d\d-[a-z0-9]+$/.test(location.pathname)`)
	kase := eval[string](sato, `location.pathname`)
	sato.shot("case")
	if text := sato.text("#next"); !strings.Contains(text, "期限") {
		t.Errorf("what next: %s", text)
	}
	sato.visit("/console/cases/new")
	if got := eval[string](sato, `document.querySelector("input[name=title]").value`); got != "" {
		t.Errorf("the draft stays after it was taken: %q", got)
	}

	// The second person sees it, and what the first one does appears without a click.
	suzuki.visit(kase)
	suzuki.until(`document.querySelector("h1").textContent.includes("不正アクセス")`)
	sato.visit(kase)
	sato.press("t")
	sato.write(`form[action$="/task"] input[name=title]`, "全アカウントのログインを止める")
	sato.write(`form[action$="/task"] input[name=owner]`, "鈴木 一郎")
	suzuki.write(`form[action$="/note"] textarea`, "書きかけのメモ")
	sato.send(`form[action$="/task"] button`)
	suzuki.until(`document.querySelector("#tasks").textContent.includes("全アカウントのログインを止める")`)
	if got := eval[string](suzuki, `document.querySelector('form[action$="/note"] textarea').value`); got != "書きかけのメモ" {
		t.Errorf("what was being written is lost: %q", got)
	}

	// Both change one task: the slower one sees both, and nothing is lost.
	row := `#tasks tbody tr:last-child form[action$="/task/change"] `
	sato.until(`document.querySelector('#tasks tbody tr:last-child').textContent.includes("全アカウント")`)
	eval[bool](suzuki, fmt.Sprintf(`(() => { document.querySelector(%q).closest("details").open = true; document.querySelector(%q).value = "20時に"; return true })()`, row+"input", row+"input[name=note]"))
	eval[bool](sato, fmt.Sprintf(`(() => { document.querySelector(%q).closest("details").open = true; document.querySelector(%q).value = "doing"; return true })()`, row+"input", row+"select[name=state]"))
	eval[bool](suzuki, fmt.Sprintf(`(document.querySelector(%q).focus(), true)`, row+"input[name=note]")) // its region stays while it is written in
	sato.send(row + "button")
	sato.until(`document.querySelector('#tasks tbody tr:last-child').textContent.includes("作業中")`)
	suzuki.send(row + "button")
	suzuki.until(`document.querySelector("[data-refused]") !== null`)
	suzuki.expect("409")
	if text := suzuki.text("[data-refused]"); !strings.Contains(text, "20時に") || !strings.Contains(text, "作業中") || !strings.Contains(text, "佐藤 花子") {
		t.Errorf("both versions: %s", text)
	}
	suzuki.shot("both")

	// A report from outside: it asks whether it was the moment of knowledge.
	sato.visit(kase + "/timeline")
	sato.press("r")
	sato.write(`form[action$="/report"] input[name=at]`, "2026-08-17 09:00")
	sato.write(`form[action$="/report"] input[name=who]`, "利用者")
	sato.write(`form[action$="/report"] textarea`, "覚えのないメールが届いた。")
	sato.send(`form[action$="/report"] button:not([type=button])`)
	sato.until(`document.querySelector("#reports").textContent.includes("知った」時点にあたりますか")`)
	sato.press("e")
	sato.write(`form[action$="/event"] input[name=at]`, "2026-08-18 10:57")
	sato.write(`form[action$="/event"] textarea`, "データベースのサーバーを切り離した。")
	sato.send(`form[action$="/event"] button:not([type=button])`)
	sato.until(`document.querySelector("#events").textContent.includes("切り離した")`)
	sato.shot("timeline")
	sato.send(`#reports button[value=yes]`)
	sato.until(`document.querySelector("#reports").textContent.includes("知った時点にあたる")`)

	sato.visit(kase + "/decisions")
	sato.press("d")
	sato.write(`main > details form[action$="/decide"] input[name=question]`, "全アカウントのログインを止めるか")
	sato.write(`main > details form[action$="/decide"] input[name=decision]`, "止める")
	sato.write(`main > details form[action$="/decide"] textarea[name=why]`, "パスワードのハッシュが見られた可能性がある。")
	sato.send(`main > details:last-of-type form[action$="/decide"] button`)
	sato.until(`document.querySelector("#decided").textContent.includes("ハッシュが見られた")`)
	sato.shot("decisions")
	// What cannot be undone is proposed; whoever proposed it cannot approve it, and somebody else does, by passkey.
	sato.visit(kase)
	sato.send(`form[action$="/propose"] button`)
	sato.until(`/^\/console\/proposals\/v-/.test(location.pathname) && document.readyState === "complete"`)
	proposed := eval[string](sato, `location.pathname`)
	if text := sato.text("main"); sato.has(`form[action$="/approve"]`) || !strings.Contains(text, "あなたの提案です") {
		t.Errorf("one's own proposal: %s", text)
	}
	suzuki.visit(proposed)
	suzuki.until(`document.querySelector(".effect") !== null`)
	suzuki.shot("proposal")
	if text := suzuki.text("main"); !strings.Contains(text, "佐藤 花子") || !strings.Contains(text, "だれでも読めるように公表します") {
		t.Errorf("what is proposed: %s", text)
	}
	suzuki.send(`form[action$="/approve"] button`)
	suzuki.until(`document.querySelector("h1").textContent.includes("実行済み")`)
	suzuki.shot("approved")
	id := strings.TrimPrefix(kase, "/console/cases/")
	suzuki.visit("/notices/" + id + "-v1")
	suzuki.until(`document.querySelector("h1").textContent.includes("不正アクセス")`)
	if res := o.run(t, "ledger", "verify"); !strings.Contains(res, "entries") {
		t.Errorf("the ledger: %s", res)
	}
	sato.visit(kase + "/record")
	sato.until(`document.querySelector("#log").textContent.includes("提案")`)
	sato.shot("record")
	sato.visit("/console/")
	sato.shot("board")
	sato.visit("/console/log")
	sato.shot("log")
	sato.visit("/console/settings")
	sato.shot("settings")

	// Help and palette, by keyboard.
	sato.press("?")
	sato.until(`document.querySelector("#help").open`)
	sato.shot("help")
	sato.press("\x1b")
	sato.until(`!document.querySelector("#help").open`)
	sato.press("/")
	sato.until(`document.querySelector("#palette").open`)
	sato.write("#palette input", "宣言")
	sato.until(`document.querySelectorAll("#palette li").length === 1`)
	sato.press("\r")
	sato.at("/console/cases/new")

	// In English too.
	sato.visit(kase + "?lang=en")
	sato.shot("case-en")

	// From the host: a way back in, which everybody is shown.
	said := o.run(t, "staff", "recover", "鈴木 一郎")
	if !strings.Contains(said, "/console/join#") {
		t.Error(said)
	}
	sato.visit("/console/")
	sato.until(`document.querySelector("main").textContent.includes("サーバーから回復リンクを作った")`)
	sato.shot("host")
	if foreign := o.stage.foreign(); len(foreign) > 0 {
		t.Errorf("pages asked elsewhere: %q", foreign)
	}
}

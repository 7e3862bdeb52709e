package browsertest

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"shirase/check"
)

// pagePaths are the pages of the demonstration, with the names of their pictures.
var pagePaths = []struct{ name, path string }{
	{"home", "/"}, {"incidents", "/incidents"}, {"incident", "/incidents/" + demoIncident}, {"incident-open", "/incidents/" + demoCity},
	{"notice", "/notices/" + demoIncident + "-v1"}, {"help", "/incidents/" + demoIncident + "/help"}, {"notice-addendum", "/notices/" + demoIncident + "-v2"},
	{"notice-lifted", "/notices/" + demoIncident + "-v6"}, {"problem", "/problems/too-many"}, {"statement", "/statement"}, {"verify", "/verify"}, {"services", "/services"}, {"passwords", "/passwords"}, {"how", "/how"}, {"missing", "/nowhere"},
}

// testHygiene looks for what was asked in every place where it must not be.
func (b *browser) testHygiene(t *testing.T) {
	p := b.tab(t, b.handler)
	p.open("/", "ja")
	type trace struct {
		Href, Title, State, Session, Cookie, Resources string
		Local, Databases, Caches                       []string
		History                                        int
	}
	look := func() trace {
		return eval[trace](p, `(async () => ({
			Href: location.href, Title: document.title, State: JSON.stringify(history.state), History: history.length,
			Session: JSON.stringify(sessionStorage), Cookie: document.cookie,
			Resources: performance.getEntries().map(e => e.name).join(" "),
			Local: Object.entries(localStorage).map(e => e.join("=")),
			Databases: (await indexedDB.databases()).map(d => d.name), Caches: await caches.keys(),
		}))()`)
	}
	before := look()
	p.ask(b.affected)
	if got := p.answer(); got.Shown != "affected" {
		t.Fatalf("%+v", got)
	}
	p.file("[data-save]")
	after := look()
	if after.Href != before.Href || after.Title != before.Title || after.State != before.State || after.History != before.History {
		t.Errorf("URL, title or history changed: %+v, %+v", before, after)
	}
	if after.Session != "{}" || after.Cookie != "" || len(after.Databases)+len(after.Caches) > 0 {
		t.Errorf("something is kept: %+v", after)
	}
	if len(after.Local) != 1 || !strings.HasPrefix(after.Local[0], "shirase.ledgers=") {
		t.Errorf("localStorage holds %q", after.Local)
	}
	cookies, err := chromedp.Call(p.ctx, network.GetCookies, network.GetCookiesParams{})
	if err != nil {
		t.Fatal(err)
	}
	if len(cookies.Cookies) > 0 {
		t.Error("a cookie was set")
	}
	everything := fmt.Sprint(after)
	for _, r := range b.stage.of(p.host) {
		everything += "\n" + r.line + "\n" + r.head + "\n" + r.body
		if strings.Contains(r.head, "Cookie:") || strings.Contains(r.head, "Referer:") {
			t.Errorf("%s has a cookie or a referrer", r.line)
		}
	}
	for name, form := range spellings(b.affected) {
		if strings.Contains(everything, form) {
			t.Errorf("the address (%s) is in what was sent, stored or shown outside the page", name)
		}
	}
	// What a reload shows is an empty box: nothing was kept to fill it with.
	p.do(chromedp.Reload())
	if v := eval[string](p, `document.querySelector("[data-address]").value`); v != "" {
		t.Error("the box is filled after a reload")
	}
	b.testHeaders(t)
}

// spellings are the forms in which an address could be given away.
func spellings(address string) map[string]string {
	return map[string]string{
		"as it is": address, "URL-encoded": url.QueryEscape(address), "base64": base64.StdEncoding.EncodeToString([]byte(address)),
		"base64url": base64.RawURLEncoding.EncodeToString([]byte(address)), "hex": hex.EncodeToString([]byte(address)),
		"local part": strings.TrimSuffix(address, address[strings.Index(address, "@"):]) + "@",
	}
}

// testHeaders holds what every response must carry, the worker's included.
func (b *browser) testHeaders(t *testing.T) {
	p := b.tab(t, b.handler)
	p.open("/", "")
	worker := eval[string](p, `document.querySelector("[data-worker]").dataset.worker`)
	for _, path := range []string{"/", "/verify", "/nowhere", worker, "/check/v1/statement", "/checkpoint"} {
		head := eval[map[string]string](p, fmt.Sprintf(`fetch(%q).then(r => Object.fromEntries(r.headers))`, path))
		policy := head["content-security-policy"]
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("%s: policy %q", path, policy)
		}
		for name, want := range map[string]string{"referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin",
			"cross-origin-resource-policy": "same-origin", "x-content-type-options": "nosniff"} {
			if head[name] != want {
				t.Errorf("%s: %s is %q, want %q", path, name, head[name], want)
			}
		}
		if head["permissions-policy"] == "" || head["set-cookie"] != "" {
			t.Errorf("%s: %v", path, head)
		}
	}
	p.expect("Failed to load resource")
	if loose := eval[int](p, `[...document.querySelectorAll("script, link[rel=stylesheet]")].filter(e => !e.integrity).length`); loose > 0 {
		t.Errorf("%d scripts or styles have no integrity", loose)
	}
	// The program that runs can be compared with the fingerprints that /how shows.
	files := eval[[]string](p, `[document.querySelector("script").src, new URL(document.querySelector("[data-worker]").dataset.worker, location).href]`)
	p.open("/how", "en")
	says := p.text("main")
	for _, file := range files {
		sum := eval[string](p, fmt.Sprintf(`fetch(%q).then(r => r.arrayBuffer()).then(b => crypto.subtle.digest("SHA-256", b)).then(d => [...new Uint8Array(d)].map(x => x.toString(16).padStart(2, "0")).join(""))`, file))
		if !strings.Contains(says, sum) {
			t.Errorf("/how does not show the SHA-256 %s of %s", sum, file)
		}
	}
}

// testKeyboard checks without a mouse.
func (b *browser) testKeyboard(t *testing.T) {
	p := b.tab(t, b.handler)
	p.look(view{width: 1280, scheme: "light"})
	p.open("/", "ja")
	p.until(`document.querySelector("[data-submit]").disabled === false`)
	p.press(kb.Tab)
	if !eval[bool](p, `document.activeElement.matches("a.skip") && document.activeElement.getBoundingClientRect().left >= 0`) {
		t.Error("the first key does not lead to the link that skips to the content")
	}
	steps := 1
	for ; steps < 12 && !eval[bool](p, `document.activeElement.matches("[data-address]")`); steps++ {
		p.press(kb.Tab)
		if !eval[bool](p, `(s => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2)(getComputedStyle(document.activeElement))`) {
			t.Errorf("what has the focus after %d keys does not show it: %s", steps+1, eval[string](p, `document.activeElement.outerHTML.slice(0, 120)`))
		}
	}
	if steps == 12 {
		t.Fatal("the box is not reached by the keyboard")
	}
	p.press(b.affected, kb.Enter)
	p.answer()
	if !eval[bool](p, `document.activeElement.matches("[data-answers] h2")`) {
		t.Errorf("the focus is on %s", eval[string](p, `document.activeElement.outerHTML.slice(0, 120)`))
	}
	p.press(kb.Tab)
	if !eval[bool](p, `document.activeElement.closest("[data-answers]") !== null`) {
		t.Error("the next key leads out of the answer")
	}
	if !eval[bool](p, `document.querySelector("[data-answers]").ariaLive === "polite" && document.querySelector("[data-progress]").ariaLive === "polite"`) {
		t.Error("answers and progress are not announced")
	}
	// Buttons do the same by keyboard.
	eval[bool](p, `(document.querySelector("[data-again]").focus(), true)`)
	p.press(kb.Enter)
	p.until(`document.activeElement.matches("[data-address]")`)
}

// testWithoutScript reads the pages with script turned off.
func (b *browser) testWithoutScript(t *testing.T) {
	p := b.tab(t, b.handler)
	if _, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"ja", "en"} {
		for _, at := range pagePaths {
			p.open(at.path, lang)
			if n := len([]rune(p.text("main"))); n < 80 && at.name != "missing" || n < 40 {
				t.Errorf("%s in %s has %d letters", at.name, lang, n)
			}
			if stray := eval[[]string](p, `[...document.querySelectorAll("main [data-script], main button:enabled")].filter(e => e.checkVisibility() && !e.closest("form[action][method=get]")).map(e => e.outerHTML.slice(0, 100))`); len(stray) > 0 {
				t.Errorf("%s in %s shows what cannot work: %q", at.name, lang, stray)
			}
			if at.name != "home" && at.name != "verify" {
				continue
			}
			says := p.text("noscript")
			if !strings.Contains(says, "JavaScript") || !strings.Contains(p.text("main"), "shirase ") {
				t.Errorf("%s in %s does not say why it needs script, or the command: %q", at.name, lang, says)
			}
			p.keep(at.name+"-plain-"+lang, view{width: 390, scheme: "light"})
		}
	}
	p.expect("status of 404")
}

// testLanguage switches the language, and stays where it was.
func (b *browser) testLanguage(t *testing.T) {
	for _, c := range []struct{ accept, lang, other string }{{"ja,en;q=0.5", "ja", "en"}, {"en-GB,en;q=0.9", "en", "ja"}} {
		p := b.tab(t, b.handler)
		if _, err := chromedp.Call(p.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": c.accept}}); err != nil {
			t.Fatal(err)
		}
		for _, at := range pagePaths {
			p.open(at.path, "")
			if lang := eval[string](p, "document.documentElement.lang"); lang != c.lang {
				t.Errorf("%s for %q is in %s", at.name, c.accept, lang)
			}
			p.click("header a[hreflang]")
			p.until(fmt.Sprintf(`document.readyState === "complete" && document.documentElement.lang === %q`, c.other))
			if path := eval[string](p, "location.pathname"); path != at.path {
				t.Errorf("the switch leads from %s to %s", at.path, path)
			}
			if links := eval[[]string](p, `[...document.querySelectorAll("header nav a:not([hreflang]), main a")].map(a => new URL(a.href)).filter(u => u.origin === location.origin && !u.searchParams.has("lang") && !/^.(check|ledger|tile|notices.*proof)/.test(u.pathname)).map(u => u.pathname)`); len(links) > 0 {
				t.Errorf("%s in %s: these links lose the language: %q", at.name, c.other, links)
			}
		}
		p.expect("status of 404")
	}

	// Times are the reader's, with Japan's beside them where the reader is elsewhere.
	p := b.tab(t, b.handler)
	p.look(view{width: 1280, scheme: "light", zone: "Europe/Berlin"})
	if got := p.check("ja", b.stranger); !strings.Contains(got.Text, "（UTC+02:00） / ") || !strings.Contains(got.Text, "日本時間") {
		t.Errorf("a reader elsewhere is not told Japan's time: %s", got.Text)
	}
	p.look(view{width: 1280, scheme: "light"})
	if got := p.check("ja", b.stranger); strings.Contains(got.Text, " / ") {
		t.Errorf("a reader in Japan is told times twice: %s", got.Text)
	}
}

// testMotion holds the work half done, and looks at what moves.
func (b *browser) testMotion(t *testing.T) {
	held := make(chan struct{})
	p := b.tab(t, at(evaluatePath, func(http.ResponseWriter, *http.Request, http.Handler) { <-held })(b.handler))
	defer close(held)
	for _, motion := range []string{"reduce", "no-preference"} {
		p.look(view{width: 390, scheme: "light", motion: motion})
		p.open("/", "ja")
		p.ask(b.stranger)
		p.until(`document.querySelector("[data-step=evaluating]").dataset.state === "doing"`)
		if moving := eval[int](p, `document.getAnimations().filter(a => a.effect.getComputedTiming().duration > 0).length`); (moving > 0) != (motion == "no-preference") {
			t.Errorf("%s: %d things move", motion, moving)
		}
		if motion == "reduce" {
			for _, lang := range []string{"ja", "en"} {
				p.open("/", lang)
				p.ask(b.stranger)
				p.until(`document.querySelector("[data-step=evaluating]").dataset.state === "doing"`)
				p.inspect("progress-" + lang)
			}
		}
		p.click("[data-abort]")
	}
}

// testLook looks at every page and every state of an answer: in both languages,
// by the rules of axe-core in light and dark, at 320 pixels, on paper. With
// SHIRASE_PICTURES=1 it leaves pictures in screenshots/, for people to look at.
func (b *browser) testLook(t *testing.T) {
	for _, lang := range []string{"ja", "en"} {
		t.Run("answers "+lang, func(t *testing.T) {
			t.Parallel()
			b.lookAtAnswers(b.tab(t, b.handler), lang)
		})
		t.Run("pages "+lang, func(t *testing.T) {
			t.Parallel()
			b.lookAtPages(b.tab(t, b.handler), lang)
		})
	}
}

func (b *browser) lookAtPages(p *tab, lang string) {
	for _, at := range pagePaths {
		p.run(at.name, func() {
			p.open(at.path, lang)
			if at.name == "incident" && p.fitsOneSheet() {
				p.Error("this page is said to fit one sheet: so is everything, then")
			}
			eval[bool](p, `(document.querySelectorAll("details").forEach(d => d.open = true), true)`)
			p.expect("status of 404")
			p.inspect(at.name + "-" + lang)
		})
	}
	p.run("complaint", func() {
		p.open("/", lang)
		p.ask("user1")
		p.until(`!document.querySelector("[data-input-error]").hidden`)
		p.inspect("complaint-" + lang)
	})
	p.run("refused", func() {
		p.open("/verify", lang)
		if got := p.verify([]byte("{}")); got.Failed != "answer" {
			p.Fatalf("%+v", got)
		}
		p.inspect("refused-" + lang)
	})
}

func (b *browser) lookAtAnswers(p *tab, lang string) {
	honest := func(h http.Handler) http.Handler { return h }
	answers := append([]state{{"affected", "affected", honest}, {"not-in-scope", "not-in-scope", honest},
		{"proof", "", evaluating(check.GenerateEvaluatorKey().Evaluate)}, {"network", "", cut(evaluatePath)}}, b.states(p.T)...)
	for _, c := range answers {
		p.run(c.name, func() {
			p.meet(c.lie(b.handler))
			address := taggedOne
			if c.want == "affected" {
				address = b.affected
			}
			got := p.check(lang, address)
			if got.Shown != c.want {
				p.Fatalf("%+v", got)
			}
			if c.want != "affected" && c.want != "not-in-scope" {
				p.noNo(got)
			}
			p.expect("Failed to load resource")
			if c.name == "layer damaged" {
				return // looks as a missing one does
			}
			name := strings.ReplaceAll(c.name, " ", "-") + "-" + lang
			p.inspect("answer-" + name)
			if c.want == "" {
				return
			}
			p.print("answer-" + name)
			file := p.file("[data-save]")
			p.open("/verify", lang)
			if got := p.verify(file); got.Shown != c.want {
				p.Fatalf("verified: %+v", got)
			}
			p.print("verified-" + name)
			if c.name == "affected" || c.name == "not-in-scope" {
				p.inspect("verified-" + name)
			} else {
				p.axe("verified-"+name, true)
			}
		})
	}
}

// print prints the page, which has to fit one sheet.
func (p *tab) print(name string) {
	p.Helper()
	if !p.fitsOneSheet() {
		p.Errorf("%s does not fit one sheet", name)
	}
	p.keep(name+"-paper", view{width: 658, scheme: "light", paper: true}) // A4 within its margins
	p.look(view{width: 390, scheme: "light"})
}

// inspect looks at the open page in every way.
func (p *tab) inspect(name string) {
	p.Helper()
	p.look(view{width: 320, scheme: "light"})
	if sticking := eval[[]string](p, `(() => {
		const wide = document.scrollingElement.scrollWidth;
		if (wide <= innerWidth) return [];
		return ["the page is " + wide + " wide", ...[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .skip")).slice(0, 4).map(e => e.outerHTML.slice(0, 120))];
	})()`); len(sticking) > 0 {
		p.Errorf("%s at 320 pixels: %q", name, sticking)
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{390, 1280} {
			p.keep(fmt.Sprintf("%s-%s-%d", name, scheme, width), view{width: width, scheme: scheme})
		}
		p.axe(name+" "+scheme, scheme == "light")
	}
}

// pictures says whether pictures are kept. They are for people to look at and hold nothing, and to take them is half of the time.
var pictures = os.Getenv("SHIRASE_PICTURES") != ""

// keep looks, and keeps a picture where pictures are kept.
func (p *tab) keep(name string, v view) {
	p.Helper()
	p.look(v)
	if pictures {
		p.store(name+".png", p.picture(v.width))
	}
}

func (p *tab) store(name string, data []byte) {
	p.Helper()
	dir := filepath.Join("..", "..", "screenshots") // git ignores it
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		p.Fatal(err)
	}
}

// axeFile is axe-core (Deque, MPL-2.0), as npm installs it for web/.
var axeFile = filepath.Join("..", "..", "web", "node_modules", "axe-core", "axe.min.js")

// axe holds the page against the rules of axe-core: all of them, or those that
// colours decide.
func (p *tab) axe(name string, whole bool) {
	p.Helper()
	source, err := os.ReadFile(axeFile)
	if err != nil {
		if os.Getenv("CI") != "" {
			p.Fatalf("no axe-core here, and these tests have to run: cd web && npm ci (%v)", err)
		}
		p.Log("no axe-core here, so not held against its rules: cd web && npm ci")
		return
	}
	if !eval[bool](p, `"axe" in window`) {
		p.do(chromedp.Evaluate[chromedp.Void](string(source)))
	}
	rules := ""
	if !whole {
		rules = `, runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}`
	}
	type violation struct {
		ID, Help string
		Nodes    []string
	}
	for _, v := range eval[[]violation](p, `axe.run(document, {resultTypes: ["violations"]`+rules+`}).then(r => r.violations.map(v => ({ID: v.id, Help: v.help, Nodes: v.nodes.map(n => n.html.slice(0, 160) + " | " + n.failureSummary)})))`) {
		p.Errorf("%s: axe-core: %s (%s): %q", name, v.ID, v.Help, v.Nodes)
	}
}

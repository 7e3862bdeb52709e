// Package browsertest meets the program's pages as people do: in a Chromium, which
// the product's own module does without.
package browsertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// The pages are tested against the program itself, built and started. One browser
// for all of it, a tab for each case, and a host name of its own for each case, so
// that nothing remembered leaks into the next.

// TestBrowser holds every case; run one with -run TestBrowser/lies.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	path := findChromium(t)
	b := &browser{house: newHouse(t), stage: newStage(t)}
	b.start(t, path)
	for _, c := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"answers", b.testAnswers}, {"input", b.testInput}, {"waiting", b.testWaiting}, {"saved", b.testSaved},
		{"tampered", b.testTampered}, {"lies", b.testLies}, {"ends", b.testEnds}, {"hygiene", b.testHygiene}, {"services", b.testServices}, {"keyboard", b.testKeyboard},
		{"plain", b.testWithoutScript}, {"language", b.testLanguage}, {"motion", b.testMotion}, {"look", b.testLook}, {"model", b.testModelCase},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
	t.Cleanup(func() {
		if foreign := b.stage.foreign(); len(foreign) > 0 { // beside the page's policy, which testHeaders holds
			t.Errorf("pages asked elsewhere: %q", foreign)
		}
	})
}

func findChromium(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no Chromium here, and these tests have to run: ./test installs it")
	}
	t.Skip("no Chromium here: ./test installs it")
	return ""
}

// stage is the network as the browser knows it: a proxy that serves hosts by
// name and notes whatever is asked of anyone else.
type stage struct {
	mu        sync.Mutex
	url       string
	hosts     map[string]http.Handler
	requests  []request
	elsewhere []string
}

// request is one that reached a host, as bytes to search in.
type request struct{ host, line, head, body string }

// errand matches where Chromium goes of its own accord, whatever page is open
// and whatever flags it is started with.
var errand = regexp.MustCompile(`^(accounts|clients[0-9]|redirector|www)\.(google|gvt1)\.com(:|$)|\.googleapis\.com(:|$)`)

func newStage(t *testing.T) *stage {
	s := &stage{hosts: map[string]http.Handler{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return s
}

func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	h := s.hosts[r.Host]
	if h == nil && !errand.MatchString(r.Host) {
		s.elsewhere = append(s.elsewhere, r.Method+" "+r.Host)
	}
	s.mu.Unlock()
	if h == nil {
		http.Error(w, "there is nothing but the page's own host here", http.StatusBadGateway)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var head bytes.Buffer
	r.Header.Write(&head)
	s.mu.Lock()
	s.requests = append(s.requests, request{r.Host, r.Method + " " + r.RequestURI, head.String(), string(body)})
	s.mu.Unlock()
	r.URL.Scheme, r.URL.Host = "", "" // what an origin server is sent
	r.RequestURI = r.URL.RequestURI()
	h.ServeHTTP(w, r)
}

// host puts a handler at a new name. Names below localhost are secure contexts,
// as https would be, and are not what the page takes for this machine itself.
func (s *stage) host(h http.Handler) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := fmt.Sprintf("case%d.localhost", len(s.hosts)+1)
	s.hosts[name] = h
	return name
}

// recast puts another handler at a name.
func (s *stage) recast(name string, h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[name] = h
}

func (s *stage) of(host string) []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []request
	for _, r := range s.requests {
		if r.host == host {
			out = append(out, r)
		}
	}
	return out
}

func (s *stage) foreign() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.elsewhere
}

// browser is the one browser, with what it can ask.
type browser struct {
	*house
	stage    *stage
	ctx      context.Context
	patience time.Duration // of each of its tabs; 0 is what is usual
}

func (b *browser) start(t *testing.T, path string) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("no-pings", true),
		chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,OptimizationHints,MediaRouter,AutofillServerCommunication"),
		chromedp.ProxyServer(b.stage.url), chromedp.Flag("proxy-bypass-list", "<-loopback>"))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	b.ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(b.ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
}

// patience is how long one thing in the browser may take before the test says
// that it does not happen. It is no measure of speed.
const patience = 40 * time.Second

// tab is one tab, at a host of its own.
type tab struct {
	*testing.T
	ctx  context.Context
	host string
	on   *stage

	patience time.Duration // 0 is what is usual

	mu   sync.Mutex
	said []string
}

// waits is how long one thing may take in this tab.
func (p *tab) waits() time.Duration {
	if p.patience > 0 {
		return p.patience
	}
	return patience
}

// tab opens a tab for a handler. When the case is over, the browser must have
// had nothing to complain about.
func (b *browser) tab(t *testing.T, h http.Handler) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	t.Cleanup(cancel)
	p := &tab{T: t, ctx: ctx, host: b.stage.host(h), on: b.stage, patience: b.patience}
	p.do(chromedp.Navigate("about:blank"))
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, cdplog.Enable, struct{}{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.quiet)
	p.look(view{width: 1280, scheme: "light"})
	return p
}

// quiet holds that the browser had nothing to complain about since it was last asked.
func (p *tab) quiet() {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, complaint := range p.said {
		p.Errorf("the browser complains: %s", complaint)
	}
	p.said = nil
}

// run runs a part of the case in the same tab.
func (p *tab) run(name string, f func()) {
	outer := p.T
	defer func() { p.T = outer }()
	outer.Run(name, func(t *testing.T) {
		p.T = t
		f()
		p.quiet()
	})
}

// meet has the tab, as new, meet another server at the same address.
func (p *tab) meet(h http.Handler) {
	p.Helper()
	p.on.recast(p.host, h)
	p.open("/robots.txt", "") // no program of the page runs here
	eval[bool](p, "(localStorage.clear(), true)")
}

// listen keeps console messages, exceptions and violations of the page's policy.
func (p *tab) listen(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := ev.(type) {
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
			p.said = append(p.said, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		p.said = append(p.said, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		p.said = append(p.said, fmt.Sprintf("console.%s", e.Type))
	}
}

// expect takes back complaints that the case is about.
func (p *tab) expect(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var rest []string
	for _, s := range p.said {
		if !strings.Contains(s, part) {
			rest = append(rest, s)
		}
	}
	p.said = rest
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.waits())
	defer cancel()
	if chromedp.FromContext(p.ctx).Target == nil {
		ctx = p.ctx // the first run binds the tab to its context
	}
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

func (p *tab) url(path string) string { return "http://" + p.host + path }

// open opens a page in a language.
func (p *tab) open(path, lang string) {
	p.Helper()
	if lang != "" {
		path += "?lang=" + lang
	}
	p.do(chromedp.Navigate(p.url(path)))
}

// eval runs an expression in the page; a promise is waited for.
func eval[T any](p *tab, expression string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.waits())
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%.120s: %v", expression, err)
	}
	return v
}

func (p *tab) text(selector string) string {
	p.Helper()
	return eval[string](p, fmt.Sprintf(`[...document.querySelectorAll(%q)].map(e => e.innerText).join("\n")`, selector))
}

func (p *tab) has(selector string) bool {
	p.Helper()
	return eval[bool](p, fmt.Sprintf(`document.querySelector(%q) !== null`, selector))
}

// whenMet is a promise that a condition holds in the page: asked again whenever
// the page changes, its focus moves or it has loaded.
const whenMet = `new Promise(resolve => {
	const done = new AbortController();
	const look = () => {
		let met = false;
		try { met = Boolean(%s); } catch {} // what it asks about is not there yet
		if (!met) return;
		done.abort();
		seen.disconnect();
		resolve(true);
	};
	const seen = new MutationObserver(look);
	seen.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
	for (const event of ["focusin", "focusout", "readystatechange", "load"]) addEventListener(event, look, {capture: true, signal: done.signal});
	look();
})`

// until waits for a condition in the page, which may be another one by then.
// (chromedp's own Poll makes a function from text, which the page's policy forbids.)
func (p *tab) until(condition string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.waits())
	defer cancel()
	pages := chromedp.Events(ctx, runtime.ExecutionContextCreated)
	ask := chromedp.Evaluate[bool](fmt.Sprintf(whenMet, condition), chromedp.EvalAwaitPromise)
	met, err := chromedp.Run(ctx, ask)
	if met {
		return
	}
	for _, end := range pages { // the promise went with its page
		if end != nil {
			break
		}
		if met, err = chromedp.Run(ctx, ask); met {
			return
		}
	}
	p.Fatalf("it never came to %s (%v); the page says: %s", condition, err, p.text("main"))
}

func (p *tab) click(selector string) {
	p.Helper()
	p.until(fmt.Sprintf(`document.querySelector(%q)?.disabled === false || document.querySelector(%[1]q)?.href`, selector))
	eval[bool](p, fmt.Sprintf(`(document.querySelector(%q).click(), true)`, selector))
}

// write puts text into a field as if it were typed at once.
func (p *tab) write(selector, text string) {
	p.Helper()
	eval[bool](p, fmt.Sprintf(`(() => { const e = document.querySelector(%q); for (const d of document.querySelectorAll("details")) if (d.contains(e)) d.open = true; e.focus(); e.select?.(); return true })()`, selector))
	if _, err := chromedp.Call(p.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.Fatal(err)
	}
}

// shown is one answer, or failure, on the page.
type shown struct{ Shown, Failed, Text string }

// answers waits until the work is over, and gives what is shown.
func (p *tab) answers() []shown {
	p.Helper()
	p.until(`document.querySelector("[data-progress]").hidden && document.querySelector("[data-answers]").children.length > 0`)
	return eval[[]shown](p, `[...document.querySelectorAll("[data-answers] > :not([data-summarised])")].map(e => ({Shown: e.dataset.shown ?? "", Failed: e.dataset.failed ?? "", Text: e.innerText}))`)
}

// answer is answers where there is one.
func (p *tab) answer() shown {
	p.Helper()
	all := p.answers()
	if len(all) != 1 {
		p.Fatalf("%d answers, want one: %+v", len(all), all)
	}
	return all[0]
}

// ask types an address into the open page and submits it.
func (p *tab) ask(address string) {
	p.Helper()
	p.write("[data-address]", address)
	p.click("[data-submit]")
}

// check opens the page, asks, and gives the answer.
func (p *tab) check(lang, address string) shown {
	p.Helper()
	p.open("/", lang)
	p.ask(address)
	return p.answer()
}

// press presses keys as a keyboard does.
func (p *tab) press(keys ...string) {
	p.Helper()
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
}

// view says how the page is looked at.
type view struct {
	width  int64
	scheme string // light or dark
	paper  bool
	motion string // reduce or no-preference
	zone   string // of time; "" is Japan's
}

func (p *tab) look(v view) {
	p.Helper()
	if v.motion == "" {
		v.motion = "no-preference"
	}
	if v.zone == "" {
		v.zone = "Asia/Tokyo"
	}
	media := "" // and not "screen", which would be printed too
	if v.paper {
		media = "print"
	}
	_, err1 := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: v.width, Height: 844, DeviceScaleFactor: 1, Mobile: v.width < 600})
	_, err2 := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media, Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: v.scheme}, {Name: "prefers-reduced-motion", Value: v.motion}}})
	_, err3 := chromedp.Call(p.ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: v.zone})
	if err := errors.Join(err1, err2, err3); err != nil {
		p.Fatal(err)
	}
}

// picture takes one of the whole page.
func (p *tab) picture(width int64) []byte {
	p.Helper()
	layout, err := chromedp.Call(p.ctx, page.GetLayoutMetrics, struct{}{})
	if err != nil {
		p.Fatal(err)
	}
	yes := true
	shot, err := chromedp.Call(p.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &yes, OptimizeForSpeed: &yes,
		Clip: &page.Viewport{Width: float64(width), Height: layout.CSSContentSize.Height, Scale: 1}})
	if err != nil {
		p.Fatal(err)
	}
	return shot.Data
}

// fitsOneSheet prints the page on A4 and tells whether there is no second sheet
// to print. (To print the first takes seconds where it is Japanese.)
func (p *tab) fitsOneSheet() bool {
	p.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPrintBackground(), chromedp.PDFPageRanges("2")))
	if err != nil && !strings.Contains(err.Error(), "Page range exceeds page count") {
		p.Fatal(err)
	}
	return err != nil
}

// must gives the value of a call that has to succeed: must(call())(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

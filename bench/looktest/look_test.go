// Package looktest looks at every page in a Chromium, with rooms made for it behind: what sticks out, what lies on what, what
// the browser complains about, what axe-core finds. With SHIRASE_PICTURES=1, pictures for people to look at: testdata/screenshots.
package looktest

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	cdp "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"shirase/check"
	"shirase/internal/language"
	"shirase/internal/page"
	"shirase/internal/serve"
	"shirase/internal/site"
	"shirase/internal/site/sitetest"
)

// newSite serves a world's pages, and gives where.
func newSite(t *testing.T, w *sitetest.World) string {
	t.Helper()
	w.Statement.Expires = check.At(time.Now().Add(time.Hour))
	pages, err := site.New(site.Options{
		Archive:   w.Archive.Public(),
		Statement: func() *check.Statement { return w.Statement },
		Scope: func(_ context.Context, id string) (site.Scope, bool) {
			return site.Scope{Accounts: 1692496, Invalid: 3, WithoutEmail: 12}, id == "naver-2013"
		},
		Watched: func(context.Context, string) ([]site.Watched, error) {
			return []site.Watched{{URL: "https://shop.example/news/1", State: site.SourceChanged, Since: time.Date(2026, 6, 3, 0, 0, 0, 0, time.UTC), Seen: time.Date(2026, 6, 9, 0, 0, 0, 0, time.UTC),
				SHA256: strings.Repeat("0f86d081884c7d65", 4), Preserved: time.Date(2026, 6, 3, 0, 0, 0, 0, time.UTC)}}, nil
		},
		Say:       func(context.Context, site.Said) (site.Proof, error) { return site.Proof{}, nil },
		Proof:     func(context.Context, int64) ([]byte, error) { return []byte(sitetest.Proof), nil },
		Operator:  page.Operator{Contact: "mailto:desk@notice.example"},
		LedgerKey: sitetest.Key,
		BaseURL:   "https://notice.example",
		Demo:      &site.Demo{Affected: "user17@example.com", NotAffected: "stranger@example.net"},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(serve.Wrap(pages, serve.Options{}))
	t.Cleanup(server.Close)
	return server.URL
}

// pictures makes the folder of pictures, and gives "" where none are kept. They are for people to look at and hold nothing, and to take
// them is half of the time.
func pictures(t *testing.T) string {
	t.Helper()
	if os.Getenv("SHIRASE_PICTURES") == "" {
		return ""
	}
	dir := filepath.Join("testdata", "screenshots") // git ignores it
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// chromium opens a headless browser, and skips the test where there is none.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium here: ./test installs it")
	}
	if testing.Short() {
		t.Skip("-short")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("force-color-profile", "srgb"))
	allocated, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// complaints gathers what the browser says is wrong: console errors, violations of the policy, failed loads.
type complaints struct {
	mu   sync.Mutex
	list []string
}

func (c *complaints) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, fmt.Sprintf(format, args...))
}

func (c *complaints) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list
	c.list = nil
	return list
}

func listen(t *testing.T, ctx context.Context) *complaints {
	t.Helper()
	c := &complaints{}
	err := chromedp.Listen(ctx, func(ev any) {
		switch e := ev.(type) {
		case *log.EventEntryAdded:
			// The page that is not there is meant to be missing; its status is checked elsewhere.
			if (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) && !strings.Contains(e.Entry.URL, "/nowhere") {
				c.add("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			c.add("exception: %s", e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
				c.add("console: %d values", len(e.Args))
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, log.Enable, struct{}{})
		return err
	})); err != nil {
		t.Fatal(err)
	}
	return c
}

// preview fills a template of the page the way the script does, with invented values, so that every state of an
// answer can be looked at without a check. The real script is tested with real answers elsewhere.
const preview = `(selector, values) => {
  const t = document.querySelector(selector), host = document.querySelector('[data-answers]');
  const words = (vocab, w) => document.querySelector('template[data-words="' + vocab + '"]')?.content.querySelector('[data-word="' + w + '"]')?.textContent ?? w;
  const fill = (root, scope) => {
    for (const el of [...root.querySelectorAll('[data-when]')]) {
      const ok = el.dataset.when.split(' ').every(c => {
        let m;
        if (m = c.match(/^!(.*)/)) return !(Array.isArray(scope[m[1]]) ? scope[m[1]].length : scope[m[1]]);
        if (m = c.match(/^(\w+)!=(.*)/)) return String(scope[m[1]]) !== m[2];
        if (m = c.match(/^(\w+)=(.*)/)) return String(scope[m[1]]) === m[2];
        const v = scope[c]; return Array.isArray(v) ? v.length : v;
      });
      if (!ok) el.remove();
    }
    for (const el of [...root.querySelectorAll('template[data-each]')]) {
      for (const item of scope[el.dataset.each] ?? []) {
        const copy = el.content.cloneNode(true);
        fill(copy, {...scope, ...item});
        el.before(copy);
      }
      el.remove();
    }
    for (const el of root.querySelectorAll('[data-slot]')) {
      const v = scope[el.dataset.slot];
      if (v === undefined) continue;
      el.textContent = el.dataset.from ? words(el.dataset.from, v) : typeof v === 'number' ? v.toLocaleString() : v;
    }
    for (const el of root.querySelectorAll('[data-href]')) el.setAttribute('href', el.dataset.href.replace(/{(\w+)}/g, (_, k) => scope[k]));
    for (const el of [...root.querySelectorAll('[data-classes]')])
      if (!el.dataset.classes.split(' ').some(c => (scope.exposed ?? []).some(e => e.class === c))) el.remove();
  };
  const copy = t.content.cloneNode(true);
  fill(copy, values);
  host.replaceChildren(copy);
}`

// invented are the values a preview shows.
func invented(lang language.Lang) string {
	asOf, then := lang.Pick("2026年11月22日 9時", "22 November 2026, 09:00"), lang.Pick("2013年7月19日 16時", "19 July 2013, 16:00")
	naver := fmt.Sprintf(`{id: "naver-2013", title: %q, organisation: %q, asOf: %q, classes: [{class: "email"}, {class: "password:hashed"}, {class: "nickname"}]}`,
		lang.Pick("NAVER会員情報への不正アクセス", "Unauthorised access to NAVER accounts"), lang.Pick("LINE株式会社", "LINE Corporation"), then)
	naver = strings.Replace(naver, "{", `{unreadable: 15, revision: "2", earlier: "1", `, 1)
	city := fmt.Sprintf(`{id: "example-city", title: %q, organisation: %q, why: "investigating"}`, lang.Pick("委託先のランサムウェア被害", "Ransomware at a contractor"), lang.Pick("例示市", "Example City"))
	return fmt.Sprintf(`{address: "user17@example.com", asOf: %q, claimed: %q, since: %q, firstUse: true, affected: 1, checked: 1, open: 1, notCovered: 1, missing: 0, seq: 42, entries: 1692496,
		ledgerIndex: 118, origin: "notice.example/shirase", ledgerKey: "de271c87", host: "notice.example", code: "bucket", kind: "email", evidence: true,
		witnesses: [{witness: "witness.example.org/one"}, {witness: "witness.example.net/shirase-two"}], organisations: [{organisation: %q}], dropped: 0, reopened: 0, compromised: 0,
		droppedList: [%s], reopenedList: [%s], compromisedList: [%s], incidents: [%s], checkedList: [%s], openList: [%s], notCoveredList: [%s], missingList: [],
		exposed: [{class: "email"}, {class: "password:hashed"}, {class: "nickname"}], variants: [{variant: "user17+shop@example.com"}]}`, asOf, asOf, asOf, lang.Pick("LINE株式会社", "LINE Corporation"),
		naver, city, naver, naver, naver, city, city)
}

// view is one thing to look at.
type view struct {
	name, path string
	do         string // run in the page before looking
}

func views(lang language.Lang) []view {
	fill := func(selector string, more ...string) string {
		return fmt.Sprintf("(%s)(%q, {...%s, %s})", preview, selector, invented(lang), strings.Join(more, ", "))
	}
	list := []view{
		{"home", "/", ""}, {"incidents", "/incidents", ""}, {"search", "/incidents?q=NAVER&country=JP", "document.querySelectorAll('.facets details').forEach(d => d.open = true)"},
		{"search-empty", "/incidents?q=nothing+like+it&year=1999", ""}, {"organisations", "/organisations", ""}, {"compare-search", "/learn/compare?id=naver-2013&q=example", ""}, {"organisation", "/organisations/line", ""}, {"feeds", "/feeds", ""}, {"shelves", "/archive", "document.querySelectorAll('details').forEach(d => d.open = true)"}, {"year", "/archive/2026", ""}, {"reply", "/incidents/naver-2013/reply", ""}, {"month", "/archive/2026-05", ""}, {"month-empty", "/archive/2011-05", ""}, {"cause", "/archive/cause/ransomware", ""}, {"sector", "/archive/sector/unknown", ""}, {"api", "/api", ""}, {"incident", "/incidents/naver-2013", "document.querySelectorAll('details').forEach(d => d.open = true)"},
		{"incident-open", "/incidents/example-city", ""}, {"incident-elsewhere", "/incidents/example-shop", ""},
		{"notice", "/notices/naver-2013-v1", "document.querySelectorAll('details').forEach(d => d.open = true)"},
		{"incident-corrected", "/incidents/example-school", ""}, {"help", "/incidents/naver-2013/help", ""},
		{"notice-addendum", "/notices/naver-2013-v2", ""}, {"notice-lifted", "/notices/naver-2013-v6", ""},
		{"notice-corrected", "/notices/example-school-v1", ""}, {"notice-correction", "/notices/example-school-v2", ""},
		{"notice-withdrawn", "/notices/example-school-v3", ""}, {"notice-diff", "/notices/example-school-v1?against=5", ""},
		{"notice-facts", "/notices/naver-2013-v1?against=6", "document.querySelectorAll('details').forEach(d => d.open = true)"}, {"problem", "/problems/too-many", ""},
		{"statement", "/statement", ""}, {"verify", "/verify", "document.querySelectorAll('[data-script]').forEach(e => e.hidden = false)"},
		{"how", "/how", ""}, {"learn", "/learn", ""}, {"compare", "/learn/compare?id=naver-2013&id=example-city&id=example-shop", "document.querySelectorAll('details').forEach(d => d.open = true)"},
		{"like", "/learn/like?cause=intrusion&class=email", ""}, {"error", "/nowhere", ""},
		{"progress", "/", "document.querySelector('[data-progress]').hidden = false; document.querySelector('[data-waiting]').hidden = false; document.querySelectorAll('[data-step]').forEach((e, i) => e.dataset.state = i < 2 ? 'done' : i == 2 ? 'doing' : '')"},
		{"complaint", "/", "document.querySelector('[data-input-error]').hidden = false; document.querySelector('[data-input-error] [data-slot=reason]').textContent = 'x'.repeat(60); document.querySelector('[data-address]').ariaInvalid = 'true'; document.querySelector('details').open = true; document.querySelectorAll('[data-script]').forEach(e => e.hidden = false)"},
		{"error-bucket", "/", fill(`template[data-error=bucket]`)},
		{"proven", "/verify", fill(`template[data-proven="not-in-scope"]`)},
	}
	for _, result := range []string{"affected", "not-in-scope", "incomplete", "investigating", "unchecked"} {
		list = append(list, view{"answer-" + result, "/", fill(`template[data-answer="` + result + `"]`)})
	}
	rare := []string{"dropped: 1", "reopened: 1", "compromised: 1", "missing: 1", "missingList: [{title: 'x'.repeat(40), organisation: 'x'}]"}
	list = append(list, view{"answer-dropped", "/", fill(`template[data-answer="dropped"]`, rare...)}, view{"answer-rare", "/", fill(`template[data-answer="incomplete"]`, rare...)},
		view{"proven-dropped", "/verify", fill(`template[data-proven="dropped"]`, append(rare, "witnesses: []")...)}, view{"error-chain", "/", fill(`template[data-error=chain]`)}, view{"error-altered", "/verify", fill(`template[data-error=altered]`)})
	return list
}

// TestLook renders every page and every state of an answer, in both languages, light and dark, on a telephone, on a
// desk and at 320 pixels. Nothing may stick out sideways, and the browser may have nothing to complain about. The
// pictures (SHIRASE_PICTURES=1) are for people to look at: testdata/screenshots.
func TestLook(t *testing.T) {
	ctx := chromium(t)
	server := newSite(t, sitetest.New(t, sitetest.Full()...))
	dir := pictures(t)
	said := listen(t, ctx)
	only := os.Getenv("SHIRASE_LOOK") // names to look at alone
	for _, lang := range []language.Lang{language.JA, language.EN} {
		for _, v := range views(lang) {
			if only != "" && !slices.Contains(strings.Split(only, ","), v.name) {
				continue
			}
			name := v.name + "-" + string(lang)
			load(t, ctx, server+inLanguage(v.path, lang), v.do)
			shots(t, ctx, dir, name)
			for _, complaint := range said.take() {
				t.Errorf("%s: %s", name, complaint)
			}
		}
	}
}

func inLanguage(path string, lang language.Lang) string {
	if strings.Contains(path, "?") {
		return path + "&lang=" + string(lang)
	}
	return path + "?lang=" + string(lang)
}

// load opens a page and runs do in it.
func load(t *testing.T, ctx context.Context, url, do string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitReady(chromedp.CSS("#main")), chromedp.Evaluate[chromedp.Void]("(() => {"+do+"})()"))
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

// emulate sets the size and the preferences of whoever looks.
func emulate(width int64, scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 600}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		return err
	})
}

// picture takes one of the whole page.
func picture(width int64) chromedp.Action[[]byte] {
	return func(ctx context.Context, _ *chromedp.Target) ([]byte, error) {
		layout, err := chromedp.Call(ctx, cdp.GetLayoutMetrics, struct{}{})
		if err != nil {
			return nil, err
		}
		beyond := true
		res, err := chromedp.Call(ctx, cdp.CaptureScreenshot, cdp.CaptureScreenshotParams{CaptureBeyondViewport: &beyond,
			Clip: &cdp.Viewport{Width: float64(width), Height: layout.CSSContentSize.Height, Scale: 1}})
		return res.Data, err
	}
}

// shots looks at the open page at every width, and in the dark too where pictures are kept.
func shots(t *testing.T, ctx context.Context, dir, name string) {
	t.Helper()
	for _, width := range []int64{320, 390, 1280} {
		shot(t, ctx, dir, fmt.Sprintf("%s-light-%d", name, width), width, "light")
		if dir != "" && width != 320 {
			shot(t, ctx, dir, fmt.Sprintf("%s-dark-%d", name, width), width, "dark")
		}
	}
}

// shot looks at the open page: what sticks out sideways is an error, and a picture is saved in dir, where there is one.
func shot(t *testing.T, ctx context.Context, dir, name string, width int64, scheme string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, emulate(width, scheme)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	sticking, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`(() => {
		const wide = document.scrollingElement.scrollWidth;
		if (wide <= innerWidth) return [];
		return ['page is ' + wide + ' wide'].concat([...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll,.skip')).slice(0, 4).map(e => e.tagName + '.' + e.className));
	})()`))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(sticking) > 0 {
		t.Errorf("%s sticks out: %v", name, sticking)
	}
	if dir == "" || width == 320 {
		return
	}
	png, err := chromedp.Run(ctx, picture(width))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPrint prints an answer and a notice: the answer has to fit one page, to be handed to somebody.
func TestPrint(t *testing.T) {
	ctx := chromium(t)
	server := newSite(t, sitetest.New(t, sitetest.Full()...))
	dir := pictures(t)
	for _, lang := range []language.Lang{language.JA, language.EN} {
		for _, v := range views(lang) {
			if v.name != "answer-affected" && v.name != "answer-not-in-scope" && v.name != "notice" && v.name != "notice-addendum" {
				continue
			}
			load(t, ctx, server+inLanguage(v.path, lang), v.do)
			paper := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
				_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
				return err
			})
			if err := chromedp.Do(ctx, emulate(794, "light"), paper); err != nil { // A4 at 96 dots an inch
				t.Fatal(err)
			}
			if dir != "" {
				png, err := chromedp.Run(ctx, picture(794))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "print-"+v.name+"-"+string(lang)+".png"), png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			yes := true
			printed, err := chromedp.Call(ctx, cdp.PrintToPDF, cdp.PrintToPDFParams{PreferCSSPageSize: &yes, PrintBackground: &yes, PaperWidth: 8.27, PaperHeight: 11.69})
			if err != nil {
				t.Fatal(err)
			}
			pdf := printed.Data
			if dir != "" {
				if err := os.WriteFile(filepath.Join(dir, v.name+"-"+string(lang)+".pdf"), pdf, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			pages := strings.Count(string(pdf), "/Type /Page\n") + strings.Count(string(pdf), "/Type /Page ")
			if strings.HasPrefix(v.name, "answer") && pages != 1 {
				t.Errorf("%s in %s prints on %d pages", v.name, lang, pages)
			}
		}
	}
}

// TestAxe runs axe-core over every page and every state of an answer, light and dark. It comes with the tools of web/
// (npm ci there), and is skipped where it has not been installed.
func TestAxe(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "..", "web", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Skip("axe-core is not installed: ./test installs it")
	}
	ctx := chromium(t)
	server := newSite(t, sitetest.New(t, sitetest.Full()...))
	only := os.Getenv("SHIRASE_LOOK")
	for _, lang := range []language.Lang{language.JA, language.EN} {
		for _, v := range views(lang) {
			if only != "" && !slices.Contains(strings.Split(only, ","), v.name) {
				continue
			}
			load(t, ctx, server+inLanguage(v.path, lang), v.do)
			if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](string(source))); err != nil {
				t.Fatal(err)
			}
			for _, scheme := range []string{"light", "dark"} {
				if err := chromedp.Do(ctx, emulate(390, scheme)); err != nil {
					t.Fatal(err)
				}
				options := `{resultTypes: ['violations']}`
				if scheme == "dark" { // nothing but the colours differs
					options = `{resultTypes: ['violations'], runOnly: ['color-contrast']}`
				}
				found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`axe.run(document, `+options+`).then(r => r.violations.map(
					v => v.id + ': ' + v.help + ' ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join('; ')))`, chromedp.EvalAwaitPromise))
				if err != nil {
					t.Fatalf("%s in %s: %v", v.name, lang, err)
				}
				for _, violation := range found {
					t.Errorf("%s in %s, %s: %s", v.name, lang, scheme, violation)
				}
			}
		}
	}
}

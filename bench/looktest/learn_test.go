package looktest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"shirase/internal/archive"
	"shirase/internal/language"
	"shirase/internal/site/sitetest"
)

// TestLearnReal draws some 2,600 real incidents: no text of a drawing lies on another in a real browser, the page is within its
// widths, and it is as axe-core wants it.
func TestLearnReal(t *testing.T) {
	w := sitetest.New(t, sitetest.Full()...)
	w.Real(t)
	ctx := chromium(t)
	axe, _ := os.ReadFile(filepath.Join("..", "..", "web", "node_modules", "axe-core", "axe.min.js"))
	server := newSite(t, w)
	dir := pictures(t)
	some, err := w.Archive.Public().Search(t.Context(), archive.Query{Datasets: []string{"washington-ag"}, Sort: archive.Largest, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	ids := "id=naver-2013"
	for _, e := range some.Entries {
		ids += "&id=" + e.ID
	}
	for _, lang := range []language.Lang{language.JA, language.EN} {
		for name, path := range map[string]string{"learn": "/learn", "compare": "/learn/compare?" + ids, "like": "/learn/like?cause=ransomware&sector=health&class=name&class=health&size=10000-99999", "incident": "/incidents/naver-2013", "shelves": "/archive", "year": "/archive/2024", "month": "/archive/2024-05", "sector": "/archive/sector/health"} {
			load(t, ctx, server+inLanguage(path, lang), "")
			for _, width := range []int64{320, 390, 1280} {
				shot(t, ctx, dir, fmt.Sprintf("real-%s-%s-%d", name, lang, width), width, []string{"light", "dark"}[width/390%2])
				overlaps(t, ctx, name)
			}
			paper := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
				_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
				return err
			})
			if err := chromedp.Do(ctx, emulate(794, "light"), paper); err != nil {
				t.Fatal(err)
			}
			if dir != "" {
				png, err := chromedp.Run(ctx, picture(794))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "real-print-"+name+"-"+string(lang)+".png"), png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if len(axe) == 0 {
				continue
			}
			found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](string(axe)+`;axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(
				v => v.id + ': ' + v.help + ' ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join('; ')))`, chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
			for _, violation := range found {
				t.Errorf("%s in %s: %s", name, lang, violation)
			}
		}
	}
}

// overlaps holds that no two texts of a drawing that is shown lie on each other, as the browser's own fonts have it.
func overlaps(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`(() => {
		const out = [];
		for (const svg of document.querySelectorAll('svg.chart')) {
			if (!svg.getClientRects().length) continue;
			const frame = svg.getBoundingClientRect();
			const texts = [...svg.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()]);
			texts.forEach(([s, a], i) => {
				if (a.left < frame.left - 1 || a.right > frame.right + 1) out.push(s + ' sticks out');
				for (const [u, b] of texts.slice(i + 1))
					if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3) out.push(s + ' on ' + u);
			});
		}
		return out.slice(0, 5);
	})()`))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range found {
		t.Errorf("%s: %s", name, s)
	}
}

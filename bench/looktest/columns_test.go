package looktest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/site/sitetest"
)

// longFacts have an action of many words, as extraction gives them, beside cells of one.
const longFacts = `
id: example-port
asOf: "2025-02-03"
facts:
  - {key: organisation, value: {ja: 例示港湾, en: Example Port}}
  - {key: title, value: {ja: 端末の紛失, en: A lost terminal}}
  - {key: source, id: s, value: "https://port.example/news/2025/02/03/a-long-address-that-has-no-space-in-it-and-goes-on-and-on-and-on.html"}
  - {key: action, id: "1", status: taken, value: {ja: "%[1]s", en: "%[2]s"}}
  - {key: action, id: "2", status: kept, at: "2025-02-02T09:00+09:00", promised: "2025-02-02T18:00+09:00", value: {ja: "%[1]s", en: "%[2]s"}}
  - {key: excluded, id: x, value: {ja: "%[1]s", en: "%[2]s"}}
  - {key: service, id: y, status: stopped, value: {ja: "%[1]s", en: "%[2]s"}}
`

// TestColumns holds that no column of a table becomes so narrow beside a long one that its words break letter by letter, and
// that the button to check stands under the title on a telephone.
func TestColumns(t *testing.T) {
	ctx := chromium(t)
	long := fmt.Sprintf(longFacts, strings.Repeat("端末の利用者全員に連絡し、記録を調べ、同じことが起きないように手順を改めました。", 8), strings.Repeat("everybody who used a terminal was told, and the records were gone through; ", 8))
	server := newSite(t, sitetest.New(t, string(incident.ModelCase()), sitetest.Open, long))
	for _, path := range []string{"/incidents/example-port", "/incidents/example-port/help", "/incidents/naver-2013", "/incidents/naver-2013/help", "/learn/compare?id=example-port&id=naver-2013", "/incidents"} {
		for _, lang := range []language.Lang{language.JA, language.EN} {
			load(t, ctx, server+inLanguage(path, lang), "document.querySelectorAll('details').forEach(d => d.open = true)")
			for _, width := range []int64{700, 1280} {
				if err := chromedp.Do(ctx, emulate(width, "light")); err != nil {
					t.Fatal(err)
				}
				// A cell in which a word of three letters or more does not fit on a line.
				narrow, err := evaluate[[]string](ctx, `[...document.querySelectorAll("main td, main th")].filter(e => e.innerText.trim().length >= 3 && e.getClientRects().length > 0 &&
					e.clientWidth - parseFloat(getComputedStyle(e).paddingRight) < 2.9 * parseFloat(getComputedStyle(e).fontSize)).map(e => e.clientWidth + " px: " + e.innerText.trim().slice(0, 40))`)
				if err != nil {
					t.Fatal(err)
				}
				if len(narrow) > 0 {
					t.Errorf("%s in %s at %d px: %q", path, lang, width, narrow)
				}
			}
		}
	}
	load(t, ctx, server+"/incidents/naver-2013?lang=ja", "")
	if err := chromedp.Do(ctx, emulate(390, "light")); err != nil {
		t.Fatal(err)
	}
	at, err := evaluate[[]float64](ctx, `[document.querySelector("main .button").getBoundingClientRect().bottom, document.querySelector(".figures").getBoundingClientRect().top, document.documentElement.scrollHeight,
		document.querySelectorAll("details.record:not([open])").length]`)
	if err != nil {
		t.Fatal(err)
	}
	if at[0] > 560 || at[1] < at[0] {
		t.Errorf("the button ends at %.0f px, and the figures begin at %.0f", at[0], at[1])
	}
	if at[2] > 8000 || at[3] != 2 {
		t.Errorf("the page is %.0f px, and %.0f of facts and history are folded", at[2], at[3])
	}
}

func evaluate[T any](ctx context.Context, script string) (T, error) {
	return chromedp.Run(ctx, chromedp.Evaluate[T](script))
}

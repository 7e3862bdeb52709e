package collect

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/collect/webtest"
	"shirase/internal/store/storetest"

	"shirase/internal/store"
)

// TestLocalWeb goes once through everything: sources of four kinds name pages of sixty organisations in twelve shapes; they are read,
// preserved, and lie in the inbox; three change later, two vanish, one is hostile.
func TestLocalWeb(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		notices := webtest.Notices(60)
		shapes := webtest.Shapes()
		if len(shapes) != 12 {
			t.Fatalf("%d shapes", len(shapes))
		}
		path := func(i int) string {
			ext := ".html"
			if shapes[i%12].PDF {
				ext = ".pdf"
			}
			return fmt.Sprintf("/o%d/news/%d%s", i, i, ext)
		}
		var rss, atom, jsonFeed, sitemap, list strings.Builder
		for i, n := range notices {
			w.web.Put(path(i), shapes[i%12].Make(n))
			at := w.web.URL + path(i)
			switch i % 5 {
			case 0:
				fmt.Fprintf(&rss, "<item><title>%s</title><link>%s</link></item>", n.Title(), at)
			case 1:
				fmt.Fprintf(&atom, `<entry><title>%s</title><link rel="alternate" href="%s"/><link rel="edit" href="/no"/></entry>`, n.Title(), at)
			case 2:
				fmt.Fprintf(&jsonFeed, `,{"id":"%d","url":%q,"title":%q}`, i, at, n.Title())
			case 3:
				fmt.Fprintf(&sitemap, "<url><loc>%s</loc></url>", at)
			case 4:
				fmt.Fprintf(&list, `<li><span>%s</span> <a href="%s">%s</a></li>`, n.Day, path(i), n.Title())
			}
		}
		put := func(p, media, body string) { w.web.Put(p, &webtest.Page{Data: []byte(body), Media: media}) }
		put("/rss.xml", "application/rss+xml", `<?xml version="1.0"?><rss version="2.0"><channel><title>x</title><link>`+w.web.URL+`/</link>`+rss.String()+"</channel></rss>")
		put("/atom.xml", "application/atom+xml", `<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>x</title><link href="/self"/>`+atom.String()+"</feed>")
		put("/feed.json", "application/feed+json", `{"version":"https://jsonfeed.org/version/1.1","title":"x","items":[`+strings.TrimPrefix(jsonFeed.String(), ",")+"]}")
		put("/sitemap.xml", "application/xml", `<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap><loc>`+w.web.URL+`/sitemap1.xml</loc></sitemap></sitemapindex>`)
		put("/sitemap1.xml", "application/xml", "<urlset>"+sitemap.String()+"</urlset>")
		// What is no disclosure, in the same list.
		put("/l/digest.html", "text/html", "<title>今週の漏えい事案まとめ</title><h1>今週の漏えい事案</h1><ul>"+digestLines()+"</ul>")
		put("/l/warning.html", "text/html", "<title>当社をかたる不審なメールにご注意ください</title><p>当社を装ったフィッシングメールが確認されています。リンクを開かないでください。当社のシステムへの影響はありません。</p>")
		put("/l/scan.pdf", "application/pdf", string(webtest.PDF("", "x", webtest.Scanned)))
		w.web.Put("/l/bomb.html", &webtest.Page{Handle: hostile})
		put("/list.html", "text/html", `<ul class="news">`+list.String()+`<li><a href="/l/digest.html">漏えい事案まとめ</a></li><li><a href="/l/warning.html">不審なメールにご注意（漏えいではありません）</a></li><li><a href="/l/scan.pdf">漏えいのお知らせ（PDF）</a></li><li><a href="/l/bomb.html">漏えいの続報</a></li><li><a href="/l/shop.html">新商品のお知らせ</a></li></ul><a href="/elsewhere">漏えい</a>`)
		srcs, err := ParseSources("sources.yaml", []byte(`sources:
  - {kind: feed, url: "`+w.web.URL+`/rss.xml", language: ja, every: 1h}
  - {kind: feed, url: "`+w.web.URL+`/atom.xml"}
  - {kind: feed, url: "`+w.web.URL+`/feed.json"}
  - {kind: sitemap, url: "`+w.web.URL+`/sitemap.xml", most: 100}
  - {kind: list, url: "`+w.web.URL+`/list.html", selector: "ul.news li", match: "漏えい"}
`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddSources(ctx, actor.Operator(), srcs); err != nil {
			t.Fatal(err)
		}
		w.round()
		kinds := map[string]int{}
		right, orgs := 0, map[string]bool{}
		for _, i := range w.open() {
			kinds[i.Kind]++
			if i.Kind == Disclosure {
				if i.Organisation != "" && i.Told != "" && i.Relation == Fresh {
					right++
				}
				if orgs[i.Organisation] = true; i.Organisation == "" || i.Told == "" || i.Relation != Fresh {
					t.Logf("%s: %q, %q, %s", i.URL, i.Organisation, i.Told, i.Relation)
				}
			}
		}
		if kinds[Disclosure] != 60 || kinds[Digest] != 1 || kinds[Warning] != 1 || kinds[Scanned] != 1 || kinds[Other] != 0 {
			t.Errorf("found %v", kinds)
		}
		if right < 54 || len(orgs) < 54 {
			t.Errorf("of 60 disclosures, %d have an organisation and a day and are new; %d organisations", right, len(orgs))
		}
		if len(w.fail) != 1 || w.web.Asked("/l/shop.html") != 0 || w.web.Asked("/elsewhere") != 0 {
			t.Errorf("failed: %v; what does not match was asked %d times", w.fail, w.web.Asked("/l/shop.html")+w.web.Asked("/elsewhere"))
		}
		if first := w.open()[0]; first.Kind != Disclosure {
			t.Errorf("the first is a %s", first.Kind)
		}
		// What was read is preserved.
		for _, i := range w.open() {
			if _, err := w.Bytes(ctx, actor.Operator(), i.Document); err != nil {
				t.Errorf("%s: %v", i.URL, err)
			}
		}
		// Nothing is public before somebody decides.
		if list, err := w.in.Holding(ctx, []string{"organisation"}); err != nil || len(list) != 0 {
			t.Errorf("%d incidents before anybody decided, %v", len(list), err)
		}
		for i := range 6 {
			item := w.byURL(path(i), Disclosure)
			w.accept(item.ID)
		}
		if list, err := w.in.Holding(ctx, []string{"organisation"}); err != nil || len(list) != 6 {
			t.Fatalf("%d incidents, %v", len(list), err)
		}
		// Later: one page has an addendum, one a correction, one was changed without saying so; two are gone.
		n := notices[0]
		n.More = "【2026年12月1日 追記】\n調査の結果、新たに250件の漏えいを確認しました。"
		w.web.Put(path(0), shapes[0].Make(n))
		n = notices[1]
		n.More = "【訂正】件数に誤りがありました。正しくは9,876件です。お詫びして訂正いたします。"
		n.Count = "9,876件"
		w.web.Put(path(1), shapes[1].Make(n))
		n = notices[2]
		n.Count = "12件"
		w.web.Put(path(2), shapes[2].Make(n))
		w.web.Remove(path(3))
		w.web.Remove(path(4))
		w.fail = nil
		for range 3 {
			w.now = w.now.Add(2 * time.Hour)
			w.round()
		}
		for i, relation := range []string{Addendum, Correction, Silent} {
			item := w.byURL(path(i), Change)
			if item.Relation != relation || item.Incident == "" {
				t.Errorf("the change of %d is %s, of %q", i, item.Relation, item.Incident)
			}
			l, err := w.Show(ctx, actor.Operator(), item.ID)
			if err != nil || len(l.Lines) == 0 || l.Was == nil {
				t.Errorf("what changed is not shown: %v", err)
			}
			a := w.accept(item.ID)
			inc, err := w.in.Get(ctx, a.Incident)
			if err != nil || len(inc.Listed("addendum")) == 0 {
				t.Errorf("an accepted change is not recorded: %v", err)
			}
		}
		for _, i := range []int{3, 4} {
			item := w.byURL(path(i), Gone)
			states, err := w.Sources(ctx, item.Incident)
			if err != nil || len(states) != 1 || states[0].State != Away || states[0].SHA256 == "" {
				t.Errorf("what is gone: %+v, %v", states, err)
			}
		}
		if got := w.byURL(path(5), Disclosure); got.State != Accepted {
			t.Errorf("what did not change is %s", got.State)
		}
		before := len(w.open())
		w.now = w.now.Add(2 * time.Hour)
		w.round() // nothing twice
		if after := len(w.open()); after != before {
			t.Errorf("%d items after nothing happened, %d before", after, before)
		}
	})
}

func digestLines() string {
	var b strings.Builder
	for _, n := range webtest.Notices(8) {
		fmt.Fprintf(&b, "<li>%s：個人情報%sが漏えいした可能性。%sに公表。</li>", n.Organisation, n.Count, n.Day)
	}
	return b.String()
}

func hostile(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/html")
	line := strings.Repeat("漏", 1<<10)
	for range 4 << 10 {
		if _, err := rw.Write([]byte(line)); err != nil {
			return
		}
	}
}

package looktest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"shirase/check"
	"shirase/internal/language"
	"shirase/internal/serve"
	"shirase/internal/site"
	"shirase/internal/site/sitetest"
)

// told is a room of people who are told, as pages see it.
func told() *site.Watch {
	choice := site.WatchChoice{Lang: language.JA}
	return &site.Watch{
		Ask:     func(*http.Request, language.Lang, string, string) error { return nil },
		Asked:   func(context.Context, string) (string, error) { return "example-city", nil },
		Confirm: func(context.Context, string, site.WatchChoice) (string, error) { return "own", nil },
		Own: func(context.Context, string) (site.WatchChoice, []string, error) {
			return choice, []string{"example-city"}, nil
		},
		Change: func(context.Context, string, site.WatchChoice) error { return nil },
		End:    func(context.Context, string) error { return nil },
		Valid:  func(string) bool { return true },
		Domains: &site.WatchDomains{
			Ask: func(*http.Request, language.Lang, string, string) error { return nil },
			Get: func(_ context.Context, link string) (site.WatchedDomain, error) {
				at := time.Date(2026, 8, 20, 1, 0, 0, 0, time.UTC)
				return site.WatchedDomain{Domain: "corp.example.jp", Name: "_shirase-watch.corp.example.jp", Record: "shirase-watch=ABCDEFGHIJKLMNOPQRSTUVWXYZ", File: "https://corp.example.jp/.well-known/shirase-watch.txt",
					State: link, Until: at.AddDate(0, 0, 90), Log: []site.WatchLine{{At: at, What: "proven-dns"}, {At: at, What: "confirmed"}, {At: at, What: "asked"}}}, nil
			},
			Confirm: func(context.Context, string) error { return nil },
			Prove:   func(*http.Request, string) error { return site.ErrNotProven },
			Affected: func(*http.Request, string) ([]site.WatchExposed, error) {
				return []site.WatchExposed{{Incident: "naver-2013", Addresses: []string{"hanako.yamada-with-a-long-name.of.the.sales.department@corp.example.jp", "taro@corp.example.jp"}, More: 3}}, nil
			},
			Revoke: func(context.Context, string) error { return nil },
		},
	}
}

// sent presses a button, and waits for what only the page that answers has.
func sent(t *testing.T, ctx context.Context, button, after string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(button)), chromedp.WaitReady(chromedp.CSS(after))); err != nil {
		t.Fatalf("%s: %v", button, err)
	}
}

// TestLookMail is TestLook for the pages of what is mailed: an incident that is answered by mail, and being told of later ones.
func TestLookMail(t *testing.T) {
	ctx := chromium(t)
	w := sitetest.New(t, sitetest.Full()...)
	w.Statement.Expires = check.At(time.Now().Add(time.Hour))
	w.Statement.Incident("example-city").State = check.ByMail
	pages, err := site.New(site.Options{Archive: w.Archive.Public(), Statement: func() *check.Statement { return w.Statement }, BaseURL: "https://notice.example", Watch: told(),
		Ask: func(*http.Request, string, language.Lang, string) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(serve.Wrap(pages, serve.Options{}))
	t.Cleanup(server.Close)
	dir, said := pictures(t), listen(t, ctx)
	press := "document.querySelectorAll('input[type=text]').forEach(i => i.value = i.name === 'domain' ? 'corp.example.jp' : 'taro@example.jp')"
	for _, lang := range []language.Lang{language.JA, language.EN} {
		for _, v := range []struct{ name, path, submit, after string }{
			{"incident-by-mail", "/incidents/example-city", "", ""}, {"help-by-mail", "/incidents/example-city/help", "", ""}, {"ask", "/incidents/example-city/ask", "", ""}, {"ask-sent", "/incidents/example-city/ask", "form.check button", "[role=status]"},
			{"watch", "/watch?incident=example-city", "", ""}, {"watch-sent", "/watch", "form.check button", "[role=status]"}, {"watch-confirm", "/watch/x", "", ""}, {"watch-own", "/watch/own/x?saved=1", "", ""}, {"watch-off", "/watch/off/x", "", ""},
			{"watch-ended", "/watch/off/x", "main form button", "main p > a"}, {"domain", "/watch/domain", "", ""}, {"domain-sent", "/watch/domain", "form.check button", "[role=status]"}, {"domain-asked", "/watch/domain/asked", "", ""},
			{"domain-waiting", "/watch/domain/waiting", "button[value=prove]", "[role=alert]"}, {"domain-proven", "/watch/domain/proven", "button[value=look]", "h3 a"},
		} {
			load(t, ctx, server.URL+inLanguage(v.path, lang), press)
			if v.submit != "" {
				sent(t, ctx, v.submit, v.after)
			}
			shots(t, ctx, dir, v.name+"-"+string(lang))
			for _, complaint := range said.take() {
				t.Errorf("%s-%s: %s", v.name, lang, complaint)
			}
		}
	}
}

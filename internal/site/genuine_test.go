package site

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/language"
	"shirase/internal/site/sitetest"
)

// TestGenuine: the page says what an incident's messages come from and no place of what circulates, has texts that the facts have nothing against, and
// is there for what is published here only.
func TestGenuine(t *testing.T) {
	w := sitetest.New(t, sitetest.Open, sitetest.Elsewhere)
	var refuse error
	var took []string
	s, err := New(Options{Archive: w.Archive.Public(), Statement: sitetest.Statement, BaseURL: "https://notice.example", Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Genuine: func(context.Context, string) (Genuine, error) {
			return Genuine{Senders: []string{"notice@example.jp", "a@example.jp", "notice@example.jp"}, Places: 3, PlacesEnded: 1, Desk: "support@example.jp",
				Snippets: []language.Text{language.Both("市からのお願いです。<b>お確かめください。</b>", "The city asks you to look."), language.Both("対象は99万9,999人です。", "999,999 persons are affected.")}}, nil
		},
		Spread: func(_ *http.Request, id, kind, place string) error {
			took = append(took, id+" "+kind+" "+place)
			return refuse
		}})
	if err != nil {
		t.Fatal(err)
	}
	do := func(method, path, body string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		return rec
	}
	if !strings.Contains(do("GET", "/incidents/example-city", "").Body.String(), "/incidents/example-city/genuine") {
		t.Error("the incident does not lead there")
	}
	page := do("GET", "/incidents/example-city/genuine?lang=en", "")
	body := page.Body.String()
	if page.Code != 200 {
		t.Fatalf("%d: %s", page.Code, body)
	}
	for _, want := range []string{"https://notice.example", "a@example.jp<br>notice@example.jp<br>", "3 places are known, of which 1 was taken down", "<dd>support@example.jp</dd>", `<span class="hash">example-city-v1</span>`, `class="snippet"`, `lang="ja"`, "/incidents/example-city/spread"} {
		if !strings.Contains(body, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if !strings.Contains(body, "市からのお願いです。&lt;b&gt;") || !strings.Contains(body, "The city asks you to look.") || strings.Contains(body, "999,999") || strings.Contains(body, "99万9,999") {
		t.Errorf("texts to post that were approved: %s", body)
	}
	for _, path := range []string{"/incidents/example-shop/genuine", "/incidents/nothing/genuine", "/incidents/example-shop/spread"} {
		if rec := do("GET", path, ""); rec.Code != 404 {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
	const at = "/incidents/example-city/spread"
	form := url.Values{"kind": {"forum"}, "place": {"thread 1"}}.Encode()
	if rec := do("POST", at, form); rec.Code != 200 || strings.Contains(rec.Body.String(), "thread 1") {
		t.Errorf("%d", rec.Code)
	}
	for _, c := range []struct {
		refuse error
		header []string
		want   int
	}{{ErrSpreadData, nil, 422}, {ErrSaid, nil, 422}, {ErrSaidFull, nil, 503}, {&AskLater{time.Minute}, nil, 429}, {errors.New("broken"), nil, 500}, {nil, []string{"Sec-Fetch-Site", "cross-site"}, 403}} {
		refuse = c.refuse
		if rec := do("POST", at, form, c.header...); rec.Code != c.want || strings.Contains(rec.Body.String(), "thread 1") {
			t.Errorf("%v: %d, want %d", c.refuse, rec.Code, c.want)
		}
	}
	if took = slices.Compact(took); !slices.Equal(took, []string{"example-city forum thread 1"}) {
		t.Errorf("%q", took)
	}
	if rec := do("POST", at, "place="+strings.Repeat("a", 2*maxAsked)); rec.Code != 400 {
		t.Errorf("a long body: %d", rec.Code)
	}
	if rec := do("POST", "/incidents/example-shop/spread", form); rec.Code != 404 {
		t.Errorf("of what is not ours: %d", rec.Code)
	}
}

// TestGenuineNow: who has written is said as it is now, also where pages are kept as long as nothing that is public changes: a campaign that has just
// begun is no forgery.
func TestGenuineNow(t *testing.T) {
	w := sitetest.New(t, sitetest.Open)
	var senders []string
	s, err := New(Options{Archive: w.Archive.Public(), Statement: sitetest.Statement, BaseURL: "https://notice.example", Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: func(context.Context) string { return "1" },
		Genuine: func(context.Context, string) (Genuine, error) { return Genuine{Senders: senders}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	get := func() string {
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequest("GET", "/incidents/example-city/genuine?lang=en", nil))
		return rec.Body.String()
	}
	if !strings.Contains(get(), "No mail was sent about this incident yet") {
		t.Error("somebody has written")
	}
	if senders = []string{""}; !strings.Contains(get(), "No mail was sent about this incident yet") {
		t.Error("a letter is taken for a mail of nobody")
	}
	if senders = []string{"", "notice@example.jp"}; !strings.Contains(get(), "notice@example.jp") {
		t.Error("whoever has mail of ours is told that none was sent")
	}
}

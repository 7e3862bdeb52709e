package site

import (
	"context"
	"errors"
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

// watching is a room that writes down what pages ask of it.
type watching struct {
	did    []string
	refuse error
}

const goodLink, offLink = "abcdefghijklmnopqrstuvwx", "offabcdefghijklmnopqrstu"

func (w *watching) of(link, want, what string) error {
	if link != want {
		return ErrWatchLink
	}
	w.did = append(w.did, what)
	return w.refuse
}

func (w *watching) pages() *Watch {
	return &Watch{
		Ask: func(_ *http.Request, lang language.Lang, address, follow string) error {
			w.did = append(w.did, "ask "+string(lang)+" "+address+" "+follow)
			return w.refuse
		},
		Asked: func(_ context.Context, link string) (string, error) {
			return "example-city", w.of(link, goodLink, "asked")
		},
		Confirm: func(_ context.Context, link string, c WatchChoice) (string, error) {
			if c.Digest {
				w.did = append(w.did, "digest")
			}
			return goodLink, w.of(link, goodLink, "confirm "+string(c.Lang))
		},
		Own: func(_ context.Context, link string) (WatchChoice, []string, error) {
			return WatchChoice{Digest: true, Lang: language.EN}, []string{"example-city", "gone"}, w.of(link, goodLink, "own")
		},
		Change: func(_ context.Context, link string, c WatchChoice) error { return w.of(link, goodLink, "change") },
		End: func(_ context.Context, link string) error {
			if link == offLink {
				return w.of(link, offLink, "end")
			}
			return w.of(link, goodLink, "end")
		},
		Valid: func(link string) bool { return link == offLink },
		Domains: &WatchDomains{
			Ask: func(_ *http.Request, _ language.Lang, domain, contact string) error {
				w.did = append(w.did, "domain "+domain+" "+contact)
				return w.refuse
			},
			Get: func(_ context.Context, link string) (WatchedDomain, error) {
				if link != goodLink {
					return WatchedDomain{}, ErrWatchLink
				}
				return WatchedDomain{Domain: "corp.example.jp", Name: "_shirase-watch.corp.example.jp", Record: "shirase-watch=x", File: "https://corp.example.jp/.well-known/shirase-watch.txt", State: "proven", Until: time.Unix(0, 0),
					Log: []WatchLine{{time.Unix(0, 0), "looked", "example-city"}}}, nil
			},
			Confirm: func(_ context.Context, link string) error { return w.of(link, goodLink, "domain confirm") },
			Prove:   func(_ *http.Request, link string) error { return w.of(link, goodLink, "domain prove") },
			Affected: func(_ *http.Request, link string) ([]WatchExposed, error) {
				return []WatchExposed{{"example-city", []string{"<b>@corp.example.jp", "a@corp.example.jp"}, 3}}, w.of(link, goodLink, "domain look")
			},
			Revoke: func(_ context.Context, link string) error { return w.of(link, goodLink, "domain revoke") },
		},
	}
}

func watchSite(t *testing.T) (*watching, func(method, path, body string, header ...string) *httptest.ResponseRecorder) {
	t.Helper()
	world := sitetest.New(t, sitetest.Open)
	room := &watching{}
	s, err := New(Options{Archive: world.Archive.Public(), Statement: sitetest.Statement, Watch: room.pages(), Version: func(context.Context) string { return "1" }})
	if err != nil {
		t.Fatal(err)
	}
	return room, func(method, path, body string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		return rec
	}
}

// TestWatchPages: an address is left, and the page says the same whoever it is; looking at a link does nothing, and posting to it does; what has a
// link of its own is kept by nobody.
func TestWatchPages(t *testing.T) {
	room, do := watchSite(t)
	for _, path := range []string{"/incidents/example-city?lang=ja", "/incidents/example-city/help?lang=ja"} {
		if !strings.Contains(do("GET", path, "").Body.String(), "/watch?lang=ja&amp;incident=example-city") {
			t.Errorf("%s does not lead there", path)
		}
	}
	if rec := do("GET", "/watch?incident=example-city&lang=ja", ""); rec.Code != 200 || !strings.Contains(rec.Body.String(), `name="incident" value="example-city"`) {
		t.Errorf("%d", rec.Code)
	}
	if rec := do("GET", "/watch?incident=%22%3E%3Cx", ""); rec.Code != 200 || strings.Contains(rec.Body.String(), `name="incident"`) {
		t.Errorf("an incident that is none: %d", rec.Code)
	}
	one := do("POST", "/watch?lang=ja", url.Values{"address": {"one@example.com"}, "incident": {"example-city"}}.Encode())
	two := do("POST", "/watch?lang=ja", url.Values{"address": {"someone.else@example.org"}, "incident": {"example-city"}}.Encode())
	if one.Code != 200 || one.Body.String() != two.Body.String() || strings.Contains(one.Body.String(), "one@example.com") {
		t.Errorf("the page tells of the address: %d", one.Code)
	}
	do("POST", "/watch?lang=en", url.Values{"address": {"x@example.com"}, "incident": {"other"}}.Encode())
	if want := []string{"ask ja one@example.com example-city", "ask ja someone.else@example.org example-city", "ask en x@example.com "}; !slices.Equal(room.did, want) {
		t.Errorf("%q", room.did)
	}
	room.did = nil
	for _, path := range []string{"/watch/" + goodLink, "/watch/own/" + goodLink, "/watch/off/" + offLink, "/watch/domain/" + goodLink} {
		rec := do("GET", path, "")
		if rec.Code != 200 || rec.Header().Get("Cache-Control") != "no-store" || !strings.Contains(rec.Body.String(), `method="post"`) || !strings.Contains(rec.Body.String(), "noindex") {
			t.Errorf("%s: %d, %q", path, rec.Code, rec.Header().Get("Cache-Control"))
		}
	}
	if !slices.Equal(room.did, []string{"asked", "own"}) {
		t.Errorf("looking did %q", room.did)
	}
	room.did = nil
	if rec := do("POST", "/watch/"+goodLink+"?lang=en", "how=digest&lang=en"); rec.Code != 303 || rec.Header().Get("Location") != "/watch/own/"+goodLink+"?lang=en&saved=1" {
		t.Errorf("%d, %q", rec.Code, rec.Header().Get("Location"))
	}
	do("POST", "/watch/own/"+goodLink, "how=now&lang=ja")
	do("POST", "/watch/own/"+goodLink, "do=end")
	// A mailbox's program posts from elsewhere, in either form (RFC 8058, section 3.1).
	if rec := do("POST", "/watch/off/"+offLink, "List-Unsubscribe=One-Click", "Sec-Fetch-Site", "cross-site", "Origin", "https://mail.example"); rec.Code != 200 {
		t.Errorf("one click: %d", rec.Code)
	}
	form := "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n"
	if rec := do("POST", "/watch/off/"+offLink, form, "Content-Type", "multipart/form-data; boundary=b"); rec.Code != 200 {
		t.Errorf("one click in parts: %d", rec.Code)
	}
	if want := []string{"digest", "confirm en", "change", "own", "end", "end", "end"}; !slices.Equal(room.did, want) {
		t.Errorf("%q", room.did)
	}
}

// TestWatchRefused: a wrong link, a page elsewhere, a body that is too long, and what the room refuses get their page, and nothing is done.
func TestWatchRefused(t *testing.T) {
	room, do := watchSite(t)
	for _, path := range []string{"/watch/nothing", "/watch/own/nothing", "/watch/off/nothing", "/watch/off/" + goodLink, "/watch/domain/nothing", "/watch/own/" + offLink} {
		for _, method := range []string{"GET", "POST"} {
			if rec := do(method, path, "do=look"); rec.Code != 404 || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: %d", method, path, rec.Code)
			}
		}
	}
	for _, path := range []string{"/watch", "/watch/" + goodLink, "/watch/own/" + goodLink, "/watch/domain", "/watch/domain/" + goodLink} {
		if rec := do("POST", path, "do=end", "Sec-Fetch-Site", "cross-site"); rec.Code != 403 {
			t.Errorf("from elsewhere to %s: %d", path, rec.Code)
		}
		if rec := do("POST", path, "address="+strings.Repeat("a", 2*maxAsked)); rec.Code != 400 {
			t.Errorf("a long body to %s: %d", path, rec.Code)
		}
	}
	if len(room.did) > 0 {
		t.Errorf("%q", room.did)
	}
	for _, c := range []struct {
		refuse error
		path   string
		want   int
	}{{ErrAskAddress, "/watch", 400}, {&AskLater{time.Minute}, "/watch", 429}, {errors.New("broken"), "/watch", 500}, {ErrWatchDomain, "/watch/domain", 400}, {ErrAskAddress, "/watch/domain", 400}, {&AskLater{time.Minute}, "/watch/domain", 429}} {
		room.refuse = c.refuse
		if rec := do("POST", c.path, "address=a@example.com&domain=x"); rec.Code != c.want || strings.Contains(rec.Body.String(), "a@example.com") {
			t.Errorf("%s, %v: %d", c.path, c.refuse, rec.Code)
		}
	}
}

// TestDomainPages: a domain's owner sees its addresses when they ask, written as text; anybody else, and where domains are not watched, nothing.
func TestDomainPages(t *testing.T) {
	room, do := watchSite(t)
	rec := do("POST", "/watch/domain/"+goodLink, "do=look")
	if body := rec.Body.String(); rec.Code != 200 || !strings.Contains(body, "a@corp.example.jp") || strings.Contains(body, "<b>@") || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d, %q", rec.Code, rec.Header().Get("Cache-Control"))
	}
	if body := do("GET", "/watch/domain/"+goodLink, "").Body.String(); strings.Contains(body, "a@corp.example.jp") {
		t.Error("addresses are shown without being asked for")
	}
	room.refuse = ErrNotProven
	for _, act := range []string{"look", "prove"} {
		if body := do("POST", "/watch/domain/"+goodLink+"?lang=en", "do="+act).Body.String(); strings.Contains(body, "a@corp.example.jp") || !strings.Contains(body, "The proof is not there") {
			t.Errorf("%s without a proof: %s", act, body)
		}
	}
	if rec := do("POST", "/watch/domain/"+goodLink, "do=anything"); rec.Code != 400 {
		t.Errorf("%d", rec.Code)
	}
	world := sitetest.New(t, sitetest.Open)
	for _, w := range []*Watch{nil, {}} {
		s, err := New(Options{Archive: world.Archive.Public(), Watch: w})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/watch/domain", "/watch/domain/" + goodLink} {
			for _, method := range []string{"GET", "POST"} {
				rec := httptest.NewRecorder()
				s.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
				if rec.Code != 404 {
					t.Errorf("%s %s: %d", method, path, rec.Code)
				}
			}
		}
	}
}

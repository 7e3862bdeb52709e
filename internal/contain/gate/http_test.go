package gate

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func filesAt(t *testing.T) *files.Dir {
	t.Helper()
	dir, err := files.Open(filepath.Join(t.TempDir(), "files"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// ask makes a request as a server gets it: its target is not cleaned.
func ask(n *Node, method, target string, header map[string]string, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.RequestURI = target
	path, _, _ := strings.Cut(target, "?")
	r.URL.Path = path
	for k, v := range header {
		for one := range strings.SplitSeq(v, "\n") {
			r.Header.Add(k, one)
		}
	}
	rec := httptest.NewRecorder()
	n.Handle(http.NotFoundHandler()).ServeHTTP(rec, r)
	return rec
}

// TestContract holds the endpoints to docs/GATE.md, for each form of asking.
func TestContract(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		n := w.node(nil)
		tokens := map[Form]string{}
		for _, f := range Forms() {
			var err error
			tokens[f], err = w.NewToken(t.Context(), actor.Operator(), string(f), f, false)
			w.must(err)
		}
		verified, err := w.NewToken(t.Context(), actor.Operator(), "verified", Nginx, true)
		w.must(err)
		w.do(KindBlock, Asked{Route: "login", State: Maintenance, Until: w.now.Add(time.Hour).Format(time.RFC3339), Says: language.Both("工事中", "works")})
		w.do(KindBlock, Asked{Accounts: Reset})

		by := func(f Form, uri string) (target string, header map[string]string) {
			switch f {
			case Nginx:
				return "", map[string]string{"X-Original-URI": uri, "X-Original-Method": "POST"}
			case Envoy:
				return uri, map[string]string{}
			}
			return "", map[string]string{"X-Forwarded-Uri": uri, "X-Forwarded-Method": "POST"}
		}
		for _, f := range []Form{Nginx, Caddy, Traefik, Envoy} {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"} {
				for _, uri := range []string{"/login", "//login", "/x/%2e%2e/login;a", "/LOGIN?next=/"} {
					below, header := by(f, uri)
					header["X-Shirase-Token"] = tokens[f]
					header["Accept-Language"] = "en"
					rec := ask(n, method, Prefix+"check"+below, header, "")
					h := rec.Header()
					if rec.Code != 403 || h.Get("X-Shirase-Gate") != "maintenance" || h.Get("Retry-After") != "3600" || h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Content-Language") != "en" || h.Get("Cache-Control") != "no-store" {
						t.Fatalf("%s %s %s: %d %v", f, method, uri, rec.Code, h)
					}
					if (method != "HEAD") != strings.Contains(rec.Body.String(), "works") {
						t.Errorf("%s %s: %q", f, method, rec.Body)
					}
					if rec := ask(n, method, Prefix+"page"+below, header, ""); rec.Code != 503 || rec.Header().Get("Retry-After") != "3600" {
						t.Errorf("%s %s %s: the page: %d", f, method, uri, rec.Code)
					}
					// Others' headers are not read, whatever they say.
					for _, lie := range []string{"X-Original-URI", "X-Forwarded-Uri", "X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override", "X-Shirase-Account"} {
						if _, mine := header[lie]; mine {
							continue
						}
						header[lie] = "/healthz"
						if rec := ask(n, method, Prefix+"check"+below, header, ""); rec.Code != 403 {
							t.Errorf("%s: %s is believed", f, lie)
						}
						delete(header, lie)
					}
				}
			}
			below, header := by(f, "/shop?x=1")
			header["X-Shirase-Token"] = tokens[f]
			if rec := ask(n, "GET", Prefix+"check"+below, header, ""); rec.Code != 200 || rec.Body.Len() != 0 || rec.Header().Get("X-Shirase-Gate") != "" {
				t.Errorf("%s: %d %v", f, rec.Code, rec.Header())
			}
			// Without a token, with another's, or with two, nobody is answered.
			for name, token := range map[string]string{"none": "", "made up": tokenPrefix + strings.Repeat("A", 43), "of an application": tokens[Decide], "two": tokens[f] + "\n" + tokens[f]} {
				header["X-Shirase-Token"] = token
				if rec := ask(n, "GET", Prefix+"check"+below, header, ""); rec.Code != 401 || rec.Header().Get("X-Shirase-Gate") != "" {
					t.Errorf("%s, a token that is %s: %d", f, name, rec.Code)
				}
			}
			// What was asked about twice, or not at all, is not answered.
			if f != Envoy {
				header["X-Shirase-Token"] = tokens[f]
				for k, v := range header {
					if strings.HasSuffix(k, "URI") || strings.HasSuffix(k, "Uri") {
						for _, lie := range []string{v + "\n/healthz", "", "healthz", "/a\r/b"} {
							header[k] = lie
							if rec := ask(n, "GET", Prefix+"check", header, ""); rec.Code != 403 {
								t.Errorf("%s, %q: %d", f, lie, rec.Code)
							}
						}
						header[k] = v
					}
				}
			}
		}

		// Who asks is believed of a proxy that verifies it, and of no other.
		header := map[string]string{"X-Original-URI": "/shop", "X-Original-Method": "GET", "X-Shirase-Account": "a1", "X-Shirase-Token": tokens[Nginx]}
		if rec := ask(n, "GET", Prefix+"check", header, ""); rec.Code != 200 {
			t.Errorf("an account is believed: %d", rec.Code)
		}
		header["X-Shirase-Token"] = verified
		if rec := ask(n, "GET", Prefix+"check", header, ""); rec.Code != 403 || rec.Header().Get("X-Shirase-Gate") != "reset" || rec.Header().Get("Location") != "https://notice.example.jp/reset" {
			t.Errorf("%d %v", rec.Code, rec.Header())
		}
		if rec := ask(n, "GET", Prefix+"page", header, ""); rec.Code != 303 || rec.Header().Get("Location") != "https://notice.example.jp/reset" {
			t.Errorf("%d %v", rec.Code, rec.Header())
		}
		header["X-Shirase-Account"] = "a1\na99"
		if rec := ask(n, "GET", Prefix+"check", header, ""); rec.Code != 403 || rec.Header().Get("X-Shirase-Gate") != "" {
			t.Errorf("two accounts: %d", rec.Code)
		}
		w.must(w.EndToken(t.Context(), actor.Operator(), "verified"))
		header["X-Shirase-Account"] = "a1"
		if rec := ask(n, "GET", Prefix+"check", header, ""); rec.Code != 401 {
			t.Errorf("a token that is ended: %d", rec.Code)
		}
		for _, path := range []string{"", "x", "checks", "../console", "check/../decide"} {
			if rec := ask(n, "GET", Prefix+path, map[string]string{"X-Shirase-Token": tokens[Nginx]}, ""); rec.Code == 200 {
				t.Errorf("%q: %d", path, rec.Code)
			}
		}
	})
}

// TestDecide holds the decision API, the hook and what is read of a notice to docs/GATE.md.
func TestDecide(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		n := w.node(nil)
		secret, err := w.NewToken(t.Context(), actor.Operator(), "shop", Decide, false)
		w.must(err)
		proxy, err := w.NewToken(t.Context(), actor.Operator(), "front", Nginx, true)
		w.must(err)
		auth := map[string]string{"Authorization": "Bearer " + secret}
		decide := func(endpoint, body string, code int, want ...string) {
			t.Helper()
			rec := ask(n, "POST", Prefix+endpoint, auth, body)
			if rec.Code != code {
				t.Errorf("%s %s: %d %s", endpoint, body, rec.Code, rec.Body)
			}
			for _, s := range want {
				if !strings.Contains(rec.Body.String(), s) {
					t.Errorf("%s %s: %s, and not %s", endpoint, body, rec.Body, s)
				}
			}
		}
		decide("decide", `{"account":"a1"}`, 200, `"decision":"allow"`)
		w.do(KindBlock, Asked{Accounts: Reset})
		decide("decide", `{"account":"a1"}`, 200, `"decision":"reset"`, `"location":"https://notice.example.jp/reset"`, `"incident":"loss-2026"`, `"age":0`)
		decide("decide", `{"email":"USER1@example.com"}`, 200, `"decision":"reset"`)
		decide("hook", `{"account":"a1"}`, 403, `"decision":"reset"`)
		decide("hook", `{"account":"b1"}`, 200, `"decision":"allow"`)
		w.do(KindBlock, Asked{Route: "login", State: Closed})
		decide("decide", `{"account":"b1","route":"login"}`, 200, `"decision":"blocked"`)
		w.do(KindLift, Asked{All: true})
		w.do(KindBlock, Asked{Accounts: Notice, Says: language.Both("漏えいしました", "it leaked")})
		decide("decide", `{"account":"a1"}`, 200, `"decision":"notice"`, `"en":"it leaked"`)
		decide("seen", `{"account":"a1"}`, 200, `"seen":true`)
		decide("decide", `{"account":"a1"}`, 200, `"decision":"allow"`)
		for _, body := range []string{"", "{", "[]", "null", `{"account":1}`, `{"account":"a","account":"b"}`, `{"acount":"a"}`, `{}`, `{"account":"` + strings.Repeat("a", 1001) + `"}`, `{"account":"a1"} x`} {
			decide("decide", body, 400)
		}
		decide("decide", `{"account":"`+strings.Repeat("a", maxAsked)+`"}`, 413)
		for name, header := range map[string]map[string]string{"nobody": {}, "made up": {"Authorization": "Bearer " + tokenPrefix + strings.Repeat("A", 43)}, "a proxy": {"Authorization": "Bearer " + proxy}, "basic": {"Authorization": "Basic " + secret}, "two": {"Authorization": "Bearer " + secret + "\nBearer " + secret}} {
			if rec := ask(n, "POST", Prefix+"decide", header, `{"account":"a1"}`); rec.Code != 401 || strings.Contains(rec.Body.String(), "decision") {
				t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
			}
		}
		if rec := ask(n, "GET", Prefix+"decide", auth, ""); rec.Code != 405 || rec.Header().Get("Allow") != "POST" {
			t.Error(rec.Code)
		}

		// The notice's page, by a proxy that verifies who asks.
		header := map[string]string{"X-Original-URI": "/account/orders?page=2", "X-Original-Method": "GET", "X-Shirase-Account": "a2", "X-Shirase-Token": proxy}
		if rec := ask(n, "GET", Prefix+"check", header, ""); rec.Code != 403 || rec.Header().Get("X-Shirase-Gate") != "notice" {
			t.Error(rec.Code, rec.Header())
		}
		read := func(site, account, to string) *httptest.ResponseRecorder {
			return ask(n, "POST", Prefix+"seen", map[string]string{"X-Shirase-Token": proxy, "X-Shirase-Account": account, "Sec-Fetch-Site": site}, "to="+to)
		}
		if rec := read("cross-site", "a2", "/"); rec.Code != 403 {
			t.Error("another site says that somebody has read it:", rec.Code)
		}
		if rec := read("same-origin", "", "/"); rec.Code != 403 {
			t.Error("nobody has read it:", rec.Code)
		}
		if d := n.login("", Account{Account: "a2"}); d.Kind != KindNotice {
			t.Error(d)
		}
		for to, want := range map[string]string{"%2Faccount%2Forders": "/account/orders", "https%3A%2F%2Fevil.example": "/", "%2F%2Fevil.example": "/", "%2F%5Cevil.example": "/", "": "/", "%zz": "/", "javascript:1": "/"} {
			if rec := read("same-origin", "a2", to); rec.Code != 303 || rec.Header().Get("Location") != want {
				t.Errorf("%q: %d %q", to, rec.Code, rec.Header().Get("Location"))
			}
		}
		if rec := ask(n, "GET", Prefix+"check", header, ""); rec.Code != 200 {
			t.Error(rec.Code, rec.Header())
		}
	})
}

// FuzzAsk: whatever headers and bodies come, an answer is one of those of the contract, and nobody passes who is held.
func FuzzAsk(f *testing.F) {
	f.Add("/login", "GET", "203.0.113.1", `{"account":"a1"}`)
	f.Add("//x/%2e%2e/login", "", ",,::1%eth0", `{"email":"x"}`)
	rules, err := ParseRules("routes.yaml", []byte(routesFile))
	if err != nil {
		f.Fatal(err)
	}
	n := NewNode(NodeOptions{Rules: rules})
	sum := hashToken("a-token-of-the-test-that-is-long")
	of, err := patterns([]string{"/"})
	if err != nil {
		f.Fatal(err)
	}
	m := &memory{tokens: map[[32]byte]*Token{sum: {Form: Caddy, Identities: true}, hashToken("another-token-of-the-test-that-is-long"): {Form: Decide}},
		routes: []*closed{{Block: Block{Spec: Spec{State: Maintenance}}, patterns: of, page: [2][]byte{[]byte("x"), []byte("x")}}}}
	n.memory.Store(m)
	f.Fuzz(func(t *testing.T, uri, method, from, body string) {
		rec := ask(n, "GET", Prefix+"check", map[string]string{"X-Shirase-Token": "a-token-of-the-test-that-is-long", "X-Forwarded-Uri": uri, "X-Forwarded-Method": method, "X-Forwarded-For": from, "X-Shirase-Account": body}, "")
		what, ok := parseTarget(uri)
		passes := ok && what.plain && strings.HasPrefix(what.path+"/", "/healthz/")
		if rec.Code == 200 && !passes || rec.Code != 200 && rec.Code != 403 {
			t.Errorf("%q: %d", uri, rec.Code)
		}
		rec = ask(n, "POST", Prefix+"decide", map[string]string{"Authorization": "Bearer another-token-of-the-test-that-is-long"}, body)
		if rec.Code != 200 && rec.Code != 400 && rec.Code != 413 {
			t.Errorf("%q: %d", body, rec.Code)
		}
	})
}

package console

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/staff"
)

// invited is the act of a form of an invitation.
func invited(form url.Values) string {
	roles, every := rolesOf(&http.Request{PostForm: form})
	return staff.ActInvite(form.Get("name"), roles, every)
}

func cookies(a answer) string { return strings.Join(a.header.Values("Set-Cookie"), "; ") }

// TestWayIn walks the way of the first administrator and of a second person, without a browser.
func TestWayIn(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		nobody := d.stranger()
		if a := nobody.get("/console/"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/console/sign-in" {
			t.Fatal(a.status, a.header)
		}
		if a := nobody.get("/console/sign-in"); !strings.Contains(a.body, "shirase staff") {
			t.Error("an empty instance does not say what to do")
		}
		sato := d.first()
		a := sato.get("/console/account")
		if a.status != http.StatusOK || !strings.Contains(a.body, "回復コード（いま一度だけ表示します）") || !strings.Contains(a.body, "もう1つ登録") {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if a := sato.get("/console/account"); strings.Contains(a.body, "いま一度だけ") {
			t.Error("the codes are shown twice")
		}
		// Invite: refused without the passkey, and with one that confirmed something else.
		form := url.Values{"name": {"鈴木"}, "role": {"approver"}, "every": {"contribute"}}
		if a := sato.post("/console/people/invite", form); a.status != http.StatusForbidden || !strings.Contains(a.body, "パスキー") {
			t.Errorf("an invitation without a passkey: %d", a.status)
		}
		if a := sato.post("/console/people/invite", sato.confirm("codes", form)); a.status != http.StatusForbidden {
			t.Errorf("an invitation with a passkey for something else: %d", a.status)
		}
		confirmed := sato.confirm(invited(form), form)
		a = sato.post("/console/people/invite", confirmed)
		_, rest, ok := strings.Cut(a.body, base+"/console/join#")
		if !ok || a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		token, _, _ := strings.Cut(rest, "<")
		if a := sato.post("/console/people/invite", confirmed); a.status != http.StatusForbidden {
			t.Errorf("a confirmation twice: %d", a.status)
		}
		suzuki := d.stranger()
		look := suzuki.do("POST", "/console/join/look", url.Values{"token": {token}}, json1)
		if !strings.Contains(look.body, "鈴木") {
			t.Error(look.body)
		}
		suzuki.join(token, "鈴木")
		if a := d.stranger().do("POST", "/console/join/look", url.Values{"token": {token}}, json1); a.status != http.StatusGone {
			t.Errorf("a link twice: %d", a.status)
		}
		if a := suzuki.post("/console/sign-out", url.Values{}); a.status != http.StatusSeeOther {
			t.Error(a.status)
		}
		if a := suzuki.get("/console/account"); a.status != http.StatusSeeOther {
			t.Error("signed out, and still in")
		}
		if a := suzuki.signIn(); a.status != http.StatusOK {
			t.Fatal(a.status, a.body)
		}
		if a := suzuki.get("/console/account"); a.status != http.StatusOK || !strings.Contains(a.body, "鈴木") {
			t.Error(a.status)
		}
		for _, secret := range []string{token, "鈴木", "佐藤", suzuki.id} {
			if strings.Contains(d.logged.String(), secret) {
				t.Errorf("the log has %q", secret)
			}
		}
	})
}

// TestFixation: a token that somebody set before the sign-in is worth nothing after it.
func TestFixation(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		p := d.hire("鈴木", actor.None, actor.Writer)
		p.post("/console/sign-out", url.Values{})
		victim := p
		begun := victim.post("/console/sign-in/begin", url.Values{})
		before := begun.header.Get("Set-Cookie")
		if before == "" {
			t.Fatal("no cookie before the sign-in")
		}
		attacker := d.stranger()
		steal := func(r *http.Request) { r.Header.Set("Cookie", strings.Split(before, ";")[0]) }
		if a := victim.signIn(); a.status != http.StatusOK || cookies(a) == "" {
			t.Fatal(a.status, a.header)
		} else if strings.Contains(cookies(a), strings.Split(strings.Split(before, ";")[0], "=")[1]) {
			t.Error("the token stays at the sign-in")
		}
		if a := attacker.do("GET", "/console/account", nil, steal); a.status != http.StatusSeeOther {
			t.Errorf("the old token is good for %d", a.status)
		}
		invented := func(r *http.Request) { r.Header.Set("Cookie", "__Secure-shirase-console=chosen-by-me") }
		if a := attacker.do("POST", "/console/sign-in/begin", url.Values{}, invented); strings.Contains(cookies(a), "chosen-by-me") {
			t.Error("a token that the browser invents is taken")
		}
	})
}

// TestHeaders: what is private is kept by nothing, framed by nobody, and its cookie goes nowhere else.
func TestHeaders(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		sato := d.first()
		for _, path := range []string{"/console/", "/console/account", "/console/people", "/console/log", "/console/settings", "/console/nowhere", "/console/sign-in", "/console/join"} {
			a := sato.do("GET", path, nil, func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") })
			h := a.header
			if want := map[string]int{"/console/nowhere": 404, "/console/sign-in": 303}[path]; a.status != max(want, 200) {
				t.Errorf("%s: %d", path, a.status)
			}
			if h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") ||
				h.Get("X-Robots-Tag") != "noindex" || strings.Contains(a.body, "不具合") || h.Get("Etag") != "" || h.Get("Content-Encoding") != "" || h.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: %d %v", path, a.status, h)
			}
		}
		sato.post("/console/sign-out", url.Values{})
		a := sato.signIn()
		for _, want := range []string{"__Secure-shirase-console=", "HttpOnly", "Secure", "SameSite=Lax", "Path=/console"} {
			if !strings.Contains(cookies(a), want) {
				t.Errorf("the cookie is not %s: %s", want, cookies(a))
			}
		}
	})
}

// TestCrossOrigin: nothing that changes anything is taken from another site (CSRF), whatever browser it is.
func TestCrossOrigin(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		sato := d.first()
		for name, change := range map[string]func(r *http.Request){
			"another site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"a sibling":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"an older browser": func(r *http.Request) {
				r.Header.Del("Sec-Fetch-Site")
				r.Header.Set("Origin", "https://evil.example")
			},
		} {
			for _, route := range d.console.table() {
				method, path, _ := strings.Cut(route.pattern, " ")
				if method != "POST" {
					continue
				}
				path = strings.NewReplacer("{id}", "x", "{n}", "1").Replace(path)
				if a := sato.do("POST", path, url.Values{}, change); a.status != http.StatusForbidden || !strings.Contains(a.body, "ほかのサイト") {
					t.Errorf("%s, %s: %d", name, path, a.status)
				}
			}
		}
		if a := sato.get("/console/account"); a.status != http.StatusOK {
			t.Error("signed out by another site")
		}
		for _, route := range d.console.table() { // what is read changes nothing, so that a link from elsewhere does nothing
			method, path, _ := strings.Cut(route.pattern, " ")
			if method == "GET" && strings.Contains(path, "sign-out") {
				t.Error("a GET signs out")
			}
		}
	})
}

// TestAddress: passkeys are bound to a name; the console is not served under another.
func TestAddress(t *testing.T) {
	c := &Console{}
	for host, want := range map[string]bool{"localhost": true, "localhost:8311": true, "case1.localhost": true, "127.0.0.1:8311": false, "evil.example": false, "notlocalhost": false, "[::1]:80": false} {
		r, _ := http.NewRequest("GET", "http://"+host+"/console/", nil)
		if site, ok := c.site(r); ok != want {
			t.Errorf("%s: %v %v", host, site, ok)
		}
	}
	for host, want := range map[string]string{"127.0.0.1:8311": "http://localhost:8311/console/", "[::1]:80": "http://localhost:80/console/", "evil.example": "", "10.0.0.1": ""} {
		r, _ := http.NewRequest("GET", "http://"+host+"/console/", nil)
		if to, _ := here(r); to != want {
			t.Errorf("%s leads to %q", host, to)
		}
	}
	for path, want := range map[string]string{"/console/people": "/console/people", "": "/console/", "//evil.example": "/console/", "https://evil.example/console/": "/console/", "/console/\\evil": "/console/", "/incidents": "/console/"} {
		if got := next(path); got != want {
			t.Errorf("after signing in, %q leads to %q", path, got)
		}
	}
}

// TestCode: a recovery code lets in once; then a passkey can be added, and nothing be confirmed before.
func TestCode(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		sato := d.first()
		a := sato.get("/console/account")
		_, rest, _ := strings.Cut(a.body, `<pre id="codes">`)
		code, _, _ := strings.Cut(rest, "\n")
		if len(code) != 19 {
			t.Fatal(code)
		}
		lost := d.stranger() // another device: no passkey of the old one
		for _, wrong := range []string{"", "aaaa-aaaa-aaaa-aaaa", strings.Repeat("a", 1000)} {
			if a := lost.post("/console/sign-in/code", url.Values{"code": {wrong}}); a.status != http.StatusUnauthorized {
				t.Errorf("code %q: %d", wrong, a.status)
			}
		}
		if a := lost.post("/console/sign-in/code", url.Values{"code": {code}}); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		lost.id = sato.id
		lost.auth.Options.UserHandle = []byte(sato.id)
		options := lost.options("/console/account/passkey/begin", url.Values{})
		if a := lost.do("POST", "/console/account/passkey", url.Values{"answer": {lost.created(options)}, "name": {"new"}}, json1); a.status != http.StatusOK {
			t.Fatal(a.status, a.body)
		}
		lost.auth.AddCredential(lost.cred)
		// Once it has been added the session is as any other: one more asks for it.
		other := d.stranger()
		options = lost.options("/console/account/passkey/begin", url.Values{})
		if a := lost.do("POST", "/console/account/passkey", url.Values{"answer": {other.created(options)}, "name": {"third"}}, json1); a.status != http.StatusForbidden {
			t.Errorf("a third passkey without a passkey: %d", a.status)
		}
		form := url.Values{"name": {"x"}, "role": {"writer"}}
		if a := lost.post("/console/people/invite", lost.confirm(invited(form), form)); a.status != http.StatusOK {
			t.Errorf("the new passkey confirms nothing: %d", a.status)
		}
	})
}

// TestOwnSessions: somebody sees and ends their own sign-ins, and who administers people ends others'.
func TestOwnSessions(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		sato := d.first()
		p := d.hire("鈴木", actor.None, actor.Writer)
		second := d.stranger()
		second.auth, second.cred, second.id = p.auth, p.cred, p.id
		if a := second.signIn(); a.status != http.StatusOK {
			t.Fatal(a.status)
		}
		list, err := d.staff.SessionsOf(t.Context(), actor.Operator(), p.id)
		if err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		if a := sato.post("/console/account/sessions/end", url.Values{"id": {list[0].ID}}); a.status != http.StatusNotFound {
			t.Errorf("somebody else's: %d", a.status)
		}
		a := p.get("/console/account")
		if strings.Count(a.body, "この端末</span>") != 1 {
			t.Error("which one is this device's is not said")
		}
		if a := p.post("/console/account/sessions/end", url.Values{"id": {list[0].ID}}); a.status != http.StatusSeeOther { // the second: the newest
			t.Fatal(a.status)
		}
		if a := second.get("/console/account"); a.status != http.StatusSeeOther {
			t.Error("an ended session goes on")
		}
		if a := p.get("/console/account"); a.status != http.StatusOK {
			t.Error("the wrong one was ended")
		}
		if a := sato.post("/console/people/"+p.id+"/sessions/end", url.Values{}); a.status != http.StatusSeeOther {
			t.Fatal(a.status)
		}
		if a := p.get("/console/account"); a.status != http.StatusSeeOther {
			t.Error("an ended session goes on")
		}
	})
}

// TestDoorsApart: what strangers try at one door, or have the browsers of an office ask for, closes no other.
func TestDoorsApart(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		left := map[Door]int{}
		for _, door := range Doors() {
			left[door] = 60
		}
		var mu sync.Mutex
		d.console.Allow = func(door Door, _ *http.Request, n int) (time.Duration, bool) {
			mu.Lock()
			defer mu.Unlock()
			if left[door] < n {
				return time.Second, false
			}
			left[door] -= n
			return 0, true
		}
		sato := d.first()
		idp := newProvider(t)
		d.console.OIDC = &staff.Provider{Issuer: idp.URL, ClientID: "shirase", Secret: "secret", Back: base + "/console/oidc/back"}
		for range 100 {
			if a := sato.do("GET", "/console/oidc/back", nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Dest", "image") }); a.status != http.StatusNotFound {
				t.Fatalf("a picture of the way back: %d", a.status)
			}
		}
		if left[ByProvider] != 60 {
			t.Errorf("pictures took %d", 60-left[ByProvider])
		}
		closed := 0
		for range 5 {
			if a := d.stranger().post("/console/sign-in/code", url.Values{"code": {"aaaa-aaaa-aaaa-aaaa"}}); a.status == http.StatusTooManyRequests {
				closed++
			}
		}
		for range 70 {
			if a := d.stranger().do("GET", "/console/oidc/back", nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Dest", "document") }); a.status == http.StatusTooManyRequests {
				closed++
			}
		}
		if closed != 3+10 {
			t.Fatalf("%d were refused: the doors for codes and for the provider are not closed", closed)
		}
		if a := sato.signIn(); a.status != http.StatusOK {
			t.Errorf("a sign-in by passkey, while the other doors are closed: %d", a.status)
		}
		d.console.OIDC = nil
		if a := sato.get("/console/oidc"); a.status != http.StatusNotFound {
			t.Errorf("the door of a provider that there is not: %d", a.status)
		}
	})
}

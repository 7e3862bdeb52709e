package gate

import (
	"errors"
	"strings"
	"testing"
)

// ways are spellings of /login/form that some proxy, framework or file system takes for it, or for something below /login.
var ways = []string{
	"/login/form", "/login/form/", "/login/form?x=1", "/login", "/login/", "/login?", "/login#x", "/login.json", "/login/form.php",
	"//login/form", "///login", "/./login/form", "/x/../login/form", "/x//../login", "/login/./form", "/login//form", "/a/b/../../login",
	"/LOGIN/form", "/Login", "/%6cogin/form", "/%6Cogin", "/logi%6e", "/%2flogin", "/%2Flogin/form", "/x/%2e%2e/login", "/x/%2E./login", "/x/.%2e/login", "/%2e/login",
	"/%252flogin", "/%256cogin", "/x/%252e%252e/login", "/%25256cogin", "/login;x=1", "/login;x/form", "/login/form;jsessionid=1", "/;x/login", "/x/..;/login", "/x/..;a=b/login",
	`/login\form`, `\login`[0:0] + `/\login`, `/x\..\login`, "/x%5c..%5clogin", "/x/..%5clogin", "/login%00", "/login%00.css", "/login%23", "/login%3fx", "/login%3b.css", "/login%20", "/login.", "/login..", "/login%2e", "/login%09", "/%09login",
	"/%c0%afx/../login", "/x/%c0%ae%c0%ae/login", "/%u006cogin", "/x/%u002e%u002e/login", "/ｌｏｇｉｎ", "/%ef%bd%8cogin", "/login%e2%80%8b", "/lo%c2%adgin", "/ſhop/../login", "http://shop.example.jp/login", "https://shop.example.jp//login", "/login/../login", "/login/..", "/login/x/../..", "/login%2f..%2fx",
}

func TestWays(t *testing.T) {
	of, err := patterns([]string{"/login"})
	if err != nil {
		t.Fatal(err)
	}
	for _, uri := range ways {
		what, ok := parseTarget(uri)
		if !ok {
			t.Errorf("%q cannot be read, and would be refused", uri)
		} else if !what.in(of) {
			t.Errorf("%q is not taken for /login: %v", uri, what.ways)
		}
	}
	for _, uri := range []string{"/", "/log", "/loginx", "/x/login", "/logi/n", "/style.css", "/x?/login", "/x#/login", "/a/%2e%2e/b", "/log%69", "/x;/login/../y"} {
		what, ok := parseTarget(uri)
		if uri == "/x;/login/../y" { // it passes /login on its way, and may be taken for nothing else than below /x
			continue
		}
		if !ok || what.in(of) {
			t.Errorf("%q is taken for /login: %v", uri, what.ways)
		}
	}
	all, _ := patterns([]string{"/"})
	for _, uri := range append([]string{"/", "*", "/x", "http://h", "http://h?x"}, ways...) {
		if what, ok := parseTarget(uri); !ok || !what.in(all) {
			t.Errorf("%q is not of /", uri)
		}
	}
	for _, uri := range []string{"", "login", "?x", "/a\r\nb", "/" + strings.Repeat("x", maxTarget), "mailto:x"} {
		if _, ok := parseTarget(uri); ok {
			t.Errorf("%q is a target", uri)
		}
	}
	star, _ := patterns([]string{"/users/*/login"})
	for uri, want := range map[string]bool{"/users/1/login": true, "/users/1/login/x": true, "/users/login": false, "/users/1": false, "/users/%2e%2e/login": true} {
		if what, _ := parseTarget(uri); what.in(star) != want {
			t.Errorf("%q of /users/*/login: %v", uri, !want)
		}
	}
}

// TestAllowIsPlain: nothing passes in every state by what it might be taken for.
func TestAllowIsPlain(t *testing.T) {
	rules, err := ParseRules("routes.yaml", []byte(`allow:
  - {name: health, paths: [/healthz, /Callback], methods: [get, HEAD]}
  - {name: staff, networks: [192.0.2.0/24, "2001:db8::1"]}
  - {name: payments, paths: [/pay/callback], methods: [POST], networks: [198.51.100.7]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		uri, method, from string
		want              bool
	}{
		{"/healthz", "GET", "", true}, {"/healthz?x", "HEAD", "", true}, {"/healthz/x", "GET", "", true}, {"/healthz", "POST", "", false}, {"/HEALTHZ", "GET", "", false}, {"/Callback", "GET", "", true},
		{"/healthz/../login", "GET", "", false}, {"/healthz/%2e%2e/login", "GET", "", false}, {"/healthz;/../login", "GET", "", false}, {"//healthz", "GET", "", false}, {"/healthz/..;/x", "GET", "", false}, {`/healthz\..\x`, "GET", "", false},
		{"/healthz/%00", "GET", "", false}, {"/login", "GET", "192.0.2.9", true}, {"/login", "GET", "192.0.3.9", false}, {"/login", "GET", "2001:db8::1", true}, {"/login", "GET", "2001:db8::2", false}, {"/login", "GET", "::ffff:192.0.2.9", true},
		{"/pay/callback", "POST", "198.51.100.7", true}, {"/pay/callback", "POST", "198.51.100.8", false}, {"/pay/callback", "GET", "198.51.100.7", false}, {"/pay", "POST", "198.51.100.7", false},
	} {
		what, ok := parseTarget(c.uri)
		if !ok {
			t.Fatal(c.uri)
		}
		what.method = c.method
		if c.from != "" {
			what.from = lastHop([]string{"203.0.113.1, " + c.from})
		}
		got := false
		for i := range rules.Allow {
			got = got || rules.Allow[i].lets(what)
		}
		if got != c.want {
			t.Errorf("%s %s from %q passes: %v", c.method, c.uri, c.from, got)
		}
	}
}

func TestRules(t *testing.T) {
	for src, want := range map[string]string{
		"routes:\n  - {name: login, paths: [/login]}\n":                                                       "does not say what is done",
		"routes:\n  - {name: Login, paths: [/login], undecided: open}\n":                                      "a name is",
		"routes:\n  - {name: login, undecided: open}\n":                                                       "has no paths",
		"routes:\n  - {name: login, paths: [login], undecided: open}\n":                                       "is no path",
		"routes:\n  - {name: login, paths: [/a/../b], undecided: open}\n":                                     "is no path",
		"routes:\n  - {name: login, paths: [/%61], undecided: open}\n":                                        "is no path",
		"routes:\n  - {name: a, paths: [/a], undecided: open}\n  - {name: a, paths: [/b], undecided: open}\n": "two routes",
		"allow:\n  - {name: all}\n":                                                                           "let everything pass",
		"allow:\n  - {name: all, networks: [0.0.0.0/0]}\n":                                                    "is everybody",
		"allow:\n  - {name: all, networks: [here]}\n":                                                         "is no network",
		"allow:\n  - {name: all, paths: [/x], methods: ['GET /']}\n":                                          "is no method",
		"accounts: {undecided: perhaps}\n":                                                                    "open or closed",
		"keep: 1s\n":                                                                                          "keep is no time",
		"route: []\n":                                                                                         "routes.yaml:1:1",
		"routes: [\n":                                                                                         "routes.yaml",
		"routes:\n  - {name: login, paths: [" + strings.Repeat("/x, ", 300) + "/y], undecided: open}\n":       "at most",
	} {
		if _, err := ParseRules("routes.yaml", []byte(src)); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", src, err)
		}
	}
	if r, err := ParseRules("routes.yaml", nil); err != nil || r.Accounts != UndecidedOpen {
		t.Error(r, err)
	}
}

// FuzzTarget: whatever a client writes, it is read without an end that is not one, and what is plain is read in one way.
func FuzzTarget(f *testing.F) {
	for _, uri := range ways {
		f.Add(uri)
	}
	of, err := patterns([]string{"/login"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		what, ok := parseTarget(uri)
		if !ok {
			return
		}
		in := what.in(of)
		if what.plain && in != strings.HasPrefix(strings.ToLower(what.path)+"/", "/login/") && !strings.HasPrefix(strings.ToLower(what.path), "/login.") {
			t.Errorf("%q is plain, and taken for /login: %v", uri, in)
		}
	})
}

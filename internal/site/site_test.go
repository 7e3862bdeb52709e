package site

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/page"
	"shirase/internal/serve"
	"shirase/internal/site/sitetest"
)

// world is a site with something in it.
type world struct {
	*sitetest.World
	site      *Site
	incidents *incident.Incidents
	archive   *archive.Archive
	statement *check.Statement
}

func newWorld(t testing.TB, change func(*Options), factsFiles ...string) *world {
	t.Helper()
	w := &world{World: sitetest.New(t, factsFiles...)}
	w.incidents, w.archive, w.statement = w.Incidents, w.Archive, w.Statement
	o := Options{
		Archive:   w.archive.Public(),
		Statement: func() *check.Statement { return w.statement },
		Scope: func(_ context.Context, id string) (Scope, bool) {
			return Scope{Accounts: 1692496, Invalid: 3, WithoutEmail: 12}, id == "naver-2013"
		},
		Proof:     func(context.Context, int64) ([]byte, error) { return []byte(sitetest.Proof), nil },
		Operator:  page.Operator{Contact: "mailto:desk@notice.example"},
		LedgerKey: sitetest.Key,
		BaseURL:   "https://notice.example",
		Demo:      &Demo{Affected: "user17@example.com", NotAffected: "stranger@example.net"},
	}
	if change != nil {
		change(&o)
	}
	var err error
	if w.site, err = newSite(o, withScript(t)); err != nil {
		t.Fatal(err)
	}
	w.site.now = func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }
	return w
}

// withScript is the embedded files, with a script in place of one that is not built yet.
func withScript(t testing.TB) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	err := fs.WalkDir(embedded, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(embedded, name)
		out[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"assets/check.js", "assets/check-worker.js"} {
		if out[name] == nil {
			out[name] = &fstest.MapFile{Data: []byte("'use strict';\n")}
		}
	}
	return out
}

func fullWorld(t testing.TB) *world {
	return newWorld(t, nil, sitetest.Full()...)
}

// get asks for target with header pairs.
func (w *world) get(method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	serve.Wrap(w.site, serve.Options{}).ServeHTTP(rec, r)
	return rec
}

// paths are all pages there are.
var paths = []string{"/", "/incidents", "/incidents?q=naver&limit=1", "/organisations/line", "/archive", "/archive/2026", "/archive/2026-05", "/archive/1999", "/archive/cause/intrusion", "/archive/sector/unknown", "/feeds", "/api", "/incidents/naver-2013", "/incidents/example-city", "/incidents/example-shop",
	"/incidents/example-school", "/incidents/naver-2013/help", "/incidents/example-city/help", "/incidents/example-shop/help",
	"/notices/naver-2013-v1", "/notices/naver-2013-v2", "/notices/naver-2013-v6", "/notices/naver-2013-v1?against=6",
	"/notices/example-school-v1?against=5", "/notices/example-school-v2", "/notices/example-school-v3", "/notices/example-school-v4", "/problems/too-many",
	"/statement", "/verify", "/how", "/learn", "/learn?cause=ransomware", "/learn/compare", "/learn/compare?id=naver-2013&id=example-city", "/learn/like",
	"/learn/like?cause=intrusion&class=email", "/nowhere"}

func TestPages(t *testing.T) {
	w := fullWorld(t)
	for _, path := range paths {
		for _, lang := range []language.Lang{language.JA, language.EN} {
			rec := w.get("GET", path, "Accept-Language", string(lang))
			body := rec.Body.String()
			want := http.StatusOK
			if path == "/nowhere" {
				want = http.StatusNotFound
			}
			if rec.Code != want || rec.Header().Get("Content-Type") != "text/html; charset=utf-8" || rec.Header().Get("Content-Language") != string(lang) {
				t.Errorf("%s %s: %d %v", lang, path, rec.Code, rec.Header())
			}
			if !strings.Contains(body, `<html lang="`+string(lang)+`"`) || strings.Count(body, "<h1") != 1 || !strings.Contains(rec.Header().Get("Vary"), "Accept-Language") {
				t.Errorf("%s %s: lang, heading or Vary", lang, path)
			}
			for _, bad := range []string{"<no value>", "ZgotmplZ", "%!", "style=", "onclick", "<script>", "http-equiv"} {
				if strings.Contains(body, bad) {
					t.Errorf("%s %s contains %s", lang, path, bad)
				}
			}
			if cookies := rec.Result().Cookies(); len(cookies) > 0 {
				t.Errorf("%s sets a cookie", path)
			}
			for _, ref := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
				if strings.Contains(ref[0], "src=") && !strings.HasPrefix(ref[1], "/assets/") {
					t.Errorf("%s loads %s", path, ref[1])
				}
			}
			if !strings.Contains(body, `integrity="sha384-`) {
				t.Errorf("%s: assets without integrity", path)
			}
		}
	}
}

// TestLinks follows every link within the site.
func TestLinks(t *testing.T) {
	w := fullWorld(t)
	outside := []string{"/check/v1/statement", "/checkpoint", "/ledger/", "/feeds/", "/api/"} // other doors
	for _, path := range paths {
		for _, query := range []string{"", "?lang=en"} {
			if strings.Contains(path, "?") {
				query = strings.Replace(query, "?", "&", 1)
			}
			body := w.get("GET", path+query).Body.String()
			for _, ref := range regexp.MustCompile(` href="(/[^"]*)"`).FindAllStringSubmatch(body, -1) {
				target, fragment, _ := strings.Cut(strings.ReplaceAll(ref[1], "&amp;", "&"), "#")
				if strings.Contains(target, "{id}") || slices.ContainsFunc(outside, func(p string) bool { return strings.HasPrefix(target, p) }) {
					continue
				}
				rec := w.get("GET", target)
				if rec.Code != 200 && !strings.HasPrefix(target, "/nowhere") {
					t.Errorf("%s links to %s: %d", path, target, rec.Code)
				}
				if fragment != "" && !strings.Contains(rec.Body.String(), `id="`+fragment+`"`) {
					t.Errorf("%s links to %s#%s, which there is not", path, target, fragment)
				}
				if query != "" && !strings.Contains(target, "lang=") && !strings.HasPrefix(target, "/assets/") && !strings.HasPrefix(target, "/favicon") && !strings.HasSuffix(target, "/proof") {
					t.Errorf("%s%s links to %s and loses the language", path, query, target)
				}
			}
		}
	}
}

func TestLanguageSwitch(t *testing.T) {
	w := fullWorld(t)
	body := w.get("GET", "/incidents/naver-2013", "Accept-Language", "ja").Body.String()
	if !strings.Contains(body, `<a class="switch" href="/incidents/naver-2013?lang=en" hreflang="en" lang="en">English</a>`) {
		t.Error("the switch does not keep the page")
	}
	body = w.get("GET", "/incidents/naver-2013?lang=en", "Accept-Language", "ja").Body.String()
	if !strings.Contains(body, `<html lang="en"`) || !strings.Contains(body, `href="/incidents?lang=en"`) || !strings.Contains(body, `href="/incidents/naver-2013?lang=ja"`) {
		t.Error("a chosen language is not kept")
	}
	for path, want := range map[string]string{"//evil.example/x": "//evil.example", "/%5C/evil.example": `href="/\`} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		w.site.ServeHTTP(rec, r)
		if strings.Contains(rec.Body.String(), `"`+want) {
			t.Errorf("%s: a link leads out of the site", path)
		}
	}
}

func TestMethods(t *testing.T) {
	w := fullWorld(t)
	for _, path := range paths {
		get, head := w.get("GET", path), w.get("HEAD", path)
		if head.Code != get.Code || head.Body.Len() != 0 || head.Header().Get("Content-Length") != get.Header().Get("Content-Length") {
			t.Errorf("HEAD %s: %d with %d bytes, length %s (GET: %d, %s)", path, head.Code, head.Body.Len(), head.Header().Get("Content-Length"), get.Code, get.Header().Get("Content-Length"))
		}
		if path == "/nowhere" {
			continue
		}
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			if rec := w.get(method, path); rec.Code != 405 || rec.Header().Get("Allow") != "GET, HEAD" || !strings.Contains(rec.Body.String(), "<h1>") {
				t.Errorf("%s %s: %d, Allow %q", method, path, rec.Code, rec.Header().Get("Allow"))
			}
		}
		etag := get.Header().Get("ETag")
		if rec := w.get("GET", path, "If-None-Match", etag); etag == "" || rec.Code != 304 || rec.Body.Len() != 0 {
			t.Errorf("%s: ETag %s, then %d", path, etag, rec.Code)
		}
		if rec := w.get("GET", path, "Accept-Language", "en", "If-None-Match", etag); rec.Code != 200 {
			t.Errorf("%s: the Japanese page's ETag answers for the English one", path)
		}
	}
	for path, want := range map[string]string{"/check/v1/nothing": "application/problem+json", "/nothing": "text/html; charset=utf-8",
		"/incidents/nothing": "text/html; charset=utf-8", "/incidents/" + strings.Repeat("x", 200): "text/html; charset=utf-8",
		"/notices/naver-2013-v9": "text/html; charset=utf-8", "/assets/none.js": "text/html; charset=utf-8", "/incidents/": "text/html; charset=utf-8"} {
		if rec := w.get("GET", path); rec.Code != 404 || rec.Header().Get("Content-Type") != want {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Header().Get("Content-Type"))
		}
	}
	if rec := w.get("GET", "/answer?lang=en"); rec.Code != 303 || rec.Header().Get("Location") != "/?lang=en" {
		t.Errorf("/answer: %d to %s", rec.Code, rec.Header().Get("Location"))
	}
}

// TestNothingIsEchoed holds that no page repeats a query, and that the form could not send what is typed.
func TestNothingIsEchoed(t *testing.T) {
	w := fullWorld(t)
	for _, path := range paths {
		body := w.get("GET", path+"?q=user1@example.com&lang=xx&address=user1@example.com").Body.String()
		if strings.Contains(body, "user1@example.com&") || strings.Contains(body, "address=user1") {
			t.Errorf("%s repeats the query", path)
		}
	}
	body := w.get("GET", "/").Body.String()
	for _, field := range regexp.MustCompile(`<(input|textarea|button|select)[^>]*>`).FindAllString(body, -1) {
		if strings.Contains(field, " name=") {
			t.Errorf("a field has a name, so a form would send it: %s", field)
		}
	}
	for _, form := range regexp.MustCompile(`<form[^>]*>`).FindAllString(body, -1) {
		if strings.Contains(form, "action=") || strings.Contains(form, "method=") {
			t.Errorf("a form can be sent: %s", form)
		}
	}
	if !regexp.MustCompile(`<button data-submit disabled>`).MatchString(body) {
		t.Error("the button works without the script")
	}
}

func TestHostileFacts(t *testing.T) {
	hostile := `<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{.}}${x}</textarea></template></svg>`
	facts := fmt.Sprintf(`
id: hostile
asOf: "2026-05-17T10:00Z"
facts:
  - {key: organisation, value: %[1]q}
  - {key: title, value: %[1]q}
  - {key: disclosed, value: "2026-05-17"}
  - {key: discovered, value: "2026-05-16T10:00Z"}
  - {key: excluded, id: x, value: %[1]q}
  - {key: service, id: x, value: %[1]q, status: affected}
  - {key: action, id: x, value: %[1]q, status: lifted, at: "2026-05-18T10:00Z"}
  - {key: action, id: y, value: %[1]q, status: slipped, promised: "2026-05-18T11:00Z"}
  - {key: addendum, id: x, value: %[1]q, at: "2026-05-18T10:00Z"}
  - {key: contact, value: {name: %[1]q, telephone: %[1]q, hours: %[1]q, url: "https://x.example/\"onmouseover=alert(1)//"}}
  - {key: source, id: s, value: %[1]q}
  - {key: alias, id: t, value: %[1]q, source: %[1]q}
`, hostile)
	w := newWorld(t, nil, facts)
	w.statement.Incidents[0].Organisation = hostile
	w.statement.Incidents[0].Title = map[string]string{"en": hostile}
	for _, path := range []string{"/", "/incidents", "/incidents/hostile", "/notices/hostile-v1", "/statement"} {
		for _, lang := range []string{"ja", "en"} {
			body := w.get("GET", path+"?lang="+lang).Body.String()
			for _, bad := range []string{"<script>", "<img", `"onmouseover`, "alert(1)\">", "</textarea></template>", "</template></svg>"} {
				if strings.Contains(body, bad) {
					t.Errorf("%s %s lets %s through", lang, path, bad)
				}
			}
		}
	}
}

func TestEmptyInstance(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Demo = nil })
	body := w.get("GET", "/").Body.String()
	for _, want := range []string{"shirase init", "shirase incident new --facts facts.yaml", "shirase scope --export accounts.csv --rules rules.yaml",
		"shirase publish", "shirase check --server https://notice.example"} {
		if !strings.Contains(body, want) {
			t.Errorf("an empty instance does not say %q", want)
		}
	}
	if strings.Contains(body, "data-check") || strings.Contains(body, `class="demo"`) {
		t.Error("an empty instance offers a check, or says it is a demonstration")
	}
	for _, path := range []string{"/incidents", "/statement", "/verify", "/how"} {
		if rec := w.get("GET", path); rec.Code != 200 {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
}

func TestIncidentPage(t *testing.T) {
	w := fullWorld(t)
	for lang, wants := range map[string][]string{
		"ja": {"169万2,496アカウント", "約270万アカウント", "13時間18分", "48分", "翌日", "ハッシュ化されたパスワード", "追記 4件", "自分が対象かどうかを確認する",
			"169万2,490", "日本以外で提供している", "不正ログインは、確認されていません", "予定どおりには行われませんでした", "（解除）", "全アカウントのログインを遮断", "日本時間"},
		"en": {"1,692,496 accounts", "about 2,700,000 accounts", "13 hours 18 minutes", "48 minutes", "the next day", "hashed password", "4 addenda",
			"Check whether you are affected", "illegitimate sign-ins: none confirmed", "this promise was not kept", "(lifted)"},
	} {
		body := w.get("GET", "/incidents/naver-2013?lang="+lang).Body.String()
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s: the page does not say %q", lang, want)
			}
		}
	}
	if body := w.get("GET", "/incidents/example-city").Body.String(); !strings.Contains(body, "ここでは確認できません") || !strings.Contains(body, "まだ調査しています") && !strings.Contains(body, "調査しています") {
		t.Error("an incident under investigation looks as if it could be checked")
	}
	if body := w.get("GET", "/incidents/example-shop").Body.String(); !strings.Contains(body, "この事案は、ここでは確認できません") {
		t.Error("an incident that is not sealed looks as if it could be checked")
	}
}

// TestWordsAreComplete holds that every code of the check has a text.
func TestWordsAreComplete(t *testing.T) {
	has := func(list []word, code string) bool {
		return slices.ContainsFunc(list, func(w word) bool { return w.Word == code && w.ja != "" && w.en != "" })
	}
	for _, code := range []identity.Reason{identity.NotUTF8, identity.TooLong, identity.Empty, identity.UnassignedCharacter, identity.TooManyMarks,
		identity.ControlCharacter, identity.NoAtSign, identity.LocalPartEmpty, identity.LocalPartTooLong, identity.LocalPartNotASCII,
		identity.LocalPartQuoted, identity.LocalPartCharacter, identity.DomainEmpty, identity.DomainLiteral, identity.DomainCharacter,
		identity.DomainEmptyLabel, identity.DomainPunycode, identity.DomainHyphen, identity.DomainMark, identity.DomainJoiner, identity.DomainBidi,
		identity.DomainLabelLength, identity.DomainTooLong, identity.DomainNoDot, identity.DomainNumeric, identity.PhoneRegion,
		identity.PhoneCharacter, identity.PhoneNoRegion, identity.PhoneInvalid, identity.OrganisationInvalid} {
		if !has(reasons, string(code)) {
			t.Errorf("reason %s has no text", code)
		}
	}
	for _, code := range []string{check.WhyInvestigating, check.WhyKindNotIndexed, check.WhyByMail, check.WhyRetired, check.WhyLayerMissing,
		check.WhyReopened, check.WhyWithdrawn} {
		if !has(whys, code) {
			t.Errorf("%s has no text", code)
		}
	}
	var codes []word
	for _, f := range failures {
		codes = append(codes, f.word)
		if f.remedyJA == "" || f.remedyEN == "" {
			t.Errorf("failure %s has no remedy", f.Word)
		}
	}
	for _, err := range []error{identity.ErrInvalid, check.ErrCheckpoint, check.ErrInclusion, check.ErrNotPinned, check.ErrLedgerChanged, check.ErrStatement,
		check.ErrExpired, check.ErrNotYet, check.ErrRollback, check.ErrFork, check.ErrProof, check.ErrElement, check.ErrScalar, check.ErrAudit,
		check.ErrUnwitnessed, check.ErrOrigin, check.ErrClock, check.ErrChain, check.ErrPolicyWeaker, check.ErrConsistency, check.ErrTooCoarse,
		check.ErrBucket, check.ErrEntry, check.ErrLayer, check.ErrAnswer, check.ErrBusy, check.ErrInsecure, check.ErrBatch, check.ErrServer, context.Canceled} {
		if code := check.Code(err); !has(codes, code) {
			t.Errorf("failure %s has no text", code)
		}
	}
}

// TestVisibleBits holds what /how says of the bits that leave to what clients show.
func TestVisibleBits(t *testing.T) {
	layer := func(id byte, key string, n int64, bits, pad int) check.Layer {
		return check.Layer{ID: check.Hash{id}, Key: key, N: n, Bits: bits, Pad: pad}
	}
	for name, c := range map[string]struct {
		layers []check.Layer
		want   int
	}{
		"the model case":    {[]check.Layer{layer(1, "k1", 1692496, 10, 24<<10)}, 10},
		"with a small one":  {[]check.Layer{layer(1, "k1", 1692496, 10, 24<<10), layer(2, "k1", 20000, 4, 24<<10)}, 10},
		"two keys":          {[]check.Layer{layer(1, "k1", 2000000, 10, 28<<10), layer(2, "k2", 2000000, 10, 28<<10)}, 10},
		"a key as a whole":  {[]check.Layer{layer(1, "k1", 9000, 3, 20<<10)}, 0},
		"without end":       {[]check.Layer{layer(1, "k1", 1<<35, 24, 16<<20)}, 0},
		"nothing is sealed": {nil, 0},
	} {
		if n := visible(&check.Statement{Layers: c.layers}); n != c.want {
			t.Errorf("%s: %d bits, want %d", name, n, c.want)
		}
	}
}

package browsertest

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// whatIsUsed is what somebody uses: what the model case affected, what it says that it did not, and something of nobody's.
var whatIsUsed = []string{"NAVERまとめ", "LINE", "kitten-diary-7731.example"}

// exportOf is an export of Firefox's, whose password was chosen before the model case.
const exportOf = `"url","username","password","httpRealm","formActionOrigin","guid","timeCreated","timeLastUsed","timePasswordChanged"
"https://matome.naver.jp/login","owner-of-it","a-secret-of-theirs","","https://matome.naver.jp","{1}","1300000000000","1300000000000","1300000000001"
"https://kitten-diary-7731.example/","owner-of-it","a-secret-of-theirs","","","{2}","1300000000000","1300000000000","1300000000000"
`

// keepassOf is one of KeePass's, in XML, with an entry that was changed later and its history.
const keepassOf = `<?xml version="1.0" encoding="utf-8"?><KeePassFile><Root><Group><Name>Root</Name><Entry><String><Key>Title</Key><Value>NAVER</Value></String>
<String><Key>URL</Key><Value>https://matome.naver.jp/</Value></String><String><Key>Password</Key><Value ProtectInMemory="True">a-secret-of-theirs</Value></String>
<Times><LastModificationTime>2020-01-01T00:00:00Z</LastModificationTime></Times><History><Entry><String><Key>Title</Key><Value>Old</Value></String></Entry></History></Entry></Group></Root></KeePassFile>`

// testServices looks services up, and holds that nothing of it leaves the device: every request of the tab is of the page, its files
// and the list, and is the same whatever was typed.
func (b *browser) testServices(t *testing.T) {
	p := b.tab(t, b.handler)
	p.open("/robots.txt", "")
	for range 200 { // a server makes the list as it starts, beside its pages
		if eval[bool](p, `fetch("/services/v1/head").then(r => r.ok)`) {
			break
		}
		p.mu.Lock()
		p.said = nil
		p.mu.Unlock()
	}
	p.open("/services", "ja")
	p.until(`document.querySelector("[data-list]").dataset.state === "ready"`)
	if says := p.text("[data-list]"); !strings.Contains(says, "公開台帳") {
		t.Errorf("the list is told of as %q", says)
	}
	asked := len(b.stage.of(p.host))

	p.write("[data-lines]", whatIsUsed[1])
	p.click("[data-submit]")
	p.until(`document.querySelector("main").innerText.includes("影響がないと公表されているもの")`)
	p.write("[data-lines]", strings.Join(whatIsUsed, "\n"))
	p.click("[data-submit]")
	p.until(`document.querySelector("[data-results]").innerText.includes("先に、パスワードを変えるもの")`)
	says := p.text("[data-results]")
	for _, part := range []string{"3件を、", "変更したかどうかは、分かりません", "2013年7月17日"} {
		if !strings.Contains(says, part) {
			t.Errorf("%q is not said: %s", part, says)
		}
	}
	p.shot("services-found")
	p.write("[data-lines]", " ")
	for _, c := range []struct{ name, file, want string }{
		{"logins.csv", exportOf, "パスワードは、そのあと変更されていません"}, {"keepass.xml", keepassOf, "項目が変更されています"}, {"photo.csv", "not,a\nlist,of\n", "このファイルの形式は読めません"},
	} {
		p.put("[data-file]", c.name, c.file)
		p.until(fmt.Sprintf(`document.querySelector("main").innerText.includes(%q)`, c.want))
	}
	if n := eval[int](p, `[...document.querySelectorAll("[data-results] input[data-done]")].filter(e => e.offsetParent).length`); n == 0 {
		t.Error("no step can be ticked")
	}

	// What was asked for while it was typed, dropped and looked up: nothing.
	for _, r := range b.stage.of(p.host)[asked:] {
		t.Errorf("asked for while looking something up: %s", r.line)
	}
	p.click("[data-results] input[data-done]")
	eval[bool](p, `(document.querySelector("[data-keep]").click(), true)`)
	p.write("[data-lines]", whatIsUsed[0]+"\n"+whatIsUsed[2])
	p.click("[data-submit]")

	// Who comes back finds what was kept, and asks for no more than the head of the list.
	before := len(b.stage.of(p.host))
	p.open("/services", "ja")
	p.until(`document.querySelector("[data-results] [data-shown]")`)
	for _, r := range b.stage.of(p.host)[before:] {
		if strings.Contains(r.line, "/services/v1/lists/") {
			t.Errorf("asked for again: %s", r.line)
		}
	}
	if !eval[bool](p, `document.querySelector("[data-results] input[data-done]").checked`) {
		t.Error("a step that was done is not ticked any more")
	}
	var lines []string
	everything := ""
	for _, r := range b.stage.of(p.host) {
		lines = append(lines, r.line)
		everything += r.line + "\n" + r.head + "\n" + r.body + "\n"
	}
	for _, line := range lines {
		if !slices.ContainsFunc([]string{"GET /services?lang=ja ", "GET /services/v1/", "GET /assets/", "GET /favicon.", "GET /robots.txt "}, func(s string) bool { return strings.HasPrefix(line, s) }) {
			t.Errorf("asked for: %s", line)
		}
	}
	for _, secret := range append(slices.Clone(whatIsUsed), "owner-of-it", "a-secret-of-theirs", "matome.naver.jp") {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			if strings.Contains(everything, form) {
				t.Errorf("%q left the device", form)
			}
		}
	}
	kept := eval[string](p, `Object.entries(localStorage).filter(([k]) => k !== "shirase.services.list").map(e => e.join("=")).join("\n")`)
	if strings.Contains(kept, "secret") || strings.Contains(kept, "owner") || !strings.Contains(kept, whatIsUsed[2]) {
		t.Errorf("kept: %s", kept)
	}
	p.click("[data-forget]")
	if kept := eval[string](p, `localStorage.getItem("shirase.services.own") ?? ""`); kept != "" {
		t.Errorf("kept after it was to be forgotten: %s", kept)
	}
	b.testPassword(t)
}

// testPassword: five digits of a password's hash leave, and nothing else of it. Where there is no corpus, that is no "no".
func (b *browser) testPassword(t *testing.T) {
	p := b.tab(t, b.handler)
	p.open("/passwords", "en")
	before := len(b.stage.of(p.host))
	p.write("[data-secret]", "password")
	p.click("[data-submit]")
	p.until(`document.querySelector("[data-results] [data-shown]")`)
	p.expect("Failed to load resource")
	if got := eval[string](p, `document.querySelector("[data-results] [data-shown]").dataset.shown`); got != "failed" {
		t.Errorf("without a corpus: %s", got)
	}
	after := b.stage.of(p.host)[before:]
	if len(after) != 1 || !strings.HasPrefix(after[0].line, "GET /range/5BAA6 ") {
		t.Errorf("asked for: %+v", after)
	}
}

// put chooses a file of this content in a field.
func (p *tab) put(selector, name, content string) {
	p.Helper()
	path := filepath.Join(p.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.Fatal(err)
	}
	p.do(chromedp.SetUploadFiles(chromedp.CSS(selector), []string{path}))
}

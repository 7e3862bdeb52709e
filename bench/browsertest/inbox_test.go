package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"

	"shirase/internal/collect/webtest"
)

// found lays notices into the inbox, as if a source had named them.
func (o *office) found(t *testing.T, n int) []webtest.Notice {
	t.Helper()
	list := webtest.Notices(n)
	for i, notice := range list {
		file := filepath.Join(o.dir, fmt.Sprintf("found-%d.txt", i))
		if err := os.WriteFile(file, []byte(notice.Text()), 0o600); err != nil {
			t.Fatal(err)
		}
		o.run(t, "incident", "fetch", file, "--inbox")
	}
	return list
}

const enter = "\r"

// The pace of a person whose hands are on the keys (S. K. Card, T. P. Moran, A. Newell, The keystroke-level model, CACM 23:7, 1980): of an
// average typist a key, and of what a key has to be thought about first.
const (
	aKey    = 200 * time.Millisecond
	aChoice = 1350 * time.Millisecond
)

// TestInboxByKeys decides about notices with the keyboard and nothing else: the inbox, the first item, each fact accepted, one skipped, one
// corrected, recorded, and on to the next; the last is taken back. It tells how many keys a notice takes, and how long the program and, at the
// pace of the keystroke-level model, the person.
func TestInboxByKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	o := newOffice(t)
	p := o.administrator(t)
	const notices = 6
	list := o.found(t, notices)
	focused := func(selector string) string {
		return fmt.Sprintf(`document.activeElement?.matches(%q) === true`, selector)
	}
	settled := `document.readyState === "complete" && window.left === undefined`
	leave := func(keys ...string) { // keys that lead to another page
		eval[bool](p, `(window.left = true)`)
		p.press(keys...)
		p.until(settled)
	}
	p.visit("/console/")
	p.until(settled)
	leave("g", "i")
	p.at("/console/inbox")

	// Letters that are typed into a field are text.
	p.write("input[name=url]", "")
	p.press("j", "?")
	if typed := eval[string](p, `document.querySelector("input[name=url]").value`); typed != "j?" {
		t.Errorf("a field has %q, where j? was typed", typed)
	}
	p.visit("/console/inbox")
	p.until(settled)
	// And they can be turned off.
	eval[bool](p, `(document.querySelector("[data-help]").click(), document.querySelector("[data-letters]").click(), document.querySelector("#help").close(), true)`)
	p.press("j")
	if eval[bool](p, focused("a[data-item]")) {
		t.Error("keys that were turned off do something")
	}
	eval[bool](p, `(document.querySelector("[data-help]").click(), document.querySelector("[data-letters]").click(), document.querySelector("#help").close(), true)`)

	p.press("j")
	p.until(focused("a[data-item]"))
	leave(enter)
	keys, choices, corrections := 0, 0, 0
	began := time.Now()
	for n := range notices {
		facts := eval[int](p, `document.querySelectorAll("fieldset.proposed").length`)
		if facts < 4 {
			t.Fatalf("%d facts of a notice", facts)
		}
		p.press("f")
		keys++
		for i := range facts {
			key := eval[string](p, `document.activeElement.closest("fieldset.proposed")?.querySelector("legend a")?.textContent ?? ""`)
			choices++
			switch {
			case n == 1 && i == 0: // one is corrected
				p.press("c")
				p.until(`document.activeElement.type === "text"`)
				p.press("直", "し", "た", "\x1b")
				p.until(focused("fieldset.proposed input[type=radio]"))
				p.press("a")
				keys, corrections = keys+6, corrections+1
			case key == "" || i == facts-1 && n == 2:
				p.press("s")
				keys++
			default:
				p.press("a")
				keys++
			}
		}
		p.until(focused("main button[data-key=w]"))
		if n < notices-1 {
			p.press("n")
			p.until(focused("button[name=then]"))
			keys++
		}
		keys++
		choices++ // to record
		leave(enter)
		if p.has("[data-refused]") {
			t.Fatalf("notice %d was refused: %s", n, p.text("main"))
		}
	}
	took := time.Since(began)
	p.at("/console/inbox")
	if waiting := eval[int](p, `document.querySelectorAll("main a[data-item]").length`); waiting != 0 {
		t.Errorf("%d wait still", waiting)
	}
	said := o.run(t, "inbox", "list", "--all", "--json")
	if got := strings.Count(said, `"accepted"`); got != notices {
		t.Errorf("%d of %d are recorded: %s", got, len(list), said)
	}
	if measured := o.run(t, "inbox", "labels", "--measure"); !strings.Contains(measured, "title") {
		t.Error(measured)
	}
	person := time.Duration(keys)*aKey + time.Duration(choices)*aChoice
	t.Logf("%d notices with keys only: %.1f keys and %.1f choices each; the program %.2f s a notice, a person at the model's pace %.1f s", notices, float64(keys)/notices, float64(choices)/notices,
		took.Seconds()/notices, person.Seconds()/notices)
	if corrections != 1 {
		t.Error("nothing was corrected")
	}

	// What was recorded last is taken back, by keys too.
	id := said[strings.Index(said, `"i-`)+1:][:14]
	p.visit("/console/inbox/" + id)
	p.until(settled)
	p.press("u")
	p.until(focused("button[data-key=u]"))
	leave(enter)
	if !p.has("button[data-key=w]") {
		t.Errorf("nothing was taken back: %s", p.text("main"))
	}
}

// TestInboxLook looks at the inbox, at an item of each kind that people meet, and at the form behind "correct or reply".
func TestInboxLook(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	o := newOffice(t)
	p := o.person(t)
	p.invited(o)
	p.join()
	p.authenticator(webauthn.AuthenticatorTransportUsb)
	o.found(t, 3)
	said := o.run(t, "inbox", "list", "--json")
	var ids []string
	for _, part := range strings.Split(said, `"id":`)[1:] {
		from := strings.Index(part, "i-")
		ids = append(ids, part[from:from+14])
	}
	o.run(t, "inbox", "accept", ids[0], "--incident", "reiji-2026", "--yes")
	o.run(t, "inbox", "ignore", ids[1])
	for _, lang := range []string{"ja", "en"} {
		for _, at := range []struct{ name, path string }{{"reply", "/incidents/reiji-2026/reply"}, {"record", "/incidents/reiji-2026"}, {"inbox", "/console/inbox"}, {"item", "/console/inbox/" + ids[2]}, {"decided", "/console/inbox/" + ids[0]}} {
			p.run(at.name+" "+lang, func() {
				p.visit(at.path + "?lang=" + lang)
				p.until(`document.readyState === "complete" && document.querySelector("h1") !== null`)
				eval[bool](p, `(document.querySelectorAll("details").forEach(d => d.open = true), true)`)
				p.face("inbox-" + at.name + "-" + lang)
			})
		}
	}
}

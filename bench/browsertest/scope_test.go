package browsertest

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// members writes an export of the model case's shape, scaled: a tenth of the accounts are of services abroad, a tenth sign in through others.
// It has at least so many bytes.
func members(t *testing.T, least int64) (path, sum string, rows int64) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "members.csv")
	f := must(os.Create(path))(t)
	hash := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(f, hash), 1<<20)
	n := int64(must(w.WriteString("member_id,mail,country,auth,nickname\n"))(t))
	for ; n < least; rows++ {
		country, auth, nickname := "JP", "password", ""
		switch rows % 10 {
		case 0:
			country = "TW"
		case 1:
			auth = "twitter"
		case 2, 3, 4:
			nickname = fmt.Sprintf("nick%d", rows)
		}
		n += int64(must(fmt.Fprintf(w, "secret%09d,secret.person%09d@mail.example,%s,%s,%s\n", rows, rows, country, auth, nickname))(t))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path, hex.EncodeToString(hash.Sum(nil)), rows
}

// sent is how large the export is that is uploaded, in MiB: SHIRASE_TEST_UPLOAD makes it larger, to measure.
func sent(t *testing.T) int64 {
	t.Helper()
	if s := os.Getenv("SHIRASE_TEST_UPLOAD"); s != "" {
		return must(strconv.ParseInt(s, 10, 64))(t) << 20
	}
	return 3 << 20
}

// sendLong is send for what takes as long as it takes: it waits while the bar goes on.
func (p *tab) sendLong(selector string) {
	p.Helper()
	eval[bool](p, `(window.sending = true)`)
	p.click(selector)
	for last := 0; ; {
		p.until(fmt.Sprintf(`window.sending === undefined && document.readyState === "complete" || (document.querySelector("form[data-upload] progress")?.value ?? 0) > %d`, last))
		now := eval[int](p, `window.sending === undefined ? -1 : Math.floor(document.querySelector("form[data-upload] progress").value)`)
		if now < 0 {
			return
		}
		last = max(last, now)
	}
}

// peak is the most memory that the server had resident, in bytes, where this system says.
func (o *office) peak() (int64, bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", o.pid))
	_, rest, there := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if err != nil || !there || len(fields) < 2 {
		return 0, false
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10, err == nil
}

const scopeText = `columns: {account: member_id, email: mail}
exclude:
  - {name: foreign, when: 'country != "JP"'}
sets:
  - {when: 'nickname != ""', classes: [email, "password:hashed", nickname]}
  - {classes: [email, "password:hashed"]}
`

// TestScopeRoom is the way from an export to facts, in Japanese: uploaded, interrupted and gone on with; tried, a rule changed, compared; the
// roster made, and its figures accepted.
func TestScopeRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	o := newOffice(t)
	sato := o.administrator(t)
	sato.visit("/console/cases/new")
	sato.write("input[name=title]", "アカウント情報データベースへの不正アクセス")
	sato.click("button[data-now='#known']")
	sato.send("main form button:not([type=button])")
	sato.until(`/^\/console\/cases\/.+-20\d\d-\d\d-\d\d-[a-z0-9]+$/.test(location.pathname)`)
	room := eval[string](sato, `location.pathname`) + "/scope"

	sato.visit(room)
	sato.shot("scope-empty")
	file, sum, rows := members(t, sent(t))
	choose := func() {
		t.Helper()
		sato.do(chromedp.SetUploadFiles("form[data-upload] input[type=file]", []string{file}))
	}
	// Interrupted after the first piece.
	choose()
	eval[bool](sato, `(() => { const f = window.fetch; window.fetch = async (...a) => { const r = await f(...a); if (String(a[0]).includes("/piece")) document.querySelector("[data-stop]").click(); return r }; return true })()`)
	sato.click("form[data-upload] button:not([type=button])")
	sato.until(`document.querySelector("[data-said]").textContent.includes("中断しました")`)
	sato.visit(room)
	sato.until(`document.querySelector("#exports").textContent.includes("途中まで届いています")`)
	sato.shot("scope-interrupted")
	// Another file of the same name and size is not mixed into it.
	other := filepath.Join(t.TempDir(), filepath.Base(file))
	hollow := must(os.Create(other))(t)
	if err := errors.Join(hollow.Truncate(must(os.Stat(file))(t).Size()), hollow.Close()); err != nil {
		t.Fatal(err)
	}
	sato.do(chromedp.SetUploadFiles("form[data-upload] input[type=file]", []string{other}))
	sato.click("form[data-upload] button:not([type=button])")
	sato.until(`document.querySelector("#said").textContent.includes("中身が違います")`)
	// And gone on with.
	sato.visit(room)
	choose()
	eval[bool](sato, `(window.firstAt = "", (() => { const f = window.fetch; window.fetch = (...a) => {
		if (String(a[0]).includes("/piece") && window.firstAt === "") sessionStorage.setItem("firstAt", window.firstAt = a[1].headers["Shirase-At"]); return f(...a) } })(), true)`)
	began := time.Now()
	sato.sendLong("form[data-upload] button:not([type=button])")
	if peak, ok := o.peak(); ok {
		t.Logf("an export of %d bytes was sent in %s; the most memory that the server had: %d MiB", must(os.Stat(file))(t).Size(), time.Since(began).Round(time.Second), peak>>20)
		if peak > 300<<20 {
			t.Errorf("the server had %d MiB, more than 300", peak>>20)
		}
	}
	if at := eval[string](sato, `sessionStorage.getItem("firstAt")`); at == "0" || at == "" {
		t.Errorf("it began anew: at %q", at)
	}
	if text := sato.text("#exports"); !strings.Contains(text, sum) || strings.Contains(text, "途中まで") {
		t.Errorf("what was taken in is not what was sent (%s): %s", sum, text)
	}

	if os.Getenv("SHIRASE_TEST_UPLOAD") != "" {
		return // it was measured
	}
	// A rule with a mistake, which keeps what was entered; then as it is meant.
	enter := func(text string) {
		t.Helper()
		eval[bool](sato, fmt.Sprintf(`(document.querySelector("textarea[name=text]").value = %q, true)`, text))
	}
	enter(strings.Replace(scopeText, "[email, \"password:hashed\"]}\n", "[e-mail]}\n", 1))
	sato.send(`form[action$="/scope/run"] button`)
	sato.expect("422")
	sato.until(`document.querySelector("[data-refused]").textContent.includes("rules.yaml:6") && document.querySelector("textarea[name=text]").value.includes("e-mail")`)
	enter(scopeText)
	sato.send(`form[action$="/scope/run"] button`)
	sato.until(`document.querySelector("#result").textContent.includes("この試算で名簿を作る")`) // the stream brings it
	sato.shot("scope-dry")
	// A rule more: the run before stands beside it.
	enter(strings.Replace(scopeText, "sets:", "  - {name: openid, when: 'auth == \"twitter\"'}\nsets:", 1))
	sato.send(`form[action$="/scope/run"] button`)
	sato.until(`document.querySelector("#result").textContent.includes("openid") && document.querySelector("#result").textContent.includes("試算 1")`)
	eval[bool](sato, `(document.querySelectorAll("#result details").forEach(d => d.open = true), true)`)
	sato.shot("scope-compared")
	if page := eval[string](sato, `document.documentElement.outerHTML`); strings.Contains(page, "secret") || !strings.Contains(page, "mail.example") {
		t.Error("a person stands on the page, or a sample does not")
	}
	sato.send(`form[action$="/scope/commit"] button`)
	sato.until(`document.querySelector("#scope-facts") !== null && document.querySelector("#scope-now").textContent.includes("アカウント")`)
	sato.shot("scope-facts")
	tenth := func(part int64) int64 { // how many rows have that last digit
		n := rows / 10
		if rows%10 > part {
			n++
		}
		return n
	}
	affected := rows - tenth(0) - tenth(1)
	sato.write(`input[name="ja excluded foreign"]`, "（海外のサービス）")
	sato.send(`form[action$="/scope/accept"] button`)
	if text := sato.text("#scope-facts"); !strings.Contains(text, "記録済み") {
		t.Errorf("the facts: %s", text)
	}
	id := strings.Split(room, "/")[3]
	if said := o.run(t, "incident", "show", id, "--json"); !strings.Contains(strings.ReplaceAll(said, ",", ""), fmt.Sprint(affected)) || !strings.Contains(said, "海外のサービス") {
		t.Errorf("%d accounts are recorded as %s", affected, said)
	}
	// The next roster, and what came in and went out.
	enter(scopeText)
	sato.send(`form[action$="/scope/run"] button`)
	sato.until(`document.querySelector("#result").textContent.includes("その前の名簿との違い") && document.querySelector("#result form.effect") !== null`)
	sato.shot("scope-moves")
	// The export is not needed any more; the passkey confirms it.
	eval[bool](sato, `(document.querySelectorAll("#exports details").forEach(d => d.open = true), true)`)
	sato.write(`form[action$="/scope/remove"] input[name=why]`, "名簿を作り終えた")
	sato.send(`form[action$="/scope/remove"] button`)
	sato.until(`document.querySelector("#exports").textContent.includes("取り除いた")`)
	sato.visit(room + "?lang=en")
	sato.shot("scope-en")
	if foreign := o.stage.foreign(); len(foreign) > 0 {
		t.Errorf("pages asked elsewhere: %q", foreign)
	}
}

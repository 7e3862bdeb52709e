package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"shirase/check"
	"shirase/internal/serve"
	"shirase/internal/site"
	"shirase/internal/web"
)

// testAnswers asks, and reads what a person would.
func (b *browser) testAnswers(t *testing.T) {
	p := b.tab(t, b.handler)
	for _, lang := range []string{"ja", "en"} {
		p.meet(b.handler)
		p.run("affected "+lang, func() {
			p.want(p.check(lang, b.affected), "affected",
				[2]string{"2件の公表の対象に含まれています。", "You are affected by 2 published incidents."},
				[2]string{b.affected, b.affected},
				[2]string{"ハッシュ化されたパスワード", "hashed password"},
				[2]string{"例示商店", "Example Shop"},
				[2]string{"調査中の公表が1件あります。", "One incident is still under investigation."})
			steps := eval[[]string](p, `[...document.querySelectorAll("[data-answers] .steps > li b")].map(e => e.innerText)`)
			first := map[string]string{"ja": "流出のあったサービスのパスワードを変更してください。", "en": "Change your password for the service that was breached."}[lang]
			if len(steps) < 4 || steps[0] != first {
				p.Errorf("steps: %q", steps)
			}
			if slices.ContainsFunc(steps, func(s string) bool { return strings.Contains(s, "カード会社") || strings.Contains(s, "card") }) {
				p.Errorf("advice about a card that was not exposed: %q", steps)
			}
		})
		p.run("not in scope "+lang, func() {
			p.want(p.check(lang, b.stranger), "not-in-scope",
				[2]string{"照合した2件の公表の、どの対象にも含まれていません。", "You are not among those affected in any of the 2 incidents that were compared."},
				[2]string{"調査中の公表が1件あります。", "One incident is still under investigation."},
				[2]string{"例示市", "Example City"},
				// Who vouches, and what stands beside a "no".
				[2]string{"ほかに1件は、メールアドレスがないか読み取れないため", "1 more, without a readable e-mail address, is not in this comparison."},
				[2]string{b.ledger.Name(), b.ledger.Name()},
				[2]string{fmt.Sprintf("%08x、", b.ledger.KeyHash()), fmt.Sprintf("%08x, first seen on", b.ledger.KeyHash())},
				[2]string{p.host + " ではじめて見たもの", "at " + p.host},
				[2]string{"いません。運営者が人によって違う内容を見せていても、ここでは分かりません。", "None. If the operator showed different things to different people, this could not tell."},
				[2]string{"LINE株式会社", "LINE Corporation"})
			if told := p.text("[data-answers] details summary"); !strings.Contains(told, map[string]string{"ja": "「対象です」という知らせを受け取っている方へ", "en": "Were you told that you are affected?"}[lang]) {
				p.Errorf("whoever was told otherwise is offered nothing: %s", told)
			}
		})
	}
}

// state is a way to an answer, beyond those that the demonstration itself gives.
// testLook takes each of them.
type state struct {
	name, want string
	lie        lie
}

func (b *browser) states(t *testing.T) []state {
	said := func(st *check.Statement) lie {
		return saying("/check/v1/statement", "application/json", statementReply(t, b.ledger, st))
	}
	open := b.changed(func(st *check.Statement) { only(st, demoCity) })
	mail := b.changed(func(st *check.Statement) {
		only(st, demoCity)
		st.Incidents[0].State = check.ByMail
	})
	apart := b.changed(func(st *check.Statement) { b.unfolded(t, st) })
	return []state{
		{"investigating", "investigating", said(open)},
		{"by mail only", "unchecked", said(mail)},
		{"layer missing", "incomplete", failing("/check/v1/layers/", http.StatusNotFound)},
		{"layer damaged", "incomplete", failing("/check/v1/layers/", http.StatusServiceUnavailable)},
		{"one of two layers missing", "incomplete", all(failing("/check/v1/layers/"+apart.Layers[0].ID.String(), http.StatusNotFound), said(apart))},
	}
}

// want holds an answer against what it must be and say, in ja and in en.
func (p *tab) want(got shown, display string, texts ...[2]string) {
	p.Helper()
	if got.Shown != display {
		p.Fatalf("shown %q, failed %q, want %q: %s", got.Shown, got.Failed, display, got.Text)
	}
	n := 0
	if eval[string](p, "document.documentElement.lang") == "en" {
		n = 1
	}
	for _, text := range texts {
		if !strings.Contains(got.Text, text[n]) {
			p.Errorf("the answer does not say %q:\n%s", text[n], got.Text)
		}
	}
}

// noNo holds that nothing on the page can be read as a "no".
func (p *tab) noNo(got shown) {
	p.Helper()
	for _, no := range []string{"公表の対象に、含まれていません", "どの対象にも含まれていません", "You are not among those affected", "None of the"} {
		if strings.Contains(got.Text, no) {
			p.Errorf("%s%s says %q:\n%s", got.Shown, got.Failed, no, got.Text)
		}
	}
	if got.Shown == "not-in-scope" || p.has(`[data-answers] .answer.clear`) {
		p.Errorf("%s%s looks like a no", got.Shown, got.Failed)
	}
}

// testInput gives the box what people give it.
func (b *browser) testInput(t *testing.T) {
	p := b.tab(t, b.handler)
	p.run("malformed", func() {
		for _, c := range []struct{ lang, typed, says string }{
			{"ja", "", "アドレスを入力してください。"},
			{"ja", "user1", "@ がありません。"},
			{"en", "user1@example", "The domain has no dot."},
			{"en", "ユーザー@example.com", "not ASCII"},
		} {
			p.open("/", c.lang)
			p.ask(c.typed)
			p.until(`!document.querySelector("[data-input-error]").hidden`)
			if says := p.text("[data-input-error]"); !strings.Contains(says, c.says) {
				p.Errorf("%q: %q, want %q", c.typed, says, c.says)
			}
			if !eval[bool](p, `(() => { const e = document.querySelector("[data-address]"), id = e.getAttribute("aria-describedby"); return e.ariaInvalid === "true" && document.activeElement === e && document.getElementById(id) === document.querySelector("[data-input-error]") })()`) {
				p.Errorf("%q: the box is not marked, described and focused", c.typed)
			}
			if p.has("[data-answers] > *") {
				p.Errorf("%q: there is an answer", c.typed)
			}
		}
		// What is wrong is taken back once it is right.
		p.ask(b.stranger)
		p.answer()
	})
	p.run("line", func() {
		p.open("/", "ja")
		p.write("[data-addresses]", b.affected+"\n\n"+b.stranger+"\nnobody.example.com\n")
		p.click("[data-submit]")
		p.until(`!document.querySelector("[data-input-error]").hidden`)
		if says := p.text("[data-input-error]"); !strings.HasPrefix(says, "4行目: @ がありません。") {
			p.Errorf("says %q", says)
		}
	})
	p.run("too many", func() {
		p.open("/", "en")
		p.write("[data-addresses]", strings.Repeat("user1@example.com\n", 17))
		p.click("[data-submit]")
		p.until(`!document.querySelector("[data-input-error]").hidden`)
		if says := p.text("[data-input-error]"); !strings.Contains(says, "At most 16") {
			p.Errorf("says %q", says)
		}
	})
	p.run("several", func() {
		p.open("/", "ja")
		// The same twice, once in full-width letters, is one.
		p.write("[data-addresses]", b.affected+"\n"+b.stranger+"\nＵＳＥＲ７＠example.org\n"+plainOne)
		p.click("[data-submit]")
		var got []string
		for _, a := range p.answers() {
			got = append(got, a.Shown)
		}
		if !slices.Equal(got, []string{"affected", "not-in-scope", "affected"}) {
			p.Errorf("answers %q", got)
		}
		// What they come to stands first, and is where the reader is taken.
		if says := p.text("[data-summarised] h2"); says != "3件中2件が、公表の対象に含まれています。" {
			p.Errorf("the summary says %q", says)
		}
		if !eval[bool](p, `document.querySelector("[data-answers]").firstElementChild.matches("[data-summarised]") && document.activeElement.closest("[data-summarised]") !== null`) {
			p.Error("the summary is not first, or not where the reader is")
		}
		if list := p.text("[data-summarised] ol"); !strings.Contains(list, b.stranger) || strings.Count(list, "対象に含まれています") != 2 {
			p.Errorf("the summary lists %q", list)
		}
		// The files of several answers have names of their own, without what was asked.
		names := eval[[]string](p, `(() => { const out = [], click = HTMLAnchorElement.prototype.click; HTMLAnchorElement.prototype.click = function () { out.push(this.download) };
			document.querySelectorAll("[data-answers] .body > .actions [data-save]").forEach(b => b.click()); HTMLAnchorElement.prototype.click = click; return out })()`)
		for n, name := range names {
			if !strings.HasSuffix(name, fmt.Sprintf("-%d.json", n+1)) || strings.ContainsAny(name, "@ ") {
				p.Errorf("answer %d is saved as %s", n+1, name)
			}
		}
		if len(names) != 3 {
			p.Errorf("%d files", len(names))
		}
	})
	p.run("several, nobody in them", func() {
		p.open("/", "en")
		p.write("[data-addresses]", b.stranger+"\nnobody@example.com")
		p.click("[data-submit]")
		p.answers()
		if says := p.text("[data-summarised] h2"); says != "None of the 2 is affected in any of the 2 incidents that were compared." {
			p.Errorf("the summary says %q", says)
		}
	})
	p.run("pasted", func() {
		for _, typed := range []string{"mailto:" + b.affected + "?subject=x", "Hana Suzuki <" + b.affected + ">", "鈴木花子＜" + b.affected + "＞"} {
			if got := p.check("ja", typed); got.Shown != "affected" || !strings.Contains(got.Text, b.affected) {
				p.Errorf("%q: %s %s", typed, got.Shown, got.Failed)
			}
		}
	})
	p.run("other kinds", func() {
		for _, c := range []struct{ kind, typed, want string }{
			{"phone", phoneOne, "affected"}, {"phone", "tel:+81-90-1234-5678", "affected"}, {"phone", "03-1234-5678", "not-in-scope"},
			{"account", accountOne, "affected"}, {"account", "a-2", "not-in-scope"},
		} {
			p.open("/", "ja")
			eval[bool](p, `(() => { const e = document.querySelector("[data-kinds]"); e.value = "`+c.kind+`"; return e.dispatchEvent(new Event("change")) })()`)
			p.ask(c.typed)
			if got := p.answer(); got.Shown != c.want {
				p.Errorf("%s %s: %s %s, want %s", c.kind, c.typed, got.Shown, got.Failed, c.want)
			}
		}
		p.open("/", "en")
		p.ask(phoneOne) // in the box for addresses
		p.until(`!document.querySelector("[data-input-error]").hidden`)
		if says := p.text("[data-input-error]"); !strings.Contains(says, "choose that above first") {
			p.Errorf("says %q", says)
		}
	})
	t.Run("one of several fails", func(t *testing.T) {
		var n atomic.Int32
		p := b.tab(t, at("/check/v1/evaluate", func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
			if n.Add(1) == 2 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			honest.ServeHTTP(w, r)
		})(b.handler))
		p.open("/", "ja")
		p.write("[data-addresses]", b.affected+"\n"+b.stranger)
		p.click("[data-submit]")
		got := p.answers()
		if len(got) != 2 || got[0].Shown != "affected" || got[1].Failed != "server" || !strings.Contains(got[1].Text, b.stranger) {
			t.Fatalf("answers %+v", got)
		}
		p.expect("Failed to load resource")
		p.click("[data-failed] [data-retry]")
		p.until(`document.querySelectorAll("[data-answers] [data-shown]").length === 2 && document.querySelector("[data-progress]").hidden`)
		if got := p.answers(); got[1].Shown != "not-in-scope" {
			t.Errorf("after another try: %+v", got)
		}
	})
	p.run("variants", func() {
		if got := p.check("ja", taggedOne); got.Shown != "not-in-scope" || !strings.Contains(got.Text, plainOne) {
			p.Fatalf("%s does not offer %s: %s", got.Shown, plainOne, got.Text)
		}
		p.click("[data-variants]")
		p.until(`document.querySelectorAll("[data-answers] [data-shown]").length === 2 && document.querySelector("[data-progress]").hidden`)
		if got := eval[string](p, `document.querySelectorAll("[data-answers] [data-shown]")[1].dataset.shown`); got != "affected" {
			p.Errorf("the plain form: %s", got)
		}
		dotted := strings.Replace(dottedOne, "user.seven", "user.se.ven", 1)
		if got := p.check("en", dotted); !strings.Contains(got.Text, strings.ReplaceAll(strings.TrimSuffix(dotted, "@gmail.com"), ".", "")+"@gmail.com") {
			p.Errorf("no form without dots is offered: %s", got.Text)
		}
	})
	p.run("again", func() {
		p.check("ja", b.stranger)
		p.click("[data-again]")
		if !eval[bool](p, `document.activeElement.matches("[data-address]") && document.activeElement.value === "" && !document.querySelector("[data-answers]").children.length`) {
			p.Error("the box is not empty and focused")
		}
	})
}

// testWaiting holds that a page that waits says so, and can be stopped.
func (b *browser) testWaiting(t *testing.T) {
	t.Run("429", func(t *testing.T) {
		var refused atomic.Int32
		p := b.tab(t, at("/check/v1/evaluate", func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
			if refused.Add(1) == 1 {
				web.Problem{Status: http.StatusTooManyRequests, RetryAfter: 2 * time.Second}.Write(w, r)
				return
			}
			honest.ServeHTTP(w, r)
		})(b.handler))
		p.open("/", "ja")
		p.ask(b.affected)
		p.until(`!document.querySelector("[data-waiting]").hidden`)
		if says := p.text("[data-waiting]"); !strings.Contains(says, "2秒") && !strings.Contains(says, "1秒") {
			t.Errorf("says %q", says)
		}
		if state := eval[string](p, `document.querySelector("[data-step=evaluating]").dataset.state`); state != "doing" {
			t.Errorf("the step is %q meanwhile", state)
		}
		if got := p.answer(); got.Shown != "affected" {
			t.Errorf("after waiting: %+v", got)
		}
		p.expect("429")
	})
	t.Run("slow and stopped", func(t *testing.T) {
		held := make(chan struct{})
		p := b.tab(t, at("/check/v1/evaluate", func(http.ResponseWriter, *http.Request, http.Handler) { <-held })(b.handler))
		defer close(held)
		p.open("/", "en")
		p.ask(b.stranger)
		p.until(`!document.querySelector("[data-slow]").hidden`)
		p.click("[data-abort]")
		p.until(`document.querySelector("[data-progress]").hidden && document.activeElement.matches("[data-address]")`)
		if p.has("[data-answers] > *") {
			t.Error("there is an answer")
		}
	})
	t.Run("offline", func(t *testing.T) {
		p := b.tab(t, cut("/check/v1/evaluate")(b.handler))
		p.open("/", "ja")
		if _, err := chromedp.Call(p.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{}); err != nil {
			t.Log(err)
		}
		eval[bool](p, `(Object.defineProperty(navigator, "onLine", {get: () => false}), true)`)
		p.ask(b.stranger)
		if got := p.answer(); got.Failed != "offline" {
			t.Errorf("%+v", got)
		}
		p.expect("ERR_")
	})
}

// save presses the answer's button and gives the file.
func (p *tab) save() string {
	p.Helper()
	dir := p.TempDir()
	events := true
	if _, err := chromedp.Call(p.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: "allow", DownloadPath: dir, EventsEnabled: &events}); err != nil {
		p.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	downloads := chromedp.Events(ctx, cdpbrowser.DownloadProgress)
	p.click("[data-save]")
	for d, err := range downloads {
		if err != nil {
			p.Fatalf("nothing was saved: %v", err)
		}
		if d.State != cdpbrowser.DownloadProgressStateInProgress {
			break
		}
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(found) != 1 {
		p.Fatalf("saved: %q, %v", found, err)
	}
	return found[0]
}

// file takes a file from its button without a download.
func (p *tab) file(button string) []byte {
	p.Helper()
	return []byte(eval[string](p, fmt.Sprintf(`(async () => {
		const make = URL.createObjectURL;
		let file;
		URL.createObjectURL = blob => (file = blob.text(), make(blob));
		document.querySelector(%q).click();
		URL.createObjectURL = make;
		return file;
	})()`, button)))
}

// verify gives the page at /verify a file.
func (p *tab) verify(file []byte) shown {
	p.Helper()
	path := filepath.Join(p.TempDir(), "answer.json")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		p.Fatal(err)
	}
	eval[bool](p, `(document.querySelectorAll("[data-answers] > *").forEach(e => e.remove()), true)`)
	p.do(chromedp.SetUploadFiles(chromedp.CSS("[data-file]"), []string{path}))
	return p.answer()
}

// testSaved saves answers and has them verified by the page and by Go.
func (b *browser) testSaved(t *testing.T) {
	policy := must(check.LedgerPolicy(b.vkey))(t)
	for _, c := range []struct{ address, want, says string }{
		{b.affected, "affected", "次の公表の対象に含まれていました。"},
		{b.stranger, "not-in-scope", "照合した公表の対象に含まれていませんでした。"},
	} {
		p := b.tab(t, b.handler)
		p.check("ja", c.address)
		file := p.save()
		saved := must(os.ReadFile(file))(t)
		if name := filepath.Base(file); strings.ContainsAny(name, "@ ") || strings.Contains(name, "user") {
			t.Errorf("saved as %s", name)
		}
		a, err := check.VerifyAnswer(saved, policy)
		if err != nil {
			t.Fatalf("Go does not verify what the page saved: %v", err)
		}
		if string(a.Verdict.Result) != c.want || a.Identity.Value != c.address {
			t.Errorf("Go reads %s for another than %s", a.Verdict.Result, c.want)
		}
		p.open("/verify", "ja")
		if got := p.verify(saved); got.Shown != c.want || !strings.Contains(got.Text, c.says) || !strings.Contains(got.Text, c.address) {
			t.Errorf("/verify shows %+v", got)
		}
		if asked := b.stage.of(p.host); strings.Contains(asked[len(asked)-1].line, "/check/") {
			t.Errorf("verifying asked the server: %s", asked[len(asked)-1].line)
		}
	}
}

// answerVectors are check/testdata/answer.json and answer2.json.
type answerVectors struct {
	LedgerKey string `json:"ledgerKey"`
	Vectors   []struct {
		Name         string
		File         json.RawMessage
		Base, Op     string
		Path         []any
		Value        any
		Byte         int
		LedgerKeys   []string
		Verdict      *check.Verdict
		Error, Fault string
	}
}

// testTampered gives the page every answer of the vectors, each with another
// field tampered with: it refuses it by the name that Go has for it, and says
// where somebody changed what it says.
func (b *browser) testTampered(t *testing.T) {
	for _, name := range []string{"answer.json", "answer2.json"} {
		b.tamper(t, name)
	}
}

func (b *browser) tamper(t *testing.T, name string) {
	var vectors answerVectors
	if err := json.Unmarshal(must(os.ReadFile("../../check/testdata/"+name))(t), &vectors); err != nil {
		t.Fatal(err)
	}
	files := map[string]json.RawMessage{}
	for _, v := range vectors.Vectors {
		files[v.Name] = v.File
	}
	tabs := map[string]*tab{}
	refused, altered := 0, 0
	for _, v := range vectors.Vectors {
		if v.File == nil {
			v.File = tampered(t, files[v.Base], v.Op, v.Path, v.Value, v.Byte)
		}
		keys := vectors.LedgerKey
		if v.LedgerKeys != nil {
			keys = strings.Join(v.LedgerKeys, " ")
		}
		p := tabs[keys]
		if p == nil {
			door := must(site.New(site.Options{LedgerKey: keys}))(t)
			p = b.tab(t, serve.Wrap(door, serve.Options{}))
			p.open("/verify", "en")
			tabs[keys] = p
		}
		got := p.verify(v.File)
		want := v.Error
		if v.Name == "another-ledger-trusted" || v.Name == "proof-origin" {
			want = "not-pinned" // the page knows keys by their ledger's name, and has none for this one
		}
		if want == "" {
			if result := displayed(v.Verdict); got.Shown != result {
				t.Errorf("%s: shown %q, failed %q, want %s", v.Name, got.Shown, got.Failed, result)
			}
			continue
		}
		if got.Failed != want || !strings.Contains(got.Text, "Name of the error: "+want) || p.has("[data-shown]") {
			t.Errorf("%s: shown %q, failed %q, want %s: %s", v.Name, got.Shown, got.Failed, want, got.Text)
		}
		refused++
		if says := strings.Contains(got.Text, "This file was altered"); v.Fault != "" && says != (v.Fault == "altered") {
			t.Errorf("%s is %s, and the page says %s", v.Name, v.Fault, got.Text)
		} else if says {
			altered++
		}
	}
	if refused < 40 || altered < 5 {
		t.Errorf("%s: %d files were refused, %d as altered: are these all the vectors?", name, refused, altered)
	}
}

// displayed is how the page shows a verdict.
func displayed(v *check.Verdict) string {
	because := func(whys ...string) bool {
		return slices.ContainsFunc(v.NotCovered, func(n check.NotCovered) bool { return slices.Contains(whys, n.Why) })
	}
	switch {
	case v.Result == check.Affected:
	case len(v.Dropped) > 0:
		return "dropped"
	case because(check.WhyLayerMissing): // version 1 had no word for it
		return "incomplete"
	case v.Result == check.Open && !because(check.WhyInvestigating, check.WhyReopened):
		return "unchecked"
	}
	return string(v.Result)
}

// tampered changes a file as a vector says.
func tampered(t *testing.T, file []byte, op string, path []any, value any, at int) []byte {
	t.Helper()
	if op == "" {
		return file
	}
	var doc any
	if err := json.Unmarshal(file, &doc); err != nil {
		t.Fatal(err)
	}
	doc = changeAt(t, doc, path, func(old any) (any, bool) {
		switch op {
		case "set":
			return value, true
		case "remove":
			return nil, false
		case "flip":
			var b check.Bytes
			if err := b.UnmarshalText([]byte(old.(string))); err != nil {
				t.Fatal(err)
			}
			b[at] ^= 1
			return string(must(b.MarshalText())(t)), true
		}
		t.Fatalf("op %q", op)
		return nil, false
	})
	return must(json.Marshal(doc))(t)
}

// changeAt gives doc with the value at a path changed, or removed.
func changeAt(t *testing.T, doc any, path []any, change func(any) (any, bool)) any {
	t.Helper()
	switch at := doc.(type) {
	case map[string]any:
		name := path[0].(string)
		if len(path) > 1 {
			at[name] = changeAt(t, at[name], path[1:], change)
		} else if v, keep := change(at[name]); keep {
			at[name] = v
		} else {
			delete(at, name)
		}
		return at
	case []any:
		i := int(path[0].(float64))
		if len(path) > 1 {
			at[i] = changeAt(t, at[i], path[1:], change)
		} else if v, keep := change(at[i]); keep {
			at[i] = v
		} else {
			at = slices.Delete(at, i, i+1)
		}
		return at
	}
	t.Fatal(fmt.Errorf("the path %v leads nowhere", path))
	return nil
}

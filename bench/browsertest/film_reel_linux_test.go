package browsertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"shirase/internal/language"
)

// sentences are those of the notice of the model case, each in a few words of our own. The notice itself is LINE Corporation's.
var sentences = []language.Text{
	language.Both("表題：不正アクセスのお知らせと、パスワード変更のお願い", "Title: a notice of the intrusion, and a request to change the password"),
	language.Both("平素の利用へのお礼", "Thanks to the customers"),
	language.Both("5つのサービスの会員情報が流出した可能性の報告", "Members' data of five services may have been taken"),
	language.Both("二次被害を防ぐため、メンテナンスモードにし、全ログインを遮断、一部サービスを停止", "Maintenance mode, every login blocked and some services stopped, to prevent misuse"),
	language.Both("18時に再設定機能を設けて再開するので、再設定をお願いする", "A reset function from 18:00, when services resume; everyone is asked to use it"),
	language.Both("ほかのサービスで同じ組み合わせを使っている場合の変更のお願い", "Whoever uses the same elsewhere is asked to change it there"),
	language.Both("LINEとlivedoorは無関係", "Other services of the company are not concerned"),
	language.Both("会員情報・トーク履歴・アドレス帳には影響なし", "Their members, conversations and address books are untouched"),
	language.Both("経緯と被害は以下のとおり、という前置き", "What follows is what is known by now"),
	language.Both("10時09分に発見、10時57分に遮断", "Noticed at 10:09, cut off at 10:57"),
	language.Both("不正ファイルを発見し、流出の可能性を確認", "Malicious files found: data may have been taken"),
	language.Both("20時にメンテナンスモードへ切り替え、全ログインを遮断し、調査を開始", "At 20:00 maintenance mode, every login blocked, and the investigation of the data begun"),
	language.Both("不正アクセスの期間：7月17日20時51分から18日10時57分", "The window: 17 July 20:51 to 18 July 10:57"),
	language.Both("影響範囲：日本のアカウント169万2,496件", "Scope: 1,692,496 accounts of the service in Japan"),
	language.Both("国外とOpen IDのアカウントは対象外", "Accounts abroad and those of OpenID are outside of it"),
	language.Both("流出した可能性のある項目：メールアドレス、ハッシュ化されたパスワード、ニックネーム", "What may have been taken: address, hashed password, nickname"),
	language.Both("16時時点で、問い合わせ・不正ログイン・改ざんのいずれも確認なし", "As of 16:00 no enquiry, no illegitimate login, no tampering confirmed"),
	language.Both("お客様への対応：20時から遮断と停止を続けている", "For customers: logins are blocked and services stopped since 20:00"),
	language.Both("18時から再設定機能を設け、メールで案内し、ヘルプページに手順を載せる", "A reset function from 18:00, mail to each, and the steps on a help page"),
	language.Both("追記18:30：設置は21時ごろに", "Addendum 18:30: now expected at about 21:00"),
	language.Both("追記21:09：設置した", "Addendum 21:09: it is open"),
	language.Both("追記1:00：メンテナンス中", "Addendum 01:00: it is closed for maintenance"),
	language.Both("追記1:00：20日のうちに終える予定", "Addendum 01:00: to be over within the 20th"),
	language.Both("追記19:20：再び設置した", "Addendum 19:20: it is open again"),
	language.Both("監視の強化と再発の防止に全社で取り組む", "Closer monitoring and prevention, by the whole company"),
	language.Both("質問と問い合わせは窓口で受ける", "Questions are taken by the desk"),
	language.Both("窓口の名前と住所", "The desk's name and address"),
}

// whole is every sentence: of a step that is about all of it.
func whole() []int {
	out := make([]int, len(sentences))
	for i := range out {
		out[i] = i
	}
	return out
}

// reel is the film as it is made: a step after the other.
type reel struct {
	*testing.T
	dir   string
	began time.Time
	Steps []*filmStep
}

// filmStep is one step: what it is, of which sentences, what was seen to be so, and pictures.
type filmStep struct {
	N         int            `json:"step"`
	When      string         `json:"caseTime"` // of the model case
	Title     language.Text  `json:"title"`
	Of        []int          `json:"sentences"` // by number
	Seen      []string       `json:"seen"`
	Pictures  []frame        `json:"pictures"`
	Seconds   float64        `json:"seconds"`
	Counts    map[string]int `json:"counts,omitempty"`
	failed    bool
	wasFailed bool
}

type frame struct {
	File string `json:"file"`
	Lang string `json:"lang"` // "": of no language, or both
}

// step plays one. Whatever it names has to be seen: a step that sees nothing is none.
func (r *reel) step(when, ja, en string, of []int, do func()) {
	r.Helper()
	s := &filmStep{N: len(r.Steps) + 1, When: when, Title: language.Both(ja, en), Of: of, Counts: map[string]int{}, wasFailed: r.Failed()}
	r.Steps = append(r.Steps, s)
	began := time.Now()
	do()
	s.Seconds = time.Since(began).Seconds()
	s.failed = r.Failed() && !s.wasFailed
	if len(s.Seen) == 0 {
		r.Errorf("step %d (%s) holds nothing", s.N, en)
	}
	r.Logf("step %2d, %5.1f s: %s", s.N, s.Seconds, en)
}

func (r *reel) now() *filmStep { return r.Steps[len(r.Steps)-1] }

// sees holds that something is so, and says it on the strip.
func (r *reel) sees(what string, is bool) {
	r.Helper()
	if !is {
		r.Errorf("step %d (%s): not so: %s", r.now().N, r.now().Title.EN, what)
		return
	}
	r.now().Seen = append(r.now().Seen, what)
}

// reads holds that a text has all of these in it.
func (r *reel) reads(what, text string, wants ...string) {
	r.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			r.Errorf("step %d (%s): %s does not say %q: %s", r.now().N, r.now().Title.EN, what, want, text)
			return
		}
	}
	r.now().Seen = append(r.now().Seen, what)
}

// counts notes a figure of the step.
func (r *reel) counts(name string, n int) { r.now().Counts[name] = n }

const (
	frameWidth  = 1200
	frameHeight = 800
)

// both takes the page at a path in both languages, from an element on: "" from the top.
func (r *reel) both(p *tab, path, from string) {
	r.Helper()
	mark := "?"
	if strings.Contains(path, "?") {
		mark = "&"
	}
	for _, at := range [][2]string{{"en", path + mark + "lang=en"}, {"ja", path}} { // Japanese is what the browser asks for: the tab stays in it
		p.visit(at[1])
		p.until(`document.readyState === "complete" && document.querySelector("h1") !== null`)
		r.take(p, at[0], from)
	}
}

// take takes a picture of the page that is open.
func (r *reel) take(p *tab, lang, from string) {
	r.Helper()
	p.look(view{width: frameWidth, scheme: "light"})
	defer p.look(view{width: 1280, scheme: "light"})
	if from != "" && !p.has(from) {
		r.Errorf("step %d: there is no %s to be taken", r.now().N, from)
		return
	}
	y := eval[float64](p, fmt.Sprintf(`(() => { const e = %q ? document.querySelector(%[1]q) : null; const y = e ? e.getBoundingClientRect().top + scrollY - 24 : 0;
		return Math.max(0, Math.min(y, document.documentElement.scrollHeight - %[2]d)) })()`, from, frameHeight))
	yes := true
	quality := int64(82)
	shot, err := chromedp.Call(p.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality, CaptureBeyondViewport: &yes,
		Clip: &page.Viewport{Y: y, Width: frameWidth, Height: frameHeight, Scale: 1}})
	if err != nil {
		r.Fatal(err)
	}
	s := r.now()
	name := fmt.Sprintf("%02d-%d", s.N, len(s.Pictures)+1)
	if lang != "" {
		name += "-" + lang
	}
	r.keep(name+".webp", shot.Data)
	s.Pictures = append(s.Pictures, frame{name + ".webp", lang})
}

func (r *reel) keep(name string, b []byte) {
	r.Helper()
	if err := errors.Join(os.MkdirAll(r.dir, 0o755), os.WriteFile(filepath.Join(r.dir, name), b, 0o644)); err != nil {
		r.Fatal(err)
	}
}

// print keeps the open page as it is printed on A4, and gives the number of its sheets.
func (r *reel) print(p *tab, name string) int {
	r.Helper()
	pdf := p.pdf()
	r.keep(name+".pdf", pdf)
	return sheets(pdf)
}

// cut puts the film together: the strip as a page, and the figures. Every sentence has to be in it.
func (r *reel) cut(figures map[string]any) {
	r.Helper()
	steps := map[int][]int{}
	for _, s := range r.Steps {
		for _, n := range s.Of {
			if n < 0 || n >= len(sentences) {
				r.Fatalf("step %d names sentence %d, and there are %d", s.N, n, len(sentences))
			}
			steps[n] = append(steps[n], s.N)
		}
	}
	for n, text := range sentences {
		if len(steps[n]) == 0 {
			r.Errorf("no step is of sentence %d: %s", n, text.EN)
		}
	}
	figures["steps"], figures["seconds"] = r.Steps, time.Since(r.began).Seconds()
	r.keep("figures.json", append(must(json.MarshalIndent(figures, "", "  "))(r.T), '\n'))
	var out bytes.Buffer
	if err := strip.Execute(&out, map[string]any{"Steps": r.Steps, "Sentences": sentences, "Of": steps, "Figures": figures, "Scale": figures["scale"], "Papers": must(filepath.Glob(filepath.Join(r.dir, "*.pdf")))(r.T)}); err != nil {
		r.Fatal(err)
	}
	r.keep("index.html", out.Bytes())
}

var strip = template.Must(template.New("strip").Funcs(template.FuncMap{"base": filepath.Base, "seconds": func(s float64) string { return fmt.Sprintf("%.1f s", s) },
	"sentence": func(n int) language.Text { return sentences[n] }}).Parse(`<!doctype html>
<html lang="ja"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>知らせの一部始終 / The film</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881 }
body { font: 16px/1.6 system-ui, "Noto Sans CJK JP", sans-serif; margin: 0 auto; max-width: 1200px; padding: 1.5rem 1rem 4rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin: 0 } [lang=en] { opacity: .8 }
section { border-top: 1px solid var(--line); padding: 1.25rem 0 }
.when { font-variant-numeric: tabular-nums; margin: 0; font-size: .9rem } .pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: .75rem; margin: .75rem 0 }
.pictures img { width: 100%; height: auto; border: 1px solid var(--line); border-radius: .4rem; display: block }
ol.of, ul.seen { margin: .25rem 0; padding-left: 1.5rem; font-size: .9rem } ul.seen { list-style: "✓ " } table { border-collapse: collapse; font-size: .9rem } td, th { text-align: left; vertical-align: top; padding: .2rem .75rem .2rem 0 }
.failed h2::after { content: " ✗"; color: #c00 }
</style>
<h1>モデル事案の一部始終 <span lang="en">/ The whole model case</span></h1>
<p>2013年のNAVERの公表と同じ経過を、例示の会社で、時刻を今にずらして進めたものです。名前も日付も、当時のものではありません。お知らせの16時から後は、数分に縮めています。規模：{{.Scale}}
<p lang="en">The course of NAVER's disclosure of 2013, of a made-up company and moved to now: neither names nor dates are those of then. What came after 16:00 takes minutes here. Scale: {{.Scale}}.
{{range .Papers}}<p><a href="{{base .}}">{{base .}}</a>{{end}}
{{range .Steps}}<section id="s{{.N}}"{{if len .Seen | eq 0}} class="failed"{{end}}><p class="when">{{.N}} · {{.When}} · {{seconds .Seconds}}</p><h2>{{.Title.JA}}</h2><p lang="en">{{.Title.EN}}</p>
<div class="pictures">{{$s := .}}{{range .Pictures}}<a href="{{.File}}"><img src="{{.File}}" width="1200" height="800" loading="lazy" alt="{{if eq .Lang "en"}}{{$s.Title.EN}}{{else}}{{$s.Title.JA}}{{end}}"></a>{{end}}</div>
<ul class="seen">{{range .Seen}}<li>{{.}}</li>{{end}}</ul>
{{with .Of}}<ol class="of">{{range .}}{{$x := sentence .}}<li value="{{.}}">{{$x.JA}} <span lang="en">{{$x.EN}}</span></li>{{end}}</ol>{{end}}</section>
{{end}}<section><h2>どの文を、どの段階が扱うか <span lang="en">/ Which step is of which sentence</span></h2><table>{{range $n, $x := .Sentences}}<tr><td>{{$n}}<td>{{$x.JA}}<br><span lang="en">{{$x.EN}}</span><td>{{range index $.Of $n}}<a href="#s{{.}}">{{.}}</a> {{end}}</tr>{{end}}</table></section>
</html>
`))

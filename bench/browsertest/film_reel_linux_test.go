package browsertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// of are sentences of the notice, by number: those whose matter an assertion is.
type of []int

// stills are the pictures of the README, by the names that steps give them. The film fails where one is not taken.
var stills = regexp.MustCompile(`docs/images/film-([a-z]+)\.webp`)

// reel is the film as it is made: a step after the other.
type reel struct {
	testing.TB
	dir    string
	began  time.Time
	Steps  []*filmStep
	papers []string        // that were printed
	stills map[string]bool // that were taken
	whole  bool            // it was played to its end
}

// filmStep is one step: what it is, what was seen to be so, and pictures.
type filmStep struct {
	N        int            `json:"step"`
	When     string         `json:"caseTime"` // of the model case
	Title    language.Text  `json:"title"`
	Of       []int          `json:"sentences"` // that what was seen is of
	Seen     []sight        `json:"seen"`
	Pictures []frame        `json:"pictures"`
	Seconds  float64        `json:"seconds"`
	Counts   map[string]int `json:"counts,omitempty"`
	Failed   bool           `json:"failed,omitempty"`
}

// sight is one thing that was held, and was so.
type sight struct {
	What string `json:"what"`
	Of   of     `json:"sentences,omitempty"`
}

type frame struct {
	File string `json:"file"`
	Lang string `json:"lang"` // "": of no language, or both
}

// step plays one. It is of those sentences that what was seen in it is of: a step that sees nothing is none.
func (r *reel) step(when, ja, en string, do func()) {
	r.Helper()
	s := &filmStep{N: len(r.Steps) + 1, When: when, Title: language.Both(ja, en), Of: []int{}, Seen: []sight{}, Counts: map[string]int{}}
	r.Steps = append(r.Steps, s)
	failed, began := r.Failed(), time.Now()
	defer func() { // also where the step ends the film
		s.Seconds, s.Failed = time.Since(began).Seconds(), s.Failed || r.Failed() && !failed
		r.Logf("step %2d, %5.1f s: %s", s.N, s.Seconds, en)
	}()
	do()
	if len(s.Seen) == 0 {
		r.fails("it holds nothing")
	}
}

func (r *reel) now() *filmStep { return r.Steps[len(r.Steps)-1] }

// fails says what of the step is not so.
func (r *reel) fails(format string, args ...any) {
	r.Helper()
	s := r.now()
	s.Failed = true
	r.Errorf("step %d (%s): %s", s.N, s.Title.EN, fmt.Sprintf(format, args...))
}

// sees holds that something is so, says it on the strip, and counts the step as one of these sentences. This and reads are the only ways to that.
func (r *reel) sees(about of, what string, is bool) {
	r.Helper()
	if !is {
		r.fails("not so: %s", what)
		return
	}
	s := r.now()
	s.Seen = append(s.Seen, sight{what, about})
	for _, n := range about {
		if n < 0 || n >= len(sentences) {
			r.Fatalf("step %d names sentence %d, and there are %d", s.N, n, len(sentences))
		}
		if !slices.Contains(s.Of, n) {
			s.Of = append(s.Of, n)
		}
	}
	slices.Sort(s.Of)
}

// clocks are times of a day, which some pages write with a space or a 0 before them.
var clocks = regexp.MustCompile(`日 ?0?(\d{1,2}[時:])`)

func evened(text string) string {
	return strings.ReplaceAll(clocks.ReplaceAllString(text, "日$1"), "時00分", "時")
}

// dated is a time as texts tell it, and noted as the console's tables do.
func dated(t time.Time) string {
	t = t.In(tokyo)
	return t.Format("1月2日") + language.Clock(language.JA, t)
}

func noted(t time.Time) string { return t.In(tokyo).Format("1月2日 15:04") }

// reads holds that a text has all of these in it.
func (r *reel) reads(about of, what, text string, wants ...string) {
	r.Helper()
	if len(wants) == 0 {
		r.Fatalf("%s: nothing is looked for", what)
	}
	for _, want := range wants {
		if want == "" || !strings.Contains(evened(text), evened(want)) {
			r.fails("%s: there is no %q in: %s", what, want, text)
			return
		}
	}
	r.sees(about, what, true)
}

// equal holds that two figures are the same.
func (r *reel) equal(about of, what string, is, want int64) {
	r.Helper()
	if is != want {
		r.fails("not so: %s: it is %d, want %d", what, is, want)
		return
	}
	r.sees(about, what, true)
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
		r.fails("there is no %s to be taken", from)
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
	r.papers = append(r.papers, name+".pdf")
	return sheets(pdf)
}

// cut puts the film together: the strip as a page, and the figures, of as much as was played. Played to its end, it has to be of every sentence, and
// to have every picture that the README shows of it.
func (r *reel) cut(figures map[string]any) {
	r.Helper()
	steps := map[int][]int{}
	for _, s := range r.Steps {
		for _, n := range s.Of {
			steps[n] = append(steps[n], s.N)
		}
	}
	for n, text := range sentences {
		if r.whole && len(steps[n]) == 0 {
			r.Errorf("in no step was anything seen of sentence %d: %s", n, text.EN)
		}
	}
	shown := stills.FindAllStringSubmatch(string(must(os.ReadFile("../../README.md"))(r.TB)), -1)
	if len(shown) != 4 {
		r.Errorf("the README shows %d pictures of the film, want four", len(shown))
	}
	for _, of := range shown {
		if r.whole && !r.stills[of[1]] {
			r.Errorf("the README shows film-%s.webp, which no step takes", of[1])
		}
	}
	figures["steps"], figures["seconds"], figures["failed"] = r.Steps, time.Since(r.began).Seconds(), r.Failed() || !r.whole
	r.keep("figures.json", append(must(json.MarshalIndent(figures, "", "  "))(r.TB), '\n'))
	var out bytes.Buffer
	if err := strip.Execute(&out, map[string]any{"Steps": r.Steps, "Sentences": sentences, "Of": steps, "Scale": figures["scale"], "Papers": r.papers, "Failed": figures["failed"]}); err != nil {
		r.Fatal(err)
	}
	r.keep("index.html", out.Bytes())
}

var strip = template.Must(template.New("strip").Funcs(template.FuncMap{"seconds": func(s float64) string { return fmt.Sprintf("%.1f s", s) },
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
.failed h2::after { content: " ✗"; color: light-dark(#b00, #f88) } .stop { border-left: .3rem solid light-dark(#b00, #f88); padding-left: .75rem } .no { font-variant-numeric: tabular-nums }
</style>
<h1>モデル事案の一部始終 <span lang="en">/ The whole model case</span></h1>
<p>2013年のNAVERの公表と同じ経過を、例示の会社で、時刻を今にずらして進めたものです。名前も日付も、当時のものではありません。お知らせの16時から後は、数分に縮めています。規模：{{.Scale}}
<p lang="en">The course of NAVER's disclosure of 2013, of a made-up company and moved to now: neither names nor dates are those of then. What came after 16:00 takes minutes here. Scale: {{.Scale}}.
{{if .Failed}}<p class="stop">✗ 最後まで、すべてがそのとおりになったわけではありません。<span lang="en">It was not played to its end, or not everything was so.</span>{{end}}
{{range .Papers}}<p><a href="{{.}}">{{.}}</a>{{end}}
{{range .Steps}}<section id="s{{.N}}"{{if .Failed}} class="failed"{{end}}><p class="when">{{.N}} · {{.When}} · {{seconds .Seconds}}</p><h2>{{.Title.JA}}</h2><p lang="en">{{.Title.EN}}</p>
<div class="pictures">{{$s := .}}{{range .Pictures}}<a href="{{.File}}"><img src="{{.File}}" width="1200" height="800" loading="lazy" alt="{{if eq .Lang "en"}}{{$s.Title.EN}}{{else}}{{$s.Title.JA}}{{end}}"></a>{{end}}</div>
<ul class="seen">{{range .Seen}}<li>{{.What}}{{range .Of}} <a class="no" href="#t{{.}}">{{.}}</a>{{end}}</li>{{end}}</ul>
{{with .Of}}<ol class="of">{{range .}}{{$x := sentence .}}<li value="{{.}}">{{$x.JA}} <span lang="en">{{$x.EN}}</span></li>{{end}}</ol>{{end}}</section>
{{end}}<section><h2>どの文を、どの段階が扱うか <span lang="en">/ Which step is of which sentence</span></h2><table>{{range $n, $x := .Sentences}}<tr id="t{{$n}}"><td>{{$n}}<td>{{$x.JA}}<br><span lang="en">{{$x.EN}}</span><td>{{range index $.Of $n}}<a href="#s{{.}}">{{.}}</a> {{end}}</tr>{{end}}</table></section>
</html>
`))

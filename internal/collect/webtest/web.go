package webtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/text/encoding/japanese"
)

// Web is a server with the pages of many organisations below paths of their own: a client that asks only addresses of the public
// internet is told of this one.
type Web struct {
	URL   string
	Allow netip.AddrPort

	mu    sync.Mutex
	pages map[string]*Page
	asked map[string]int
}

// Page is what an address answers.
type Page struct {
	Data   []byte
	Media  string
	Status int // 0 is 200
	Handle http.HandlerFunc
	Packed bool
}

// New starts the web.
func New(t testing.TB) *Web {
	t.Helper()
	w := &Web{pages: map[string]*Page{}, asked: map[string]int{}}
	s := httptest.NewServer(w)
	t.Cleanup(s.Close)
	w.URL, w.Allow = s.URL, netip.MustParseAddrPort(s.Listener.Addr().String())
	return w
}

func (w *Web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	p := w.pages[r.URL.Path]
	w.asked[r.URL.Path]++
	w.mu.Unlock()
	switch {
	case p == nil:
		http.NotFound(rw, r)
		return
	case p.Handle != nil:
		p.Handle(rw, r)
		return
	}
	tag := fmt.Sprintf(`"%x"`, len(p.Data)*31+sum(p.Data))
	rw.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		rw.WriteHeader(http.StatusNotModified)
		return
	}
	rw.Header().Set("Content-Type", p.Media)
	data := p.Data
	if p.Packed {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(data)
		z.Close()
		rw.Header().Set("Content-Encoding", "gzip")
		data = b.Bytes()
	}
	if p.Status != 0 {
		rw.WriteHeader(p.Status)
	}
	rw.Write(data)
}

func sum(b []byte) (n int) {
	for i, c := range b {
		n = (n*33 + int(c) + i) & 0xffffff
	}
	return n
}

// Put has an address answer something, from now on.
func (w *Web) Put(path string, p *Page) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[path] = p
}

// Remove takes a page away.
func (w *Web) Remove(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pages, path)
}

// Asked is how often an address was asked for.
func (w *Web) Asked(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[path]
}

// Notice is a disclosure by an organisation that does not exist.
type Notice struct {
	Organisation, Day, Found string // 2026年4月3日
	Count                    string
	How                      string // what happened, in a sentence
	Data                     string
	More                     string // an addendum, above the rest
}

// Title is what the notice is called.
func (n Notice) Title() string { return "個人情報の漏えいに関するお詫びとお知らせ" }

// Text is the notice in lines.
func (n Notice) Text() string {
	more := ""
	if n.More != "" {
		more = n.More + "\n\n"
	}
	return n.Title() + "\n\n" + n.Day + "\n" + n.Organisation + "\n\n" + more +
		"このたび、" + n.How + "、お客様の個人情報" + n.Count + "が漏えいした可能性があることが判明しました。\nお客様には多大なご迷惑とご心配をおかけし、深くお詫び申し上げます。\n\n" +
		"1．経緯\n" + n.Found + "、当社の担当者が異常に気付き、同日中に対象のシステムを遮断しました。\n\n2．漏えいした可能性のある情報\n" + n.Data + "\n\n3．お客様への対応\n対象のお客様には、個別にご連絡いたします。\n\nお問い合わせ窓口：0120-000-" + fmt.Sprintf("%03d", len(n.Organisation)%1000) + "\n"
}

// A Shape is a way in which sites show notices.
type Shape struct {
	Name string
	Make func(n Notice) *Page
	PDF  bool
}

const menu = `<nav><ul><li><a href="/">ホーム</a></li><li><a href="/products">商品のご案内</a></li><li><a href="/recruit">採用情報</a></li><li><a href="/ir">株主・投資家の皆さまへ</a></li></ul></nav>`
const foot = `<footer><p>本社：どこにもない町1-2-3</p><a href="/privacy">プライバシーポリシー</a></footer>`

func text(s string) string { return html.EscapeString(s) }

func paragraphs(s string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(s, "\n\n") {
		b.WriteString("<p>" + strings.ReplaceAll(text(strings.TrimSpace(part)), "\n", "<br>\n") + "</p>\n")
	}
	return b.String()
}

func frame(n Notice, charset, body string) string {
	return `<!DOCTYPE html><html lang="ja"><head><meta charset="` + charset + `"><title>` + n.Title() + "｜" + text(n.Organisation) + `</title></head><body>` + menu + body + foot + "</body></html>"
}

func htmlPage(s string) *Page { return &Page{Data: []byte(s), Media: "text/html; charset=utf-8"} }

// Shapes are the twelve.
func Shapes() []Shape {
	return []Shape{
		{Name: "article", Make: func(n Notice) *Page {
			return htmlPage(frame(n, "utf-8", "<main><article>"+strings.Replace(paragraphs(n.Text()), "<p>"+n.Title()+"</p>", "<h1>"+n.Title()+"</h1>", 1)+"</article></main>"))
		}},
		{Name: "divs", Make: func(n Notice) *Page {
			return htmlPage(frame(n, "utf-8", `<div id="wrap"><div class="c1"><div class="ttl">`+n.Title()+`</div><div class="txt">`+strings.ReplaceAll(text(n.Text()), "\n", "<br>")+"</div></div></div>"))
		}},
		{Name: "shift_jis", Make: func(n Notice) *Page {
			b, err := japanese.ShiftJIS.NewEncoder().String(frame(n, "Shift_JIS", "<div>"+paragraphs(n.Text())+"</div>"))
			if err != nil {
				panic(err)
			}
			return &Page{Data: []byte(b), Media: "text/html"}
		}},
		{Name: "euc-jp", Make: func(n Notice) *Page {
			b, err := japanese.EUCJP.NewEncoder().String(frame(n, "EUC-JP", "<div>"+paragraphs(n.Text())+"</div>"))
			if err != nil {
				panic(err)
			}
			return &Page{Data: []byte(b), Media: "text/html; charset=EUC-JP"}
		}},
		{Name: "old table", Make: func(n Notice) *Page {
			return htmlPage("<html><head><title>" + n.Title() + "</title></head><body bgcolor=white><table width=760><tr><td width=160>" + menu + "</td><td><font size=4>" + n.Title() + "</font><br><br>" + strings.ReplaceAll(text(n.Text()), "\n", "<br>\n") + "</td></tr></table></body></html>")
		}},
		{Name: "packed", Make: func(n Notice) *Page {
			p := htmlPage(frame(n, "utf-8", "<main>"+paragraphs(n.Text())+"</main>"))
			p.Packed = true
			return p
		}},
		{Name: "sections", Make: func(n Notice) *Page {
			var b strings.Builder
			for part := range strings.SplitSeq(n.Text(), "\n\n") {
				head, rest, ok := strings.Cut(part, "\n")
				if ok && len(head) < 60 && strings.Contains(head, "．") {
					b.WriteString("<section><h2>" + text(head) + "</h2><p>" + text(rest) + "</p></section>")
					continue
				}
				b.WriteString("<p>" + strings.ReplaceAll(text(part), "\n", "<br>") + "</p>")
			}
			return htmlPage(frame(n, "utf-8", `<main class="news-detail">`+b.String()+"</main>"))
		}},
		{Name: "text", Make: func(n Notice) *Page {
			return &Page{Data: []byte(n.Text()), Media: "text/plain; charset=utf-8"}
		}},
		{Name: "pdf", PDF: true, Make: func(n Notice) *Page {
			return &Page{Data: PDF(n.Title(), n.Text(), Plain), Media: "application/pdf"}
		}},
		{Name: "pdf of a word processor", PDF: true, Make: func(n Notice) *Page {
			return &Page{Data: PDF(n.Title(), n.Text(), Radicals), Media: "application/pdf"}
		}},
		{Name: "pdf, upwards, called bytes", PDF: true, Make: func(n Notice) *Page {
			return &Page{Data: PDF("", n.Text(), Upwards), Media: "application/octet-stream"}
		}},
		{Name: "single page with a script", Make: func(n Notice) *Page {
			return htmlPage("<!doctype html><html><head><title>" + n.Title() + "</title><script>var x='<p>';</script><style>p{}</style></head><body><div id=app><header>" + menu + "</header><div class=content><h1>" + n.Title() + "</h1>" + paragraphs(n.Text()) + "</div><aside><h3>関連</h3><a href=/1>お知らせ一覧</a></aside></div><noscript>JavaScriptを有効にしてください</noscript></body></html>")
		}},
	}
}

var (
	firsts = []string{"青葉", "北雲", "三日月", "若潮", "白樺", "東雲", "千種", "朝霧", "花巻川", "夕凪", "小鳩", "銀杏", "水無月", "柊", "浜風", "竹取", "遠野路", "深緑", "星影", "山吹", "天馬堂", "磯波", "梅ヶ枝", "大鷹", "霞網", "菊水野", "胡桃", "木漏日", "桜餅屋", "時雨"}
	kinds  = []string{"文具", "食品", "旅行", "印刷", "交通", "不動産"}
	hows   = []string{"当社が運営するオンラインショップのサーバーが第三者による不正アクセスを受け", "当社の社内サーバーが不正アクセスを受け、ランサムウェアに感染し", "当社の従業員がお客様宛てのメールを誤って送信し", "当社の従業員が業務用パソコンを紛失し", "当社のクラウドサービスの設定に誤りがあり"}
	lost   = []string{"氏名、住所、電話番号", "氏名、メールアドレス", "氏名、生年月日、住所、電話番号、メールアドレス", "メールアドレス、ハッシュ化されたパスワード"}
)

// Notices makes n disclosures of n organisations.
func Notices(n int) []Notice {
	out := make([]Notice, n)
	for i := range out {
		month := 1 + i%9
		out[i] = Notice{Organisation: "株式会社" + firsts[i%len(firsts)] + kinds[i/len(firsts)%len(kinds)], Day: fmt.Sprintf("2026年%d月%d日", month, 10+i%18), Found: fmt.Sprintf("2026年%d月%d日", month, 2+i%8),
			Count: fmt.Sprintf("%d,%03d件", 1+i%9, (i*137)%1000), How: hows[i%len(hows)], Data: lost[i%len(lost)]}
	}
	return out
}

package read

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"

	"shirase/internal/collect/webtest"
)

const childEnv = "SHIRASE_TEST_READ_PDF"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childEnv {
		if err := ServeChild(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// reader reads as the program does: PDFs in a child, which is this test.
func reader(t *testing.T) *Reader {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	keep, err := os.UserCacheDir()
	if err != nil {
		keep = t.TempDir()
	}
	keep += "/shirase-test-pdf"
	if err := os.MkdirAll(keep, 0o700); err != nil {
		t.Fatal(err)
	}
	return &Reader{PDF: Child(self, []string{childEnv}, keep)}
}

const notice = `個人情報の漏えいに関するお詫びとお知らせ

2026年4月3日
青葉文具株式会社

このたび、当社のオンラインショップが第三者による不正アクセスを受け、お客様の個人情報1,234件が漏えいした可能性があることが判明しました。
お客様には多大なご迷惑をおかけし、深くお詫び申し上げます。

1．経緯
2026年3月30日、社内の監視で異常を検知し、同日中に遮断しました。

2．漏えいした可能性のある情報
氏名、住所、電話番号、メールアドレス`

func TestPDF(t *testing.T) {
	r := reader(t)
	for name, how := range map[string]webtest.How{"plain": webtest.Plain, "radicals": webtest.Radicals, "upwards": webtest.Upwards} {
		doc, err := r.Read(t.Context(), webtest.PDF("お知らせ", notice, how), "application/octet-stream", "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		at := -1
		for _, want := range []string{"個人情報の漏えいに関するお詫びとお知らせ", "2026年4月3日", "個人情報1,234件が漏えい", "2026年3月30日", "氏名、住所、電話番号"} {
			i := strings.Index(doc.Text, want)
			if i < 0 {
				t.Errorf("%s: %q is not read:\n%s", name, want, doc.Text)
			}
			if i < at {
				t.Errorf("%s: %q stands before what it follows:\n%s", name, want, doc.Text)
			}
			at = i
		}
		if doc.Scanned || doc.Form != PDF || doc.Title != "お知らせ" || doc.Pages != 1 {
			t.Errorf("%s: scanned %v, form %s, title %q, %d pages", name, doc.Scanned, doc.Form, doc.Title, doc.Pages)
		}
	}
	doc, err := r.Read(t.Context(), webtest.PDF("", notice, webtest.Scanned), "application/pdf", "")
	if err != nil || !doc.Scanned || doc.Text != "" {
		t.Errorf("a scanned one: %+v, %v", doc, err)
	}
	for name, data := range map[string]string{"cut": string(webtest.PDF("", notice, webtest.Plain)[:300]), "nothing": "%PDF-1.7\n", "garbage": "%PDF-1.4\n" + strings.Repeat("1 0 obj << /Kids [1 0 R] /Type /Pages /Count 99999999 >> endobj\n", 2000)} {
		if _, err := r.Read(t.Context(), []byte(data), "", "x.pdf"); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Read(t.Context(), append([]byte("%PDF-1.7"), make([]byte, MaxPDF)...), "", ""); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large one: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Read(ctx, webtest.PDF("", notice, webtest.Plain), "", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

// TestChildEnds: a reader that crashes, says nonsense or too much ends as an error of this document.
func TestChildEnds(t *testing.T) {
	for name, script := range map[string]string{"crashes": "kill -9 $$", "says nonsense": "echo nonsense", "says nothing": "true", "says too much": "head -c 5000000 /dev/zero", "has our environment": "env | grep -q ^HOME= && exit 0; exit 3"} {
		r := &Reader{PDF: Child("/bin/sh", []string{"-c", script}, "")}
		if _, err := r.Read(t.Context(), []byte("%PDF-1.7"), "", ""); !errors.Is(err, ErrBroken) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const htmlHead = `<!doctype html><html lang="ja"><head><meta charset="CHARSET"><title>個人情報の漏えいに関するお詫びとお知らせ｜青葉文具</title><link rel="alternate" type="application/rss+xml" href="/news.rss"></head><body>
<nav><ul><li><a href="/">ホーム</a></li><li><a href="/shop">商品</a></li><li><a href="/company">会社情報</a></li></ul></nav><main><h1>個人情報の漏えいに関するお詫びとお知らせ</h1>`

func page4(body, charset string) string {
	return strings.Replace(htmlHead, "CHARSET", charset, 1) + body + `</main><footer><a href="/privacy">プライバシーポリシー</a> Aoba</footer></body></html>`
}

func paragraphs() string {
	return "<p>" + strings.ReplaceAll(notice, "\n\n", "</p><p>") + "</p><table><tr><th>件数</th><td>1,234件</td></tr></table>"
}

func TestPages(t *testing.T) {
	r := &Reader{}
	encoded := func(e encoding.Encoding, s string) []byte {
		out, err := e.NewEncoder().Bytes([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, c := range map[string]struct {
		data  []byte
		media string
	}{
		"utf-8":                  {[]byte(page4(paragraphs(), "utf-8")), "text/html; charset=utf-8"},
		"utf-8, said otherwise":  {[]byte(page4(paragraphs(), "shift_jis")), "text/html; charset=shift_jis"},
		"shift_jis":              {encoded(japanese.ShiftJIS, page4(paragraphs(), "shift_jis")), "text/html"},
		"shift_jis, unsaid":      {encoded(japanese.ShiftJIS, strings.Replace(page4(paragraphs(), ""), `<meta charset="">`, "", 1)), "text/html"},
		"shift_jis, said utf-8":  {encoded(japanese.ShiftJIS, page4(paragraphs(), "utf-8")), "text/html; charset=UTF-8"},
		"euc-jp":                 {encoded(japanese.EUCJP, page4(paragraphs(), "euc-jp")), "text/html"},
		"euc-jp, by its server":  {encoded(japanese.EUCJP, page4(paragraphs(), "")), "text/html; charset=EUC-JP"},
		"iso-2022-jp":            {encoded(japanese.ISO2022JP, page4(paragraphs(), "iso-2022-jp")), "text/html"},
		"called something else":  {[]byte(page4(paragraphs(), "utf-8")), "application/octet-stream"},
		"a text":                 {[]byte(notice), "text/plain"},
		"a text in shift_jis":    {encoded(japanese.ShiftJIS, notice), "application/octet-stream"},
		"with a mark":            {append([]byte("\xef\xbb\xbf"), page4(paragraphs(), "utf-8")...), "text/html"},
		"broken lines in source": {[]byte(page4("<p>"+strings.ReplaceAll(strings.ReplaceAll(notice, "\n\n", "</p><p>"), "が漏えいした可能性", "が\n    漏えいした可能性")+"</p>", "utf-8")), "text/html"},
	} {
		doc, err := r.Read(t.Context(), c.data, c.media, "https://aoba.example/news/1.html")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range []string{"お詫びとお知らせ", "青葉文具株式会社", "個人情報1,234件が漏えいした可能性", "2026年3月30日", "氏名、住所"} {
			if !strings.Contains(doc.Text, want) {
				t.Errorf("%s: %q is not read:\n%s", name, want, doc.Text)
			}
		}
		if doc.Form == HTML {
			if strings.Contains(doc.Text, "商品") || strings.Contains(doc.Text, "プライバシーポリシー") {
				t.Errorf("%s: the menu is read as text:\n%s", name, doc.Text)
			}
			if len(doc.Links) != 4 || doc.Links[1].URL != "https://aoba.example/shop" || len(doc.Feeds) != 1 || !strings.HasPrefix(doc.Title, "個人情報の漏えい") {
				t.Errorf("%s: links %v, feeds %v, title %q", name, doc.Links, doc.Feeds, doc.Title)
			}
		}
	}
}

// TestShort: a notice of two lines in a page with a long menu, and one that is a table, are read.
func TestShort(t *testing.T) {
	menu := "<ul>" + strings.Repeat("<li><a href=/x>商品のご案内</a></li>", 80) + "</ul>"
	for _, body := range []string{menu + "<div>当社の顧客情報2件を誤って送信しました。お詫びします。</div>", menu + "<table><tr><td>2026年4月1日</td><td>当社の顧客情報2件を誤って送信しました。お詫びします。</td></tr></table>"} {
		doc, err := (&Reader{}).Read(t.Context(), []byte("<html><title>お知らせ</title><body>"+body), "text/html", "https://a.example/")
		if err != nil || !strings.Contains(doc.Text, "顧客情報2件を誤って送信") {
			t.Errorf("%v: %+v", err, doc)
		}
	}
}

func TestHostilePages(t *testing.T) {
	r := &Reader{}
	for name, c := range map[string]struct {
		src  string
		want error
	}{
		"nested":     {"<html>" + strings.Repeat("<div>", 100_000), ErrTooLarge},
		"elements":   {"<html>" + strings.Repeat("<b></b>", 200_000), ErrTooLarge},
		"large":      {"<html>" + strings.Repeat("a", MaxPage), ErrTooLarge},
		"one line":   {"<html><p>" + strings.Repeat("あ", 1<<20), nil},
		"attributes": {"<html><p " + strings.Repeat(`a="b" `, 10_000) + ">x</p>", nil},
		"unclosed":   {"<html><!--" + strings.Repeat("-", 100_000), nil},
	} {
		doc, err := r.Read(t.Context(), []byte(c.src), "text/html", "https://a.example/")
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && len(doc.Text) > maxText {
			t.Errorf("%s: %d bytes of text", name, len(doc.Text))
		}
	}
	for _, data := range []string{"", "\x00\x01\x02\x03", "PK\x03\x04", "\xff\xd8\xff\xe0"} {
		if _, err := r.Read(t.Context(), []byte(data), "", ""); !errors.Is(err, ErrForm) {
			t.Errorf("%q: %v", data, err)
		}
	}
}

func TestMail(t *testing.T) {
	jis, err := japanese.ISO2022JP.NewEncoder().String("当社より個人情報12件が漏えいしました。お詫び申し上げます。\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]string{
		"iso-2022-jp": "From: info@aoba.example\r\nDate: Fri, 03 Apr 2026 10:00:00 +0900\r\nSubject: =?ISO-2022-JP?B?GyRCJCpPTSRTGyhC?=\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + jis,
		"multipart":   "From: info@aoba.example\r\nDate: Fri, 03 Apr 2026 10:00:00 +0900\r\nSubject: =?UTF-8?B?44GK6Kmr44Gz?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n5b2T56S+44KI44KK5YCL5Lq65oOF5aCxMTLku7bjgYzmvI/jgYjjgYTjgZfjgb7jgZfjgZ/jgII=\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>other</p>\r\n--b--\r\n",
		"html only":   "From: info@aoba.example\r\nDate: Fri, 03 Apr 2026 10:00:00 +0900\r\nSubject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>当社より個人情報12件が漏えいしました。</p>",
	} {
		doc, err := (&Reader{}).Read(t.Context(), []byte(src), "", "x.eml")
		if err != nil || doc.Form != Mail || !strings.Contains(doc.Text, "個人情報12件が漏えい") || !strings.Contains(doc.Text, "2026-04-03") {
			t.Errorf("%s: %v\n%+v", name, err, doc)
		}
	}
	if doc, err := (&Reader{}).Read(t.Context(), []byte("From: a@b.example\n\nx"), "", ""); err != nil || doc.Form != Mail {
		t.Errorf("a mail by its first line: %+v, %v", doc, err)
	}
}

func TestPlain(t *testing.T) {
	for given, want := range map[string]string{"⽇本⻑⼈": "日本長人", "ﬁle": "file", "１２３": "１２３", "a\u200bb\u00adc": "abc", "あ\u00a0い": "あ い", "\ufeffx": "x", "a\x00b": "ab", "塚": "塚"} {
		if got := Plain(given); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(page4(paragraphs(), "utf-8")), "text/html")
	f.Add([]byte("From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--"), "message/rfc822")
	f.Add([]byte("\x83\x65\x83\x58\x83\x67"), "")
	r := &Reader{}
	f.Fuzz(func(t *testing.T, data []byte, media string) {
		doc, err := r.Read(t.Context(), data, media, "https://a.example/x")
		if err == nil && (len(doc.Text) > maxText || strings.ContainsRune(doc.Text, 0)) {
			t.Errorf("%d bytes of text", len(doc.Text))
		}
	})
}

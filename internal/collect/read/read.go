// Package read makes text of what organisations publish their notices as: pages, PDFs, mails and plain texts, in the encodings that
// they come in. It keeps lines and paragraphs, since what a number means may stand in the line above it, and it says of a document
// without text that it has none, instead of giving an empty one.
//
// Nothing here trusts its bytes. Pages and mails are read in this process, by parsers in a language that keeps to its memory; a PDF is
// read in a child process that has limits, by a library that runs in a sandbox in it (pdf.go).
package read

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Errors of this package.
var (
	// ErrForm reports bytes that are none of the forms that are read.
	ErrForm = errors.New("neither a page, nor a PDF, a mail or a text")
	// ErrTooLarge reports a document that is longer than is read.
	ErrTooLarge = errors.New("the document is too large")
	// ErrLocked reports a PDF that wants a password.
	ErrLocked = errors.New("the PDF wants a password")
	// ErrBroken reports a document that cannot be read to its end.
	ErrBroken = errors.New("the document cannot be read")
)

// Bounds, in bytes.
const (
	MaxPage = 8 << 20
	MaxMail = 16 << 20
	MaxPDF  = 20 << 20
	maxText = 1 << 20 // that comes of it
)

// Forms of documents.
const (
	HTML = "html"
	PDF  = "pdf"
	Mail = "mail"
	Text = "text"
)

// A Document is what was read.
type Document struct {
	Form    string
	Title   string // what it calls itself; "" where it does not
	Text    string // lines, with empty ones between paragraphs
	Pages   int    // of a PDF
	Scanned bool   // it is pictures of pages: what it says has to be typed
	Cut     bool   // it is longer than was read
	Links   []Link // of a page
	Feeds   []string
}

// A Link leads from a page to another.
type Link struct{ URL, Text string }

// Reader reads documents.
type Reader struct {
	// PDF gives the text of the pages of a PDF; nil reads none. See Child.
	PDF func(ctx context.Context, data []byte) (*Pages, error)
}

// Read reads a document. media is what its server calls it, at the address that it has, both as hints only.
func (r *Reader) Read(ctx context.Context, data []byte, media, at string) (*Document, error) {
	form, label := formOf(data, media, at)
	var doc *Document
	var err error
	switch form {
	case PDF:
		if len(data) > MaxPDF {
			return nil, fmt.Errorf("%w: more than %d MiB", ErrTooLarge, MaxPDF>>20)
		}
		doc, err = r.pdf(ctx, data)
	case HTML:
		if len(data) > MaxPage {
			return nil, fmt.Errorf("%w: more than %d MiB", ErrTooLarge, MaxPage>>20)
		}
		doc, err = page(data, label, at)
	case Mail:
		if len(data) > MaxMail {
			return nil, fmt.Errorf("%w: more than %d MiB", ErrTooLarge, MaxMail>>20)
		}
		doc, err = mailOf(data)
	case Text:
		if len(data) > MaxPage {
			return nil, fmt.Errorf("%w: more than %d MiB", ErrTooLarge, MaxPage>>20)
		}
		doc = &Document{Text: decode(data, label)}
	default:
		return nil, ErrForm
	}
	if err != nil {
		return nil, err
	}
	doc.Form = form
	doc.Title = oneLine(Plain(doc.Title))
	if doc.Text = tidy(Plain(doc.Text)); len(doc.Text) > maxText {
		doc.Text, doc.Cut = cut(doc.Text, maxText), true
	}
	return doc, nil
}

// formOf finds out what bytes are: by themselves first, since servers are often wrong about it.
func formOf(data []byte, media, at string) (form, label string) {
	kind, params, _ := mime.ParseMediaType(media)
	label = params["charset"]
	head := data[:min(len(data), 1024)]
	switch {
	case bytes.Contains(head, []byte("%PDF-")):
		return PDF, ""
	case kind == "message/rfc822" || strings.EqualFold(path.Ext(pathOf(at)), ".eml"):
		return Mail, ""
	case kind == "text/plain":
		return Text, label
	case kind == "text/html" || kind == "application/xhtml+xml":
		return HTML, label
	}
	if len(bytes.TrimSpace(head)) == 0 {
		return "", ""
	}
	sniffed, _, _ := strings.Cut(http.DetectContentType(data), ";")
	switch sniffed {
	case "text/html", "text/xml":
		return HTML, label
	case "text/plain":
		if mailHead(data) {
			return Mail, ""
		}
		return Text, label
	}
	if decoded := decode(head, label); sniffed == "application/octet-stream" && !strings.ContainsRune(decoded, utf8.RuneError) && !bytes.Contains(head, []byte{0}) {
		return Text, label // Shift_JIS without a tag passes for bytes
	}
	return "", ""
}

func pathOf(at string) string {
	if i := strings.IndexAny(at, "?#"); i >= 0 {
		at = at[:i]
	}
	return at
}

// mailHead reports whether a text begins as a mail does.
func mailHead(data []byte) bool {
	line, _, _ := strings.Cut(string(data[:min(len(data), 400)]), "\n")
	name, _, ok := strings.Cut(line, ":")
	switch strings.ToLower(name) {
	case "return-path", "received", "delivered-to", "from", "date", "message-id", "mime-version":
		return ok
	}
	return false
}

// Plain gives letters the form that they are searched and read in. Fonts of PDFs name their ideographs by what they look like: ⽇ is a
// radical (U+2F47, Kangxi) and 日 the word. Presentation forms of Latin and Arabic letters are such too. What is wide stays wide: it
// may be meant. Invisible characters go, since a name with one in it is not found.
func Plain(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, c := range s {
		switch {
		case c >= 0x2E80 && c <= 0x2FDF, c >= 0xF900 && c <= 0xFAD9, c >= 0xFB00 && c <= 0xFB06:
			if base, ok := supplement[c]; ok {
				b.WriteRune(base)
				continue
			}
			b.WriteString(norm.NFKC.String(string(c)))
		case c == 0x00AD || c >= 0x200B && c <= 0x200F || c >= 0x202A && c <= 0x202E || c >= 0x2060 && c <= 0x2064 || c >= 0x2066 && c <= 0x2069 || c == 0xFEFF || c >= 0xFE00 && c <= 0xFE0F:
		case c == '\r':
			b.WriteByte('\n')
		case c == 0x00A0 || c == 0x2028 || c == 0x2029 || c == '\f' || c == '\v':
			b.WriteByte(' ')
		case c != '\n' && c != '\t' && unicode.IsControl(c), c >= 0xE000 && c <= 0xF8FF:
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// supplement are radicals that NFKC leaves alone (CJK Radicals Supplement), and what they are read as in Japanese.
var supplement = map[rune]rune{'⺠': '民', '⻑': '長', '⻄': '西', '⻘': '青', '⻁': '虎', '⻆': '角', '⻝': '食', '⻩': '黄', '⻫': '斉', '⻭': '歯', '⻯': '竜', '⻲': '亀',
	'⺟': '母', '⻤': '鬼', '⻨': '麦', '⻖': '阜', '⻌': '辶', '⻍': '辶', '⺼': '肉', '⺾': '艹', '⻣': '骨', '⻱': '亀', '⻰': '竜', '⻢': '馬', '⻙': '韋', '⻚': '頁', '⻛': '風',
	'⺩': '王', '⺫': '目', '⺬': '示', '⺭': '示', '⺮': '竹', '⺷': '羊', '⺹': '老', '⻂': '衣', '⻊': '足', '⻏': '邑', '⻐': '金', '⻞': '食', '⻟': '食'}

// tidy keeps lines, with at most one empty one between two, and no spaces at their ends.
func tidy(s string) string {
	var b strings.Builder
	empty := 0
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimRight(strings.ReplaceAll(line, "\t", " "), " 　")
		if strings.TrimSpace(line) == "" {
			empty++
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
			if empty > 0 {
				b.WriteByte('\n')
			}
		}
		empty = 0
		b.WriteString(line)
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

func oneLine(s string) string { return cut(strings.Join(strings.Fields(s), " "), 600) }

// cut gives the beginning of s, in whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

package extract

import (
	"html"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// text is what the rules read, with a map to the bytes it was made from.
type text struct {
	s        string
	from, to []int32 // of each byte of s: where the character it stands for begins and ends in the given text
}

// span gives the bytes of the given text from which s[from:to] was made.
func (t *text) span(from, to int) (int, int) {
	if from >= to {
		return 0, 0
	}
	return int(t.from[from]), int(t.to[to-1])
}

// textBuilder makes the next step's text from another.
type textBuilder struct {
	s        []byte
	from, to []int32
}

func (b *textBuilder) add(piece string, from, to int32) {
	for i := range len(piece) {
		b.s = append(b.s, piece[i])
		b.from = append(b.from, from)
		b.to = append(b.to, to)
	}
}

func (b *textBuilder) last() byte {
	if len(b.s) == 0 {
		return '\n'
	}
	return b.s[len(b.s)-1]
}

func (b *textBuilder) text() *text { return &text{string(b.s), b.from, b.to} }

// newText takes the given bytes as they are.
func newText(given string) *text {
	t := &text{s: given, from: make([]int32, len(given)), to: make([]int32, len(given))}
	for i := 0; i < len(given); {
		_, size := utf8.DecodeRuneInString(given[i:])
		for j := i; j < i+size; j++ {
			t.from[j], t.to[j] = int32(i), int32(i+size)
		}
		i += size
	}
	return t
}

// normalise brings the forms that one character has in notices together: NFKC, which turns full-width digits, half-width
// katakana, squared words and the Kangxi radicals that texts from PDFs carry into what is meant; one kind of space; one
// kind of line end; one kind of comma and of full stop between Japanese words; no marks that cannot be seen. Enclosed and raised figures stay as they are: NFKC would make
// ①1,000 eleven thousand, and 1,000² ten thousand and two.
func normalise(in *text) *text {
	b := &textBuilder{}
	for start, end := 0, 0; start < len(in.s); start = end {
		end = start + norm.NFKC.NextBoundaryInString(in.s[start:], true)
		if end <= start {
			end = len(in.s)
		}
		raw := in.s[start:end]
		first, size := utf8.DecodeRuneInString(raw)
		from, to := in.from[start], in.to[end-1]
		switch {
		case first == '\r':
			if end >= len(in.s) || in.s[end] != '\n' {
				b.add("\n", from, to)
			}
		case first == '\n' || first == 0x85 || first == 0x2028 || first == 0x2029 || first == '\f' || first == '\v':
			b.add("\n", from, to)
		case first == '\t' || unicode.Is(unicode.Zs, first) && size == len(raw):
			b.add(" ", from, to)
		case hidden(first) && size == len(raw):
		case figure(first) && size == len(raw):
			b.add(raw, from, to)
		default:
			for _, c := range norm.NFKC.String(raw) {
				if !hidden(c) {
					b.add(string(stop(c, b.s, in.s[end:])), from, to)
				}
			}
		}
	}
	return b.text()
}

// stop gives the Japanese comma and full stop for those of science and of offices, "，" and "．", where they stand behind a
// Japanese character.
func stop(c rune, before []byte, after string) rune {
	if c != ',' && c != '.' {
		return c
	}
	if last, _ := utf8.DecodeLastRune(before); last < 0x3040 || last > 0x9FFF {
		return c
	}
	next, size := utf8.DecodeRuneInString(after)
	switch {
	case c == ',':
		return '、'
	case size == 0 || next == '\n' || next == '\r' || next == ' ' || next >= 0x3000:
		return '。'
	}
	return c
}

// hidden reports characters that a reader does not see and a facts file does not take.
func hidden(c rune) bool {
	return c != '\n' && unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == utf8.RuneError || c == 0x034F
}

// figure reports the enclosed, raised and lowered figures and the fractions.
func figure(c rune) bool {
	switch {
	case c >= 0x2460 && c <= 0x24FF, c >= 0x2776 && c <= 0x2793, c >= 0x3251 && c <= 0x325F, c >= 0x32B1 && c <= 0x32BF:
		return true
	case c >= 0x2070 && c <= 0x208E, c == 0xB2, c == 0xB3, c == 0xB9, c >= 0xBC && c <= 0xBE, c >= 0x2150 && c <= 0x215E:
		return true
	}
	return false
}

// blockTags end a line when HTML is turned into text.
var blockTags = []string{"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "dl", "dt", "dd",
	"section", "article", "header", "footer", "title", "hr", "blockquote", "body", "nav", "main", "form", "option"}

// looksHTML reports whether s was copied as a page's source.
func looksHTML(s string) bool {
	n := 0
	for _, tag := range []string{"</p>", "<br", "</div>", "</html>", "</li>", "</td>", "</a>", "</span>", "</h1>", "</h2>"} {
		if strings.Contains(s, tag) {
			n++
		}
	}
	return n >= 2 || strings.Contains(s, "<!DOCTYPE html") || strings.Contains(s, "<!doctype html")
}

// flatten takes the text out of HTML. It is not a parser of pages: it drops tags, comments, scripts and styles, ends
// lines where blocks end, and reads character references.
func flatten(in *text) *text {
	b := &textBuilder{}
	f := &flattener{in: in, lower: lowerASCII(in.s)}
	for i := 0; i < len(in.s); {
		if c := in.s[i]; c == '<' {
			if next, tag, ok := f.tag(i); ok {
				switch {
				case slices.Contains(blockTags, tag):
					b.add("\n", in.from[i], in.to[next-1])
				case tag == "td" || tag == "th":
					b.add(" ", in.from[i], in.to[next-1])
				}
				i = next
				continue
			}
		} else if c == '&' {
			if end := strings.IndexByte(in.s[i:min(len(in.s), i+12)], ';'); end > 1 {
				if r := html.UnescapeString(in.s[i : i+end+1]); r != in.s[i:i+end+1] && r != "\r" {
					b.add(r, in.from[i], in.to[i+end])
					i += end + 1
					continue
				}
			}
		} else if c == '\n' || c == '\r' || c == '\t' {
			if last := b.last(); last > ' ' && last < 0x80 {
				b.add(" ", in.from[i], in.to[i])
			}
			i++
			continue
		}
		b.add(in.s[i:i+1], in.from[i], in.to[i])
		i++
	}
	return b.text()
}

// flattener remembers which ends are not to be found any more, so that a text of opening marks is still read once.
type flattener struct {
	in              *text
	lower           string
	noTag, noMarkup bool
}

// tag reads the tag, comment, script or style at i, and gives where it ends and its name.
func (f *flattener) tag(i int) (next int, name string, ok bool) {
	rest := f.lower[i+1:]
	if strings.HasPrefix(rest, "!--") {
		if f.noMarkup {
			return 0, "", false
		}
		end := strings.Index(rest, "-->")
		if f.noMarkup = end < 0; f.noMarkup {
			return 0, "", false
		}
		return i + 1 + end + 3, "", true
	}
	if rest == "" || f.noTag || !(rest[0] == '/' || rest[0] == '!' || rest[0] >= 'a' && rest[0] <= 'z') {
		return 0, "", false
	}
	end := strings.IndexByte(rest, '>')
	if f.noTag = end < 0; f.noTag {
		return 0, "", false
	}
	name = strings.TrimPrefix(rest[:end], "/")
	if n := strings.IndexFunc(name, func(c rune) bool { return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9') }); n >= 0 {
		name = name[:n]
	}
	next = i + 1 + end + 1
	if (name == "script" || name == "style") && rest[0] != '/' {
		if stop := strings.Index(f.lower[next:], "</"+name); stop >= 0 {
			return next + stop, "", true
		}
		return len(f.lower), "", true
	}
	return next, name, true
}

// lowerASCII lowers A to Z and leaves every byte in its place.
func lowerASCII(s string) string {
	out := []byte(s)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}

// cells is the width of s on paper: Japanese characters take two.
func cells(s string) int {
	n := 0
	for _, c := range s {
		if n++; c >= 0x2E80 {
			n++
		}
	}
	return n
}

// The width of a page on which lines were broken by hand or by a PDF.
const (
	narrowLine = 44
	wideLine   = 124
)

// unwrap joins lines that a PDF or a mail program broke in the middle of a sentence. A text with lines wider than a page
// was not broken, and stays as it is, but for what small letters tell in English.
func unwrap(in *text, japanese bool) *text {
	lines := strings.Split(in.s, "\n")
	widest := 0
	for _, l := range lines {
		if w := cells(strings.TrimSpace(l)); !strings.Contains(l, "://") {
			widest = max(widest, w)
		}
	}
	wide := widest > wideLine
	if wide && japanese || widest < narrowLine {
		return in
	}
	b := &textBuilder{}
	at := 0
	for i, l := range lines {
		for j := range len(l) {
			b.add(l[j:j+1], in.from[at+j], in.to[at+j])
		}
		at += len(l)
		if i+1 == len(lines) {
			break
		}
		if next := strings.TrimSpace(lines[i+1]); wide && !brokenEN(strings.TrimSpace(l), next) || !wide && !broken(strings.TrimSpace(l), next, widest) {
			b.add("\n", in.from[at], in.to[at])
		} else if !japanese {
			b.add(" ", in.from[at], in.to[at])
		} else {
			for len(b.s) > 0 && b.last() == ' ' {
				b.s, b.from, b.to = b.s[:len(b.s)-1], b.from[:len(b.from)-1], b.to[:len(b.to)-1]
			}
		}
		at++
	}
	return b.text()
}

// brokenEN reports whether an English line goes on in next where some lines of the text are wider than a page: a part
// that was copied from elsewhere keeps its broken lines. A sentence goes on where a small letter does.
func brokenEN(line, next string) bool {
	if cells(line) < narrowLine || next == "" || marked(next) || next[0] < 'a' || next[0] > 'z' {
		return false
	}
	return !strings.ContainsAny(line[len(line)-1:], ".!?:;")
}

// broken reports whether line goes on in next.
func broken(line, next string, widest int) bool {
	if line == "" || next == "" || marked(next) || titled(line) {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(line)
	if strings.ContainsRune("。.!?:;】]>", last) {
		return false
	}
	w := cells(line)
	return w >= widest-14 || last == '、' && w >= narrowLine-8
}

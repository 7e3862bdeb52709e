package incident

import (
	"fmt"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"shirase/internal/language"
)

// Text writes Markdown as a text that reads well as it is: a mail's, or what is read out on the telephone. Raw HTML is dropped, as it is from pages.
func Text(md string, l language.Lang) string {
	src := []byte(md)
	doc := goldmark.DefaultParser().Parse(text.NewReader(src))
	var b strings.Builder
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		plainBlock(&b, n, src, l, "")
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func plainBlock(b *strings.Builder, n ast.Node, src []byte, l language.Lang, indent string) {
	switch n := n.(type) {
	case *ast.Heading:
		line := plainInline(n, src)
		if l == language.JA {
			b.WriteString(indent + "■ " + line + "\n")
			return
		}
		b.WriteString(indent + line + "\n" + indent + strings.Repeat("-", min(len(line), 70)) + "\n")
	case *ast.List:
		i := n.Start
		for item := n.FirstChild(); item != nil; item = item.NextSibling() {
			mark := l.Pick("・", "- ")
			if n.IsOrdered() {
				mark = fmt.Sprintf("%d. ", i)
				i++
			}
			var inner strings.Builder
			for c := item.FirstChild(); c != nil; c = c.NextSibling() {
				plainBlock(&inner, c, src, l, indent+l.Pick("　", "  "))
			}
			b.WriteString(indent + mark + strings.TrimLeft(inner.String(), " 　"))
		}
	case *ast.Blockquote:
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			plainBlock(b, c, src, l, indent+"> ")
		}
	case *ast.ThematicBreak:
		b.WriteString(indent + "----\n")
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		for i := range n.Lines().Len() {
			s := n.Lines().At(i)
			b.WriteString(indent + "  " + string(s.Value(src)))
		}
	case *ast.HTMLBlock: // it is dropped from the page too
	default:
		b.WriteString(indent + strings.ReplaceAll(plainInline(n, src), "\n", "\n"+indent) + "\n")
	}
}

func plainInline(n ast.Node, src []byte) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			b.Write(unescape(c.Value(src)))
			if c.HardLineBreak() || c.SoftLineBreak() {
				b.WriteByte('\n')
			}
		case *ast.String:
			b.Write(c.Value)
		case *ast.AutoLink:
			b.Write(c.URL(src))
		case *ast.Link:
			label, to := plainInline(c, src), string(c.Destination)
			if b.WriteString(label); label != to {
				b.WriteString(" (" + to + ")")
			}
		case *ast.RawHTML:
		default:
			b.WriteString(plainInline(c, src))
		}
	}
	return b.String()
}

// unescape takes the backslash from escaped punctuation (CommonMark 0.31, section 2.4).
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) && strings.IndexByte("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", b[i+1]) >= 0 {
			i++
		}
		out = append(out, b[i])
	}
	return out
}

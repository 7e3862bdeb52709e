package site

import (
	"html/template"
	"strings"
	"unicode"
)

// A difference between two texts for people to read: first line by line, then, where lines were replaced, word by
// word. What is not there any more and what is new have marks of their own beside the colour.

// maxCells bounds the table of a comparison; beyond it, all of the one is replaced by all of the other.
const maxCells = 1 << 20

// edit is a run of tokens that both texts have (0), only the first (-1) or only the second (+1).
type edit struct {
	op   int
	text string
}

// compare returns the edits that turn a into b: a longest common subsequence (Wagner and Fischer 1974), after what both
// begin and end with.
func compare(a, b []string) []edit {
	var head, tail []string
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head = append(head, a[0])
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append([]string{a[len(a)-1]}, tail...)
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	var out []edit
	add := func(op int, tokens ...string) {
		for _, t := range tokens {
			if n := len(out); n > 0 && out[n-1].op == op {
				out[n-1].text += t
			} else {
				out = append(out, edit{op, t})
			}
		}
	}
	add(0, head...)
	if (len(a)+1)*(len(b)+1) > maxCells {
		add(-1, a...)
		add(1, b...)
		add(0, tail...)
		return out
	}
	width := len(b) + 1
	common := make([]int32, (len(a)+1)*width) // of a[i:] and b[j:]
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			} else {
				common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			add(0, a[i])
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[(i+1)*width+j] >= common[i*width+j+1]):
			add(-1, a[i])
			i++
		default:
			add(1, b[j])
			j++
		}
	}
	add(0, tail...)
	return out
}

// lines splits a text, each line with its end.
func lines(text string) []string {
	return strings.SplitAfter(strings.TrimRight(text, "\n")+"\n", "\n")
}

// words splits a line: Japanese changes script where words meet, English has spaces, and figures stay whole.
func words(line string) []string {
	var out []string
	last := 0
	for _, c := range line {
		kind := writing(c)
		if kind != 0 && kind == last {
			out[len(out)-1] += string(c)
			continue
		}
		out = append(out, string(c))
		last = kind
	}
	return out
}

// writing tells which characters make a word together; 0 stands alone.
func writing(c rune) int {
	switch {
	case strings.ContainsRune("万億兆", c): // belongs to the figure before it and to none after
		return 0
	case unicode.IsDigit(c) || c == ',' || c == '.':
		return 1
	case unicode.Is(unicode.Han, c) || c == '々':
		return 2
	case unicode.Is(unicode.Hiragana, c):
		return 3
	case unicode.Is(unicode.Katakana, c) || c == 'ー':
		return 4
	case unicode.IsLetter(c):
		return 5
	}
	return 0
}

// diffHTML writes the difference of two texts. labels are what a screen reader says of a removal and of an addition.
func diffHTML(a, b string, labels []string) template.HTML {
	var out strings.Builder
	edits := compare(lines(a), lines(b))
	for n := 0; n < len(edits); n++ {
		e := edits[n]
		if e.op == -1 && n+1 < len(edits) && edits[n+1].op == 1 {
			for _, w := range compare(words(e.text), words(edits[n+1].text)) {
				writeEdit(&out, w, labels)
			}
			n++
			continue
		}
		writeEdit(&out, e, labels)
	}
	return template.HTML(out.String())
}

// writeEdit writes one run.
func writeEdit(out *strings.Builder, e edit, labels []string) {
	text := template.HTMLEscapeString(e.text)
	end := ""
	if e.op != 0 && strings.Trim(text, "\n") != "" { // the marks stand on the lines of what they mark
		trimmed := strings.TrimLeft(text, "\n")
		out.WriteString(text[:len(text)-len(trimmed)])
		text = strings.TrimRight(trimmed, "\n")
		end = trimmed[len(text):]
	}
	switch e.op {
	case -1:
		out.WriteString(`<del><span class="visually-hidden">` + labels[0] + `</span><span aria-hidden="true">[−</span>` + text + `<span aria-hidden="true">−]</span></del>` + end)
	case 1:
		out.WriteString(`<ins><span class="visually-hidden">` + labels[1] + `</span><span aria-hidden="true">[+</span>` + text + `<span aria-hidden="true">+]</span></ins>` + end)
	default:
		out.WriteString(text)
	}
}

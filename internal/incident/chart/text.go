package chart

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sizes of type, in the drawing's units, which are pixels at full size. internal/page/assets/style.css gives the same to the same classes.
var sizes = map[string]float64{
	"label": 13, "label key": 13, "label slipped": 13, "when": 13, "lane": 12, "tick": 11.5, "note": 11.5, "big": 20, "head": 13.5, "mark-label": 13,
}

func sizeOf(class string) float64 {
	if size, ok := sizes[class]; ok {
		return size
	}
	return 13
}

// lineHeight is the distance of two lines of one label.
const lineHeight = 17

// longest is how many characters of a text a label looks at: what is longer is in the table.
const longest = 200

// clean takes out what a drawing cannot show or what would turn its text around: control characters, and the
// characters that override the direction of writing (Unicode TR 9, 2.1 to 2.4). Line ends become spaces.
func clean(s string) string {
	if len(s) > 16*longest { // of a text of megabytes, nothing beyond this is ever looked at
		s = s[:16*longest]
		for len(s) > 0 && !utf8.ValidString(s[len(s)-1:]) && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == utf8.RuneError, unicode.IsControl(r), r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r == 0x200E, r == 0x200F,
			r == 0x061C, r == 0xFEFF, r == 0xFFFE, r == 0xFFFF:
			return -1
		}
		return r
	}, s)
}

// width estimates how wide s is in type of size. Fonts differ from one machine to the next, so it is estimated on the
// side of too wide: a label that has room to spare does no harm.
func width(s string, size float64) float64 {
	w := 0.0
	for _, r := range s {
		w += advance(r)
	}
	return w * size
}

// advance is the width of a character in units of its size, after the widest fonts in common use (DejaVu Sans,
// Verdana); an ideograph is a square.
func advance(r rune) float64 {
	switch {
	case r >= 0x1100:
		return 1
	case strings.ContainsRune("iljI.,:;'|!()[] ", r):
		return .4
	case r == 'm' || r == 'M' || r == 'W' || r == 'w' || r == '%' || r == '@':
		return .95
	case r >= 'A' && r <= 'Z':
		return .72
	case r < 0x250:
		return .62
	}
	return .9
}

// fold breaks s into at most lines lines that are no wider than w; what does not fit ends in an ellipsis.
func fold(s string, w, size float64, lines int) []string {
	s = clean(s)
	if utf8.RuneCountInString(s) > longest {
		s = string([]rune(s)[:longest]) + "…"
	}
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return nil
	}
	out := wrap(s, w, size)
	if len(out) > lines {
		last := []rune(out[lines-1])
		for len(last) > 0 && width(string(last), size)+size > w {
			last = last[:len(last)-1]
		}
		return append(out[:lines-1], strings.TrimRight(string(last), " 、。,")+"…")
	}
	for narrower := w - size; narrower > w/2; narrower -= size { // as many lines, but even ones
		tried := wrap(s, narrower, size)
		if len(tried) > len(out) {
			break
		}
		out = tried
	}
	return out
}

// wrap breaks s into lines of at most w. A word that is wider than a line is broken where the line ends.
func wrap(s string, w, size float64) []string {
	var lines []string
	var current strings.Builder
	used := 0.0
	flush := func() {
		if line := strings.TrimSpace(current.String()); line != "" {
			lines = append(lines, line)
		}
		current.Reset()
		used = 0
	}
	for _, part := range pieces(s) {
		need := width(strings.TrimRight(part, " "), size)
		if used > 0 && used+need > w {
			flush()
		}
		if need > w {
			for _, r := range part {
				if used > 0 && used+advance(r)*size > w {
					flush()
				}
				current.WriteRune(r)
				used += advance(r) * size
			}
			continue
		}
		current.WriteString(part)
		used += width(part, size)
	}
	flush()
	return lines
}

// pieces splits text where a line may break: after a space, and before an ideograph or kana, except before what must
// not begin a line and after what must not end one (JIS X 4051).
func pieces(text string) []string {
	var out []string
	var current strings.Builder
	var before rune
	for _, c := range text {
		breaks := (c >= 0x2E80 || before >= 0x2E80) && !strings.ContainsRune("（「『【〈《(", before) && !(katakana(before) && katakana(c)) && !(digit(before) && c >= 0x2E80)
		if breaks && !strings.ContainsRune("、。，．）」』】〉》！？ーっゃゅょッャュョぁぃぅぇぉァィゥェォ々〜…:;,.!?)", c) && current.Len() > 0 {
			out = append(out, current.String())
			current.Reset()
		}
		current.WriteRune(c)
		if c == ' ' {
			out = append(out, current.String())
			current.Reset()
		}
		before = c
	}
	return append(out, current.String())
}

// katakana writes words that are not to be broken; a number stays with its counter.
func katakana(r rune) bool { return r >= 0x30A1 && r <= 0x30FC }
func digit(r rune) bool    { return r >= '0' && r <= '9' }

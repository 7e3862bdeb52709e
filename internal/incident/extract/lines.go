package extract

import (
	"strings"
	"unicode/utf8"
)

// section is what a part of a notice is about, as its heading says.
type section int

const (
	secNone       section = iota
	secStory              // what happened, in the order of time
	secScope              // whom it concerns, and how many
	secItems              // which data
	secCause              //
	secResponse           // what was done and will be done
	secDamage             // what has followed
	secPrevention         //
	secContact            //
	secSource             //
	secNot                // data that were not exposed, people not concerned
	secPast               // earlier cases, references, glossaries: nothing of this incident
)

// line is one line of the text without the spaces at its ends.
type line struct {
	from, to int
	section  section
	heading  bool   // it is a heading itself
	under    string // the heading it stands under
	list     bool   // it follows a sentence that announces a list
}

// sentence is a part of a line up to its full stop.
type sentence struct {
	from, to int
	line     int
}

// maxSentence bounds what one rule looks at, in bytes, so that the whole stays linear in the text.
const maxSentence = 3000

var (
	markRE   = ruleBoth("markRE")
	titledRE = ruleBoth("titledRE")
	stepRE   = ruleBoth("stepRE")
)

// marked reports whether a line begins with a sign that it is one of its own: a bullet, a number, a date.
func marked(s string) bool { return markRE.MatchString(s) }

// titled reports whether a line ends as titles of notices do.
func titled(s string) bool { return titledRE.MatchString(s) }

// sectionWords are tried in order on a heading, so that 流出した可能性のある情報 is about data and 情報流出の経緯 about what
// happened.
var sectionWords = []struct {
	section section
	re      *rule
}{
	{secNot, ruleBoth("section-not")},
	{secPast, ruleBoth("section-past")},
	{secSource, ruleBoth("section-source")},
	{secContact, ruleBoth("section-contact")},
	{secPrevention, ruleBoth("section-prevention")},
	{secDamage, ruleBoth("section-damage")},
	{secCause, ruleBoth("section-cause")},
	{secItems, ruleBoth("section-items")},
	{secScope, ruleBoth("section-scope")},
	{secStory, ruleBoth("section-story")},
	{secResponse, ruleBoth("section-response")},
}

// sectionOf folds a heading.
func sectionOf(heading string) section {
	if m := spacedOut.FindStringSubmatch(heading); m != nil {
		heading = m[1] + m[2] + m[3] // 概 要, 原 因: two characters set as wide as four
	}
	for _, w := range sectionWords {
		if w.re.MatchString(heading) {
			return w.section
		}
	}
	return secNone
}

var spacedOut = ruleBoth("spacedOut")

var announceRE = ruleBoth("announceRE")

// lines cuts the text into lines and gives each its section.
func splitLines(s string) []line {
	var out []line
	at := 0
	current, under, list := secNone, "", false
	for _, raw := range strings.Split(s, "\n") {
		start := at
		at += len(raw) + 1
		trimmed := strings.TrimLeft(raw, " ")
		start += len(raw) - len(trimmed)
		trimmed = strings.TrimRight(trimmed, " ")
		if trimmed == "" {
			continue
		}
		l := line{from: start, to: start + len(trimmed)}
		shortest := 14
		if len(out) < 4 {
			shortest = 10 // nothing has been told yet that a part could be of
		}
		heads := len(out) < maxHead && titled(trimmed) && titleNoun.MatchString(trimmed) && utf8.RuneCountInString(trimmed) >= shortest
		if title, ok := headingOf(trimmed); ok && !heads {
			if sec := sectionOf(title); sec != secNone {
				current, under, l.heading = sec, title, true
				list = false
			} else if dateHead.MatchString(title) {
				// 【令和6年6月6日】 heads an entry of the part that it stands in
			} else if strings.HasPrefix(trimmed, "■") || strings.HasPrefix(trimmed, "【") || strings.HasPrefix(trimmed, "◆") {
				current, under, l.heading = secNone, title, true
				list = false
			}
		}
		if addedHead.MatchString(trimmed) {
			current, under = secNone, ""
		}
		l.section, l.under = current, under
		if wasWrong.MatchString(trimmed) || strings.Count(trimmed, " > ") > 1 { // or where on its site the page is
			l.section = secPast
		}
		if list && !l.heading && cells(trimmed) <= 160 {
			l.list = true
		} else {
			list = false
		}
		if announceRE.MatchString(lastBytes(trimmed, 200)) {
			list = true
		}
		out = append(out, l)
	}
	return out
}

// wasWrong begins what a correction takes back.
var wasWrong = ruleBoth("wasWrong")

// headingOf gives the words of a heading without its mark. A heading is short and does not end as a sentence does.
func headingOf(s string) (string, bool) {
	if utf8.RuneCountInString(s) > 60 {
		return "", false
	}
	mark := stepRE.FindString(s)
	title := strings.Trim(strings.ReplaceAll(s[len(mark):], "】", " "), "【】<>《》〈〉[]■◆●◇□▼▽: ")
	if head, _, ok := strings.Cut(title, "("); ok && mark != "" && utf8.RuneCountInString(head) >= 4 {
		title = strings.TrimSpace(head) // 対象となる情報 (合計 1,234 件)
	}
	if title == "" || strings.ContainsAny(title, "。") || strings.HasSuffix(title, ".") {
		return "", false
	}
	n := utf8.RuneCountInString(title)
	switch {
	case strings.HasPrefix(mark, "・") || strings.HasPrefix(mark, "○") || strings.HasPrefix(mark, "◯"):
		return title, n <= 16 && !strings.ContainsAny(title, "0123456789") && headWordRE.MatchString(title)
	case mark != "" && n <= 44:
		// "1. 氏名" is an item of a list, "1. 経緯" a heading: only the words can tell.
		return title, !strings.ContainsAny(title, ",、") || n <= 24
	case mark == "" && n <= 24 && headWordRE.MatchString(title):
		return title, true
	case mark == "" && englishHeadRE.MatchString(title):
		return title, true
	}
	return "", false
}

var (
	headWordRE    = ruleBoth("headWordRE")
	englishHeadRE = ruleBoth("englishHeadRE")
)

var dateHead = ruleBoth("dateHead")

// lastBytes gives at most n bytes of the end of s, from a whole character on.
func lastBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	i := len(s) - n
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return s[i:]
}

// firstBytes gives at most n bytes of the beginning of s, whole characters only.
func firstBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// splitSentences cuts lines at their full stops, not inside brackets. One longer than maxSentence is cut there.
func splitSentences(s string, lines []line, japanese bool) []sentence {
	var out []sentence
	for n, l := range lines {
		start, depth := l.from, 0
		for i := l.from; i < l.to; {
			c, size := utf8.DecodeRuneInString(s[i:l.to])
			i += size
			stop := false
			switch c {
			case '「', '『', '(':
				depth++
			case '」', '』', ')':
				depth = max(0, depth-1)
			case '※':
				if i-size > start {
					out = append(out, sentence{start, i - size, n})
					start = i - size
				}
			case '。', '!', '?':
				stop = depth == 0 || i-start > 800
			case '.':
				stop = !japanese && fullStop(s, start, i, l.to)
			}
			if stop || i-start >= maxSentence {
				out = append(out, sentence{start, i, n})
				start, depth = i, 0
				for start < l.to && s[start] == ' ' {
					start++
				}
				i = max(i, start)
			}
		}
		if start < l.to {
			out = append(out, sentence{start, l.to, n})
		}
	}
	return out
}

var abbreviationRE = ruleBoth("abbreviationRE")

// fullStop reports whether the dot before i ends an English sentence that began at start.
func fullStop(s string, start, i, end int) bool {
	if i >= end {
		return true
	}
	rest := strings.TrimLeft(s[i:end], " ")
	if len(rest) == end-i || rest == "" { // no space after it: 1.5, example.com
		return false
	}
	c, _ := utf8.DecodeRuneInString(rest)
	if !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '"' || c == '“' || c == '(' || c >= 0x2018 && c <= 0x2022) {
		return false
	}
	word := abbreviationRE.FindString(s[max(start, i-12):i])
	if word == "" {
		return true
	}
	// After "a.m." or "Inc." a sentence may still end; a following The, We, On says so.
	return regexpStarts.MatchString(rest)
}

var regexpStarts = ruleBoth("regexpStarts")

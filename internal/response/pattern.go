package response

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// plain is a text in its compatible form (NFKC), without signs that nobody sees, and with the digits of all scripts as 0 to 9.
func plain(t string) string {
	if !strings.ContainsFunc(t, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return t
	}
	t = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
			return -1
		}
		return r
	}, t)
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf || !unicode.Is(unicode.Nd, r) {
			return r
		}
		zero := r // each script's digits stand beside each other, and begin with zero
		for zero > 0 && r-zero < 9 && unicode.Is(unicode.Nd, zero-1) {
			zero--
		}
		return '0' + (r-zero)%10
	}, norm.NFKC.String(t))
}

func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return isLatin(r) || r >= 'A' && r <= 'Z'
	}
	return unicode.In(r, unicode.L, unicode.N, unicode.M)
}

func isSign(r rune) bool { return !isWord(r) }

// unsigned leaves out what is no letter or digit.
func unsigned(r rune) rune {
	if isSign(r) {
		return -1
	}
	return r
}

func isLatin(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }

// What ends a word: a blank, in most scripts, and another script, in katakana. In others nothing tells where one ends.
const (
	unended = iota
	spaced
	katakana
)

func ending(r rune) int {
	switch {
	case r == 'ー' || unicode.Is(unicode.Katakana, r):
		return katakana
	case !isWord(r) || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
		return unended
	}
	return spaced
}

// eachRun gives the runs of a to z and digits of a text in small letters, and the pairs of letters of other scripts.
func eachRun(t string, word func(string), pair func(a, b rune)) {
	from := -1
	var last rune
	alone := false // last had nobody beside it
	end := func() {
		if alone {
			pair(last, 0)
		}
		last, alone = 0, false
	}
	for i, r := range t {
		if isLatin(r) {
			if end(); from < 0 {
				from = i
			}
			continue
		}
		if from >= 0 {
			word(t[from:i])
			from = -1
		}
		switch {
		case !isWord(r):
			end()
		case last == 0:
			last, alone = r, true
		default:
			pair(last, r)
			last, alone = r, false
		}
	}
	if end(); from >= 0 {
		word(t[from:])
	}
}

// A pattern is what somebody is called: an id or a name, in small letters, without what parts it.
type pattern struct {
	runes []rune
	gaps  []bool // before which of these something may stand in a text; nil: before each
}

// patternOf gives that of an id or a name. A name may be parted anywhere; an id where it is.
func patternOf(t string, anywhere bool) pattern {
	var p pattern
	gap := false
	for _, r := range t {
		if !isWord(r) {
			gap = true
			continue
		}
		p.runes = append(p.runes, r)
		if !anywhere {
			p.gaps = append(p.gaps, gap)
		}
		gap = false
	}
	return p
}

// isName reports whether it is long enough for a name.
func (p pattern) isName() bool {
	if !slices.ContainsFunc(p.runes, unicode.IsLetter) {
		return false
	}
	short := !slices.ContainsFunc(p.runes, func(r rune) bool { return !isLatin(r) && !unicode.Is(unicode.Hiragana, r) })
	return len(p.runes) >= 3 || len(p.runes) == 2 && !short
}

func (s *Screen) add(p pattern) {
	if len(p.runes) < 2 {
		return
	}
	if s.who == nil {
		s.who, s.long = map[string][][]bool{}, map[[2]rune][]int{}
	}
	of, begin := string(p.runes), [2]rune(p.runes[:2])
	if slices.ContainsFunc(s.who[of], func(gaps []bool) bool { return gaps == nil || slices.Equal(gaps, p.gaps) }) {
		return
	}
	s.who[of] = append(s.who[of], p.gaps)
	if !slices.Contains(s.long[begin], len(p.runes)) {
		s.long[begin] = append(s.long[begin], len(p.runes))
	}
}

// A sign is a letter or digit of a text, with what stands between it and the one before.
type sign struct {
	r        rune
	from, to int
	gap, far bool // there is something; it is more than what may part a name
}

// joins may stand within a name or an id, up to three of them.
const joins = " \t\n\r,.・･·-‐‑–—'’=_/\\:|#~@+&()[]\""

func signsOf(t string) []sign {
	var out []sign
	n, far := 0, false
	for i, r := range t {
		if !isWord(r) {
			n++
			far = far || !strings.ContainsRune(joins, r) || n > 3
			continue
		}
		out = append(out, sign{unicode.ToLower(r), i, i + utf8.RuneLen(r), n > 0, far})
		n, far = 0, false
	}
	return out
}

// stands gives where in a text somebody stands whom the screen was told of.
func (s *Screen) stands(t string) (out [][2]int) {
	if len(s.who) == 0 {
		return nil
	}
	signs := signsOf(t)
	var letters []rune
	for _, x := range signs {
		letters = append(letters, x.r)
	}
	for i := 0; i+1 < len(signs); i++ {
		for _, n := range s.long[[2]rune(letters[i:i+2])] {
			if i+n > len(signs) || !whole(signs, i, i+n) {
				continue
			}
			for _, gaps := range s.who[string(letters[i:i+n])] {
				if fits(signs[i:i+n], gaps) {
					out = append(out, [2]int{signs[i].from, signs[i+n-1].to})
				}
			}
		}
	}
	return out
}

// fits reports whether what stands between signs may stand there.
func fits(signs []sign, gaps []bool) bool {
	for j, x := range signs {
		if j > 0 && x.gap && (x.far || gaps != nil && !gaps[j]) {
			return false
		}
	}
	return true
}

// whole reports whether signs are not within a longer word.
func whole(signs []sign, from, to int) bool {
	within := func(before, after sign) bool {
		return !after.gap && ending(before.r) != unended && ending(before.r) == ending(after.r)
	}
	return (from == 0 || !within(signs[from-1], signs[from])) && (to == len(signs) || !within(signs[to-1], signs[to]))
}

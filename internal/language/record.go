package language

import (
	"slices"
	"strings"
	"unicode"
)

// between stands between the two forms of a text that a record holds as one.
const between = " / "

// Record gives t as one text for a record that is read in either language: "日本語 / English". Where there is one form only, it is that.
func (t Text) Record() string {
	switch {
	case t.EN == "" || t.JA == t.EN:
		return t.JA
	case t.JA == "":
		return t.EN
	}
	return t.JA + between + t.EN
}

// Recorded reads what Record wrote. What is no such text, because somebody wrote it in one language, is the same in both, and so is what only may be
// one: a reader who is shown the whole of it misses nothing, and one who is shown half of what somebody wrote does.
//
// The forms may hold the mark between them too, as often as each other; then its middle one is taken. Where that does not part the languages,
// it is parted where English begins and lasts to the end.
func Recorded(s string) Text {
	parts := strings.Split(s, between)
	at := func(i int) (Text, bool) {
		if slices.ContainsFunc(parts[i:], func(p string) bool { return !english(p) }) {
			return Text{}, false
		}
		t := Both(strings.Join(parts[:i], between), strings.Join(parts[i:], between))
		return t, t.JA != "" && isPhrase(t.EN) && strings.ContainsFunc(t.JA, japanese)
	}
	if len(parts)%2 == 0 {
		if t, ok := at(len(parts) / 2); ok {
			return t
		}
	}
	for i := len(parts) - 1; i > 0; i-- {
		if !english(parts[i-1]) {
			if t, ok := at(i); ok {
				return t
			}
			break
		}
	}
	return Same(s)
}

// english reports whether s may be an English form: one without Japanese, or one that only names something in it, or quotes it.
func english(s string) bool {
	var latin, other int
	quoted := 0
	for _, r := range s {
		switch {
		case strings.ContainsRune("“「『（(", r):
			quoted++
		case strings.ContainsRune("”」』）)", r):
			quoted--
		case quoted <= 0 && unicode.Is(unicode.Hiragana, r): // which ties words into a sentence
			return false
		case japanese(r):
			other++
		case unicode.Is(unicode.Latin, r):
			latin++
		}
	}
	return other == 0 || latin > 2*other
}

// isPhrase reports whether s is a number, or has a word that is written small: names alone are in texts of either language.
func isPhrase(s string) bool {
	if !strings.ContainsFunc(s, unicode.IsLetter) {
		return s != ""
	}
	return slices.ContainsFunc(strings.Fields(s), func(word string) bool {
		word = strings.TrimLeftFunc(word, unicode.IsPunct)
		return len(word) > 1 && word[0] >= 'a' && word[0] <= 'z'
	})
}

func japanese(r rune) bool {
	return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han)
}

package archive

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Full text is found by tokens made here, the same ones for both engines and for texts and queries. Scripts that put
// no spaces between words give every two neighbouring characters (京都府 gives 京都, 都府 and, as the last character
// of the run, 府); the others give words. What people write in more than one way is folded: width and compatibility
// forms (NFKC), case, katakana and hiragana, Latin accents, commas within numbers.

// maxTokens bounds what is indexed of one text.
const maxTokens = 16_000

// maxToken is the length in characters beyond which a word is cut.
const maxToken = 40

// fold brings s into the form in which texts are compared.
func fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKC.String(strings.ToValidUTF8(s, " ")) {
		switch {
		case r >= 'ァ' && r <= 'ヶ', r == 'ヽ', r == 'ヾ':
			r -= 'ァ' - 'ぁ'
		case r > unicode.MaxASCII && unicode.Is(unicode.Latin, r):
			// É is E and a mark; marks that do not compose are left out below.
			r, _ = utf8.DecodeRuneInString(norm.NFD.String(string(r)))
		case unicode.Is(unicode.Variation_Selector, r), r >= 0x0300 && r <= 0x036f, r == 0x00ad, unicode.Is(unicode.Cf, r):
			continue
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// kind of a character as far as tokens are concerned.
type runeKind int

const (
	between runeKind = iota // separates
	inWord                  // of a script that separates words
	inRun                   // of a script that does not
)

// unspaced are the scripts written without spaces between words. Korean has them, but words take endings, so that
// pairs of syllables find more.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao,
	unicode.Khmer, unicode.Myanmar, unicode.Bopomofo, unicode.Yi}

func kindOf(r rune) runeKind {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return inWord
	case r <= unicode.MaxASCII:
		return between
	case r == 'ー', unicode.In(r, unspaced...):
		return inRun
	case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
		return inWord
	}
	return between
}

// token is one of a text. broken says that a separator stands before it.
type token struct {
	text   string
	broken bool
	run    bool // a character or two of a run, else a word
	last   bool // of a run: its last character alone
}

// tokenize returns the tokens of s in their order, at most limit.
func tokenize(s string, limit int) []token {
	var out []token
	runes := []rune(fold(s))
	broken := true
	for i := 0; i < len(runes) && len(out) < limit; {
		kind := kindOf(runes[i])
		if kind == between {
			broken = true
			i++
			continue
		}
		j := i
		var word []rune
		for j < len(runes) {
			if kind == inWord && runes[j] == ',' && j > i && j+1 < len(runes) && digit(runes[j-1]) && digit(runes[j+1]) {
				j++ // 1,692,496 is one number
				continue
			}
			if kindOf(runes[j]) != kind {
				break
			}
			word = append(word, runes[j])
			j++
		}
		if kind == inWord {
			out = append(out, token{text: string(word[:min(len(word), maxToken)]), broken: broken})
		} else {
			for k := 0; k < len(word) && len(out) < limit; k++ {
				out = append(out, token{text: string(word[k:min(k+2, len(word))]), broken: broken && k == 0, run: true, last: k == len(word)-1})
			}
		}
		broken = false
		i = j
	}
	return out
}

func digit(r rune) bool { return r >= '0' && r <= '9' }

// indexed writes the tokens of several texts for the index. Between two texts no phrase is found.
func indexed(texts []string) []string {
	var out []string
	for _, s := range texts {
		if len(out) > 0 {
			out = append(out, gap)
		}
		for _, t := range tokenize(s, maxTokens-len(out)) {
			out = append(out, t.text)
		}
		if len(out) >= maxTokens-1 {
			break
		}
	}
	return out
}

// gap stands between texts: a sign that no token holds.
const gap = "¶"

// phrase is what one term of a query asks for: tokens that follow one another, the last of which may begin a longer
// one.
type phrase struct {
	tokens []string
	prefix bool
}

// Limits of a query's text.
const (
	maxQueryText  = 200 // characters
	maxQueryTerms = 12
)

// phrases reads a query's text: terms separated by spaces, all of which have to be found; "between quotation marks"
// spaces belong to the term, and its words are whole. Nothing in it is an operator.
func phrases(text string) []phrase {
	var out []phrase
	for i, part := range strings.Split(strings.Map(quotes, text), `"`) {
		if i%2 == 1 {
			out = appendPhrase(out, part, true)
			continue
		}
		for _, term := range strings.FieldsFunc(part, unicode.IsSpace) {
			out = appendPhrase(out, term, false)
		}
	}
	return out
}

// quotes makes the quotation marks that keyboards give one.
func quotes(r rune) rune {
	if strings.ContainsRune("“”„‟＂«»「」『』", r) {
		return '"'
	}
	return r
}

func appendPhrase(out []phrase, term string, whole bool) []phrase {
	tokens := tokenize(term, 2*maxQueryText)
	if len(tokens) == 0 {
		return out
	}
	p := phrase{}
	for i, t := range tokens {
		// The last character of a run stands alone in the index where the run ends there. In a query the text may go
		// on, unless something follows that is no part of the run.
		if t.last && i == len(tokens)-1 && i > 0 && tokens[i-1].run && !t.broken {
			continue
		}
		p.tokens = append(p.tokens, t.text)
	}
	end := tokens[len(tokens)-1]
	switch {
	case !end.run:
		p.prefix = !whole
	case len(p.tokens) == len(tokens): // a single character: the first of a pair, or alone
		p.prefix = true
	}
	return append(out, p)
}

package extract

import (
	"regexp/syntax"
	"unicode"
)

// sieve holds runes of which every text that a pattern matches has at least one. Most rules have nothing to say of most sentences, and to
// see that costs a look at each of its characters, where trying the pattern costs some thousand steps at each.
type sieve struct {
	bits [64]uint64 // by the last twelve bits of a rune: what falls together lets more through, and never less
	all  bool       // nothing is known that a text has to have
}

// maxClass is how many runes a class may have to be looked for.
const maxClass = 64

// newSieve makes the sieve of a pattern as regexp reads it.
func newSieve(pattern string) *sieve {
	s := &sieve{}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		s.all = true // regexp says what is wrong
		return s
	}
	runes, known := needed(re)
	for _, r := range runes {
		s.bits[r>>6&63] |= 1 << (r & 63)
	}
	s.all = !known
	return s
}

// lets reports whether the pattern may match something in a text.
func (s *sieve) lets(text string) bool {
	if s.all {
		return true
	}
	for _, r := range text {
		if s.bits[r>>6&63]&(1<<(r&63)) != 0 {
			return true
		}
	}
	return false
}

// needed gives runes of which all that a pattern matches has one. known is false where it may match without any that can be named.
func needed(re *syntax.Regexp) (runes []rune, known bool) {
	switch re.Op {
	case syntax.OpLiteral:
		best := re.Rune[0]
		for _, r := range re.Rune {
			if frequency(r) < frequency(best) {
				best = r
			}
		}
		runes = append(runes, best)
		if re.Flags&syntax.FoldCase != 0 {
			for r := unicode.SimpleFold(best); r != best; r = unicode.SimpleFold(r) {
				runes = append(runes, r)
			}
		}
		return runes, true
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if len(runes)+int(re.Rune[i+1]-re.Rune[i]) >= maxClass {
				return nil, false
			}
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				runes = append(runes, r)
			}
		}
		return runes, true
	case syntax.OpCapture, syntax.OpPlus:
		return needed(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return needed(re.Sub[0])
		}
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			of, ok := needed(sub)
			if !ok {
				return nil, false
			}
			runes = append(runes, of...)
		}
		return runes, true
	case syntax.OpConcat:
		best := 0
		for _, sub := range re.Sub {
			of, ok := needed(sub)
			if !ok {
				continue
			}
			sum := 0
			for _, r := range of {
				sum += frequency(r)
			}
			if !known || sum < best {
				runes, best, known = of, sum, true
			}
		}
		return runes, known
	}
	return nil, false
}

// frequency is how often about a rune is met in a thousand of a text in its language.
func frequency(r rune) int {
	switch {
	case r < 0x80:
		if i := int(unicode.ToLower(r)) - 'a'; i >= 0 && i < 26 {
			return [...]int{65, 12, 22, 32, 103, 18, 16, 49, 56, 1, 6, 33, 20, 57, 62, 15, 1, 50, 53, 75, 23, 8, 17, 1, 16, 1}[i]
		}
		return 30 // spaces, digits and points are everywhere
	case r >= 0x3040 && r < 0x30a0: // hiragana
		return 20
	}
	return 4
}

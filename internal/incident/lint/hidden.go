package lint

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// hidden finds characters that nobody sees, and digits of other scripts: with them a text says one thing to its readers and another to
// whoever holds it against the facts. 1,692,49 and a zero-width space and 6 is read as the whole number, and counted as 6.
func (l *linter) hidden() {
	var before rune
	for i := 0; i < len(l.text); {
		c, n := utf8.DecodeRune(l.text[i:])
		switch after, _ := utf8.DecodeRune(l.text[i+n:]); {
		case i == 0 && c == 0xFEFF: // the mark that files begin with
		case c == 0x200D && unicode.In(before, unicode.So, unicode.Sk, unicode.Mn) && unicode.Is(unicode.So, after): // joins emoji
		case unicode.In(c, unicode.Cf) || c == 0x115F || c == 0x1160 || c == 0x3164 || c == 0xFFA0 || c == 0x034F || c == 0x2028 || c == 0x2029:
			l.add("hidden", i, i+n, both("消してください。", "remove it"),
				both(fmt.Sprintf("目に見えない文字（%U）があります。読む人が見る文と、調べられる文が違ってしまいます。", c), fmt.Sprintf("the invisible character %U: what is read is not what is checked", c)))
		case unicode.IsDigit(c) && (c < '0' || c > '9') && (c < '０' || c > '９'):
			l.add("hidden", i, i+n, both("0から9の数字で書いてください。", "write it with the digits 0 to 9"),
				both(fmt.Sprintf("「%c」（%U）は数字に見えますが、事実と比べられません。", c, c), fmt.Sprintf("%q (%U) is a digit that is not held against the facts", c, c)))
		}
		before, i = c, i+n
	}
}

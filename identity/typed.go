package identity

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// Typed returns the address or number in what a person typed or pasted of that kind, for one of the parsers: they refuse
// what is not an address, and addresses are copied from mails and links. Every input for people does this, a page and a
// command alike, and nothing else does: an export's column is read as it stands. The steps are the specification:
//
//  1. What is longer than [MaxInput] bytes, or no UTF-8, is left as it is.
//  2. The ends are trimmed as in step 6 of [ParseEmail].
//  3. Of an e-mail that ends with ">" or "＞" (U+FF1E) only what stands between that and the last "<" or "＜" (U+FF1C)
//     before it is kept, trimmed: "Name <user@example.com>". Without the opening one it is left as it is.
//  4. Of an e-mail that begins with "mailto:", in capitals or not, that is removed, and the first "?" with all that
//     follows it; then each %XX becomes its byte (RFC 6068). Where a "%" is not followed by two hex digits, or the bytes
//     are not UTF-8, step 4 is not taken, and the parser refuses the colon.
//  5. Of a phone that begins with "tel:", in capitals or not, that is removed, and the first ";" with all that follows it
//     (RFC 3966).
func Typed(kind Kind, s string) string {
	if len(s) > MaxInput || !utf8.ValidString(s) {
		return s
	}
	switch kind {
	case KindEmail:
		return typedEmail(s)
	case KindPhone:
		if rest, ok := cutScheme(trim(s), "tel:"); ok {
			number, _, _ := strings.Cut(rest, ";")
			return number
		}
	}
	return s
}

func typedEmail(s string) string {
	t := trim(s)
	if inner, ok := strings.CutSuffix(t, ">"); ok {
		t = inner
	} else if t, ok = strings.CutSuffix(t, "＞"); !ok {
		return withoutMailto(t)
	}
	open := strings.LastIndexAny(t, "<＜")
	if open < 0 {
		return s
	}
	_, size := utf8.DecodeRuneInString(t[open:])
	return withoutMailto(trim(t[open+size:]))
}

func withoutMailto(s string) string {
	rest, ok := cutScheme(s, "mailto:")
	if !ok {
		return s
	}
	rest, _, _ = strings.Cut(rest, "?")
	if plain, err := url.PathUnescape(rest); err == nil && utf8.ValidString(plain) {
		return plain
	}
	return s
}

// cutScheme removes an ASCII prefix that ignores case.
func cutScheme(s, scheme string) (rest string, ok bool) {
	if len(s) < len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) {
		return s, false
	}
	return s[len(scheme):], true
}

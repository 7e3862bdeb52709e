package identity

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const maxLocal = 64

// ParseEmail returns the canonical form of an e-mail address, or an [*Error] with
// the reason why s is none. Whatever is equal after these steps is one identity.
// The steps are the specification: every implementation takes them in this order,
// so that all agree on the result and on the reason (given in parentheses). The
// data named are those of unicode.json, whose format unicode.go documents.
//
//  1. s longer than 1000 bytes in UTF-8: refused (too-long).
//  2. s is not Unicode text (bytes that are not UTF-8; a lone surrogate): refused
//     (not-utf8).
//  3. A code point with status U, not assigned in Unicode 15.0: refused
//     (unassigned-character). What follows can then not depend on the Unicode
//     version of a normaliser: the normal forms of assigned code points never
//     change. An implementation whose normaliser is older than Unicode 15.0
//     (it leaves U+1E030 as it is, instead of making it U+0430) must refuse every
//     s that is not ASCII, as its own error.
//  4. More than 8 consecutive code points that are marks (mark is Y) or U+FF9E or
//     U+FF9F: refused (too-many-marks).
//  5. s becomes NFKC of s.
//  6. From both ends of s are removed: U+0009–U+000D, U+0020, U+0085, U+00A0,
//     U+1680, U+2000–U+200A, U+2028, U+2029, U+202F, U+205F, U+3000 (white space);
//     U+200B, U+200E, U+200F, U+202A–U+202E, U+2060, U+2066–U+2069, U+FEFF
//     (invisible). Nothing is left: refused (empty).
//  7. s is split at its last "@" (none: no-at-sign). The part before it:
//     a. is empty: refused (local-part-empty);
//     b. has a code point above U+007F: refused (local-part-not-ascii);
//     c. begins with a quotation mark: it must end with another, and between them
//     must be one or more of the characters of d; they are the local part from
//     here on (RFC 5321 section 4.1.2: the quotes mean nothing then, and old
//     Japanese carriers' addresses such as "a..b" are written so). Otherwise
//     refused (local-part-quoted);
//     d. has a character other than A–Z a–z 0–9 ! # $ % & ' * + - / = ? ^ _ ` { | } ~
//     and "." (atext, RFC 5322 section 3.2.3; dots anywhere): refused
//     (local-part-character);
//     e. is longer than 64: refused (local-part-too-long).
//     A–Z become a–z; nothing else changes.
//  8. The part after it is the domain. It is empty: refused (domain-empty). It
//     begins with "[": refused (domain-literal). Each of its code points, by its
//     status: V is kept, I removed, M, P and S replaced, D refused
//     (domain-character). After that, more than 8 marks in a row, as in 4: refused
//     (too-many-marks). Then NFC. Nothing is left: refused (domain-empty).
//  9. One "." at the end is removed. The domain is split at every ".".
//  10. For each label in turn, this step and the next. It is empty: refused
//     (domain-empty-label). If it begins with "xn--", the rest is decoded by
//     Punycode (RFC 3492). Refused (domain-punycode): if it cannot be decoded; if
//     the decoded label is ASCII only, or holds a code point that is not V or is
//     ".", or breaks 4, or is not NFC; or if encoding it again gives something
//     else. From here on the label is the decoded one.
//  11. The label begins or ends with "-", or has "-" as both its third and its
//     fourth code point: refused (domain-hyphen). It begins with a mark: refused
//     (domain-mark). It has a U+200C or U+200D that breaks the rules of RFC 5892
//     appendix A.1 and A.2: refused (domain-joiner).
//  12. If any label has a code point of bidi class R or A, every label must obey
//     RFC 5893 section 2; otherwise refused (domain-bidi). Each label that is not
//     ASCII becomes "xn--" and its Punycode. A label longer than 63: refused
//     (domain-label-too-long); the domain longer than 253: refused
//     (domain-too-long).
//  13. The domain has one label: refused (domain-no-dot). The last label is
//     decimal digits only, or "0x" followed by hexadecimal digits or nothing:
//     refused (domain-numeric).
//
// The canonical form is the local part, "@" and the domain. It is ASCII, and its
// own canonical form.
func ParseEmail(s string) (Identity, error) {
	if value, ok := asciiEmail(s); ok {
		return Identity{KindEmail, value}, nil
	}
	value, reason := email(s)
	if reason != "" {
		return Identity{}, &Error{KindEmail, reason}
	}
	return Identity{KindEmail, value}, nil
}

// email is ParseEmail, step by step.
func email(s string) (string, Reason) {
	if len(s) > MaxInput {
		return "", TooLong
	}
	s, reason := normalize(s)
	if reason != "" {
		return "", reason
	}
	if s = trim(s); s == "" {
		return "", Empty
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return "", NoAtSign
	}
	local, reason := localPart(s[:at])
	if reason != "" {
		return "", reason
	}
	domain := s[at+1:]
	switch {
	case domain == "":
		return "", DomainEmpty
	case domain[0] == '[':
		return "", DomainLiteral
	}
	if domain, reason = domainToASCII(domain); reason != "" {
		return "", reason
	}
	return local + "@" + domain, ""
}

// normalize is steps 2 to 5.
func normalize(s string) (string, Reason) {
	if !utf8.ValidString(s) {
		return "", NotUTF8
	}
	t := table()
	for _, c := range s {
		if c >= utf8.RuneSelf && t.status.class(c) == 'U' {
			return "", UnassignedCharacter
		}
	}
	if hasMarkRun(t, s) {
		return "", TooManyMarks
	}
	return norm.NFKC.String(s), ""
}

// localPart is step 7.
func localPart(s string) (string, Reason) {
	if s == "" {
		return "", LocalPartEmpty
	}
	if strings.ContainsFunc(s, notASCII) {
		return "", LocalPartNotASCII
	}
	if s[0] == '"' {
		inner := strings.TrimSuffix(s[1:], `"`)
		if len(inner) != len(s)-2 || inner == "" || !isLocal(inner) {
			return "", LocalPartQuoted
		}
		s = inner
	}
	if !isLocal(s) {
		return "", LocalPartCharacter
	}
	if len(s) > maxLocal {
		return "", LocalPartTooLong
	}
	return lower(s), ""
}

func isLocal(s string) bool {
	for i := range len(s) {
		if asciiClass[s[i]]&classLocal == 0 {
			return false
		}
	}
	return true
}

// lower changes A-Z only: strings.ToLower knows more than ASCII (İ, and the
// Kelvin sign, which NFKC has made a K by now).
func lower(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		b.WriteByte(lowerByte(s[i]))
	}
	return b.String()
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

const (
	classLocal  = 1 << iota // allowed in a local part
	classDomain             // a letter, digit or hyphen
	classUpper
	classDigit
)

// asciiClass is what ASCII characters may be.
var asciiClass = func() (class [256]uint8) {
	for c := range 256 {
		switch {
		case 'A' <= c && c <= 'Z':
			class[c] = classLocal | classDomain | classUpper
		case 'a' <= c && c <= 'z':
			class[c] = classLocal | classDomain
		case '0' <= c && c <= '9':
			class[c] = classLocal | classDomain | classDigit
		}
	}
	for _, c := range []byte("!#$%&'*+-/=?^_`{|}~.") {
		class[c] |= classLocal
	}
	class['-'] |= classDomain
	return class
}()

// asciiEmail is ParseEmail for what almost every address looks like: ASCII,
// nothing to decode, nothing wrong. It leaves everything else to the steps. It
// allocates only where the result is not s itself.
func asciiEmail(s string) (string, bool) {
	whole := s
	for s != "" && s[0] <= ' ' && isTrimmed(rune(s[0])) {
		s = s[1:]
	}
	for s != "" && s[len(s)-1] <= ' ' && isTrimmed(rune(s[len(s)-1])) {
		s = s[:len(s)-1]
	}
	at := strings.IndexByte(s, '@')
	if at < 1 || at > maxLocal || len(s)-at-1 > maxDomain || len(whole) > MaxInput {
		return "", false
	}
	upper := uint8(0)
	for i := range at {
		class := asciiClass[s[i]]
		if class&classLocal == 0 {
			return "", false
		}
		upper |= class
	}
	start, label, number := at+1, "", true // of the label; the last one that ended
	for i := at + 1; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			class := asciiClass[s[i]]
			if class&classDomain == 0 {
				return "", false
			}
			upper |= class
			number = number && class&classDigit != 0
			continue
		}
		if label = s[start:i]; !plainLabel(label) {
			return "", false
		}
		if i < len(s) {
			start, number = i+1, true
		}
	}
	if number || start == at+1 || len(label) > 1 && label[0] == '0' && lowerByte(label[1]) == 'x' {
		return "", false
	}
	switch {
	case upper&classUpper != 0:
		return lower(s), true
	case len(s) < len(whole):
		return strings.Clone(s), true // keep no more of the input than that
	}
	return s, true
}

// plainLabel: of letters, digits and hyphens as it is known to be, s is a label
// that needs no decoding and breaks no rule.
func plainLabel(s string) bool {
	n := len(s)
	return 1 <= n && n <= maxLabel && s[0] != '-' && s[n-1] != '-' && !(n >= 4 && s[2] == '-' && s[3] == '-')
}

// gmail are the domains of one mail service that takes no notice of dots in the
// local part, and under which every mailbox has both addresses.
var gmail = [...]string{"gmail.com", "googlemail.com"}

// Variants returns the other addresses under which the person who has this one
// may also be known, most likely first; none for other kinds than e-mail. They are
// other identities: nothing but a person's wish may look them up.
//
// For local+tag@domain it is the address without the tag; for an address at
// gmail.com or googlemail.com it is each form of the local part, with and without
// its dots, at both domains. At most seven.
func Variants(id Identity) []Identity {
	local, domain, ok := strings.Cut(id.Value, "@")
	if id.Kind != KindEmail || !ok {
		return nil
	}
	locals, domains := []string{local}, []string{domain}
	if plain, _, ok := strings.Cut(local, "+"); ok && plain != "" {
		locals = append(locals, plain)
	}
	if domain == gmail[0] || domain == gmail[1] {
		for _, l := range locals {
			if dotless := strings.ReplaceAll(l, ".", ""); dotless != l && dotless != "" && dotless[0] != '+' {
				locals = append(locals, dotless)
			}
		}
		domains = append(domains, gmail[0])
		if domain == gmail[0] {
			domains[1] = gmail[1]
		}
	}
	var out []Identity
	for _, d := range domains {
		for _, l := range locals {
			if v := (Identity{KindEmail, l + "@" + d}); v != id {
				out = append(out, v)
			}
		}
	}
	return out
}

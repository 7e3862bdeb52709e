package identity

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxDomain = 253
	maxLabel  = 63
	maxMarks  = 8
	acePrefix = "xn--"
)

// domainToASCII is steps 8 to 13 of ParseEmail: the domain in its canonical form,
// or the reason why it has none. s is NFKC of assigned code points.
//
// It is UTS 46 (revision 29, for Unicode 15.0.0) ToASCII with CheckHyphens,
// CheckBidi, CheckJoiners, UseSTD3ASCIIRules, VerifyDnsLength and
// Nontransitional_Processing.
func domainToASCII(s string) (string, Reason) {
	t := table()
	s, reason := mapDomain(t, s)
	if reason != "" {
		return "", reason
	}
	if s == "" {
		return "", DomainEmpty
	}
	s = strings.TrimSuffix(s, ".") // the root's dot
	names := strings.Split(s, ".")
	labels := make([][]rune, len(names))
	for i, name := range names {
		if labels[i], reason = decodeLabel(t, name); reason != "" {
			return "", reason
		}
		if reason = checkLabel(t, labels[i]); reason != "" {
			return "", reason
		}
	}
	if !checkBidi(t, labels) {
		return "", DomainBidi
	}
	for i, label := range labels {
		if slices.ContainsFunc(label, notASCII) {
			names[i] = acePrefix + punyEncode(label)
		}
	}
	return checkNames(names)
}

// checkNames is steps 12 and 13: lengths, and what no mail domain is.
func checkNames(names []string) (string, Reason) {
	for _, name := range names {
		if len(name) > maxLabel {
			return "", DomainLabelLength
		}
	}
	s := strings.Join(names, ".")
	switch {
	case len(s) > maxDomain:
		return "", DomainTooLong
	case len(names) == 1:
		return "", DomainNoDot
	case isNumber(names[len(names)-1]):
		return "", DomainNumeric
	}
	return s, ""
}

// isNumber: decimal, or 0x and perhaps hexadecimal digits: the last part of what
// the URL standard takes for an IPv4 address.
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// mapDomain is step 8.
func mapDomain(t *unicodeTable, s string) (string, Reason) {
	var b strings.Builder
	for _, c := range s {
		switch class, to := t.lookup(c); class {
		case 'V':
			b.WriteRune(c)
		case 'M', 'S':
			b.WriteString(to)
		case 'I':
		default:
			return "", DomainCharacter
		}
	}
	s = b.String()
	if hasMarkRun(t, s) {
		return "", TooManyMarks
	}
	return norm.NFC.String(s), ""
}

// decodeLabel is step 10: the label's characters, an xn-- label's decoded.
func decodeLabel(t *unicodeTable, name string) ([]rune, Reason) {
	if name == "" {
		return nil, DomainEmptyLabel
	}
	ace, ok := strings.CutPrefix(name, acePrefix)
	if !ok {
		return []rune(name), ""
	}
	label, ok := punyDecode(ace)
	if !ok || !slices.ContainsFunc(label, notASCII) || punyEncode(label) != ace {
		return nil, DomainPunycode
	}
	for _, c := range label {
		if !t.valid(c) || c == '.' {
			return nil, DomainPunycode
		}
	}
	if s := string(label); hasMarkRun(t, s) || !norm.NFC.IsNormalString(s) {
		return nil, DomainPunycode
	}
	return label, ""
}

// checkLabel is step 11: UTS 46 section 4.1, criteria 2, 3, 5 and 7.
func checkLabel(t *unicodeTable, label []rune) Reason {
	switch n := len(label); {
	case label[0] == '-', label[n-1] == '-', n >= 4 && label[2] == '-' && label[3] == '-':
		return DomainHyphen
	case t.mark.class(label[0]) == 'Y':
		return DomainMark
	}
	for i, c := range label {
		if c == zwnj && !zwnjAllowed(t, label, i) || c == zwj && !afterVirama(t, label, i) {
			return DomainJoiner
		}
	}
	return ""
}

const (
	zwnj = '\u200c'
	zwj  = '\u200d'
)

// afterVirama is RFC 5892 appendix A.2.
func afterVirama(t *unicodeTable, label []rune, i int) bool {
	return i > 0 && t.virama.class(label[i-1]) == 'Y'
}

// zwnjAllowed is RFC 5892 appendix A.1: after a virama, or
// (L|D) T* ZWNJ T* (R|D) by joining types.
func zwnjAllowed(t *unicodeTable, label []rune, i int) bool {
	if afterVirama(t, label, i) {
		return true
	}
	before, after := i-1, i+1
	for before >= 0 && t.joining.class(label[before]) == 'T' {
		before--
	}
	for after < len(label) && t.joining.class(label[after]) == 'T' {
		after++
	}
	if before < 0 || after == len(label) {
		return false
	}
	b, a := t.joining.class(label[before]), t.joining.class(label[after])
	return (b == 'L' || b == 'D') && (a == 'R' || a == 'D')
}

// checkBidi is criterion 8: if any label has a character written from right to
// left, every label obeys the rule of RFC 5893 section 2.
func checkBidi(t *unicodeTable, labels [][]rune) bool {
	rtl := func(label []rune) bool {
		return slices.ContainsFunc(label, func(c rune) bool {
			class := t.bidi.class(c)
			return class == 'R' || class == 'A'
		})
	}
	if !slices.ContainsFunc(labels, rtl) {
		return true
	}
	for _, label := range labels {
		classes := make([]byte, len(label))
		for i, c := range label {
			classes[i] = t.bidi.class(c)
		}
		if !bidiRule(string(classes)) {
			return false
		}
	}
	return true
}

// bidiRule is RFC 5893 section 2, over the classes of one label's characters.
func bidiRule(label string) bool {
	end := strings.TrimRight(label, "N")
	switch {
	case label[0] == 'R': // conditions 1 to 4
		return strings.Trim(label, "RAEON") == "" &&
			strings.ContainsAny(end[len(end)-1:], "RAE") &&
			!(strings.Contains(label, "E") && strings.Contains(label, "A"))
	case label[0] == 'L': // conditions 1, 5, 6
		return strings.Trim(label, "LEON") == "" && strings.ContainsAny(end[len(end)-1:], "LE")
	}
	return false
}

// hasMarkRun reports more than maxMarks combining marks in a row: step 4. The
// halfwidth sound marks U+FF9E and U+FF9F count, because NFKC makes marks of them.
//
// No word is written so. Without the bound, normalisers differ: those that follow
// the stream-safe text format of UAX 15 (as this package's does) insert a
// character after 30 marks, others do not.
func hasMarkRun(t *unicodeTable, s string) bool {
	n := 0
	for _, c := range s {
		if c < utf8.RuneSelf || c != 0xff9e && c != 0xff9f && t.mark.class(c) != 'Y' {
			n = 0
		} else if n++; n > maxMarks {
			return true
		}
	}
	return false
}

func notASCII(c rune) bool { return c >= utf8.RuneSelf }

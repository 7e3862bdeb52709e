package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// TestUnicodePinned: the data decide which addresses are one identity. Other data
// are another protocol: indexes sealed under the old ones could not be found.
func TestUnicodePinned(t *testing.T) {
	const want = "3e062b6c8e56124259f21c49b717be62b01fa5123b16f38948c59367d5804868"
	sum := sha256.Sum256(unicodeJSON)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("SHA-256 of unicode.json is %s, want %s", got, want)
	}
}

// needOracle skips a comparison where the oracle has moved to another version of
// Unicode: x/net and x/text follow the version of Go.
func needOracle(t testing.TB) {
	t.Helper()
	if idna.UnicodeVersion != unicodeVersion || norm.Version != unicodeVersion ||
		bidi.UnicodeVersion != unicodeVersion || unicode.Version != unicodeVersion {
		t.Skipf("the oracles are at Unicode %s, not %s", idna.UnicodeVersion, unicodeVersion)
	}
}

// TestUnicodeData compares the data with three other sources of the same.
func TestUnicodeData(t *testing.T) {
	needOracle(t)
	data := table()
	bidiClasses := map[bidi.Class]byte{bidi.L: 'L', bidi.R: 'R', bidi.AL: 'R', bidi.AN: 'A', bidi.EN: 'E',
		bidi.NSM: 'N', bidi.ES: 'O', bidi.CS: 'O', bidi.ET: 'O', bidi.ON: 'O', bidi.BN: 'O'}
	for c := rune(0); c <= unicode.MaxRune; c++ {
		if !utf8.ValidRune(c) {
			continue
		}
		assigned := !unicode.Is(unicode.Cn, c)
		if got := data.status.class(c) != 'U'; got != assigned {
			t.Errorf("%U: assigned %v, want %v", c, got, assigned)
		}
		if got := data.mark.class(c) == 'Y'; assigned && got != unicode.Is(unicode.M, c) {
			t.Errorf("%U: mark %v", c, got)
		}
		if !data.valid(c) {
			continue
		}
		if got := data.virama.class(c) == 'Y'; got != (norm.NFC.PropertiesString(string(c)).CCC() == 9) {
			t.Errorf("%U: virama %v", c, got)
		}
		p, _ := bidi.LookupRune(c)
		want := bidiClasses[p.Class()]
		if want == 0 {
			want = 'X'
		}
		if got := data.bidi.class(c); got != want {
			t.Errorf("%U: bidi class %c, want %c", c, got, want)
		}
		if !norm.NFKC.IsNormalString(string(c)) {
			t.Errorf("%U is valid in a domain, and NFKC changes it", c)
		}
	}
}

// oracle is x/net's UTS 46, with the same choices as step 8 to 12.
var oracle = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true),
	idna.BidiRule(), idna.CheckHyphens(true), idna.CheckJoiners(true), idna.VerifyDNSLength(true))

// compareDomain compares domainToASCII with the oracle, where s has a domain that
// gets so far.
func compareDomain(t *testing.T, s string) {
	t.Helper()
	if idna.UnicodeVersion != unicodeVersion {
		return
	}
	s, reason := normalize(s)
	if reason != "" {
		return
	}
	domain := trim(s[strings.LastIndexByte(s, '@')+1:])
	if domain == "" || domain[0] == '[' {
		return
	}
	got, reason := domainToASCII(domain)
	switch reason {
	case TooManyMarks, DomainNoDot, DomainNumeric:
		return // rules of our own
	}
	// Where the oracle takes third and fourth of bytes, and not of code points.
	if strings.Contains(strings.ReplaceAll(domain+" "+got, "xn--", ""), "--") {
		return
	}
	want, err := oracle.ToASCII(domain)
	want = strings.TrimSuffix(want, ".")
	// Where the oracle lets more of what stands after a ZWNJ pass than RFC 5892
	// appendix A.1 does (zwnjAllowed has a test of its own).
	if plain, _ := idna.Punycode.ToUnicode(domain); reason == DomainJoiner && strings.Contains(plain, "\u200c") {
		return
	}
	if (reason == "") != (err == nil) || err == nil && got != want {
		t.Fatalf("%+q: %q %s; x/net/idna: %q %v", domain, got, reason, want, err)
	}
}

// TestEveryCodePoint compares every code point, in several places of a domain,
// with the oracle.
func TestEveryCodePoint(t *testing.T) {
	needOracle(t)
	for c := rune(0); c <= unicode.MaxRune; c++ {
		if !utf8.ValidRune(c) {
			continue
		}
		s := string(c)
		for _, domain := range []string{"x" + s + "y.com", s + ".com", "x" + s + ".com", "\u05d0" + s + ".com"} {
			compareDomain(t, domain)
		}
		if c >= utf8.RuneSelf {
			compareDomain(t, "xn--"+punyEncode([]rune{'x', c})+".com")
		}
	}
}

// TestRandomDomains compares domains made of characters that have rules.
func TestRandomDomains(t *testing.T) {
	needOracle(t)
	alphabets := []string{
		"ab1-.", "aé日ß1.-", "אבג1٠٣.-a", "\u0628\u0627\u0633\u0644\u200c\u064e.a", "क्षश\u200d\u200c.",
		"a\u0301\u0323\u0308\u200b.", "xn--aKZ9.", "ｘｎ－ａ．。", "\u1112\u1161\u11ab.", "İIıiΣςσẞß.",
	}
	for seed := range uint64(200_000) {
		r := rand.New(rand.NewPCG(seed, 46))
		letters := []rune(alphabets[r.IntN(len(alphabets))])
		if r.IntN(4) == 0 {
			letters = append(letters, []rune(alphabets[r.IntN(len(alphabets))])...)
		}
		label := make([]rune, 1+r.IntN(7))
		for i := range label {
			label[i] = letters[r.IntN(len(letters))]
		}
		compareDomain(t, string(label)+".com")
		if strings.ContainsFunc(string(label), notASCII) {
			compareDomain(t, "xn--"+punyEncode(label)+".com")
		}
	}
}

// TestZWNJ holds RFC 5892 appendix A.1 against its own regular expression.
func TestZWNJ(t *testing.T) {
	data := table()
	// One valid character of each joining type: L, R, D, T, C, U.
	letters := map[rune]byte{'\ua872': 'L', '\u0627': 'R', '\u0628': 'D', '\u064e': 'T', '\u07fa': 'C', 'a': 'U'}
	var alphabet []rune
	for c, class := range letters {
		if got := data.joining.class(c); got != class || !data.valid(c) {
			t.Fatalf("%U: joining type %c, want %c", c, got, class)
		}
		alphabet = append(alphabet, c)
	}
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 5892))
		label := make([]rune, 3+r.IntN(5))
		classes := make([]byte, len(label))
		for i := range label {
			label[i] = alphabet[r.IntN(len(alphabet))]
			classes[i] = letters[label[i]]
		}
		at := 1 + r.IntN(len(label)-2)
		label[at] = zwnj
		before := strings.TrimRight(string(classes[:at]), "T")
		after := strings.TrimLeft(string(classes[at+1:]), "T")
		want := before != "" && after != "" &&
			strings.ContainsAny(before[len(before)-1:], "LD") && strings.ContainsAny(after[:1], "RD")
		if got := zwnjAllowed(data, label, at); got != want {
			t.Fatalf("%+q: %v, want %v", string(label), got, want)
		}
	}
}

func FuzzPunycode(f *testing.F) {
	for _, s := range []string{"", "-", "a-", "wgv71a119e", "fa-hia", "bcher-kva", "99999999", "a-b-c-", "0", "日"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > MaxInput || lower(s) != s {
			return
		}
		label, ok := punyDecode(s)
		want, err := idna.Punycode.ToUnicode("xn--" + s)
		// The oracle refuses what decodes to ASCII, in another place than we do,
		// and takes the dots of what it is given for separators.
		if strings.Contains(s, ".") || !strings.ContainsFunc(string(label), notASCII) {
			return
		}
		if ok != (err == nil) || ok && string(label) != want {
			t.Fatalf("%q: %q %v; x/net/idna: %q %v", s, string(label), ok, want, err)
		}
		if !ok {
			return
		}
		if back, ok := punyDecode(punyEncode(label)); !ok || string(back) != string(label) {
			t.Fatalf("%q: encoded again it decodes to %q", string(label), string(back))
		}
	})
}

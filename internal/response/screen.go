package response

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// What looks like somebody, in a text as plain gives it: an address of mail, also where its signs are written out, and seven
// digits and more, whatever signs part them (telephones, cards, numbers of identity, of customers). What is a date, a time, years one after the other,
// a number in thousands, a hash, the number of a weakness, or a list is none of these: a comma joins the digits of a telephone only. What nobody finds by its look is compared with who is in the case, while that can be read.
var (
	addressLike = regexp.MustCompile(`(?i)[^\s/@:;,"'<>()\[\]{}]+(?:@|%40|\s*[(\[{<]\s*(?:@|at|アット(?:マーク)?)\s*[)\]}>]\s*)[^\s/@"'<>()\[\]{}]+(?:\.|\s*[(\[{<]\s*(?:\.|dot|ドット)\s*[)\]}>]\s*)[^\s/"'<>()\[\]{}、。]{2,}`)
	spokenLike  = regexp.MustCompile(`(?i)[\pL\pN]+[\pN._+\-][\pL\pN._+\-]*\s+(?:at|アット)\s+[\pL\pN\-]+(?:(?:\.|\s+dot\s+)[\pL\pN\-]+)+`)
	numberLike  = regexp.MustCompile(`(\+?\(?[0-9](?:` + parted + `[0-9]){6,})`)
	// One of these has commas: it begins as a telephone does (0.5 does not), or is of three, three and four digits.
	commaLike = regexp.MustCompile(`(?:^|[^0-9.]|[^0-9]\.)(\+\(?[0-9](?:` + listed + `[0-9]){6,}|\(?0(?:[0-9]|[^\pL\pN\s%+.]{1,3}[0-9])(?:` + listed + `[0-9]){5,})`)
	threeLike = regexp.MustCompile(`(?:^|[^0-9])(\(?[2-9][0-9]{2}\)?,[0-9]{3},[0-9]{4})\b`)
	noNumber  = regexp.MustCompile(`\b[12][0-9]{3}[-/.][01]?[0-9][-/.][0-3]?[0-9](?:T(?:[0-2][0-9](?::[0-5][0-9]){0,2}` + zone + `?)?|\b)|\b[12][0-9]{3}(?:-[01][0-9])?` + zone + `\b|` +
		`\b[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?` + zone + `?\b|\b(?:19|20)[0-9]{2}(?:[,、]\s?(?:19|20)[0-9]{2})+\b|` +
		`\b[01]?[0-9]/[0-3]?[0-9](?:[,、][01]?[0-9]/[0-3]?[0-9])+\b|\b[1-9][0-9]{0,2}(?:,[0-9]{3})+\b|\bCVE-[0-9]{4}-[0-9]{4,7}\b|\b[0-9a-f]{32,}\b`)

	mailLike = regexp.MustCompile(`(?i)([\pL\pN._+\-]+)\s*(?:@|\bat\b|[(\[{<]\s*(?:@|at)\s*[)\]}>])\s*([\pL\pN\-]+(?:\s*(?:\.|\bdot\b|[(\[{<]\s*dot\s*[)\]}>])\s*[\pL\pN\-]+)+)`)
	sparse   = regexp.MustCompile(`[0-9](?:[^0-9]{0,3}[0-9]){7,63}`)
	dotted   = regexp.MustCompile(`(?i)\s*(?:\.|\bdot\b|[(\[{<]\s*dot\s*[)\]}>])\s*`)
)

// parted is what stands between digits of one number: blanks, dashes of all kinds, brackets, and the like, as many as there are, or up to three signs of
// any kind but a comma without a blank.
const parted = `(?:` + gap + `|[^\pL\pN\s%,、]{1,3})`

// listed is that of a telephone: a comma too. A comma with a blank is a list's, as is one with a plus.
const listed = `(?:` + gap + `|[^\pL\pN\s%+]{1,3})`

const gap = `[\s\p{Pd}\x{2212}\x{30FC}().\[\]/\\_·・･|~]*`

// zone is that of a time.
const zone = `(?:Z|[+-][0-2][0-9]:[0-5][0-9])`

const leftOut = "［除］"

// A Screen finds people in texts. It looks at all texts first ([Screen.Look]), is then told whom there are ([Screen.Account] and the like),
// and leaves them out ([Screen.Text]). It keeps of those whom it is told of only who may stand in the texts.
type Screen struct {
	keys  map[string]bool     // what the texts have that may be an address (m:) or a telephone (p:); true: it is
	words map[string]bool     // runs of a to z and digits that the texts have
	pairs map[[2]rune]bool    // two letters beside each other, of other scripts; the second is 0 for one alone
	who   map[string][][]bool // who may stand in the texts: letters, and the gaps of each who is called by them
	long  map[[2]rune][]int   // how many letters those have that begin so
	n     int64
}

// Look takes in what of a text may be somebody's.
func (s *Screen) Look(t string) {
	if s.keys == nil {
		s.keys, s.words, s.pairs = map[string]bool{}, map[string]bool{}, map[[2]rune]bool{}
	}
	n := plain(t)
	eachKey(n, func(_, _ int, key string) {
		if _, ok := s.keys[key]; !ok {
			s.keys[key] = false
		}
	})
	eachRun(strings.ToLower(n), func(word string) {
		s.words[word] = true
	}, func(a, b rune) {
		s.pairs[[2]rune{a, b}], s.pairs[[2]rune{a}], s.pairs[[2]rune{b}] = true, true, true
	})
}

// Empty reports that nothing of the texts can be an account, an address or a telephone.
func (s *Screen) Empty() bool { return len(s.keys) == 0 && len(s.words) == 0 && len(s.pairs) == 0 }

func (s *Screen) known(key string) {
	if _, ok := s.keys[key]; ok {
		s.keys[key] = true
	}
}

// Account says that there is an account of this id. It is found with other signs in the places of its own, or with none. One of fewer than four signs,
// or of six digits without a letter, is a word or a number like others.
func (s *Screen) Account(id string) {
	if len(id) < 4 || len(id) > 1024 {
		return
	}
	id = strings.ToLower(plain(id))
	// Most are of nobody whom a text names, and end here: each word of it has to be somewhere, or all of it as one.
	all := true
	eachRun(id, func(word string) { all = all && s.words[word] }, func(a, b rune) { all = all && s.pairs[[2]rune{a, b}] })
	if !all && (!strings.ContainsFunc(id, isSign) || !s.words[strings.Map(unsigned, id)]) {
		return
	}
	p := patternOf(id, false)
	digits := 0
	for _, r := range p.runes {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	if len(string(p.runes)) >= 4 && (digits < len(p.runes) || digits >= 6) {
		s.add(p)
	}
}

// Mail says that there is somebody of this address.
func (s *Screen) Mail(address string) { s.known("m:" + strings.ToLower(plain(address))) }

// Telephone says that there is somebody of this number. Its last eight digits are compared: who writes it leaves out the country, or adds it.
func (s *Screen) Telephone(number string) {
	if d := digitsOf(plain(number)); len(d) >= 8 {
		s.known("p:" + d[len(d)-8:])
	}
}

// Name says that there is somebody of this name, or what else they wrote of themselves: it is found in capitals or not, with and without blanks, and
// with the family name first or last. One of two letters counts where they are none of a to z, one of three otherwise, or where it is in hiragana alone.
func (s *Screen) Name(name string) {
	name = plain(name)
	eachKey(name, func(_, _ int, key string) { s.known(key) })
	name = strings.ToLower(mailLike.ReplaceAllString(byLook(name), " "))
	parts := strings.FieldsFunc(strings.ReplaceAll(name, leftOut, " "), isSign)
	for i := range parts {
		if len(parts) > 4 && i > 0 { // it is no name any more, and found as it stands
			break
		}
		turned := append(slices.Clone(parts[i:]), parts[:i]...)
		if p := patternOf(strings.Join(turned, " "), true); p.isName() {
			s.add(p)
		}
	}
}

// Text is a text without what looks like somebody, and whom it was told of.
func (s *Screen) Text(t string) string {
	n := plain(t)
	out := byLook(n)
	spans := s.stands(out)
	eachKey(out, func(from, to int, key string) {
		if s.keys[key] {
			spans = append(spans, [2]int{from, to})
		}
	})
	if out = cut(out, spans); out == n {
		return t
	}
	s.n++
	return out
}

// byLook leaves out what looks like somebody.
func byLook(n string) string {
	n = addressLike.ReplaceAllString(n, leftOut)
	n = spokenLike.ReplaceAllString(n, leftOut)
	masked := noNumber.ReplaceAllStringFunc(n, func(m string) string {
		if strings.IndexFunc(m, func(r rune) bool { return r >= 'a' && r <= 'f' }) < 0 && len(m) >= 32 { // digits alone are no hash
			return m
		}
		return strings.Repeat("x", len(m))
	})
	var spans [][2]int
	find := func(like *regexp.Regexp, in string) {
		for _, m := range like.FindAllStringSubmatchIndex(in, -1) {
			spans = append(spans, [2]int{m[2], m[3]})
		}
	}
	find(numberLike, masked)
	find(commaLike, masked)
	find(threeLike, n) // its first two look like a number in thousands
	return cut(n, spans)
}

// cut leaves out parts of a text, which may overlap.
func cut(t string, spans [][2]int) string {
	if len(spans) == 0 {
		return t
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
	var out strings.Builder
	at := 0
	for _, s := range spans {
		if s[0] >= at {
			out.WriteString(t[at:s[0]])
			out.WriteString(leftOut)
		}
		at = max(at, s[1])
	}
	out.WriteString(t[at:])
	return out.String()
}

// eachKey gives what of a text may be an address (m:) or a telephone (p:), and where it stands.
func eachKey(n string, do func(from, to int, key string)) {
	for _, m := range mailLike.FindAllStringSubmatchIndex(n, -1) {
		local, domain := n[m[2]:m[3]], dotted.ReplaceAllString(n[m[4]:m[5]], ".")
		do(m[0], m[1], "m:"+strings.ToLower(local+"@"+domain))
	}
	for _, m := range sparse.FindAllStringIndex(n, -1) {
		d := digitsOf(n[m[0]:m[1]])
		for i := 0; i+8 <= len(d); i++ {
			do(m[0], m[1], "p:"+d[i:i+8])
		}
	}
}

func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// value is Text of each string of a JSON value.
func (s *Screen) value(b []byte) (jsontext.Value, error) {
	in, out := jsontext.NewDecoder(bytes.NewReader(b)), new(bytes.Buffer)
	to := jsontext.NewEncoder(out)
	for {
		t, err := in.ReadToken()
		if errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		}
		if err == nil && t.Kind() == '"' {
			t = jsontext.String(s.Text(t.String()))
		}
		if err == nil {
			err = to.WriteToken(t)
		}
		if err != nil {
			return nil, err
		}
	}
}

// Identifies says whether a text holds something that looks like an identifier of a person: what outlives a case has none.
func Identifies(text string) bool {
	n := plain(text)
	return byLook(n) != n
}

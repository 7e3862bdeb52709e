package response

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"
)

// What looks like somebody, in a text in its compatible form (NFKC): an address of mail, also where its signs are written out, and seven
// digits and more, whatever parts them (telephones, cards, numbers of identity, of customers). What is a date, a number in thousands, a hash
// or the number of a weakness is none of these. What nobody finds by its look is compared with who is in the case, while that can be read.
var (
	addressLike = regexp.MustCompile(`(?i)[^\s/@:;,"'<>()\[\]{}]+(?:@|%40|\s*[(\[{<]\s*(?:@|at|アット(?:マーク)?)\s*[)\]}>]\s*)[^\s/@"'<>()\[\]{}]+(?:\.|\s*[(\[{<]\s*(?:\.|dot|ドット)\s*[)\]}>]\s*)[^\s/"'<>()\[\]{}、。]{2,}`)
	spokenLike  = regexp.MustCompile(`(?i)[\pL\pN]+[\pN._+\-][\pL\pN._+\-]*\s+(?:at|アット)\s+[\pL\pN\-]+(?:(?:\.|\s+dot\s+)[\pL\pN\-]+)+`)
	numberLike  = regexp.MustCompile(`\+?\(?[0-9](?:` + parted + `[0-9]){6,}`)
	noNumber    = regexp.MustCompile(`\b[12][0-9]{3}([-/.])[01]?[0-9][-/.][0-3]?[0-9](?:T|\b)|\b[1-9][0-9]{0,2}(?:,[0-9]{3})+\b|\bCVE-[0-9]{4}-[0-9]{4,7}\b|\b[0-9a-f]{32,}\b`)

	wordLike = regexp.MustCompile(`[A-Za-z0-9][A-Za-z0-9._@+\-]*|[\pL\pN]+`)
	mailLike = regexp.MustCompile(`(?i)([\pL\pN._+\-]+)\s*(?:@|\bat\b|[(\[{<]\s*(?:@|at)\s*[)\]}>])\s*([\pL\pN\-]+(?:\s*(?:\.|\bdot\b|[(\[{<]\s*dot\s*[)\]}>])\s*[\pL\pN\-]+)+)`)
	sparse   = regexp.MustCompile(`[0-9](?:[^0-9]{0,3}[0-9]){7,63}`)
	dotted   = regexp.MustCompile(`(?i)\s*(?:\.|\bdot\b|[(\[{<]\s*dot\s*[)\]}>])\s*`)
)

// parted is what stands between digits of one number: blanks, dashes of all kinds, brackets, and the like, as many as there are.
const parted = `[\s\p{Pd}\x{2212}\x{30FC}().\[\]/\\_·・･|~]*`

const leftOut = "［除］"

// A Screen finds people in texts. It looks at all texts first ([Screen.Look]), is then told whom there are ([Screen.Account] and the like),
// and leaves them out ([Screen.Text]).
type Screen struct {
	keys  map[string]bool // what the texts have that may be somebody's; true: it is
	names []string
	n     int64
}

// Look takes in what of a text may be somebody's.
func (s *Screen) Look(t string) {
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	eachKey(norm.NFKC.String(t), func(_, _ int, key string) {
		if _, ok := s.keys[key]; !ok {
			s.keys[key] = false
		}
	})
}

// Empty reports that nothing of the texts can be an account, an address or a telephone.
func (s *Screen) Empty() bool { return len(s.keys) == 0 }

func (s *Screen) known(key string) {
	if _, ok := s.keys[key]; ok {
		s.keys[key] = true
	}
}

// Account says that there is an account of this id. One of fewer than four signs, or six digits, is a word or a number like others.
func (s *Screen) Account(id string) {
	id = strings.ToLower(norm.NFKC.String(id))
	digits := len(digitsOf(id))
	if len(id) >= 4 && (digits < len(id) || digits >= 6) {
		s.known("w:" + id)
	}
}

// Mail says that there is somebody of this address.
func (s *Screen) Mail(address string) { s.known("m:" + strings.ToLower(norm.NFKC.String(address))) }

// Telephone says that there is somebody of this number. Its last eight digits are compared: who writes it leaves out the country, or adds it.
func (s *Screen) Telephone(number string) {
	if d := digitsOf(norm.NFKC.String(number)); len(d) >= 8 {
		s.known("p:" + d[len(d)-8:])
	}
}

// Name says that there is somebody of this name, or what else they wrote of themselves: where it stands word by word it is found.
func (s *Screen) Name(name string) {
	if name = strings.TrimSpace(norm.NFKC.String(name)); len([]rune(name)) >= 3 {
		s.names = append(s.names, name)
	}
	for _, key := range keysOf(name) {
		if strings.HasPrefix(key, "m:") || strings.HasPrefix(key, "p:") {
			s.known(key)
		}
	}
}

// Text is a text without what looks like somebody, and whom it was told of.
func (s *Screen) Text(t string) string {
	n := norm.NFKC.String(t)
	out := byLook(n)
	var spans [][2]int
	eachKey(out, func(from, to int, key string) {
		if s.keys[key] {
			spans = append(spans, [2]int{from, to})
		}
	})
	out = cut(out, spans)
	for _, name := range s.names {
		out = strings.ReplaceAll(out, name, leftOut)
	}
	if out == n {
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
	for _, m := range numberLike.FindAllStringIndex(masked, -1) {
		spans = append(spans, [2]int{m[0], m[1]})
	}
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

// eachKey gives what of a text may be an account (w:), an address (m:) or a telephone (p:), and where it stands.
func eachKey(n string, do func(from, to int, key string)) {
	for _, m := range wordLike.FindAllStringIndex(n, -1) {
		word := strings.TrimRight(n[m[0]:m[1]], "._@+-")
		do(m[0], m[0]+len(word), "w:"+strings.ToLower(word))
	}
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

func keysOf(n string) (out []string) {
	eachKey(n, func(_, _ int, key string) { out = append(out, key) })
	return out
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
	n := norm.NFKC.String(text)
	return byLook(n) != n
}

package password

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"shirase/internal/language"
)

// A Screen judges new passwords, as NIST SP 800-63B-4, 3.1.1.2 asks of a
// verifier: by length, by a list of passwords known from breaches, and by words
// that its context suggests. It never asks for kinds of characters.
type Screen struct {
	Count     func(hash []byte) (uint64, error) // how often a password was seen, such as [Corpus.Count]; nil: not asked
	Mode      Mode                              // of its hashes; 0: SHA-1
	MinLength int                               // in characters; 0: DefaultMinLength
}

const (
	DefaultMinLength = 8
	MaxLength        = 4096 // bytes; a longer one is refused, not judged

	minWord     = 4    // characters of a context word that is looked for anywhere
	minRun      = 4    // characters of a sequence
	variantSeen = 1000 // a variant counts where it is as common as this
)

// A Reason is why a password is refused. It never repeats the password, nor any part of it.
type Reason struct {
	Code  string `json:"code"`           // "short", "long", "breached", "variant", "context", "sequence", "repeated"
	Count uint64 `json:"count,omitzero"` // of "breached" and "variant": how often it was seen
	Least int    `json:"least,omitzero"` // of "short": how many characters there must be
}

// Text says it to a person.
func (r Reason) Text(l language.Lang) string {
	switch r.Code {
	case "short":
		return l.Pick(fmt.Sprintf("短すぎます。%d文字以上にしてください。", r.Least),
			fmt.Sprintf("It is too short: use at least %d characters.", r.Least))
	case "long":
		return l.Pick(fmt.Sprintf("長すぎます（%sバイトまで）。", language.Digits(MaxLength)), fmt.Sprintf("It is too long: at most %s bytes.", language.Digits(MaxLength)))
	case "breached":
		return l.Pick(fmt.Sprintf("このパスワードは、過去に漏えいしたパスワードの中に%s回見つかりました。ほかの場所で使っている場合は、そちらも変更してください。", language.Number(l, clamp(r.Count))),
			fmt.Sprintf("It was found %s in passwords leaked from other services. Where else you use it, change it too.", times(r.Count)))
	case "variant":
		return l.Pick(fmt.Sprintf("漏えいしたパスワードの中に%s回見つかったものを、少し変えただけのものです。", language.Number(l, clamp(r.Count))),
			fmt.Sprintf("It is a small change of one that was found %s in leaked passwords.", times(r.Count)))
	case "context":
		return l.Pick("お名前、メールアドレス、サービス名など、他人が知り得る言葉でできています。", "It is made of what others know of you: a name, an address, or the name of the service.")
	case "sequence":
		return l.Pick("文字やキーボードの並び順でできています。", "It follows the order of letters, digits or keys.")
	case "repeated":
		return l.Pick("同じ文字や言葉の繰り返しでできています。", "It repeats the same few characters.")
	}
	return r.Code
}

func clamp(n uint64) int64 { return int64(min(n, 1<<63-1)) }

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return language.Digits(clamp(n)) + " times"
}

// Check returns why a password should be refused; none: it may be used. about
// are words that belong to its context: names, addresses, the service. An error is
// the corpus's: the password was then not judged.
func (s Screen) Check(password string, about ...string) ([]Reason, error) {
	if len(password) > MaxLength {
		return []Reason{{Code: "long"}}, nil
	}
	var out []Reason
	least := s.MinLength
	if least == 0 {
		least = DefaultMinLength
	}
	if utf8.RuneCountInString(norm.NFC.String(password)) < least {
		out = append(out, Reason{Code: "short", Least: least})
	}
	seen, err := s.corpus(password)
	if err != nil {
		return nil, err
	}
	if seen.Code != "" {
		out = append(out, seen)
	}
	folded := []rune(fold(password))
	if inContext(folded, about) {
		out = append(out, Reason{Code: "context"})
	}
	switch {
	case repeats(folded):
		out = append(out, Reason{Code: "repeated"})
	case len(folded) > 0 && 2*runs(folded) > len(folded):
		out = append(out, Reason{Code: "sequence"})
	}
	return out, nil
}

// corpus asks for the password as it is and, where that was never seen, for what it was made from.
func (s Screen) corpus(password string) (Reason, error) {
	if s.Count == nil || password == "" {
		return Reason{}, nil
	}
	mode := s.Mode
	if mode == 0 {
		mode = SHA1
	}
	for i, v := range Variants(password) {
		h, err := mode.Hash(v)
		if err != nil {
			continue // no hash, so it is in no list
		}
		n, err := s.Count(h)
		if err != nil {
			return Reason{}, fmt.Errorf("screen a password: %w", err)
		}
		if i == 0 && n > 0 {
			return Reason{Code: "breached", Count: n}, nil
		}
		if n >= variantSeen {
			return Reason{Code: "variant", Count: n}, nil
		}
	}
	return Reason{}, nil
}

// Variants returns the password as it is and then those it may have been made
// from: in small letters, without digits and signs at its end, with signs for
// letters undone. A client of the k-anonymous screening sends the ranges of all.
func Variants(password string) []string {
	out := []string{password}
	add := func(s string) {
		if s == "" || utf8.RuneCountInString(s) < 4 {
			return
		}
		for _, have := range out {
			if s == have {
				return
			}
		}
		out = append(out, s)
	}
	low := strings.ToLower(norm.NFKC.String(password))
	add(low)
	bare := strings.TrimRightFunc(low, func(r rune) bool { return !unicode.IsLetter(r) })
	add(bare)
	add(unleet(bare))
	add(unleet(low))
	return out
}

var leet = strings.NewReplacer("0", "o", "1", "l", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i")

func unleet(s string) string { return leet.Replace(s) }

// fold writes what is alike alike: NFKC (full-width letters, half-width kana), small letters, katakana as hiragana.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'ァ' && r <= 'ヶ' {
			return r - 'ァ' + 'ぁ'
		}
		return unicode.ToLower(r)
	}, norm.NFKC.String(s))
}

// inContext reports whether words of the context make up most of the password,
// forwards or backwards, with letters written as signs or not.
func inContext(password []rune, about []string) bool {
	if len(password) == 0 {
		return false
	}
	plain := string(password)
	for _, text := range []string{plain, unleet(plain)} {
		covered := 0
		rest := text
		for _, w := range contextWords(about) {
			for _, w := range []string{w, reverse(w)} {
				n := utf8.RuneCountInString(w)
				if n < minWord && 2*n < len(password) {
					continue
				}
				if strings.Contains(rest, w) {
					covered += n * strings.Count(rest, w)
					rest = strings.ReplaceAll(rest, w, "\x00")
				}
			}
		}
		if 2*covered >= len(password) {
			return true
		}
	}
	return false
}

// contextWords cuts the context into words of at least 3 characters (2 where they are Japanese), the longest first.
func contextWords(about []string) []string {
	var out []string
	add := func(w string) {
		least := 3
		if r, _ := utf8.DecodeRuneInString(w); r > 0x2E80 {
			least = 2
		}
		if n := utf8.RuneCountInString(w); n >= least && n <= 64 && len(out) < 256 {
			out = append(out, w)
		}
	}
	for _, a := range about {
		a = fold(a)
		words := strings.FieldsFunc(a, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		for _, w := range words {
			add(w)
			add(strings.TrimFunc(w, unicode.IsDigit))
		}
		add(strings.Join(words, ""))
	}
	for i := range out { // few: the simplest sort does
		for j := i; j > 0 && len(out[j]) > len(out[j-1]); j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

func reverse(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}

// rows are orders that fingers and memories follow: keyboards with English (US)
// and Japanese (JIS) layout, by rows and by columns, with and without shift; the
// kana of the JIS keyboard; the orders of kana.
var rows = []string{
	"`1234567890-=", "~!@#$%^&*()_+", "qwertyuiop[]\\", "asdfghjkl;'", "zxcvbnm,./",
	"1234567890-^\\", "!\"#$%&'()=~|", "qwertyuiop@[", "asdfghjkl;:]", "zxcvbnm,./\\",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "zaq1xsw2cde3vfr4bgt5nhy6mju7,ki8.lo9/;p0",
	"qazwsxedcrfvtgbyhnujmikolp", "789456123", "741852963", "147258369",
	"ぬふあうえおやゆよわほへ", "たていすかんなにらせ", "ちとしはきくまのりれけむ", "つさそひこみもねるめろ",
	"あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん",
	"いろはにほへとちりぬるをわかよたれそつねならむうゐのおくやまけふこえてあさきゆめみしゑひもせす",
	"ドレミファソラシド",
}

// runs counts the characters that lie in sequences of at least minRun.
func runs(p []rune) int {
	total := 0
	for i := 0; i < len(p); {
		best := max(stepRun(p[i:]), rowRun(p[i:]))
		if best >= minRun {
			total += best
			i += best
		} else {
			i++
		}
	}
	return total
}

// stepRun is how long a sequence of code points with the step 1, 0 or -1 begins here.
func stepRun(p []rune) int {
	if len(p) < 2 {
		return len(p)
	}
	step := p[1] - p[0]
	if step < -1 || step > 1 || !unicode.IsLetter(p[0]) && !unicode.IsDigit(p[0]) && step != 0 {
		return 1
	}
	n := 2
	for n < len(p) && p[n]-p[n-1] == step {
		n++
	}
	return n
}

// rowRun is how long a part of a row, forwards or backwards, begins here.
func rowRun(p []rune) int {
	best := 0
	for _, row := range rows {
		for _, row := range []string{row, reverse(row)} {
			r := []rune(row)
			for at := range r {
				n := 0
				for n < len(p) && at+n < len(r) && p[n] == r[at+n] {
					n++
				}
				best = max(best, n)
			}
		}
	}
	return best
}

// repeats reports whether the password is a shorter text again and again, or has at most 3 different characters.
func repeats(p []rune) bool {
	if len(p) < 4 {
		return false
	}
	different := map[rune]bool{}
	for _, r := range p {
		different[r] = true
	}
	if len(different) <= min(3, len(p)/2) {
		return true
	}
	for period := 1; 2*period <= len(p); period++ {
		same := 0
		for i := period; i < len(p); i++ {
			if p[i] == p[i-period] {
				same++
			}
		}
		if same == len(p)-period {
			return true
		}
	}
	return false
}

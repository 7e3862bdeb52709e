package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// amount is a number with what it counts, as both languages write it: 1,200人, 169万2,496件, 約4,800万人, 1.7 million accounts.
var amount = regexp.MustCompile(`(約|およそ|おおよそ|最大|(?i:about |approximately |around |nearly |some |up to |roughly ))?[ \x{3000}]?` +
	`([0-9０-９][0-9０-９,，]{0,14}(?:[.．][0-9０-９]{1,3})?)[ \x{3000}]?(?:億([0-9０-９,，]{1,6})?)?(万)?([0-9０-９,，]{1,6})?[ \x{3000}]?(?i:(thousand|million|billion)\s)?(?:余り?|超|強|弱)?[ \x{3000}]?` +
	`(?:(件|人|名|口座|アカウント|回)|(?i:(?:of (?:our|its|the) )?(?:(?:affected|impacted|registered|individual|current|former|japanese) ){0,2}(people|persons|individuals|customers|users|members|records|accounts)\b))`)

var digits = strings.NewReplacer("，", "", ",", "", "．", ".", "０", "0", "１", "1", "２", "2", "３", "3", "４", "4", "５", "5", "６", "6", "７", "7", "８", "8", "９", "9")

var (
	// Words of a sentence that counts those whom it happened to.
	exposure = regexp.MustCompile(`流出|漏え|漏洩|漏れ|対象|影響を受け|被害に|閲覧された|不正ログイン|(?i)\b(?:affected|impacted|exposed|compromised|stolen|leaked|breach(?:ed)?|accessed|taken)\b`)
	// What else a sentence may count.
	otherCount = regexp.MustCompile(`問い?合わ?せ|お電話|電話窓口|名体制|人体制|従業員数|社員|担当者|株|(?i)\b(?:employees of ours|call centre|call center|agents|staff members)\b`)
	accounts   = regexp.MustCompile(`(?:アカウント|口座|ID|ＩＤ)[^。\n0-9０-９]{0,12}$`)
)

// unitsOf are the units that a word may stand for. Customers and members may be persons or their accounts.
var unitsOf = map[string][]string{"件": {"records"}, "人": {"persons"}, "名": {"persons"}, "口座": {"accounts"}, "アカウント": {"accounts"}, "回": {"attempts"},
	"people": {"persons"}, "persons": {"persons"}, "individuals": {"persons"}, "customers": {"persons", "accounts"}, "users": {"persons", "accounts"},
	"members": {"persons", "accounts"}, "records": {"records"}, "accounts": {"accounts"}}

// countKeys are the keys of facts that count.
var countKeys = []string{"affected.count", "affected.part", "base.count", "attempts.count", "excluded"}

// said is a number that a text gives.
type said struct {
	from, to int
	n        int64
	about    bool
	word     string
	units    []string
}

func (l *linter) numbers() []said {
	var out []said
	for _, m := range amount.FindAllSubmatchIndex(l.text, 1000) {
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return string(l.text[m[2*i]:m[2*i+1]])
		}
		if c, _ := utf8.DecodeLastRune(l.text[:m[4]]); m[2] < 0 && strings.ContainsRune("十百千数何", c) {
			continue // the end of a longer number
		}
		n, ok := value(part(2), part(3), part(4), part(5), part(6), strings.Contains(string(l.text[m[4]:m[1]]), "億"))
		if !ok || n < 10 { // small numbers count many things
			continue
		}
		w := strings.ToLower(part(7) + part(8))
		s := said{from: m[0], to: m[1], n: n, word: w, units: unitsOf[w]}
		pre := part(1)
		s.about = pre != "" || part(6) != "" || strings.ContainsAny(string(l.text[m[4]:m[1]]), "余超強弱")
		if w == "件" && accounts.Match(l.text[max(0, m[0]-60):m[0]]) { // アカウント1,200件
			s.units = []string{"accounts", "records"}
		}
		out = append(out, s)
	}
	return append(out, l.inWords()...)
}

// inWords are numbers that are written with 千 or in kanji: 5千人, 百六十九万二千件. What is not one number (数千人, 十数万件) is none.
var inWords = regexp.MustCompile(`(約|およそ|おおよそ|最大)?([0-9０-９,，〇一二三四五六七八九十百千万億数何]*[〇一二三四五六七八九十百千][0-9０-９,，〇一二三四五六七八九十百千万億数何]*)(余り?|超|強|弱)?(件|人|名|口座|アカウント|回)`)

func (l *linter) inWords() []said {
	var out []said
	for _, m := range inWords.FindAllSubmatchIndex(l.text, 1000) {
		n, ok := kanji(string(l.text[m[4]:m[5]]))
		if !ok || n < 10 {
			continue
		}
		w := string(l.text[m[8]:m[9]])
		out = append(out, said{from: m[0], to: m[1], n: n, word: w, units: unitsOf[w], about: m[2] >= 0 || m[6] >= 0})
	}
	return out
}

// kanji reads a number of digits and kanji; false where it is none.
func kanji(text string) (int64, bool) {
	var sum, part, digit int64 // below the last 万 or 億, below the last 千, and as it is read
	var any bool
	scale := map[rune]int64{'十': 10, '百': 100, '千': 1000}
	for _, c := range digits.Replace(text) {
		value := int64(strings.IndexRune("0123456789", c))
		if i := slices.Index([]rune("〇一二三四五六七八九"), c); i >= 0 {
			value = int64(i)
		}
		switch {
		case value >= 0 && digit < 1e12:
			digit, any = digit*10+value, true
		case scale[c] > 0:
			if !any {
				digit = 1
			}
			part, digit, any = part+digit*scale[c], 0, false
		case c == '万' && part+digit < 1e8:
			sum, part, digit, any = sum+(part+digit)*1e4, 0, 0, false
		case c == '億' && part+digit < 1e5:
			sum, part, digit, any = sum+(part+digit)*1e8, 0, 0, false
		default: // 数, 何
			return 0, false
		}
	}
	return sum + part + digit, true
}

// value reads the parts of a number: digits, what follows 億, 万, what follows it, an English scale.
func value(num, oku, man, rest, scale string, hundredMillions bool) (int64, bool) {
	f, err := strconv.ParseFloat(digits.Replace(num), 64)
	if err != nil || f > 1e12 {
		return 0, false
	}
	tail := func(s string) float64 {
		n, err := strconv.ParseInt(digits.Replace(s), 10, 64)
		if err != nil {
			return 0
		}
		return float64(n)
	}
	switch {
	case hundredMillions:
		f *= 1e8
		if man != "" {
			f += tail(oku)*1e4 + tail(rest)
		} else {
			f += tail(oku) + tail(rest)
		}
	case man != "":
		f = f*1e4 + tail(rest)
	case rest != "":
		return 0, false
	}
	f *= map[string]float64{"": 1, "thousand": 1e3, "million": 1e6, "billion": 1e9}[strings.ToLower(scale)]
	return int64(f + 0.5), true
}

// near reports whether a number that is said roughly can be another.
func near(said, is int64) bool { return max(said, is)-min(said, is) <= is/20 }

// holds gives the key of a fact that counts so many of a unit; "" where none does.
func (l *linter) holds(n int64, units ...string) string {
	i := slices.IndexFunc(l.Incident.Facts, func(f incident.Fact) bool {
		return slices.Contains(countKeys, f.Key) && f.Value.Number != nil && *f.Value.Number == n && (len(units) == 0 || slices.Contains(units, f.Value.Unit))
	})
	if i < 0 {
		return ""
	}
	return l.Incident.Facts[i].Key
}

// amounts finds numbers that facts do not give, that were overtaken, or that count something else than the fact does, also in texts
// that are too short to be read as a notice: canned answers, mails, posts.
func (l *linter) amounts() {
	affected, ok := l.Incident.Fact("affected.count")
	if !ok || affected.Value.Number == nil {
		return
	}
	for _, s := range l.numbers() {
		if s.word == "回" && l.holds(s.n) == "" || l.holds(s.n, s.units...) != "" {
			continue
		}
		if key := l.holds(s.n); key != "" { // 件 where the fact counts 人
			f := l.Incident.Facts[slices.IndexFunc(l.Incident.Facts, func(f incident.Fact) bool { return f.Key == key && f.Value.Number != nil && *f.Value.Number == s.n })]
			l.unit(s.from, s.to, f, language.Same(s.word))
			continue
		}
		sentence := l.sentence(s.from, s.to)
		switch {
		case l.was(s.n):
			l.counted(s.from, s.to, affected, s.n, s.units[0])
		case !exposure.MatchString(sentence) || otherCount.MatchString(sentence):
		case !slices.Contains(s.units, affected.Value.Unit) && !l.counts(s.units):
			l.unit(s.from, s.to, affected, language.Same(s.word))
		case s.about && l.nearSome(s.n, s.units):
		default:
			l.counted(s.from, s.to, affected, s.n, s.units[0])
		}
	}
}

// counts reports whether any fact counts in one of these units.
func (l *linter) counts(units []string) bool {
	return slices.ContainsFunc(l.Incident.Facts, func(f incident.Fact) bool {
		return slices.Contains(countKeys, f.Key) && f.Value.Number != nil && slices.Contains(units, f.Value.Unit)
	})
}

func (l *linter) nearSome(n int64, units []string) bool {
	return slices.ContainsFunc(l.Incident.Facts, func(f incident.Fact) bool {
		return slices.Contains(countKeys, f.Key) && f.Value.Number != nil && slices.Contains(units, f.Value.Unit) && near(n, *f.Value.Number)
	})
}

// was reports whether affected.count was once so many, and is not now.
func (l *linter) was(n int64) bool {
	_, ok := l.before(n)
	return ok
}

func (l *linter) before(n int64) (incident.Fact, bool) {
	i := slices.IndexFunc(l.Recorded, func(f incident.Fact) bool {
		return f.Key == "affected.count" && f.Value.Number != nil && *f.Value.Number == n
	})
	if i < 0 || l.holds(n) != "" {
		return incident.Fact{}, false
	}
	return l.Recorded[i], true
}

// counted says that a number is not the fact's, or is not any more.
func (l *linter) counted(from, to int, f incident.Fact, n int64, unit string) {
	is := both(incident.Count(language.JA, f.Value), incident.Count(language.EN, f.Value))
	was := language.Same(language.Digits(n))
	if before, ok := l.before(n); ok && f.Key == "affected.count" {
		l.add("overtaken", from, to, mend, wasAndIs(f, before, was, is))
		return
	}
	w := word("unit", unit)
	l.add("fact", from, to, mend, says(f, both(was.JA+w.JA, was.EN+" "+w.EN), is))
}

func (l *linter) unit(from, to int, f incident.Fact, said language.Text) {
	is, key := word("unit", f.Value.Unit), name(f.Key)
	l.add("unit", from, to, countOne, both(fmt.Sprintf("単位が「%s」ですが、事実「%s」の単位は「%s」です。", said.JA, key.JA, is.JA),
		fmt.Sprintf("it counts %s, and the fact %s counts %s", said.EN, f.Key, is.EN)))
}

// sentence is the one around a place.
func (l *linter) sentence(from, to int) string {
	start := max(0, from-600)
	if all := sentenceEnd.FindAllIndex(l.text[start:from], -1); len(all) > 0 {
		start += all[len(all)-1][1]
	}
	end := min(len(l.text), to+600)
	if m := sentenceEnd.FindIndex(l.text[to:end]); m != nil {
		end = to + m[1]
	}
	return string(l.text[start:end])
}

package law

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"shirase/internal/language"
)

// known is what can be said of something: no, yes, or nobody knows yet. What is not known is never a no.
type known int8

const (
	no    known = -1
	maybe known = 0
	yes   known = 1
)

// A condition is one thing to know of a case, or several of which any or all have to be. The zero condition always holds.
type condition struct {
	any, all []condition
	atom     *atom
}

// empty reports the zero condition.
func (c condition) empty() bool { return c.atom == nil && len(c.any)+len(c.all) == 0 }

// atom is one comparison: a word that is or is not said of the case, a number of persons or of residents of a place, or
// its sector.
type atom struct {
	text   string
	negate bool
	word   string // a word of words, or "persons", "residents.PLACE", "sector"
	op     string // "" for a word
	n      int64
	value  string // of the sector
}

// words are what may be known of a case beside its numbers, each with what it means.
var words = map[string]incidentText{
	"sensitive":   {"要配慮個人情報を含む", "special categories of data are among it"},
	"financial":   {"財産的被害のおそれがある", "financial harm is possible"},
	"wrongful":    {"不正の目的によるおそれがある", "a wrongful purpose is possible"},
	"credentials": {"認証情報を含む", "passwords or other authentication data are among it"},
	"national-id": {"番号法の個人番号など国の番号を含む", "national identification numbers are among it"},
	"health":      {"医療・健康の情報を含む", "health data are among it"},
	"ransomware":  {"ランサムウェアによる", "it is ransomware"},
	"ransom-paid": {"身代金を支払った", "a ransom was paid"},
	"encrypted":   {"高度な暗号化その他の措置が講じられている", "all of it is well encrypted, and the key is safe"},
	"risk":        {"本人の権利や自由への危険がある", "a risk to the persons is likely"},
	"high-risk":   {"本人への高い危険がある", "a high risk to the persons is likely"},
	"significant": {"重大な事案である", "the incident is significant as the regime defines it"},
	"listed":      {"上場会社である", "the organisation is a registrant"},
	"essential":   {"重要な事業者・主要な事業者に当たる", "the organisation is an essential, important or critical operator"},
	"certified":   {"プライバシーマーク付与事業者である", "the organisation holds the PrivacyMark"},
	"ongoing":     {"事案が続いている", "the incident goes on"},
}

type incidentText struct{ ja, en string }

var atomForm = regexp.MustCompile(`^(not )?([a-z][a-z-]*|residents\.[a-z]{2}(?:-[a-z0-9]{1,3})?)(?: (>=|>|=) ([a-z0-9][a-z0-9-]*))?$`)

func parseAtom(text string) (*atom, error) {
	m := atomForm.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("%q is no condition: a word, not and a word, persons > 1000, residents.us-ca >= 500 or sector = finance", text)
	}
	a := &atom{text: text, negate: m[1] != "", word: m[2], op: m[3]}
	switch _, isWord := words[a.word]; {
	case isWord:
		if a.op != "" {
			return nil, fmt.Errorf("%q: %s is a word, and has no number", text, a.word)
		}
	case a.word == "sector" && a.op == "=":
		a.value = m[4]
	case a.word == "persons" || strings.HasPrefix(a.word, "residents."):
		n, err := strconv.ParseInt(m[4], 10, 64)
		if err != nil || a.op == "" || a.op == "=" {
			return nil, fmt.Errorf("%q: a number is compared with > or >=", text)
		}
		a.n = n
	default:
		return nil, fmt.Errorf("%q: %s is none of the words a condition may name", text, a.word)
	}
	return a, nil
}

// of says whether the atom holds, as far as is known.
func (a *atom) of(s Situation) known {
	k := maybe
	switch {
	case a.op == "":
		if v, ok := s.Known[a.word]; ok {
			k = is(v)
		}
	case a.word == "sector":
		if s.Sector != "" {
			k = is(s.Sector == a.value)
		}
	case a.word == "persons":
		k = s.Persons.compare(a.op, a.n)
	default:
		if r, ok := s.Residents[strings.TrimPrefix(a.word, "residents.")]; ok {
			k = r.compare(a.op, a.n)
		}
	}
	if a.negate {
		k = -k
	}
	return k
}

func is(v bool) known {
	if v {
		return yes
	}
	return no
}

// of says whether the condition holds, as far as is known (Kleene's three values), and the atoms that decide it: those
// that make it so, or that would have to be known.
func (c condition) of(s Situation) (known, []*atom) {
	switch {
	case c.atom != nil:
		return c.atom.of(s), []*atom{c.atom}
	case len(c.any) > 0:
		return decide(c.any, s, yes)
	case len(c.all) > 0:
		return decide(c.all, s, no)
	}
	return yes, nil
}

// decide joins parts of which one that is decisive decides.
func decide(parts []condition, s Situation, decisive known) (known, []*atom) {
	result := -decisive
	by := map[known][]*atom{}
	for _, p := range parts {
		k, atoms := p.of(s)
		by[k] = append(by[k], atoms...)
		if k == decisive || k == maybe && result != decisive {
			result = k
		}
	}
	return result, by[result]
}

// Number is a number of persons, as it is known: exactly, or only that it is no less or no more.
type Number struct {
	Low, High int64 // High -1: no upper end is known
	Known     bool
}

// Exactly is a number that is known.
func Exactly(n int64) Number { return Number{n, n, true} }

func (n Number) compare(op string, than int64) known {
	if !n.Known {
		return maybe
	}
	limit := than
	if op == ">" {
		limit++
	}
	switch {
	case n.Low >= limit:
		return yes
	case n.High >= 0 && n.High < limit:
		return no
	}
	return maybe
}

// Words are what may be said of a case that conditions depend on, in order.
func Words() []string { return slices.Sorted(keysOf(words)) }

// WordText says a word of conditions to people.
func WordText(word string) language.Text {
	return language.Text{JA: words[word].ja, EN: words[word].en}
}

// TriggerText says a trigger to people.
func TriggerText(trigger string) language.Text {
	return language.Text{JA: triggers[trigger].ja, EN: triggers[trigger].en}
}

// Triggers are what can start a clock, in order.
func Triggers() []string { return slices.Sorted(keysOf(triggers)) }

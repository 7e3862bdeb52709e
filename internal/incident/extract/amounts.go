package extract

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// amount is a number of things that the text names.
type amount struct {
	from, to  int // with its qualifier and unit
	line      int
	value     int64
	unit      string // persons, records, accounts, attempts; "" where the text gives none
	word      string // the unit as it was written
	qualifier string // exact, about, at-most, cumulative
	total     bool   // 合計
	part      bool   // in brackets behind another, or what うち picks out of it
	spelt     bool   // it is written in words
	of        *amount
	base      bool // of how many in all
}

// maxCount is more than there are people; whatever is above is no count of them.
const maxCount = 20_000_000_000

// A number as notices write it: groups, decimals before 万 and 億, and figures between them (169万2,496, 475万329). What
// stands around it says how exact it is.
var amountJA = ruleJA("amountJA")

// unitsJA folds the words for units. 回 counts attempts and never people.
var unitsJA = map[string]string{
	"件": "records", "件分": "records", "レコード": "records",
	"人": "persons", "名": "persons", "人分": "persons", "名分": "persons", "名様分": "persons", "人様分": "persons", "名様": "persons", "人様": "persons", "ユーザー": "persons", "ユーザ": "persons",
	"アカウント": "accounts", "口座": "accounts", "ID": "accounts", "会員ID": "accounts", "ユーザーID": "accounts", "ユーザID": "accounts", "ログインID": "accounts",
	"回": "attempts",
}

var (
	accountNoun  = ruleJA("accountNoun")
	accountAfter = ruleJA("accountAfter")
	attemptNoun  = ruleJA("attemptNoun")
	personNoun   = ruleJA("personNoun")
	recordNoun   = ruleJA("recordNoun")
	notCount     = ruleJA("notCount")
	picksOut     = ruleJA("picksOut")
)

// scanAmountsJA finds every number with a unit of people, records, accounts or attempts, and those that a label gives a
// unit.
func scanAmountsJA(s string, lines []line) []*amount {
	var out []*amount
	for n, l := range lines {
		var inLine []*amount
		for at := l.from; at < l.to; {
			rest := firstBytes(s[at:l.to], maxSentence)
			m := amountJA.FindStringSubmatchIndex(rest)
			if m == nil {
				at += len(rest)
				continue
			}
			a := &amount{from: at + m[0], to: at + m[1], line: n}
			part := func(name string) string {
				i := 2 * amountJA.SubexpIndex(name)
				if m[i] < 0 {
					return ""
				}
				return rest[m[i]:m[i+1]]
			}
			numAt := at + m[2*amountJA.SubexpIndex("num")]
			at += max(m[1], 1)
			if a.read(s, l, numAt, part("pre"), part("num"), part("more"), part("unit"), part("post")) {
				inLine = append(inLine, a)
			}
		}
		partsOf(s, inLine[:min(len(inLine), maxAmounts)])
		out = append(out, inLine...)
	}
	return out
}

// read fills a; false where the number counts nothing that concerns us.
func (a *amount) read(s string, l line, numAt int, pre, num, more, unit, post string) bool {
	if lead := strings.TrimSpace(s[l.from:a.from]); notCount.MatchString(lastBytes(s[l.from:a.from], 24)) && pre == "" && lead != "-" && lead != "/" {
		return false
	}
	value, ok := readNumber(num)
	if !ok || value > maxCount || more == "数" || strings.TrimSpace(more) == "数" {
		return false
	}
	a.value, a.word = value, unit
	before, after := lastBytes(s[l.from:a.from], 90), s[a.to:l.to]
	if unit == "" && strings.HasPrefix(after, ")") && value < 100 {
		return false // 1) heads an item
	}
	if unit == "" {
		switch label := strings.TrimRight(before, " "); {
		case !strings.HasSuffix(label, ":") && !strings.HasSuffix(label, "は"):
			return false
		case personNoun.MatchString(before):
			a.unit = "persons"
		case accountNoun.MatchString(before):
			a.unit = "accounts"
		case recordNoun.MatchString(before):
			a.unit = "records"
		default:
			return false
		}
	} else if a.unit, ok = unitsJA[unit]; !ok {
		return false
	}
	switch {
	case unit == "ID" && len(after) > 0 && (after[0] >= 'a' && after[0] <= 'z' || after[0] >= 'A' && after[0] <= 'Z'):
		return false
	case unit == "名" && strings.HasPrefix(after, "称"), unit == "人" && strings.HasPrefix(after, "目"), unit == "件" && strings.HasPrefix(after, "目"), unit == "回" && strings.HasPrefix(after, "目"), unit == "名" && strings.HasPrefix(after, "義"), unit == "人" && strings.HasPrefix(after, "体制"), unit == "名" && strings.HasPrefix(after, "体制"):
		return false
	}
	if a.unit == "records" && unit == "件" {
		switch {
		case attemptNoun.MatchString(before) && strings.Contains(before, "試行"):
			a.unit = "attempts"
		case accountNoun.MatchString(before), accountAfter.MatchString(after):
			a.unit = "accounts"
		}
	}
	a.total = strings.Contains(pre, "わせて") || strings.Contains(pre, "合計") || strings.Contains(pre, "総") || strings.Contains(pre, "計")
	a.qualifier = qualifierOf(pre, more+post)
	return true
}

// qualifierOf says how exact a number is. What is "more than" or "at least" is about: the vocabulary has no word for a
// lower bound, and the number alone would be too sure.
func qualifierOf(pre, post string) string {
	switch {
	case strings.Contains(pre, "最大"), strings.Contains(pre, "上限"), strings.Contains(post, "以下"), strings.Contains(post, "未満"):
		return "at-most"
	case strings.Contains(pre, "延"), strings.Contains(pre, "のべ"), strings.Contains(pre, "累計"):
		return "cumulative"
	case strings.Contains(pre, "約"), strings.Contains(pre, "およそ"), strings.Contains(pre, "おおよそ"), strings.Contains(pre, "概ね"), strings.Contains(pre, "おおむね"), strings.Contains(pre, "少なくとも"):
		return "about"
	}
	if post = strings.TrimSpace(post); post != "" && post != "の可能性" {
		return "about"
	}
	return "exact"
}

var numberParts = ruleJA("numberParts")

// readNumber reads 1億2,345万6,789, 169万2,496, 3万7000, 2.5万, 5千.
func readNumber(num string) (int64, bool) {
	num = strings.ReplaceAll(num, " ", "")
	var total, section float64
	for _, m := range numberParts.FindAllStringSubmatch(num, -1) {
		if m[0] == "" {
			continue
		}
		n := 1.0
		if m[1] != "" {
			f, err := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64)
			if err != nil || len(m[1]) > 20 {
				return 0, false
			}
			n = f
		}
		switch m[2] {
		case "億":
			total += (section + n) * 1e8
			section = 0
		case "万":
			if m[1] == "" {
				n = 0
			}
			total += (section + n) * 1e4
			section = 0
		case "千":
			section += n * 1e3
		case "百":
			section += n * 1e2
		default:
			section += n
		}
	}
	total += section
	if total != float64(int64(total)) || total < 0 || total > 1e15 {
		return 0, false
	}
	return int64(total), true
}

// partsOf marks what only divides another amount: those in brackets right behind it, and what うち picks out of it.
func partsOf(s string, in []*amount) {
	for i := 1; i < len(in); i++ {
		a := in[i]
		for j := i - 1; j >= 0 && j >= i-12; j-- {
			b := in[j]
			between := s[b.to:a.from]
			if len(between) > 600 {
				break
			}
			open := strings.TrimLeft(between, " ")
			open = strings.TrimPrefix(open, "分")
			if c, _ := utf8.DecodeRuneInString(open); (c == '(' || c == '[') && unclosed(open) {
				a.part, a.of = true, b
				break
			}
			if !b.part && b.unit != "attempts" && picksOut.MatchString(between) {
				a.part, a.of = true, b
				break
			}
		}
	}
}

// unclosed reports whether the bracket that s begins with is still open at its end.
func unclosed(s string) bool {
	depth := 0
	for _, c := range s {
		switch c {
		case '(', '[':
			depth++
		case ')', ']':
			if depth--; depth <= 0 {
				return false
			}
		}
	}
	return depth > 0
}

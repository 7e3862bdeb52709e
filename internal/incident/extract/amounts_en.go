package extract

import (
	"strconv"
	"strings"
)

var amountEN = ruleEN("amountEN")

var unitsEN = map[string]string{"account": "accounts", "accounts": "accounts", "record": "records", "records": "records", "cards": "records",
	"letters": "records", "entries": "records", "profiles": "records", "rows": "records", "orders": "records", "email addresses": "records", "e-mail addresses": "records", "letter": "records", "documents": "records", "files": "records",
	"attempts": "attempts", "login attempts": "attempts", "log-in attempts": "attempts", "sign-in attempts": "attempts"}

var spelt = map[string]int64{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
	"thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40,
	"fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}

var scalesEN = map[string]float64{"million": 1e6, "m": 1e6, "billion": 1e9, "thousand": 1e3, "k": 1e3, "hundred": 100, "": 1}

// scanAmountsEN finds every number of people, accounts, records or attempts.
func scanAmountsEN(s string, lines []line) []*amount {
	var out []*amount
	for n, l := range lines {
		for at := l.from; at < l.to && len(out) < maxTimesEN; {
			rest := firstBytes(s[at:l.to], maxSentence)
			m := amountEN.FindStringSubmatchIndex(rest)
			if m == nil {
				at += len(rest)
				continue
			}
			a := &amount{from: at + m[0], to: at + m[1], line: n}
			before := lastBytes(s[l.from:a.from], 12)
			at += m[1]
			if before != "" && strings.ContainsAny(before[len(before)-1:], "#$£€.,/-_:@") {
				continue
			}
			if a.readEN(rest, m) {
				out = append(out, a)
			}
		}
	}
	return out
}

// readEN fills a from a match in rest; false where it is no whole number.
func (a *amount) readEN(rest string, m []int) bool {
	part := func(name string) string {
		i := 2 * amountEN.SubexpIndex(name)
		if m[i] < 0 {
			return ""
		}
		return strings.ToLower(rest[m[i]:m[i+1]])
	}
	a.word = part("unit")
	if notNounEN.MatchString(part("noun")) {
		return false
	}
	pre := part("pre")
	digits := part("num") + part("inner")
	num := float64(spelt[part("spelt")]+spelt[part("unitword")]) * scalesEN[part("spelthundred")]
	a.spelt = digits == ""
	if digits != "" {
		var err error
		if num, err = strconv.ParseFloat(strings.ReplaceAll(digits, ",", ""), 64); err != nil {
			return false
		}
		num *= scalesEN[part("scale")]
	}
	if num < 0.5 || num > maxCount || num-float64(int64(num+0.5)) > 1e-6 || float64(int64(num+0.5))-num > 1e-6 {
		return false
	}
	a.value = int64(num + 0.5) // 4.35 million is a whole number, but not a binary one
	if a.unit = unitsEN[a.word]; a.unit == "" {
		a.unit = "persons"
	}
	a.qualifier, a.total = "exact", strings.Contains(pre, "total")
	switch {
	case strings.Contains(pre, "up to"), strings.Contains(pre, "at most"), strings.Contains(pre, "as many as"), strings.Contains(pre, "no more"), strings.Contains(pre, "fewer"), strings.Contains(pre, "less than"):
		a.qualifier = "at-most"
	case strings.Contains(pre, "cumulative"):
		a.qualifier = "cumulative"
	case part("plus") != "", strings.TrimSpace(pre) != "" && strings.TrimSpace(pre) != "a total of" && !strings.Contains(pre, "totalling of"):
		a.qualifier = "about"
	}
	return true
}

// notNounEN are the words that do not stand between a number and what it counts: "30 days to customers".
var notNounEN = ruleEN("notNounEN")

var (
	leakEN     = ruleEN("leakEN")
	hitEN      = ruleEN("hitEN")
	notLeakEN  = ruleEN("notLeakEN")
	notTheseEN = ruleEN("notTheseEN")
	wrongWayEN = ruleEN("wrongWayEN")
	wereNotEN  = ruleEN("wereNotEN")
	attemptsEN = ruleEN("attemptsEN")
	eachEN     = ruleEN("eachEN")
	outOfEN    = ruleEN("outOfEN")
	wholeEN    = ruleEN("wholeEN")
	regionRE   = ruleEN("regionRE")
	lawNumber  = ruleEN("lawNumber")
)

// countsEN proposes how many are affected and how many attempts were made.
func (r *reader) countsEN() {
	var best *amount
	score, possible := 0, false
	next := 0
	for _, a := range r.amounts {
		for next < len(r.times) && r.times[next].to <= a.from {
			next++
		}
		if a.value == 0 || next < len(r.times) && r.times[next].from < a.to && r.times[next].to > a.from {
			continue // the year of a date, with what stands behind it
		}
		s := r.sentenceAt(a.from)
		if sec := r.sectionEN(s); sec == secPast || sec == secContact {
			continue
		}
		whole, before, after := r.s[s.from:s.to], r.s[s.from:a.from], r.s[a.to:max(a.to, s.to)]
		if regionRE.MatchString(r.s[a.from:a.to] + firstBytes(after, 40)) {
			continue // a part of the whole: those of one state
		}
		if a.unit == "attempts" {
			if attemptsEN.MatchString(whole) && !notTheseEN.MatchString(lastBytes(before, 30)) && !adviceEN.MatchString(whole) {
				r.count("attempts.count", a, "")
			}
			continue
		}
		if a.unit == "accounts" && a.value < 50 && mailAccounts.MatchString(r.s[a.from:a.to]+firstBytes(after, 40)) {
			continue // whose mailboxes were opened, not whose data lay in them
		}
		sc := r.scoreEN(a, whole, before, after)
		if sc > score || sc == score && best != nil && sc > 0 && a.value > best.value {
			best, score = a, sc
			possible = possibleEN.MatchString(whole)
		}
	}
	if best == nil {
		best = r.labelledCount()
	}
	if best != nil {
		r.count("affected.count", best, incidentCertainty(possible))
	}
}

// mailAccounts are those of an organisation's own people.
var mailAccounts = ruleEN("mailAccounts")

// scoreEN says how much speaks for a being the number of those affected; 0 where something speaks against it.
func (r *reader) scoreEN(a *amount, whole, before, after string) int {
	switch {
	case outOfEN.MatchString(lastBytes(before, 40)) && !strings.HasPrefix(after, " affected"):
		if a.value >= 100 && leakEN.MatchString(whole) {
			r.count("base.count", a, "")
		}
		return 0
	case !leakEN.MatchString(whole) && !wrongWayEN.MatchString(whole), notLeakEN.MatchString(lastBytes(before, 60) + firstBytes(after, 40)), eachEN.MatchString(lastBytes(before, 40)):
		return 0
	case notTheseEN.MatchString(lastBytes(before, 24)), wereNotEN.MatchString(firstBytes(after, 40)), cameUponEN.MatchString(firstBytes(after, 100)), adviceEN.MatchString(whole), lawNumber.MatchString(lastBytes(before, 30)):
		return 0
	case a.spelt && !(hitEN.MatchString(lastBytes(before, 40)) || hitEN.MatchString(firstBytes(after, 40))):
		return 0 // "two employees" did something; only digits are likely to count victims
	case a.value < 2:
		return 0
	}
	sc := 1
	if hitEN.MatchString(lastBytes(before, 80) + " " + firstBytes(after, 80)) {
		sc += 2
	}
	if a.total || wholeEN.MatchString(whole) {
		sc += 2
	}
	if a.unit == "persons" {
		sc++
	}
	return sc
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// cameUponEN is what people did who are not those concerned.
var cameUponEN = ruleEN("cameUponEN")

var numberOfEN = ruleEN("numberOfEN")

// labelledCount reads a number behind its label: "Number of individuals affected: 1,204".
func (r *reader) labelledCount() *amount {
	for _, s := range r.sentences {
		part := r.s[s.from:s.to]
		m := numberOfEN.FindStringSubmatchIndex(part)
		if sec := r.sectionEN(s); m == nil || sec == secPast || sec == secContact || adviceEN.MatchString(part) || regionRE.MatchString(part) {
			continue
		}
		num := numberOfEN.SubexpIndex("num")
		n, err := strconv.ParseInt(strings.ReplaceAll(part[m[2*num]:m[2*num+1]], ",", ""), 10, 64)
		if err != nil || n < 2 || n > maxCount {
			continue
		}
		a := &amount{from: s.from + m[0], to: s.from + m[2*num+1], line: s.line, value: n, unit: "persons", qualifier: "exact"}
		label := strings.ToLower(part[m[0]:m[2*num]])
		if strings.Contains(label, "account") {
			a.unit = "accounts"
		} else if strings.Contains(label, "record") {
			a.unit = "records"
		}
		if p := numberOfEN.SubexpIndex("pre"); m[2*p] >= 0 {
			if a.qualifier = "about"; strings.HasPrefix(strings.ToLower(part[m[2*p]:m[2*p+1]]), "up to") {
				a.qualifier = "at-most"
			}
		}
		return a
	}
	return nil
}

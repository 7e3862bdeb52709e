package extract

import (
	"regexp"
	"strconv"
	"strings"
)

const wordNumberEN = `one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety`

var amountEN = regexp.MustCompile(`(?i:(?P<pre>(?:\b(?:approximately|about|around|roughly|nearly|almost|over|more than|at least|up to|as many as|no more than|at most|fewer than|less than|in excess of|just over|just under|a total of|an estimated|estimated|some|cumulative(?: total of)?|total(?:ling)? of)\s|[~≈]\s?){0,3})` +
	`(?:\b(?P<num>\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)(?P<plus>\+?)\s?(?P<scale>million|billion|thousand|hundred|[mk]\b)?|\b(?P<spelt>` + wordNumberEN + `)(?:-(?P<unitword>one|two|three|four|five|six|seven|eight|nine))?(?:\s(?P<spelthundred>hundred|thousand|million))?(?:\s\(\d[\d,]*\))?|\((?P<inner>\d{1,3}(?:,\d{3})*)\))\s` +
	`(?P<noun>(?:[A-Za-z.’'/-]+\s){0,6}?` +
	`(?P<unit>individuals|people|persons|residents|customers|consumers|patients|members|employees|users|subscribers|students|clients|applicants|data subjects|citizens|donors|guests|passengers|cardholders|taxpayers|participants|policyholders|beneficiaries|borrowers|pupils|parents|tenants|ratepayers|visitors|workers|volunteers|shoppers|readers|players|teachers|alumni|enrollees|recipients|constituents|veterans|travell?ers|attendees|candidates|claimants|dependents|drivers|owners|buyers|sellers|registrants|fans|account holders|families|accounts|records|e-?mail addresses|entries|profiles|rows|orders|cards|letters|documents|files|login attempts|log-in attempts|sign-in attempts|attempts))\b)`)

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
var notNounEN = regexp.MustCompile(`(?i:(?:^|\s)(?:to|from|by|in|on|at|with|were|was|is|are|had|has|have|that|which|who|whose|where|when|sent|for|days?|hours?|minutes|weeks?|months?|years?|times|percent|locations?|countries|states|emails|queries|if|of (?:those|them|which|whom)|per|as|but|than|dollars|the (?:following|same)|we|you|may|into|about|locked|reset|blocked)(?:\s|$))`)

var (
	leakEN     = regexp.MustCompile(`(?i:affect|impact|involv|compromis|expos|access|acquir|exfiltrat|breach|disclos|stolen|stole|obtained|sent to|were sent|contain|belong|hit\b|relat|concern|hold|held|carried|stored|could see|see each|opened|information (?:of|for|on|about)|data (?:of|for|on|about)|notes of|x-rays|names of|identified|logs of|viewed|published|leaked|are in\b|were in\b|notif|writing to|contacting|seen|visible|(?:names|numbers|records|addresses|details|itineraries)\b[^.]{0,60} of\b)`)
	hitEN      = regexp.MustCompile(`(?i:affected|impacted|compromised|exposed|stolen|breached|involved|involving|affecting|impacting|concerned|accessed|taken|disclosed|exfiltrated|opened|notif)`)
	notLeakEN  = regexp.MustCompile(`(?i:\b(?:employs?|serves?|serving|workforce|team of|staff of|countries|locations|founded|responded|contacted us|complain\w*|helpline|call centre|trained|since \d{4}|insurance policy|credit monitoring for|years? of|worldwide|requests? from)\b)`)
	notTheseEN = regexp.MustCompile(`(?i:\b(?:not|no|none|never|unaffected)\b)`)
	wrongWayEN = regexp.MustCompile(`(?i:in the ["“']?(?:To|CC)["”']? (?:field|line)|\bbcc\b|in error|by mistake|mistakenly|inadvertently|wrong)`)
	wereNotEN  = regexp.MustCompile(`(?i:^[^.,;]{0,20}\b(?:were|was|are|is|have|has|did) not\b)`)
	attemptsEN = regexp.MustCompile(`(?i:log-?\s?in|sign-?\s?in|access|password|credential)`)
	eachEN     = regexp.MustCompile(`(?i:\bof (?:those|these|them|whom|which)(?:,)?\s?$|\bincluding\s$|\b(?:whom|which),?\s$|^In\s$|\band, for\s$|(?:two|three|former|an?)\s$)`)
	outOfEN    = regexp.MustCompile(`(?i:\b(?:out of|among|from a total of|of (?:our|its|the|a total of)|(?:has|have|serves?) )(?:\s?(?:our|its|the|a|approximately|about|roughly|total of))*\s?$)`)
	wholeEN    = regexp.MustCompile(`(?i:\b(?:in all|in total|altogether|overall|total number|as a result)\b)`)
	regionRE   = regexp.MustCompile(`(?i:\b(?:Washington|California|Maine|Texas|New (?:York|Hampshire|Mexico|Jersey)|Vermont|Massachusetts|Oregon|Indiana|Montana|Iowa|Maryland|Delaware|North Carolina|South Carolina|Rhode Island|Connecticut|Illinois|Wisconsin|Florida|Virginia)\s(?:state\s)?residents?|residents? of (?:the state of )?(?:Washington|California|Maine|Texas|New [A-Z]|Vermont|Massachusetts|Oregon|Indiana|Montana|Iowa|Maryland|Delaware|North|South|Rhode|Connecticut|Illinois|Wisconsin|Florida|Virginia))`)
	lawNumber  = regexp.MustCompile(`(?i:\b(?:if|when|where|notify|breaches (?:of|affecting)|more than|threshold)\b[^.]{0,40}$)`)
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
	case notTheseEN.MatchString(lastBytes(before, 24)), wereNotEN.MatchString(firstBytes(after, 40)), adviceEN.MatchString(whole), lawNumber.MatchString(lastBytes(before, 30)):
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

var numberOfEN = regexp.MustCompile(`(?i:\b(?:(?:total )?number of (?:[a-z’'-]+ ){0,4}?(?P<unit>individuals|people|persons|customers|patients|members|employees|users|students|clients|residents|accounts|records)\b[^.\d\n]{0,50}|(?:individuals|people|customers|patients|users|accounts|records) (?:potentially )?affected)\s?(?:is|was|are|were|:|to be|at|stands at|=)\s?(?P<pre>approximately |about |up to |around |over |more than |some )?(?P<num>\d{1,3}(?:,\d{3})+|\d+)(?:[^\d%,.]|[.,](?:\s|$)|$))`)

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

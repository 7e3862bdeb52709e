package extract

import (
	"regexp"
	"strconv"
	"strings"
)

const wordNumberEN = `one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety`

var amountEN = regexp.MustCompile(`(?i:(?P<pre>(?:\b(?:approximately|about|around|roughly|nearly|almost|over|more than|at least|up to|as many as|no more than|at most|fewer than|less than|in excess of|just over|just under|a total of|an estimated|estimated|some|cumulative(?: total of)?|total(?:ling)? of)\s|[~≈]\s?){0,3})` +
	`(?:\b(?P<num>\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)\s?(?P<scale>million|billion|thousand|hundred|[mk]\b)?|\b(?P<spelt>` + wordNumberEN + `)(?:-(?P<unitword>one|two|three|four|five|six|seven|eight|nine))?(?:\s(?P<spelthundred>hundred|thousand|million))?(?:\s\(\d[\d,]*\))?|\((?P<inner>\d{1,3}(?:,\d{3})*)\))\s` +
	`(?P<noun>(?:(?:of\s(?:our|its|the|these|their)|current|former|individual|unique|affected|impacted|active|registered|potentially|additional|our|other|total|(?:now|currently)|inactive|U\.?S\.?|UK|EU|European|American|Australian|Canadian|Irish|Washington|California|Maine|Texas|New|residential|business|retail|online|email|personal|medical|patient|customer|user|member|employee|consumer|data|state|York|Hampshire|and|or|past|present|prospective|plan|website|student|card|payment|credit|loyalty|guest|living|deceased|adult|staff|club|health|company|subscriber)\s){0,5}` +
	`(?P<unit>individuals|people|persons|residents|customers|consumers|patients|members|employees|users|subscribers|students|clients|applicants|data subjects|citizens|donors|guests|passengers|cardholders|taxpayers|participants|policyholders|beneficiaries|borrowers|pupils|parents|tenants|ratepayers|visitors|workers|volunteers|shoppers|readers|players|teachers|alumni|enrollees|recipients|constituents|veterans|travell?ers|attendees|candidates|claimants|dependents|drivers|owners|buyers|sellers|registrants|fans|account holders|families|accounts|records|cards|letters|documents|files|login attempts|log-in attempts|sign-in attempts|attempts|individual|person|resident|customer|consumer|patient|member|employee|user|student|account|record|letter|pupil|client))\b)`)

var unitsEN = map[string]string{"account": "accounts", "accounts": "accounts", "record": "records", "records": "records", "cards": "records",
	"letters": "records", "letter": "records", "documents": "records", "files": "records",
	"attempts": "attempts", "login attempts": "attempts", "log-in attempts": "attempts", "sign-in attempts": "attempts"}

var spelt = map[string]int64{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
	"thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40,
	"fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}

var scalesEN = map[string]float64{"million": 1e6, "m": 1e6, "billion": 1e9, "thousand": 1e3, "k": 1e3, "hundred": 100, "": 1}

// scanAmountsEN finds every number of people, accounts, records or attempts.
func scanAmountsEN(s string, lines []line) []*amount {
	var out []*amount
	for n, l := range lines {
		for at := l.from; at < l.to; {
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
	case strings.TrimSpace(pre) != "" && strings.TrimSpace(pre) != "a total of" && !strings.Contains(pre, "totalling of"):
		a.qualifier = "about"
	}
	return true
}

var (
	leakEN     = regexp.MustCompile(`(?i:affect|impact|involv|compromis|expos|access|acquir|exfiltrat|breach|disclos|stolen|stole|obtained|sent to|were sent|contain|belong|hit\b|relat|concern|hold|held|carried|stored|could see|see each|opened|information (?:of|for|on|about)|data (?:of|for|on|about)|notes of|x-rays|names of|identified|logs of|viewed|published|leaked|seen|visible|(?:names|numbers|records|addresses|details|itineraries)\b[^.]{0,60} of\b)`)
	hitEN      = regexp.MustCompile(`(?i:affected|impacted|compromised|exposed|stolen|breached|involved|involving|affecting|impacting|concerned|accessed|taken|disclosed|exfiltrated|opened|notif)`)
	notLeakEN  = regexp.MustCompile(`(?i:\b(?:employs?|serves?|serving|workforce|team of|staff of|countries|locations|founded|responded|contacted us|complain\w*|helpline|call centre|trained|since \d{4}|insurance policy|credit monitoring for|years? of|worldwide|requests? from)\b)`)
	notTheseEN = regexp.MustCompile(`(?i:\b(?:not|no|none|never|unaffected)\b)`)
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
	for _, a := range r.amounts {
		if a.value == 0 {
			continue
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
	case !leakEN.MatchString(whole), notLeakEN.MatchString(lastBytes(before, 60) + firstBytes(after, 40)), eachEN.MatchString(lastBytes(before, 40)):
		return 0
	case notTheseEN.MatchString(lastBytes(before, 24)), notTheseEN.MatchString(firstBytes(after, 24)), adviceEN.MatchString(whole), lawNumber.MatchString(lastBytes(before, 30)):
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

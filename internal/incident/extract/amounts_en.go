package extract

import (
	"regexp"
	"strconv"
	"strings"
)

var amountEN = regexp.MustCompile(`(?i:(?P<pre>\b(?:approximately|about|around|roughly|nearly|almost|over|more than|at least|up to|as many as|no more than|at most|fewer than|less than|a total of|an estimated|some|cumulative(?: total of)?|total(?:ling)? of)\s){0,3}` +
	`\b(?P<num>\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)\s?(?P<scale>million|billion|thousand|hundred|[mk]\b)?\s` +
	`(?P<noun>(?:(?:of\s(?:our|its|the|these|their)|current|former|individual|unique|affected|impacted|active|registered|potentially|additional|our|U\.?S\.?|UK|EU|European|American|Washington|California|Maine|Texas|New|residential|business|retail|online|email|personal|medical|patient|customer|user|member|employee|consumer|data|state|York|Hampshire|and|past|present|prospective)\s){0,5}` +
	`(?P<unit>individuals|people|persons|residents|customers|consumers|patients|members|employees|users|subscribers|students|clients|applicants|data subjects|citizens|donors|guests|passengers|accounts|records|attempts|login attempts|log-in attempts|sign-in attempts|individual|person|resident|customer|consumer|patient|member|employee|user|student|account|record))\b)`)

var unitsEN = map[string]string{"account": "accounts", "accounts": "accounts", "record": "records", "records": "records",
	"attempts": "attempts", "login attempts": "attempts", "log-in attempts": "attempts", "sign-in attempts": "attempts"}

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
			part := func(name string) string {
				i := 2 * amountEN.SubexpIndex(name)
				if m[i] < 0 {
					return ""
				}
				return strings.ToLower(rest[m[i]:m[i+1]])
			}
			numAt := m[2*amountEN.SubexpIndex("num")]
			pre := strings.ToLower(rest[m[0]:numAt])
			a := &amount{from: at + m[0], to: at + m[1], line: n, word: part("unit")}
			at += m[1]
			if before := lastBytes(s[l.from:a.from], 12); before != "" && strings.ContainsAny(before[len(before)-1:], "#$.,/-_:@") {
				continue
			}
			num, err := strconv.ParseFloat(strings.ReplaceAll(part("num"), ",", ""), 64)
			if err != nil {
				continue
			}
			num *= map[string]float64{"million": 1e6, "m": 1e6, "billion": 1e9, "thousand": 1e3, "k": 1e3, "hundred": 100, "": 1}[part("scale")]
			if num != float64(int64(num)) || num > maxCount {
				continue
			}
			a.value = int64(num)
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
			out = append(out, a)
		}
	}
	return out
}

var (
	leakEN     = regexp.MustCompile(`(?i:affect|impact|involv|compromis|expos|access|acquir|exfiltrat|breach|notif|disclos|stolen|obtained|sent to|contain|belong)`)
	notLeakEN  = regexp.MustCompile(`(?i:\b(?:not|no evidence|none|never|unaffected|employs?|serves?|serving|workforce|team of|staff of|more than \d+ countries|locations|founded|responded|contacted us|complain|helpline|call centre|trained|since \d{4})\b)`)
	attemptsEN = regexp.MustCompile(`(?i:log-?\s?in|sign-?\s?in|access|password|credential)`)
	eachEN     = regexp.MustCompile(`(?i:\bof (?:those|these|them|whom|which)\b|\bincluding\s$|\bwhom\b)`)
)

// countsEN proposes how many are affected and how many attempts were made.
func (r *reader) countsEN() {
	var best *amount
	score, possible := 0, false
	for _, a := range r.amounts {
		l := r.lines[a.line]
		if l.section == secPast || l.section == secContact || a.value == 0 {
			continue
		}
		s := r.sentenceAt(a.from)
		whole, before, after := r.s[s.from:s.to], r.s[s.from:a.from], r.s[a.to:max(a.to, s.to)]
		if strings.Contains(strings.ToLower(r.s[a.from:a.to]), "washington residents") || regionRE.MatchString(r.s[a.from:a.to]+firstBytes(after, 40)) {
			continue // a part of the whole: those of one state
		}
		if a.unit == "attempts" {
			if attemptsEN.MatchString(whole) && !notLeakEN.MatchString(whole) {
				r.count("attempts.count", a, "")
			}
			continue
		}
		if !leakEN.MatchString(whole) || notLeakEN.MatchString(whole) || eachEN.MatchString(lastBytes(before, 60)) {
			continue
		}
		if regexp.MustCompile(`(?i:out of(?: a total of| approximately| our| about)*\s$)`).MatchString(before) {
			r.count("base.count", a, "")
			continue
		}
		if sc := 1 + btoi(a.total)*2 + btoi(l.section == secScope || l.section == secStory); sc > score {
			best, score = a, sc
			possible = possibleEN.MatchString(whole)
		}
	}
	if best != nil {
		certainty := incidentCertainty(possible)
		r.count("affected.count", best, certainty)
	}
}

var regionRE = regexp.MustCompile(`(?i:\b(?:Washington|California|Maine|Texas|New (?:York|Hampshire|Mexico|Jersey)|Vermont|Massachusetts|Oregon|Indiana|Montana|Iowa|Maryland|Delaware|North Carolina|Rhode Island)\s(?:state\s)?residents?|residents? of (?:the state of )?[A-Z])`)

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

package extract

import (
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
)

var (
	englishTitle = ruleBoth("englishTitle")
	possibleEN   = ruleEN("possibleEN")
	deniedEN     = ruleEN("deniedEN")
)

func incidentCertainty(possible bool) incident.Certainty {
	if possible {
		return incident.Possible
	}
	return incident.Confirmed
}

var (
	phoneEN  = ruleEN("phoneEN")
	callEN   = ruleEN("callEN")
	hoursEN  = ruleEN("hoursEN")
	bureauEN = ruleEN("bureauEN")
)

// contactEN proposes the desk of the organisation; the numbers of credit bureaus and authorities are not its own.
func (r *reader) contactEN() {
	var v incident.Value
	from, to := -1, -1
	for _, s := range r.sentences {
		l := r.lines[s.line]
		part := r.s[s.from:s.to]
		if bureauEN.MatchString(part) || l.section == secPast || len(part) > 1500 {
			continue
		}
		if m := phoneEN.FindStringIndex(part); m != nil && v.Telephone == "" && callEN.MatchString(part) {
			v.Telephone = strings.TrimSpace(part[m[0]:m[1]])
			from, to = s.from+m[0], s.from+m[1]
			if h := hoursEN.FindStringIndex(part[m[1]:]); h != nil && utf8.RuneCountInString(part[m[1]+h[0]:m[1]+h[1]]) < 120 {
				v.Hours = plain(tidy(part[m[1]+h[0] : m[1]+h[1]]))
				to = s.from + m[1] + h[1]
			}
		}
	}
	if v.Telephone != "" {
		r.propose(incident.Fact{Key: "contact", Value: v}, from, to, "")
	}
}

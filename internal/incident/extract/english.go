package extract

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
)

var (
	englishTitle = regexp.MustCompile(`(?i:^(?:re: ?|subject: ?)?.{0,60}(?:notice of|notification of|notice regarding|notice about|statement (?:on|regarding|about)|update on|incident notice|important (?:notice|security|information)|data (?:breach|security incident|incident|privacy event)|security incident|cyber ?security incident|cyber incident|cyber attack).{0,70}$)`)
	possibleEN   = regexp.MustCompile(`\b(?:may|might|could|[Pp]otential(?:ly)?|[Pp]ossibl[ye]|cannot (?:be )?rule[d]? out)\b`)
	deniedEN     = regexp.MustCompile(`(?i:\b(?:not|no|never|none|neither|nor|without|excluding|except|other than|unaffected|did not include|were not)\b)`)
)

func incidentCertainty(possible bool) incident.Certainty {
	if possible {
		return incident.Possible
	}
	return incident.Confirmed
}

var (
	phoneEN  = regexp.MustCompile(`(?:\+?\d{1,3}[\s.-])?(?:\(\d{3,5}\)|\d{3,5})[\s.-]\d{3,4}[\s.-]?\d{3,4}`)
	callEN   = regexp.MustCompile(`(?i:\b(?:call|telephone|phone|helpline|hotline|toll[- ]free|tel)\b)`)
	hoursEN  = regexp.MustCompile(`(?i:(?:Monday (?:through|to|-|–) (?:Friday|Saturday|Sunday),?\s)?(?:between|from)?\s?\d{1,2}(?::\d{2})?\s?[ap]\.?m\.?\s?(?:to|-|–|and|through)\s?\d{1,2}(?::\d{2})?\s?[ap]\.?m\.?[^.;\n]{0,60}?(?:Monday (?:through|to|-|–) (?:Friday|Saturday|Sunday)|weekdays)?|Monday (?:through|to|-|–) (?:Friday|Saturday|Sunday),?[^.;\n]{0,50}[ap]\.?m\.?)`)
	bureauEN = regexp.MustCompile(`(?i:equifax|experian|transunion|federal trade commission|FTC|attorney general|annual credit)`)
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

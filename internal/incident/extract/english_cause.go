package extract

import (
	"shirase/internal/incident"
)

// causesEN are the ways in which data are lost, the most telling first: notices of ransomware speak of unauthorized
// access too.
var causesEN = []struct {
	word string
	re   *rule
}{
	{"ransomware", ruleEN("causeEN-ransomware")},
	{"web-skimming", ruleEN("causeEN-web-skimming")},
	{"credential-stuffing", ruleEN("causeEN-credential-stuffing")},
	{"phishing", ruleEN("causeEN-phishing")},
	{"misdirected-mail", ruleEN("causeEN-misdirected-mail")},
	{"misdelivery", ruleEN("causeEN-misdelivery")},
	{"insider", ruleEN("causeEN-insider")},
	{"theft", ruleEN("causeEN-theft")},
	{"lost-media", ruleEN("causeEN-lost-media")},
	{"malware", ruleEN("causeEN-malware")},
	{"defect", ruleEN("causeEN-defect")},
	{"misconfiguration", ruleEN("causeEN-misconfiguration")},
	{"intrusion", ruleEN("causeEN-intrusion")},
	// A weakness is the cause where nobody is known to have used it.
	{"defect", ruleEN("causeEN-weakness")},
}

// anyCauseEN reports whether s names a way in which data are lost.
func anyCauseEN(s string) bool {
	for _, c := range causesEN {
		if c.re.MatchString(s) {
			return true
		}
	}
	return false
}

// couldEN is what an attacker might do: of a weakness that nobody is known to have used.
var couldEN = ruleEN("couldEN")

var (
	causeNotEN = ruleEN("causeNotEN")
	whetherEN  = ruleEN("whetherEN")
	denyLateEN = ruleEN("denyLateEN")
)

// unlikelyEN denies, behind it, that a thing happened.
var (
	unlikelyEN  = ruleEN("unlikelyEN")
	foundNoneEN = ruleEN("foundNoneEN")
)

// causeEN proposes how it happened.
func (r *reader) causeEN() {
	for _, c := range causesEN {
		for _, s := range r.sentences[:min(len(r.sentences), maxTold)] {
			sec := r.sectionEN(s)
			if sec == secPast || sec == secContact || sec == secPrevention {
				continue
			}
			part := r.s[s.from:s.to]
			m := c.re.FindStringIndex(part)
			if m == nil || definesEN.MatchString(part) || unlikelyEN.MatchString(part[m[1]:]) || foundNoneEN.MatchString(firstBytes(r.s[s.from+m[1]:], 160)) || causeNotEN.MatchString(part) || adviceEN.MatchString(part) && !strongEN.MatchString(part) && !foundEN.MatchString(part) || denyLateEN.MatchString(lastBytes(part[:m[0]], 60)) || whetherEN.MatchString(lastBytes(part[:m[0]], 160)) {
				continue
			}
			if c.word == "ransomware" && otherRansom.MatchString(part) || c.word == "intrusion" && couldEN.MatchString(part) {
				continue
			}
			r.propose(incident.Fact{Key: "cause", Value: incident.Value{Word: c.word}}, s.from+m[0], s.from+m[1], "").by(r.causeHow(c.word, c.re))
			return
		}
	}
}

// otherRansom is what is said of such attacks in general.
var otherRansom = ruleEN("otherRansom")

var (
	noneEN    = ruleEN("noneEN")
	misuseEN  = ruleEN("misuseEN")
	loginEN   = ruleEN("loginEN")
	tamperEN  = ruleEN("tamperEN")
	usedEN    = ruleEN("usedEN")
	saidEN    = ruleEN("saidEN")
	perhapsEN = ruleEN("perhapsEN")

	// byOthersEN tells what others would have used from what the author uses: a database that is used by its staff.
	byOthersEN = ruleEN("byOthersEN")
)

// damageEN proposes what has followed.
func (r *reader) damageEN() {
	for _, s := range r.sentences[:min(len(r.sentences), maxTold)] {
		part := r.s[s.from:s.to]
		if sec := r.sectionEN(s); sec == secPast || sec == secContact {
			continue
		}
		m := noneEN.FindStringIndex(part)
		if m == nil {
			for _, d := range []struct {
				status string
				re     *rule
			}{{"reported", saidEN}, {"confirmed", usedEN}} {
				if u := d.re.FindStringIndex(part); u != nil && !deniedEN.MatchString(part[:u[0]]) && !adviceEN.MatchString(part) && !perhapsEN.MatchString(part[:u[1]]) {
					r.propose(incident.Fact{Key: "secondary-damage", Item: "misuse", Value: incident.Value{Word: "misuse", Status: d.status}}, s.from+u[0], s.from+u[1], "").byStatus()
					break
				}
			}
			continue
		}
		asOf := r.saidAsOfEN(s)
		for _, d := range []struct {
			word string
			re   *rule
		}{{"misuse", misuseEN}, {"login", loginEN}, {"tampering", tamperEN}} {
			if d.re.MatchString(part[m[0]:m[1]]) && (!fixedEN.MatchString(part[m[0]:m[1]]) || byOthersEN.MatchString(part[m[0]:m[1]])) {
				r.propose(incident.Fact{Key: "secondary-damage", Item: d.word, Value: incident.Value{Word: d.word, Status: "none-confirmed"}, AsOf: asOf}, s.from+m[0], s.from+m[1], "").byStatus()
			}
		}
	}
}

// fixedEN is what is not the data's use: the system that is used, an account that was.
var fixedEN = ruleEN("fixedEN")

var asOfEN = ruleEN("asOfEN")

// saidAsOfEN gives the time in "as of August 4, 2023".
func (r *reader) saidAsOfEN(s sentence) incident.Moment {
	for _, w := range r.times {
		if w.from >= s.from && w.to <= s.to && asOfEN.MatchString(lastBytes(r.s[s.from:w.from], 12)) {
			return w.moment
		}
	}
	return incident.Moment{}
}

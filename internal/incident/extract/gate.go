package extract

import (
	"strings"
)

var (
	eventJA  = ruleJA("eventJA")
	ownJA    = ruleJA("ownJA")
	sorryJA  = ruleJA("sorryJA")
	personJA = ruleJA("personJA")
	salesJA  = ruleJA("salesJA")
)

// templateJA is a place left for a name, a number or a day to be filled in.
var templateJA = ruleJA("templateJA")

// toldJA is how an organisation tells of itself: politely, of what has happened. News and explanations are written otherwise.
var toldJA = ruleJA("toldJA")

// generalJA is who explains what such incidents are, or what will be published when.
var generalJA = ruleJA("generalJA")

// sorryRE tells those who write of their own incident from those who write of incidents.
var sorryRE = ruleJA("sorryRE")

// isNotice reports whether the text tells of an incident of its own author's. Articles, offers and templates talk of the
// same things, and nothing of theirs is a fact of an incident.
func (r *reader) isNotice() bool {
	if !r.japanese() {
		return r.isNoticeEN()
	}
	event, own, tell, data, sales := eventJA, ownJA, sorryJA, personJA, salesJA
	seen := [5]int{}
	general := false // it explains or warns
	for _, s := range r.sentences {
		part := quotedJA.ReplaceAllString(r.s[s.from:s.to], "")
		if general = general || s.line < 8 && adviceTitle.MatchString(part) || adviceBody.MatchString(part); part == "" {
			continue
		}
		for i, re := range []*rule{event, own, tell, data, sales} {
			if i == 0 && supposedJA.MatchString(part) && !happenedJA.MatchString(part) {
				continue
			}
			if re.MatchString(part) {
				seen[i]++
			}
		}
	}
	for i, l := range r.lines {
		if s := r.s[l.from:l.to]; i < maxHead && len(s) < 400 && titled(trailingDate.ReplaceAllString(s, "")) && titleNoun.MatchString(s) {
			seen[1]++
			seen[2]++
			break
		}
	}
	if seen[4] > 0 && !sorryRE.MatchString(quotedJA.ReplaceAllString(r.s, "")) || general && !r.losesJA() {
		return false
	}
	if r.reportsJA() {
		return false
	}
	if len(reported.FindAllStringIndex(r.s, 3)) > 1 && !sorryRE.MatchString(r.s) {
		return false
	}
	if len(templateJA.FindAllStringIndex(r.s, 3)) > 1 {
		return false
	}
	if seen[0] == 0 || seen[3] == 0 || !ofDataJA.MatchString(r.s) || seen[4] >= 2 && seen[4]*3 > seen[0] && !(exposedJA.MatchString(r.s) && apology.MatchString(quotedJA.ReplaceAllString(r.s, ""))) {
		return false
	}
	if seen[1]+seen[2] >= 2 && seen[2] > 0 {
		return true
	}
	return r.tellsJA()
}

var (
	quotedJA = ruleJA("quotedJA")
	// ofDataJA is what no notice of a loss of data is without.
	ofDataJA = ruleJA("ofDataJA")
	// exposedJA is what tells a letter that showed its readers to one another from a letter with a slip in it.
	exposedJA = ruleJA("exposedJA")
	// adviceTitle is a warning of messages in one's name, an advertisement of a job, a maintenance window.
	adviceTitle = ruleJA("adviceTitle")
	// adviceBody is how those write who explain, report on others or offer help.
	adviceBody = ruleJA("adviceBody")
	// reported is how newspapers write what others said.
	reported = ruleJA("reported")
	lossJA   = ruleJA("lossJA")
)

// reportsJA reports whether a text tells what others said of themselves: nobody in it writes of itself politely, or is sorry,
// outside of quotes.
func (r *reader) reportsJA() bool {
	said := quotedJA.ReplaceAllString(r.s, "")
	if news := len(newsJA.FindAllStringIndex(said, 2)); news > 1 || news > 0 && !selfWord.MatchString(said) {
		return true
	}
	if !othersSay.MatchString(said) || apology.MatchString(said) {
		return false
	}
	polite := false
	for _, s := range r.sentences {
		polite = polite || toldJA.MatchString(quotedJA.ReplaceAllString(r.s[s.from:s.to], ""))
	}
	return !polite || !selfWord.MatchString(said)
}

var (
	othersSay  = ruleJA("othersSay")
	newsJA     = ruleJA("newsJA")
	selfWord   = ruleJA("selfWord")
	supposedJA = ruleJA("supposedJA")
	happenedJA = ruleJA("happenedJA")
)

// ownVoice reports whether somebody in the text writes of itself outside of quotes: says we, is sorry, speaks humbly of what
// it did, or notes it under an office's headings. A report on somebody else's incident, well told, passes for a notice otherwise.
func (r *reader) ownVoice() bool {
	if !r.japanese() {
		return weEN.MatchString(quotedEN.ReplaceAllString(r.s, "")) || r.headedEN()
	}
	said := quotedJA.ReplaceAllString(r.s, "")
	return selfWord.MatchString(said) || apology.MatchString(said) || humbleJA.MatchString(said) || r.noted()
}

// humbleJA is how an author speaks of what it did itself.
var humbleJA = ruleJA("humbleJA")

// losesJA reports whether a text that warns, explains or names a law firm also tells of a loss of its author's own: who says
// sorry outside quotes need not say whose.
func (r *reader) losesJA() bool {
	sorry := apology.MatchString(quotedJA.ReplaceAllString(r.s, ""))
	for _, s := range r.sentences {
		part := quotedJA.ReplaceAllString(r.s[s.from:s.to], "")
		if lossJA.MatchString(part) && !adviceBody.MatchString(part) && !r.negative(part) && !hypothetical.MatchString(part) && !generalCase.MatchString(part) && !notSo.MatchString(part) && (sorry || ownLoss.MatchString(part)) {
			return true
		}
	}
	return false
}

var (
	apology     = ruleJA("apology")
	notSo       = ruleJA("notSo")
	generalCase = ruleJA("generalCase")
	ownLoss     = ruleJA("ownLoss")
)

// tellsJA reports whether a text without an apology or a "we" still tells what happened at its author's: politely or under the
// headings of an office's note, with a day or a number of those concerned, and not of such incidents at large.
func (r *reader) tellsJA() bool {
	polite, concrete := r.noted(), false
	for _, s := range r.sentences {
		part := r.s[s.from:s.to]
		if generalJA.MatchString(part) && !strings.HasPrefix(part, "※") && !r.question(part) {
			return false
		}
		polite = polite || toldJA.MatchString(part)
		concrete = concrete || somethingJA.MatchString(part)
	}
	return polite && concrete
}

// noted reports whether a text has the headings of an office's note.
func (r *reader) noted() bool {
	parts := 0
	for _, l := range r.lines {
		parts += btoi(l.to-l.from < 90 && notedJA.MatchString(r.s[l.from:l.to]))
	}
	return parts > 2
}

// notedJA heads a part of a note.
var notedJA = ruleJA("notedJA")

// somethingJA is a day, or a number of people or things.
var somethingJA = ruleJA("somethingJA")

package extract

import "strings"

// incidentFAQ heads the questions and answers on an incident.
var incidentFAQ = ruleEN("incidentFAQ")

var (
	eventEN = ruleEN("eventEN")
	ownEN   = ruleEN("ownEN")
	// What an author of a notice says of itself in the past: nobody says so of a breach in general.
	tellEN = ruleEN("tellEN")
	// The same, said of a name.
	namedEN = ruleEN("namedEN")
	// Who writes of breaches for readers, of somebody else's, or of none yet.
	articleEN = ruleEN("articleEN")
	// A place left open where a notice has what happened. "Dear [Name]" and "[telephone number]" stand in sample letters
	// that were really sent, so they do not count.
	openEN = ruleEN("openEN")
	// Places left open that only a form has; one alone may be a field that a sent letter kept.
	fieldEN  = ruleEN("fieldEN")
	guideEN  = ruleEN("guideEN")
	datedEN  = ruleEN("datedEN")
	happenEN = ruleEN("happenEN")
	mustEN   = ruleEN("mustEN")
)

// sorryEN tells those who write of their own incident from those who write of incidents.
var sorryEN = ruleEN("sorryEN")

// answersEN reports whether a page of questions and answers says on which day its author, by name or as we, came to know of it.
func (r *reader) answersEN() bool {
	for _, s := range r.sentences[:min(len(r.sentences), maxTold)] {
		if part := r.s[s.from:s.to]; datedEN.MatchString(part) && (tellEN.MatchString(part) || namedEN.MatchString(part)) && (eventEN.MatchString(part) || anyCauseEN(part)) {
			return true
		}
	}
	return false
}

// faqEN heads a page of questions and answers.
var faqEN = ruleEN("faqEN")

// maxTold bounds how many sentences are read for what happened: a long notice has some hundred.
const maxTold = 400

// isNoticeEN reports whether an English text tells of an incident of its own author's: it says what we, or a name, found,
// or when something was taken. An excerpt of a letter has no more than that; a policy, a template or advice has not.
func (r *reader) isNoticeEN() bool {
	if openEN.MatchString(r.s) || len(fieldEN.FindAllStringIndex(r.s, 3)) > 2 {
		return false
	}
	for i, l := range r.lines {
		if s := r.s[l.from:l.to]; i < 3 && len(s) < 90 && guideEN.MatchString(s) && !sorryEN.MatchString(s) && !datedEN.MatchString(s) && !incidentFAQ.MatchString(s) && !(faqEN.MatchString(s) && r.answersEN()) {
			return false
		}
	}
	if r.reportsEN() || notOursEN.MatchString(r.s) && imitatesEN.MatchString(r.s) {
		return false
	}
	event, own, tell, article, dated, when, rule := 0, 0, 0, 0, 0, 0, 0
	for _, s := range r.sentences[:min(len(r.sentences), maxTold)] {
		part := r.s[s.from:s.to]
		ev := eventEN.MatchString(part) || event < 20 && anyCauseEN(part)
		told := tellEN.MatchString(part) || namedEN.MatchString(part)
		event += btoi(ev)
		own += btoi(ownEN.MatchString(part))
		tell += btoi(told)
		article += btoi(articleEN.MatchString(part))
		rule += btoi(mustEN.MatchString(part))
		if datedEN.MatchString(part) {
			when++
			dated += btoi(ev || happenEN.MatchString(part) || len(r.mentionsOf(s)) > 0)
		}
	}
	if event == 0 && tell > 0 {
		event = r.exposures() // no word for what happened, but an author who found data where they should not be
	}
	if event == 0 || tell == 0 && (rule > 0 || dated == 0 && (when == 0 || own == 0)) {
		return false
	}
	if article > 0 {
		// Somebody's own notice may offer a guide, but it says that it is one.
		if !sorryEN.MatchString(r.s) && (own == 0 || tell < 2 || article > 1) {
			return false
		}
		return article*3 <= event+tell
	}
	return true
}

// reportsEN reports whether a text tells what others said of themselves: nobody in it writes of itself outside of quotes.
func (r *reader) reportsEN() bool {
	said := quotedEN.ReplaceAllString(r.s, "")
	return newsEN.MatchString(said) && !weEN.MatchString(said)
}

// headedEN reports whether a text stands under the head of an author's own notice: NOTICE TO PATIENTS, For immediate release.
func (r *reader) headedEN() bool {
	for _, l := range r.lines[:min(len(r.lines), 4)] {
		if s := r.s[l.from:l.to]; len(s) < 110 && ownHeadEN.MatchString(s) && !strings.HasSuffix(s, ".") {
			return true
		}
	}
	return false
}

var ownHeadEN = ruleEN("ownHeadEN")

var (
	newsEN   = ruleEN("newsEN")
	weEN     = ruleEN("weEN")
	quotedEN = ruleEN("quotedEN")
	// notOursEN and imitatesEN together are a warning of messages in one's name.
	notOursEN  = ruleEN("notOursEN")
	imitatesEN = ruleEN("imitatesEN")
)

// exposures counts the sentences that say of data that they were where they should not be.
func (r *reader) exposures() int {
	n := 0
	for _, s := range r.sentences[:min(len(r.sentences), maxTold)] {
		if part := r.s[s.from:s.to]; exposedEN.MatchString(part) && !adviceEN.MatchString(part) && len(r.mentionsOf(s)) > 0 {
			n++
		}
	}
	return n
}

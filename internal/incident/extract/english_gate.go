package extract

import (
	"regexp"
)

var (
	eventEN = regexp.MustCompile(`(?i:unauthori[sz]ed|without (?:our |its |their )?(?:authori[sz]ation|permission|a business need)|data (?:security |privacy )?(?:breach|incident|event)|(?:security|privacy|cyber) ?(?:security )?(?:incident|breach|event|issue)|breach of (?:security|personal)|cyber ?-?(?:security )?(?:incident|attack|event|criminal)|ransomware|malware|malicious|personal data breach|stolen|\btheft\b|burglar|br(?:oken?|eak)[ -]in(?:to)?|could not be (?:found|accounted for|located)|\bstole\b|fraud|other than you|coding error|\berror\b|without our knowledge|kept a copy|setting|\blost\b|missing|inadvertent|accident(?:al)?ly|mistake|erroneous|gained (?:access|control)|\btrash\b|dumpster|discarded|shredded|in error\b|due to an? [a-z ]{0,20}error|phishing|credential stuffing|expos(?:ed|ure)|compromis|hack(?:ed|er|ing)|attack|third part(?:y|ies)[^.]{0,40}access|suspicious|unusual activity|vulnerabilit|intru(?:der|sion)|criminals?|\bbug\b|application error|wrong (?:address|person|recipient)|could be (?:read|seen|viewed) by|fraudulent|security protocols|CC field|could be (?:seen|read|viewed|accessed)|envelope window|able to see|did not arrive|never arrived|technical issue|eligible data breach|flash drive|pretended)`)
	ownEN   = regexp.MustCompile(`\b(?i:we|our|us|your|I am writing)\b`)
	// What an author of a notice says of itself in the past: nobody says so of a breach in general.
	tellEN = regexp.MustCompile(`\b(?i:(?:we|I)\s(?:(?:have|had|has|recently|first|also|are|am|were|very|deeply|sincerely|promptly|immediately|only)\s){0,3}(?:discovered|learn(?:ed|t)|identified|detected|became|become|notified|informed|made aware|alerted|advised|contacted|experienced|determined|writing|notifying|sending you|providing (?:this )?notice|informing|regret|apologi[sz]e|sorry|found|noticed|suffered|received|believe|closed|revoked|confirmed|reported|continuing to work|had (?:been )?made aware)|(?:alerted|informed|notified|advised|contacted|told) us\b|drawn to our attention|came to our attention|our (?:investigation|office was|monitoring|bank alerted|teams? (?:detected|noticed)))`)
	// The same, said of a name.
	namedEN = regexp.MustCompile(`(?:^|[.,)]\s|\b(?:that|The)\s)` + nameEN + `(?:\s\([^()]{1,80}\)|,\s[^,.;]{3,90},)?\s(?:[a-z]+\s){0,2}?` + ownVerbEN)
	// Who writes of breaches for readers, of somebody else's, or of none yet.
	articleEN = regexp.MustCompile(`(?i:free trial|our (?:solution|platform|product)s? (?:help|protect|detect|prevent|block|keep)|sign up (?:today|now)|book a demo|request a demo|contact sales|learn how|download (?:the|our) (?:report|whitepaper|guide|ebook)|pricing|case study|this (?:article|guide|template|playbook|policy|procedure|runbook|standard|document (?:sets|describes|outlines|defines))|in this (?:article|guide|post)|\btemplate\b|sample letter|playbook|tabletop|hypothetical|for (?:the )?purposes of this|analysts?\b|our readers|(?:subscribe|share) (?:to|this)|newsroom|reporters?\b|according to (?:a|the|an) (?:filing|report|researcher|article|statement)|said an? |told (?:reporters|the (?:news|paper|press))|security desk|problem description|usually, this happens|best practices|(?:shall|must) (?:be )?(?:notif|report|document)|privacy lead|roles and responsibilities|within \*{0,2}\[?\d+\]? (?:hours|days)|example:|e\.g\., \d|what (?:is|are) (?:a|an)? ?(?:data breach|phishing|ransomware)|simulat(?:ed|ion)|this breach did not happen|could have possibly|many (?:people|companies|organi[sz]ations))`)
	// A place left open where a notice has what happened. "Dear [Name]" and "[telephone number]" stand in sample letters
	// that were really sent, so they do not count.
	openEN = regexp.MustCompile(`(?i:\b(?:on|between|since|from|until|by|to|of)\s(?:or about\s)?[\[<{]{1,2}\s?(?:insert|date|dates|month|dd|xx|discovery|number|incident)[^\]>}]{0,40}[\]>}]|[\[<{]\s?(?:company|organi[sz]ation|entity|business|vendor|system|your (?:company|organi[sz]ation))(?: name)?\s?[\]>}]|[\[<{]\s?(?:describe|insert (?:date|name of|description|number|company))[^\]>}]{0,80}[\]>}]|\[number\]|\bX{2,}/X{2,}|○○)`)
	// Places left open that only a form has; one alone may be a field that a sent letter kept.
	fieldEN  = regexp.MustCompile(`(?i:[\[<{]{1,2}\s?(?:insert|company|organi[sz]ation|business|describe|description|incident|contact|phone|telephone|e-?mail|url|website|link|number|your|list|specify|amount|type|details|title|regulator|product|service|system|vendor|x{2,})\b[^\])>}\n]{0,80}[\]>}]{1,2}|_{4,})`)
	guideEN  = regexp.MustCompile(`(?i:\b(?:policy|procedures?|playbook|template|guidelines?|runbook|checklist|response plan|what is an?|how to|sample|lessons)\b)`)
	datedEN  = regexp.MustCompile(`(?:` + monthEN + `\s\d{1,2}|\d{1,2}(?:st|nd|rd|th)?\s` + monthEN + `|` + monthEN + `\s(?:19|20)\d{2}|(?:19|20)\d{2}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{2})`)
	happenEN = regexp.MustCompile(`(?i:\b(?:happened|occurred|took place|was discovered|was noticed|was found)\b)`)
	mustEN   = regexp.MustCompile(`(?i:we (?:will|would|must|shall|may|aim|notify|inform|tell|assess|use) )`)
)

// sorryEN tells those who write of their own incident from those who write of incidents.
var sorryEN = regexp.MustCompile(`(?i:apologi[sz]e|we are sorry|\bregrets?\b|(?:we are|I am|is) writing|(?:are|is) notifying|providing (?:this )?notice)`)

// maxTold bounds how many sentences are read for what happened: a long notice has some hundred.
const maxTold = 400

// isNoticeEN reports whether an English text tells of an incident of its own author's: it says what we, or a name, found,
// or when something was taken. An excerpt of a letter has no more than that; a policy, a template or advice has not.
func (r *reader) isNoticeEN() bool {
	if openEN.MatchString(r.s) || len(fieldEN.FindAllStringIndex(r.s, 3)) > 2 {
		return false
	}
	for i, l := range r.lines {
		if s := r.s[l.from:l.to]; i < 3 && len(s) < 90 && guideEN.MatchString(s) && !sorryEN.MatchString(s) && !datedEN.MatchString(s) {
			return false
		}
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

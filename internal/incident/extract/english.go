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

// companyEN is a name: words that begin with capitals.
const companyEN = `(?:[A-Z0-9][A-Za-z0-9&.'’-]*)(?:,?\s(?:of|the|and|for|de|&|[A-Z0-9][A-Za-z0-9&.'’-]*)){0,7}`

var (
	shortForEN = regexp.MustCompile(`(` + companyEN + `)\s\((?:[“"'‘]|the [“"'‘]|“the |"the )(?:[A-Z][^()]{0,40})[”"'’](?:[^()]{0,60})\)`)
	legalEN    = regexp.MustCompile(`\b(` + companyEN + `,?\s(?:Inc\.?|LLC|L\.L\.C\.|Ltd\.?|Limited|Corporation|Corp\.?|PLC|plc|LLP|Co\.|Company|GmbH|S\.A\.|N\.V\.|Holdings|Group|University|College|Hospital|Trust|Council|Foundation|Association|Bank|Credit Union|School District|Health System))(?:[\s,.]|$)`)
	subjectEN  = regexp.MustCompile(`^(?:At )?(` + companyEN + `)\s(?:recently\s|today\s)?(?:is writing|is notifying|is providing|announced|experienced|discovered|learned|detected|identified|became aware|takes|value|values|has become|was the (?:target|victim)|has identified|confirmed)`)
	otherEN    = regexp.MustCompile(`(?i:vendor|third[- ]party|service provider|supplier|processor|law enforcement|bureau|equifax|experian|transunion|commission|attorney general|department of (?:health|justice)|information commissioner|kroll|^(?:we|on|in|the|this|our|what|your|dear|notice|item|it|you|upon|for|if|please|as|at)\b)`)
)

// whoEN proposes the organisation, the title and the sources.
func (r *reader) whoEN() {
	r.titleOf()
	r.sources()
	if m := investigatingEN.FindStringIndex(r.s); m != nil {
		r.propose(incident.Fact{Key: "scope.state", Value: incident.Value{Word: incident.StateInvestigating}}, m[0], m[1], "")
	}
	type candidate struct{ from, to, score int }
	var best candidate
	take := func(from, to, score int) {
		if m := leadDate.FindStringIndex(r.s[from:to]); m != nil {
			from += m[1]
		}
		name := strings.TrimSuffix(r.s[from:to], ",")
		if otherEN.MatchString(name) || len(name) < 3 || len(name) > 90 || monthStart.MatchString(name) {
			return
		}
		if score > best.score {
			best = candidate{from, from + len(name), score}
		}
	}
	for i, s := range r.sentences {
		if i > 80 {
			break
		}
		part := r.s[s.from:s.to]
		for _, m := range shortForEN.FindAllStringSubmatchIndex(part, 3) {
			if !otherEN.MatchString(lastBytes(part[:m[2]], 40)) && i < 25 {
				take(s.from+m[2], s.from+m[3], 6-btoi(i > 12))
			}
		}
		if m := subjectEN.FindStringSubmatchIndex(part); m != nil && i < 25 {
			take(s.from+m[2], s.from+m[3], 4)
		}
		if m := legalEN.FindStringSubmatchIndex(part); m != nil {
			l := r.lines[s.line]
			score := 2
			if m[2] == 0 && m[3] >= len(part)-1 && (s.line < 10 || s.line > len(r.lines)-8) && s.from == l.from {
				score = 5
			}
			if !otherEN.MatchString(lastBytes(part[:m[2]], 40)) {
				take(s.from+m[2], s.from+m[3], score)
			}
		}
	}
	if best.score >= 4 {
		name := tidyName(r.s[best.from:best.to])
		name = strings.TrimPrefix(name, "At ")
		r.propose(incident.Fact{Key: "organisation", Value: incident.Value{Text: plain(name)}}, best.from, best.to, "")
		r.sector(name, best.from, best.to)
	}
}

var (
	leadDate        = regexp.MustCompile(`^(?:(?:On|In) )?` + monthEN + ` (?:\d{1,2}, )?\d{4}, `)
	monthStart      = regexp.MustCompile(`^` + monthEN + `\b`)
	investigatingEN = regexp.MustCompile(`(?i:(?:our |the )?investigation (?:is|remains) (?:still )?(?:ongoing|on-going|underway|in progress)|(?:still|continu\w+ to) (?:investigat|determin|assess)\w* (?:the (?:scope|extent|full|nature)|what|which|who|whether))`)
	foundEN         = regexp.MustCompile(`(?i:\b(?:discovered|detected|identified|learned|became aware|was (?:alerted|notified|informed|made aware)|were (?:alerted|notified|informed|made aware)|noticed|first observed|uncovered|received (?:a )?(?:notice|notification|report|alert))\b)`)
	eventWordEN     = regexp.MustCompile(`(?i:incident|unauthori[sz]ed|breach|suspicious|unusual|attack|ransomware|access|activity|email|e-mail|error|disclos|theft|stolen|missing|lost|disruption|outage|encrypt|malware|compromis|expos|vulnerab|misconfigur)`)
	reviewEN        = regexp.MustCompile(`(?i:\b(?:determined|concluded|completed|confirmed|finali[sz]ed)\b|review|individuals? (?:whose|affected)|contact information)`)
	containEN       = regexp.MustCompile(`(?i:\b(?:contained|secured|disabled|isolated|shut down|took (?:[^.]{0,40})offline|taken offline|disconnected|terminated (?:the )?(?:unauthori[sz]ed )?access|blocked|removed (?:the )?(?:file|page|data|access))\b)`)
	blockEN         = regexp.MustCompile(`(?i:\b(?:log-?ins?|sign-?ins?|accounts?)\b[^.]{0,30}\b(?:blocked|locked|suspended|disabled)\b|\b(?:blocked|locked|suspended|disabled)\b[^.]{0,30}\b(?:log-?ins?|sign-?ins?|accounts?)\b)`)
	officeEN        = regexp.MustCompile(`(?i:attorneys? general|information commissioner|\bICO\b|data protection (?:commission|authority|commissioner)|supervisory authority|department of health and human services|\bHHS\b|office for civil rights|regulators?|\bCNIL\b|personal information protection commission)`)
	reportedEN      = regexp.MustCompile(`(?i:\b(?:reported|notified|informed|submitted|filed)\b)`)
	mailedEN        = regexp.MustCompile(`(?i:\b(?:began (?:mailing|notifying|sending)|mailed|notified|started (?:mailing|notifying)|sent (?:written )?(?:notice|notification|letters?))\b[^.]{0,80}\b(?:individuals|people|customers|patients|members|employees|you|persons|letters|students|users|residents|those)\b)`)
	windowEN        = regexp.MustCompile(`(?i:access|acquir|unauthori[sz]ed|between|from|exfiltrat|copied|expos|compromis|occurr|present)`)
	noWindowEN      = regexp.MustCompile(`(?i:hours|monday|call|enrol|employed|purchas|registered|enrolled|treated|hired|monitoring|visited|received (?:care|services|treatment)|applied)`)
	happenedEN      = regexp.MustCompile(`(?i:\b(?:occurred|took place|gained access|accessed|was stolen|were stolen|(?:sent|emailed) in error|inadvertently (?:sent|emailed|disclosed)|mistakenly (?:sent|emailed)|sent (?:an|the) (?:e-?mail|spreadsheet|file)|was lost|copied|exfiltrated|encrypted|an unauthori[sz]ed)\b)`)
	futureEN        = regexp.MustCompile(`(?i:\b(?:will|expect(?:s|ed)?|plan(?:s|ned)? to|intend|until|deadline|must enrol|by)\b)`)
)

// whenEN gives the times their parts.
func (r *reader) whenEN() {
	r.disclosedEN()
	for i := 0; i+1 < len(r.times); i++ {
		w, last := r.times[i], r.times[i+1]
		if !w.start || !last.end || w.moment.IsZero() || last.moment.IsZero() || r.lines[w.line].section == secPast {
			continue
		}
		c := r.around(w, last, i+1)
		near := lastBytes(c.before, 200) + c.after
		if windowEN.MatchString(near) && eventWordEN.MatchString(c.sentence) && !noWindowEN.MatchString(lastBytes(c.before, 60)+firstBytes(c.after, 40)) && !r.has("window.start") && !endOf(last.moment).Before(w.moment.Time) {
			certainty := incidentCertainty(possibleEN.MatchString(c.sentence) && !foundEN.MatchString(c.sentence))
			r.moment("window.start", w, certainty)
			r.moment("window.end", last, certainty)
		}
	}
	for i, w := range r.times {
		l := r.lines[w.line]
		if w == r.baseAt || w.moment.IsZero() || w.start || w.end || l.section == secPast || l.section == secContact {
			continue
		}
		c := r.around(w, w, i)
		r.placeEN(w, c)
	}
}

// disclosedEN proposes the day of the notice; of an update, only that it is one.
func (r *reader) disclosedEN() {
	if r.baseAt == nil || r.base.IsZero() {
		return
	}
	if r.update {
		r.propose(incident.Fact{Key: "addendum", Item: "report", Value: incident.Value{Text: plain("Update"), Time: r.base}}, r.baseAt.from, r.baseAt.to, r.baseAt.doubt)
		return
	}
	r.moment("disclosed", r.baseAt, "")
}

// placeEN proposes what happened at w: what the words behind it say, or, where it ends its clause, those before it.
func (r *reader) placeEN(w *when, c context) {
	text := c.after
	if len(strings.Trim(c.after, " .,;)")) < 4 || clauseEndEN.MatchString(c.after) {
		text = c.before
	} else if strings.TrimSpace(onlyOn.ReplaceAllString(c.before, "")) != "" && endsVerb.MatchString(c.before) {
		text = c.before
	}
	if futureEN.MatchString(lastBytes(c.before, 24)) || strings.Contains(lastBytes(c.before, 12), "since") {
		return
	}
	near := text
	switch {
	case officeEN.MatchString(near) && reportedEN.MatchString(near) && !strings.Contains(near, " will "):
		r.moment("regulator-notified", w, "")
	case mailedEN.MatchString(near):
		r.moment("persons-notified", w, "")
	case foundEN.MatchString(near) && eventWordEN.MatchString(c.sentence) && !reviewEN.MatchString(firstBytes(near, 200)):
		if !r.has("discovered") {
			r.moment("discovered", w, "")
		}
		return
	case blockEN.MatchString(near):
		r.moment("login-blocked", w, "")
	case containEN.MatchString(near):
		r.moment("contained", w, "")
	case happenedEN.MatchString(near) && !r.has("window.start") && !deniedEN.MatchString(firstBytes(near, 80)):
		r.moment("window.start", w, incidentCertainty(possibleEN.MatchString(firstBytes(near, 120))))
	}
}

var (
	onlyOn      = regexp.MustCompile(`(?i:\b(?:on|in|or about|around|at|approximately|,)\b)`)
	clauseEndEN = regexp.MustCompile(`^\s?(?:[.;]|$|\)|, (?:and|but|when we|which)\b)`)
	endsVerb    = regexp.MustCompile(`(?i:\b(?:discovered|detected|identified|learned|became aware|notified|reported|occurred|contained|secured|accessed|mailed|took place|sent|stolen|disabled|blocked|offline)\b[^.]{0,60}\b(?:on|in|around|at)\s(?:or about\s)?$)`)
)

var termsEN = regexp.MustCompile(`(?i:\b(?:` + strings.Join([]string{
	`(?P<skip>password (?:reset|change|manager|hygiene)|(?:change|reset|update|choose|use)\w* (?:your|their|a|any|all|unique|strong)[^.,;]{0,20} passwords?|email (?:phishing|scam|account|system|server|environment|tenant|inbox|message|us|to)|phone calls?|(?:your )?name and (?:address|contact) (?:to|when)|credit (?:monitoring|report|reporting|freeze|bureau|file|card compan)\w*|bank statements?|account statements?|health (?:system|plan|care provider|network|services)|address this|mailing address|names? of the)`,
	`(?P<hashed>(?:hashed(?: and salted)?|salted(?: and)? hashed|one-way hashed|cryptographically hashed) passwords?|passwords? (?:hashes|\((?:salted|hashed)[^)]{0,30}\)))`,
	`(?P<encrypted>encrypted passwords?)`,
	`(?P<readable>(?:plain-?text|unencrypted|clear-?text) passwords?)`,
	`(?P<password>passwords?|account credentials|login credentials)`,
	`(?P<national>social security numbers?|SSNs?|national (?:id(?:entification)?|insurance) numbers?|tax(?:payer)? id(?:entification)?(?: numbers?)?|government(?:-issued)? id(?:entification)?s?(?: numbers?| cards?)?|state id(?:entification)?(?: card)? numbers?|my number)`,
	`(?P<passport>passports?(?: numbers?| information| details)?)`,
	`(?P<licence>driver['’]?s?['’]? licen[cs]es?(?: numbers?| information)?|driving licen[cs]es?(?: numbers?)?)`,
	`(?P<card>(?:credit|debit|payment)(?:[ /](?:or |and )?(?:debit|credit))? card (?:numbers?|information|details|data)|payment card(?: information| data| details)?s?|card numbers?|credit/debit cards?)`,
	`(?P<bank>(?:bank|financial) account (?:numbers?|information|details)|bank details|bank account(?:s| and routing numbers?)?|financial account(?: numbers?| information)?|account and routing numbers?|routing numbers?)`,
	`(?P<insurance>(?:health )?insurance (?:policy |member |id |identification )?(?:numbers?|information|details|policy|ids?)|medicare (?:numbers?|ids?)|medicaid (?:numbers?|ids?))`,
	`(?P<email>e-?mail address(?:es)?|e-?mails?(?: and|,| or))`,
	`(?P<phone>(?:tele)?phone numbers?|mobile numbers?|cell(?:ular)? numbers?)`,
	`(?P<birth>dates? of birth|birth ?dates?|DOBs?)`,
	`(?P<gender>gender|sex)`,
	`(?P<nickname>nicknames?|display names?|screen names?)`,
	`(?P<accountid>user ?names?|user ids?|account (?:numbers?|ids?)|customer (?:numbers?|ids?)|member(?:ship)? (?:numbers?|ids?)|patient (?:ids?|account numbers?)|student (?:ids?|numbers?|identification numbers?)|medical record numbers?|employee (?:ids?|numbers?))`,
	`(?P<ip>IP address(?:es)?)`,
	`(?P<employer>employers?|company names?)`,
	`(?P<occupation>occupations?|job titles?)`,
	`(?P<health>medical (?:information|records?|history|conditions?|treatment|data)|health (?:information|data|records?|conditions?)|diagnos[ei]s(?: and treatment)?(?: codes?| information)?|treatment (?:information|details|records?|dates?)|prescriptions?(?: information)?|lab(?:oratory)? results?|test results|clinical information)`,
	`(?P<vehicle>vehicle (?:information|identification numbers?|registration)|license plates?)`,
	`(?P<purchase>(?:purchase|order|transaction) (?:history|histories|details|information|records?))`,
	`(?P<message>(?:contents? of )?(?:messages|e-?mail content|correspondence|chat logs?))`,
	`(?P<address>(?:postal|home|mailing|physical|residential|street|billing|shipping|delivery)? ?address(?:es)?)`,
	`(?P<name>(?:first and last |full |first |last |customer |patient |user )?names?)`,
}, "|") + `)\b)`)

var itemsEN = regexp.MustCompile(`(?i:\b(?:includ|contain|involv|expos|compromis|access|acquir|affect|impact|obtain|disclos|exfiltrat|stolen|viewed|seen|data elements|information may have|may have been)\w*)`)
var adviceEN = regexp.MustCompile(`(?i:\b(?:we (?:recommend|encourage|advise|urge)|you (?:can|should|may (?:wish|also|contact|place|obtain|want))|please|change your|reset your|remain vigilant|beware|do not (?:click|share|provide)|never ask|will (?:not|never) ask|contact us|to enroll|protect yourself|place a (?:fraud|security)|in order to|you will need|placing a|to request|when (?:calling|contacting))\b)`)

// classesEN proposes which data were exposed.
func (r *reader) classesEN() {
	announced, possible := false, false
	for _, s := range r.sentences {
		l := r.lines[s.line]
		part := r.s[s.from:s.to]
		if l.section == secPast || l.section == secContact || l.section == secPrevention || adviceEN.MatchString(part) {
			announced = false
			continue
		}
		item := announced && l.list
		if !item && !(itemsEN.MatchString(part) && !l.heading) {
			if announceRE.MatchString(lastBytes(part, 200)) {
				announced = true
			}
			continue
		}
		for _, m := range mentions(termsEN, r.s, s.from, s.to) {
			if r.deniedHere(s, m) {
				continue
			}
			if strings.HasPrefix(m.word, "password:") {
				r.seen["data-class\x00password"]++
			}
			r.propose(incident.Fact{Key: "data-class", Item: m.word, Value: incident.Value{Word: m.word}, Certainty: incidentCertainty(possibleEN.MatchString(part) || item && possible)}, m.from, m.to, "")
		}
		if announceRE.MatchString(lastBytes(part, 200)) && itemsEN.MatchString(part) {
			announced, possible = !deniedEN.MatchString(part), possibleEN.MatchString(part)
		} else if !l.list {
			announced = false
		}
	}
}

var (
	edgeEN  = regexp.MustCompile(`(?i:[;:.]\s|,?\s(?:but|however|although|while|whereas)\b|\. )`)
	scopeEN = regexp.MustCompile(`(?i:\b(?:did not|does not|do not|was not|were not|no evidence|is no|are no|not (?:include|contain|affect|access|involve|compromis|expos|store|have)\w*|never|excluding|except for|except|other than|without|neither|nor)\b)`)
)

// deniedHere reports whether m stands in a clause that denies.
func (r *reader) deniedHere(s sentence, m mention) bool {
	part := r.s[s.from:s.to]
	from, to := 0, len(part)
	for _, e := range edgeEN.FindAllStringIndex(part, 60) {
		if e[1] <= m.from-s.from {
			from = e[1]
		} else if e[0] >= m.to-s.from {
			to = e[0]
			break
		}
	}
	n := scopeEN.FindStringIndex(part[from:to])
	if n == nil {
		return false
	}
	word := strings.ToLower(part[from+n[0] : from+n[1]])
	if word == "excluding" || strings.HasPrefix(word, "except") || word == "other than" || word == "without" || word == "nor" {
		return m.from-s.from > from+n[0]
	}
	return true
}

var causesEN = []struct {
	word string
	re   *regexp.Regexp
}{
	{"ransomware", regexp.MustCompile(`(?i:ransomware)`)},
	{"web-skimming", regexp.MustCompile(`(?i:skimming|malicious code (?:was |had been )?(?:inserted|injected|placed|added)[^.]{0,60}(?:checkout|payment|website)|(?:checkout|payment) page[^.]{0,60}malicious (?:code|script))`)},
	{"credential-stuffing", regexp.MustCompile(`(?i:credential[- ]stuffing|password[- ]spray|(?:credentials|usernames? and passwords?|passwords?)[^.]{0,60}(?:obtained|stolen|leaked|compromised)[^.]{0,30}(?:from|at|on|in) (?:another|other|a third|unrelated|previous))`)},
	{"misdirected-mail", regexp.MustCompile(`(?i:(?:inadvertently|mistakenly|accidentally|in error|wrong)[^.]{0,80}\be-?mail|e-?mail[^.]{0,60}(?:inadvertently|mistakenly|accidentally|in error|wrong recipient|\bCC\b|instead of BCC)|\bbcc\b)`)},
	{"misdelivery", regexp.MustCompile(`(?i:(?:mailed|posted|sent|delivered)[^.]{0,40}(?:wrong address|incorrect address|wrong (?:person|patient|recipient)))`)},
	{"insider", regexp.MustCompile(`(?i:(?:former |current )?(?:employee|staff member|contractor)[^.]{0,60}(?:without authori[sz]ation|inappropriately|improperly|misused|took|no legitimate)[^.]{0,60})`)},
	{"theft", regexp.MustCompile(`(?i:(?:laptop|device|computer|hard drive|documents?|papers|bag|vehicle|USB|records)[^.]{0,60}(?:stolen|theft|burglar)|stolen (?:laptop|device|computer|bag|hard drive)|burglary)`)},
	{"lost-media", regexp.MustCompile(`(?i:(?:laptop|device|USB|drive|documents?|files?|memory stick|records|package)[^.]{0,40}(?:was|were|went|been|is) (?:lost|missing|misplaced)|lost (?:a |an )?(?:USB|memory|laptop|device))`)},
	{"phishing", regexp.MustCompile(`(?i:phishing (?:attack|e-?mail|incident|campaign|scheme)|result of (?:a )?phishing|responded to a phishing)`)},
	{"malware", regexp.MustCompile(`(?i:\bmalware\b)`)},
	{"misconfiguration", regexp.MustCompile(`(?i:misconfigur|(?:configuration|settings?) error|publicly accessible|left unsecured|without (?:password )?protection|incorrectly configured)`)},
	{"defect", regexp.MustCompile(`(?i:software (?:bug|defect|error)|coding error|programming error|technical (?:error|glitch)|\ba bug\b)`)},
	{"intrusion", regexp.MustCompile(`(?i:unauthori[sz]ed (?:access|party|person|individual|actor|third|user|acquisition|activity)|cyber ?-?(?:attack|security (?:incident|attack))|hack(?:ed|ers?|ing)|threat actor|intrusion|gained access)`)},
}

// causeEN proposes how it happened.
func (r *reader) causeEN() {
	for _, c := range causesEN {
		for _, s := range r.sentences {
			l := r.lines[s.line]
			part := r.s[s.from:s.to]
			m := c.re.FindStringIndex(part)
			if m == nil || l.section == secPast || l.section == secContact || adviceEN.MatchString(part) || deniedEN.MatchString(lastBytes(part[:m[0]], 60)) || preventEN.MatchString(part) {
				continue
			}
			r.propose(incident.Fact{Key: "cause", Value: incident.Value{Word: c.word}}, s.from+m[0], s.from+m[1], "")
			return
		}
	}
}

var (
	preventEN = regexp.MustCompile(`(?i:\b(?:to (?:help )?prevent|training|phishing simulation|be alert|scams?|suspicious e-?mails|future|enhanc|strengthen)\b)`)
	noneEN    = regexp.MustCompile(`(?i:\b(?:no (?:evidence|indication|reason to believe|reports?|information (?:to suggest|indicating))|not (?:aware|received|seen|identified|found) (?:of )?any|unaware of any|have not (?:been made aware|received))\b[^.]{0,160})`)
	misuseEN  = regexp.MustCompile(`(?i:misus|identity theft|fraud|being used|been used|improper(?:ly)? use|publish|sold)`)
	loginEN   = regexp.MustCompile(`(?i:unauthori[sz]ed (?:log-?ins?|sign-?ins?)|accounts? (?:has|have|was|were|had) been accessed)`)
	tamperEN  = regexp.MustCompile(`(?i:tamper|altered|modified|changed)`)
	usedEN    = regexp.MustCompile(`(?i:(?:has|have|had) been (?:misused|used fraudulently|used to commit)|(?:confirmed|reports? of) (?:misuse|fraudulent|fraud)|(?:published|posted|offered for sale)[^.]{0,40}(?:dark web|online|leak site|forum))`)
)

// damageEN proposes what has followed.
func (r *reader) damageEN() {
	for _, s := range r.sentences {
		l := r.lines[s.line]
		part := r.s[s.from:s.to]
		if l.section == secPast || l.section == secContact {
			continue
		}
		m := noneEN.FindStringIndex(part)
		if m == nil {
			if u := usedEN.FindStringIndex(part); u != nil && !deniedEN.MatchString(part[:u[0]]) && !adviceEN.MatchString(part) && !possibleEN.MatchString(part) && !regexp.MustCompile(`(?i:\bif\b|whether)`).MatchString(part) {
				r.propose(incident.Fact{Key: "secondary-damage", Item: "misuse", Value: incident.Value{Word: "misuse", Status: "confirmed"}}, s.from+u[0], s.from+u[1], "")
			}
			continue
		}
		asOf := r.saidAsOfEN(s)
		for _, d := range []struct {
			word string
			re   *regexp.Regexp
		}{{"misuse", misuseEN}, {"login", loginEN}, {"tampering", tamperEN}} {
			if d.re.MatchString(part[m[0]:m[1]]) {
				r.propose(incident.Fact{Key: "secondary-damage", Item: d.word, Value: incident.Value{Word: d.word, Status: "none-confirmed"}, AsOf: asOf}, s.from+m[0], s.from+m[1], "")
			}
		}
	}
}

// saidAsOfEN gives the time in "as of August 4, 2023".
func (r *reader) saidAsOfEN(s sentence) incident.Moment {
	for _, w := range r.times {
		if w.from >= s.from && w.to <= s.to && regexp.MustCompile(`(?i:\bas of\s$)`).MatchString(r.s[s.from:w.from]) {
			return w.moment
		}
	}
	return incident.Moment{}
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

package extract

import (
	"regexp"

	"shirase/internal/incident"
)

// causesEN are the ways in which data are lost, the most telling first: notices of ransomware speak of unauthorized
// access too.
var causesEN = []struct {
	word string
	re   *regexp.Regexp
}{
	{"ransomware", regexp.MustCompile(`(?i:ransomware|\bransom\b)`)},
	{"web-skimming", regexp.MustCompile(`(?i:skimm(?:ing|er)|(?:malicious|unauthori[sz]ed) (?:computer )?(?:code|script)s?[^.]{0,100}(?:check-?out|payment|shopping cart|order(?:s|ing)? page|purchas|\bcards?\b)|(?:checkout|payment) pages?[^.]{0,60}(?:malicious|unauthori[sz]ed) (?:code|script)|removed the (?:malicious )?code from our checkout|(?:captur|collect|copi|intercept)\w*[^.]{0,60}(?:entered|typed)[^.]{0,40}(?:checkout|payment page))`)},
	{"credential-stuffing", regexp.MustCompile(`(?i:credential[- ]stuffing|password[- ]spray|(?:credentials|user ?names?|user ids?|e-?mail addresses|passwords?|log-?in information)[^.]{0,60}(?:obtained|stolen|leaked|compromised|acquired|taken|exposed)[^.]{0,40}(?:from|at|on|in|through|via) (?:an|a|some|one)?\s?(?:other|another|third|unrelated|previous|different|separate|breach|outside|unknown|non-)|(?:obtained|stolen|compromised)[^.]{0,40}from (?:other|another|some other|third[- ]party|unrelated)[^.]{0,60}(?:log ?in|sign ?in|access)|re-?used[^.]{0,40}passwords?[^.]{0,60}(?:other|another))`)},
	{"phishing", regexp.MustCompile(`(?i:phishing (?:attack|e-?mails?|incident|campaign|scheme|attempt|message|scam|link)|\bphish(?:ed|ing)\b|spoof(?:ed|ing) e-?mail|e-?mail[^.]{0,80}(?:pretend|purport|appear|claim|impersonat)\w*[^.]{0,40}(?:come|be|from)|impersonat\w+[^.]{0,60}e-?mail|business e-?mail compromise|fake (?:sign-?in|log-?in) page|(?:pretend|purport|impersonat|pos(?:ing|ed) as|claim(?:ing|ed) to be)\w*[^.]{0,80}(?:\be-?mail|asked for|request)|(?:clicked|click) on (?:a|an|the) (?:malicious )?(?:link|attachment))`)},
	{"misdirected-mail", regexp.MustCompile(`(?i:(?:inadvertently|mistakenly|accidentally|in error|wrong|erroneously|by mistake)[^.]{0,80}(?:\be-?mail(?:ed)?\b|attach)|\be-?mail(?:ed)?\b[^.]{0,80}(?:inadvertently|mistakenly|accidentally|in error|wrong recipient|by mistake|\bCC\b|instead of BCC|unintended recipient)|\bbcc\b|\bCC field|in the ["“']?(?:To|CC)["”']? (?:field|line|box)|visible to (?:all|each) (?:the )?(?:other )?recipients)`)},
	{"misdelivery", regexp.MustCompile(`(?i:(?:mailed|posted|sent|delivered|addressed)[^.]{0,60}(?:wrong|incorrect|old|former|previous) (?:address|person|patient|recipient|household|tenant|member)|letters?[^.]{0,80}(?:wrong|incorrect) (?:address|envelope|person)|(?:mailing|mail merge|envelope|stuffing|printing) error|(?:belong\w*|intended|meant|addressed) (?:to|for) (?:an)?other (?:patient|member|person|customer|resident)s?|another (?:patient|member|person)['’]s[^.]{0,40}(?:letter|statement|envelope))`)},
	{"insider", regexp.MustCompile(`(?i:\b(?:employee|staff member|worker|nurse|contractor|clerk|officer|manager|teacher|agent|representative|physician|doctor|teller|technician|volunteer)s?\s(?:of [A-Z][^.,]{2,40}\s)?(?:who\s)?(?:had |has |have |may have |was |were )?(?:[a-z]+ly )?(?:accessed|accessing|viewed|viewing|looked|took|taken|copied|downloaded|removed|obtained|e-?mailed|sent|forwarded|stole|sold|used|shared|disclosed|provided|misused|photographed|printed)\b[^.]{0,120}(?:without (?:authori[sz]ation|permission|an? (?:business|legitimate|valid))|improper|inappropriat|no legitimate|personal (?:e-?mail|use|gain)|for non-|competitor|outside the|beyond (?:his|her|their)|curiosity|accomplice)|\b(?:improper|inappropriate|unauthori[sz]ed) access by (?:an?|one of our) (?:[a-z]+ )?(?:employee|staff|nurse|contractor)|(?:ex-|former |departing )employee\b[^.]{0,60}\b(?:kept|copied|took|downloaded|retained|e-?mailed|forwarded|transferred)\b|insider|rogue employee)`)},
	{"theft", regexp.MustCompile(`(?i:\b(?:laptops?|devices?|computers?|hard drives?|papers|bags?|briefcase|servers?|USB|(?:thumb|flash) drives?|binders?|phones?|tablets?|equipment|charts|files|backpack|tapes?)\b(?: [a-z’',-]+){0,8}? (?:was|were|had been|been|being|is) (?:[a-z]+ )?(?:stolen|taken from)|\bstole\b[^.]{0,60}\b(?:laptops?|computers?|hard drives?|servers?|documents|safe|equipment|charts|bag|tablets?)\b|stolen (?:laptop|device|computer|bag|hard drive|phone|server|documents|from (?:a|an|the|his|her|our)\b[^.]{0,20}(?:car|vehicle|office|home|house))|theft of (?:an?|two|three|four|several|the|our|his|her|\d+) (?:[a-z-]+ ){0,2}(?:laptop|computer|device|drive|server|bag|phone|tablet)|burglar(?:y|i[sz]ed|s)|(?:was|were|been) broken into|broke into (?:our|the|a|an) (?:[a-z]+ )?(?:office|car|vehicle|facility|building|clinic)|broke in\b|break-in|thie(?:f|ves))`)},
	{"lost-media", regexp.MustCompile(`(?i:\b(?:laptop|device|USB|drive|documents?|memory stick|records|package|envelope|folder|tapes?|cds?|disks?|discs?|notebook|binder|phone)\b[^.]{0,40}(?:was|were|went|been|is|has been|gone) (?:lost|missing|misplaced)|(?:lost|misplaced|loss of) (?:(?:an?|the|his|her|their|our) )?(?:[a-z-]+ ){0,2}(?:USB|memory|laptop|device|drive|package|folder|tapes?|documents?|phone|flash|notebook|bag|binder|box|envelope|papers|disc|disk|CD)|(?:could|can) ?not be (?:found|located|accounted for)|unaccounted for|unable to locate|(?:fell|fallen) (?:off|out of|from)|left (?:behind|unattended)|disappeared|found (?:a|the|an?) (?:flash|USB|thumb|hard) drive|did not arrive|never arrived|lost in (?:the mail|transit|the post))`)},
	{"malware", regexp.MustCompile(`(?i:\bmalware\b|\bcomputer virus|trojan|malicious software|keylogger)`)},
	{"defect", regexp.MustCompile(`(?i:software (?:bug|defect|error|glitch|flaw)|(?:coding|programming|application|system|computer|internal application) (?:error|glitch|bug)|technical (?:error|glitch|issue|problem)|\b(?:a|the|this) (?:[a-z]+ )?bug\b|\bbug in\b|error within|flaw in our)`)},
	{"misconfiguration", regexp.MustCompile(`(?i:misconfigur|(?:configuration|settings?|permissions?) (?:error|mistake|issue)|publicly (?:accessible|exposed|viewable)|publicly available (?:on|via|through|over|to)|left unsecured|unsecured (?:server|database|bucket|storage)|without (?:an? )?(?:password|authentication|log-?in)(?: protection)?\b|(?:did|does|do) not (?:require|need) (?:an? |any )?(?:password|authentication|log-?in)|incorrectly configured|(?:accessible|available|visible|exposed|open) (?:to|from|via|on|through|over) the (?:public )?internet|set to public|setting[^.]{0,60}(?:let|allowed|made|enabled)[^.]{0,40}(?:any(?:one|body)|public|others|visible)|any(?:one|body) with the link|(?:accessed|read|seen|viewed|downloaded) (?:over|on|from|via|through) the internet|(?:read|seen|viewed|accessed|found) by any(?:one|body) (?:on|with|who)|did not have (?:all )?(?:the )?[^.]{0,30}(?:security|protocols|access controls)|not (?:fully |properly )(?:secured|protected|configured)|through (?:internet )?search engines|erroneously (?:displayed|posted)|inadvertently (?:posted|made available|uploaded|accessible|published))`)},
	{"intrusion", regexp.MustCompile(`(?i:unauthori[sz]ed (?:access|part(?:y|ies)|persons?|individuals?|actors?|third|users?|acquisition|activity|intru\w+|outside|entry)|without authori[sz]ation|cyber ?-?(?:attack|security (?:incident|attack)|criminal|thie)|hack(?:ed|ers?|ing)|threat actor|bad actor|intru(?:sion|der)|gained (?:unauthori[sz]ed )?(?:access|control)|\battack(?:ers?|ed)?\b|outside party accessed|broken into our|(?:third|outside|unknown) part(?:y|ies)[^.]{0,40}(?:access|acquir|obtain)|(?:acquired|obtained|accessed) by an? (?:unknown|unauthori[sz]ed|third)|data security breach|servers? (?:was|were) compromised|accessed by an unknown|fraudulently filed|(?:accessed|viewed|used) by (?:someone|somebody|a person|persons)|(?:someone|somebody|a stranger) (?:else )?(?:had |has |was |who )?(?:accessed|logged|gained|been able|able|got|broken|stolen|taken|copied|downloaded|entered)|without (?:our|their|the owner's) knowledge)`)},
	// A weakness is the cause where nobody is known to have used it.
	{"defect", regexp.MustCompile(`(?i:(?:vulnerability|security issue|flaw|weakness)\b[^.]{0,40}\b(?:affecting|in (?:our|the)))`)},
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
var couldEN = regexp.MustCompile(`(?i:\b(?:attackers?|hackers?|someone|part(?:y|ies)|user) (?:who [a-z ]{0,20})?(?:could|would|might|can)\b (?:[a-gi-z]|have to)|in theory|theoretically|hypothetical)`)

var (
	causeNotEN = regexp.MustCompile(`(?i:\b(?:to (?:help )?prevent|phishing simulation|be alert|beware|wary of|suspicious e-?mails|in the future|protect against|guard against|steps to (?:enhance|strengthen)|increas\w+ (?:in number|across)|such as (?:phishing|malware))\b)`)
	whetherEN  = regexp.MustCompile(`(?i:\b(?:whether|if|no evidence|no indication|not aware)\b[^.;]*$)`)
	denyLateEN = regexp.MustCompile(`(?i:\b(?:not|no|never|without|rather than|nor|neither)\b[^.,;]{0,40}$)`)
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
			if m == nil || causeNotEN.MatchString(part) || adviceEN.MatchString(part) && !strongEN.MatchString(part) && !foundEN.MatchString(part) || denyLateEN.MatchString(lastBytes(part[:m[0]], 60)) || whetherEN.MatchString(lastBytes(part[:m[0]], 160)) {
				continue
			}
			if c.word == "ransomware" && otherRansom.MatchString(part) || c.word == "intrusion" && couldEN.MatchString(part) {
				continue
			}
			r.propose(incident.Fact{Key: "cause", Value: incident.Value{Word: c.word}}, s.from+m[0], s.from+m[1], "")
			return
		}
	}
}

// otherRansom is what is said of such attacks in general.
var otherRansom = regexp.MustCompile(`(?i:ransomware attacks (?:have|are)|\b(?:not|no) (?:[a-z]+ ){0,4}ransomware)`)

var (
	noneEN    = regexp.MustCompile(`(?i:\b(?:no (?:(?:actual|specific|direct|current|hard) )?(?:evidence|indications?|reason to believe|reports?|information (?:to suggest|indicating|suggesting)|knowledge|known)|not (?:currently )?(?:aware|received|seen|identified|found|uncovered) (?:of |that )?(?:any(?:one|body)?|evidence)|unaware of (?:any|whether)|(?:have|has) not (?:been made aware|received|seen|identified|found|uncovered|had)|(?:have|has) had no reports?|does not believe|do not believe)\b(?:[^.,;]|,\s(?:or|and|nor|misus|used|to date|as of)\b|,\s\w+,?\sor\b){0,220})`)
	misuseEN  = regexp.MustCompile(`(?i:misus|identity theft|fraud|(?:been|being|was|were|has|have|anyone)\s(?:\w+\s)?used\b|\bused (?:this|any|the|your|it)\b|improper(?:ly)? use|(?:attempt\w*|being) (?:to )?(?:us(?:e|ed)|misuse)|exploited)`)
	loginEN   = regexp.MustCompile(`(?i:unauthori[sz]ed (?:log-?ins?|sign-?ins?)|accounts? (?:has|have|was|were|had) been accessed)`)
	tamperEN  = regexp.MustCompile(`(?i:tamper|altered|modified|changed)`)
	usedEN    = regexp.MustCompile(`(?i:(?:has|have|had|were|was) (?:been )?(?:misused|used fraudulently|fraudulently (?:used|filed)|used to (?:commit|file|make fraudulent))|fraudulent (?:tax )?returns? (?:have been|were|had been) (?:already )?filed|(?:aware of|identified|confirmed) (?:approximately |about |some |several |\d+ )*(?:[a-z]+ )?(?:misuse|fraudulent (?:charges|transactions|returns|activity|purchases)))`)
	saidEN    = regexp.MustCompile(`(?i:(?:customers?|members?|employees?|patients?|individuals?|users?|people|residents?) (?:have|has|had)? ?(?:also )?(?:reported|told us (?:of|about))[^.]{0,40}(?:fraud|misuse|identity theft|unauthori[sz]ed (?:charges|transactions))|(?:received|there (?:have been|were)) (?:some |several |a few |isolated )?reports? (?:of|from)[^.]{0,60}(?:fraud|misuse|identity theft))`)
	perhapsEN = regexp.MustCompile(`(?i:\b(?:if|whether|could|may|might|potential|risk|prevent|protect|against)\b)`)
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
				re     *regexp.Regexp
			}{{"reported", saidEN}, {"confirmed", usedEN}} {
				if u := d.re.FindStringIndex(part); u != nil && !deniedEN.MatchString(part[:u[0]]) && !adviceEN.MatchString(part) && !perhapsEN.MatchString(part[:u[1]]) {
					r.propose(incident.Fact{Key: "secondary-damage", Item: "misuse", Value: incident.Value{Word: "misuse", Status: d.status}}, s.from+u[0], s.from+u[1], "")
					break
				}
			}
			continue
		}
		asOf := r.saidAsOfEN(s)
		for _, d := range []struct {
			word string
			re   *regexp.Regexp
		}{{"misuse", misuseEN}, {"login", loginEN}, {"tampering", tamperEN}} {
			if d.re.MatchString(part[m[0]:m[1]]) && !fixedEN.MatchString(part[m[0]:m[1]]) {
				r.propose(incident.Fact{Key: "secondary-damage", Item: d.word, Value: incident.Value{Word: d.word, Status: "none-confirmed"}, AsOf: asOf}, s.from+m[0], s.from+m[1], "")
			}
		}
	}
}

// fixedEN is what is not the data's use: the system that is used, an account that was.
var fixedEN = regexp.MustCompile(`(?i:\b(?:used by|used for|used to (?:send|store|access)|is used|are used)\b)`)

var asOfEN = regexp.MustCompile(`(?i:\bas of\s$)`)

// saidAsOfEN gives the time in "as of August 4, 2023".
func (r *reader) saidAsOfEN(s sentence) incident.Moment {
	for _, w := range r.times {
		if w.from >= s.from && w.to <= s.to && asOfEN.MatchString(lastBytes(r.s[s.from:w.from], 12)) {
			return w.moment
		}
	}
	return incident.Moment{}
}

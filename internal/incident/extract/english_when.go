package extract

import (
	"regexp"
	"strings"
	"time"

	"shirase/internal/incident"
)

var (
	investigatingEN = regexp.MustCompile(`(?i:(?:our |the |this )?investigation (?:is|remains) (?:still )?(?:ongoing|on-going|underway|in progress)|(?:still|continu\w+ to) (?:investigat|determin|assess)\w* (?:the (?:scope|extent|full|nature)|what|which|who|whether))`)
	windowEN        = regexp.MustCompile(`(?i:access|acquir|unauthori[sz]ed|exfiltrat|copied|expos|compromis|occurr|present|sent to|wrong|active|intercept|affected|activity|printed|left|password|visible|display|posted|published|secured|attack|intru|malware|infect|view|sign in|log(?:ged)? in|stole|breach|happened|took place|install|available|malicious|served|disclosed|enter)`)
	eventWordEN     = regexp.MustCompile(`(?i:incident|unauthori[sz]ed|without (?:authori[sz]ation|permission)|breach|suspicious|unusual|attack|ransomware|access|activity|mailbox|error|fault|disclos|theft|stol|missing|lost|disruption|outage|encrypt|malware|\bcode\b|compromis|expos|vulnerab|misconfigur|wrong|intercept|display|posted|secured|intru|criminal|inadvertent|mistake|issue|infect|hack|without a|left|unprotected|served|acqui|affected|fraud)`)
	noWindowEN      = regexp.MustCompile(`(?i:\b(?:the hours|hours of|monday|call|enrol\w*|(?:were|was|been|who|you) (?:\w+ )?(?:employed|registered|treated|hired|born)|credit monitoring|visited|received (?:care|services|treatment)|applied|office hours|open (?:from|between)|served as|worked|attended)\b)`)
	futureEN        = regexp.MustCompile(`(?i:\b(?:will|expect(?:s|ed)?|plan(?:s|ned)? to|intend|deadline|must enrol|enrol by|no later than|prior to|before|as of|since|valid|expir\w+|following|after)\s(?:\w+\s){0,2}$)`)
	askedEN         = regexp.MustCompile(`(?i:\b(?:enrol\w*|deadline|activation|expires?|redeem|must be (?:received|completed)|sign up|birth|fiscal|quarter|forward-looking|undertakes no obligation)\b)`)
)

// The roles that a time can have, each known by its verb.
const (
	roleNone = iota // what says nothing of the incident's course: determined, completed, engaged
	roleFound
	roleRegulator
	roleTold
	roleBlocked
	roleContained
	roleHappened
	roleEnded
	roleDisclosed
)

const officesEN = `(?:attorneys? general|information commissioner|\bICO\b|data protection (?:commission\w*|authorit\w+|regulator)|supervisory authorit\w+|department of health and human services|\bHHS\b|office for civil rights|\bOCR\b|(?:state |federal |the |our )regulators?|\bCNIL\b|personal information protection commission|privacy commissioner|\bOAIC\b)`

// rolesEN are the verbs, tried together: the nearest to a time is its own.
var rolesEN = []struct {
	role int
	re   *regexp.Regexp
}{
	{roleRegulator, regexp.MustCompile(`(?i:\b(?:reported|notified|informed|told|submitted|filed)\b(?:[^.;]|\b[A-Z]\.){0,120}?` + officesEN + `|` + officesEN + `[^.;]{0,30}\b(?:was|were|has been|have been) (?:also )?(?:notified|informed|told))`)},
	{roleTold, regexp.MustCompile(`(?i:\b(?:began|begin|started|commenced|beginning|completed)\s(?:(?:the process of|to)\s)?(?:mail\w*|notif\w*|send\w*|provid\w*)\b|\bmailed\b[^.;]{0,40}(?:letters?|notices?|notifications?)|\b(?:notified|informed|contacted|wrote to|written to|told)\b[^.;]{0,60}\b(?:individuals|people|customers|patients|members|employees|persons|students|users|residents|those|everyone|everybody|families|parents)\b|\b(?:sent|provided|issued|mailed)\b[^.;]{0,30}\b(?:written )?(?:notices?|notifications?|notification letters?|letters)\b[^.;]{0,60}|\b(?:individuals|people|customers|patients|members|employees|persons|students?|users|residents|those|everyone|everybody)\b[^.;]{0,50}\b(?:were|was|have been|has been) (?:\w+ )?(?:notified|informed|told|contacted|written to)\b)`)},
	{roleFound, regexp.MustCompile(`(?i:\b(?:self-)?discovered\b|\bdetected\b|\bidentified\b|\blearn(?:ed|t)\b|\bdid(?: not|n['’]t) (?:learn|discover|become aware)\b|\bbec(?:a|o)me aware\b|\b(?:was|were|been|being)\s(?:(?:first|also|recently|initially|then)\s)?(?:alerted|notified|informed|advised|contacted|told|made aware|warned)\b|\b(?:we|I|team|staff) (?:first )?(?:noticed|observed|saw|found)\b|\bnoticed\b|\bfirst (?:observed|noticed)\b|\buncovered\b|\bfound out\b|\b(?:alerted|notified|informed|advised|contacted|told|warned)\s(?:us\b|[A-Z][a-z])|\bcame to (?:our|the [a-z]+['’]s|its) attention\b|\b(?:drawn|brought) to (?:our|the [a-z]+['’]s|its) attention\b|\bcame to light\b|\breceived\b[^.;]{0,40}\b(?:letter|notice|notification|report|alert|call|word|complaint|inquir\w+|enquir\w+|information)s?\b|\braised an alarm\b|\b(?:processor|bank|vendor|provider|company|researcher|customer|police|FBI|enforcement|partner|auditor|insurer)s?\s(?:reported|disclosed|announced|confirmed|indicated)\s(?:to us\s)?that\b|\b(?:is|was|were) (?:first )?reported (?:to|by)\b|\breali[sz]ed\b|\bwe found (?:that|the|a|an|some)\b)`)},
	{roleBlocked, regexp.MustCompile(`(?i:\b(?:(?:all|user|users['’]|customer|member|online|affected) )*(?:log-?ins?|sign-?ins?|accounts)\b[^.;,]{0,30}\b(?:were|was|have been) (?:\w+ )?(?:blocked|locked|suspended|disabled|frozen|deactivated)\b|\b(?:blocked|locked|suspended|disabled|froze|deactivated)\b[^.;,]{0,30}\b(?:log-?ins?|sign-?ins?|accounts)\b)`)},
	{roleContained, regexp.MustCompile(`(?i:\b(?:contained|secured|disabled|isolated|shut (?:it |them )?(?:down|off)|(?:took|taken|taking) (?:[^.;]{0,40})offline|disconnected|(?:terminated|revoked|cut off|blocked|halted|stopped)\b|removed (?:the )?(?:[a-z]+ ){0,2}(?:files?|pages?|data|access|code|malware|script|documents?|link|posting)|(?:closed|patched|remediated|fixed|resolved) (?:the|this)|(?:the )?fix (?:is|was) deployed|patch was (?:applied|deployed)|(?:was|were|been|and) (?:[a-z]+ )?removed|(?:patched|fixed|closed|taken down|corrected|deactivated|remedied|repaired)|eradicated|expelled)\b)`)},
	{roleHappened, regexp.MustCompile(`(?i:\b(?:occurred|took place|happened|gained (?:unauthori[sz]ed )?(?:access|control)|\blost\b|altered|modified|tampered|inserted|injected|planted|(?:hit|struck|attacked|targeted) by|put in(?:to)?|discarded|thrown|disposed|went out|accessed|(?:may have |was |were |had )?obtained access|obtained unauthori[sz]ed access|logged (?:in|on)(?:to)?|(?:was|were|been|may have) (?:potentially )?(?:stolen|lost|taken|copied|acquired|exposed|compromised|viewed|obtained|exfiltrated|encrypted|burglari[sz]ed|broken into|infected|hacked)|stole|experienced|suffered|(?:was|were|fell) (?:the )?(?:victim|target)|introduced|downloaded|extracted|reached|got in(?:to)?|infiltrated|breached|penetrated|intercepted|fell|disappeared|last seen|could not be (?:found|located)|burglar(?:y|i[sz]ed)|broken? into|break-in|installed|(?:sent|e-?mailed|mailed|posted|uploaded|shared|published|distributed|disclosed|attached|set to public)\b|went missing|(?:access|subject)(?:ed)? (?:to|without) (?:unauthori[sz]ed|authori[sz]ation)|entered (?:their|his|her) password|received (?:an?|what)\b[^.;]{0,30}\b(?:e-?mail|message|call)\b[^.;]{0,40}\b(?:pretend|purport|appear|claim|spoof|phish)\w*|(?:responded to|fell for|clicked on|tricked)|used (?:an?|the) (?:access token|stolen)|took (?:a|an|the)|was (?:lost|attacked)|unauthori[sz]ed access|attacked|began\b|could be (?:read|seen|viewed))\b?)`)},
	{roleDisclosed, regexp.MustCompile(`(?i:\b(?:we|I) (?:publicly |first )?(?:announced|disclosed|published|reported publicly)\b|\bpublicly (?:announced|disclosed)\b)`)},
	{roleNone, regexp.MustCompile(`(?i:\b(?:determined|concluded|completed|confirmed|finali[sz]ed|finished|engaged|hired|retained|launched|initiated|began (?:an?|the|our|its|to)\s(?:[a-z]+ ){0,3}(?:investigation|review|audit|notify|investigate|analy[sz]e)|reviewed|offered|announced|released|received (?:the|a) (?:list|results?|final)|acquired by|merged|provided|implemented|deployed (?:new|additional|multi)|created|established|issued|updated|filed|arrived|disclosed (?:an?|the|this) [a-z ]{0,30}(?:incident|breach|attack|event|vulnerability)|(?:posted|published|issued|shared|sent|provided) (?:an?|the|this|its|our) (?:[a-z]+ ){0,2}(?:notice|statement|notification|press release|update|alert|advisory|announcement|warning|report)|development|tested|acknowledged|will|closed (?:on|for)|opened|resumed|restored|reset)\b)`)},
}

// What joins a role's verb to somebody else: "the vendor told us that it discovered".
var (
	itsEN       = regexp.MustCompile(`(?i:\b(?:that|how|when|because)\s(?:it|they|he|she|the (?:vendor|provider|company|attacker|intruder|criminal)s?)\s(?:had\s|first\s|has\s)?$)`)
	theySaidEN  = regexp.MustCompile(`(?i:\b(?:notified|informed|told|advised|alerted|indicated|stated|reported|explained|said)\b)`)
	leadEN      = regexp.MustCompile(`(?i:(?:(?:\b(?:on|in|by|around|about|approximately|at|as early as|starting|beginning|or|early|late|mid|during|the|evening|night|morning|afternoon|of|sometime|dated|first|again|from|UTC|back|\w{3,6}day)\b|[-\s,*(“"•–—])\s?)*$)`)
	breakEN     = regexp.MustCompile(`(?i:(?:[,;:(–—“".]|\b(?:and|but|that|because|when|which|while|as|where|until|determined|found|concluded|believe))\s?$)`)
	clauseEN    = regexp.MustCompile(`(?i:[;:]|,\s(?:and|but|which|who|when|where|while)\s|[a-z]{2}\.\s)`)
	untilEN     = regexp.MustCompile(`(?i:\b(?:until|through|ending|ended|as late as|last (?:accessed|seen)(?: on)?)\s(?:(?:on|or|about|around|approximately|as late as|in|early|mid|late)[\s-]){0,3}$)`)
	notFoundEN  = regexp.MustCompile(`(?i:\bdid(?: not|n['’]t) (?:learn|discover|become aware)[^.;]{0,80}until\s(?:on\s|about\s|or\s)*$)`)
	wrongSentEN = regexp.MustCompile(`(?i:inadvertent|mistake|error|wrong|trash|shredded|another member|another patient|(?:old|former|previous) address|unintended|instead of|accident|incorrect|without authori[sz]ation|pretended|by mistake|CC field|was not meant|should not)`)
	sentVerbEN  = regexp.MustCompile(`(?i:^(?:sent|e-?mailed|mailed|posted|uploaded|shared|published|distributed|disclosed|attached|installed|began|took|occurred|happened))`)
	sufferEN    = regexp.MustCompile(`(?i:^(?:experienced|suffered|was|were|fell|received))`)
	harmlessEN  = regexp.MustCompile(`(?i:\b(?:we|team|staff|investigators?|experts?|firm|police|enforcement)\s(?:\w+\s){0,2}$)`)
	cutNowEN    = regexp.MustCompile(`(?i:\bwe (?:immediately |promptly )?(?:contained|secured|disabled|isolated|shut|took|disconnected|terminated|revoked|blocked|removed|closed)\b[^.;]{0,60}(?:straight ?away|immediately|at once|within (?:minutes|the hour|an hour))|\bwithin (?:minutes|the hour|an hour)\b)`)
	closedSoon  = regexp.MustCompile(`(?i:\bWe (?:closed|removed|disabled|took|shut|disconnected|blocked)\b[^.;]{0,60}\bwithin (?:minutes|the hour|an hour|hours)\b)`)
)

// whenEN gives the times their parts: periods first, they say more than a single day.
func (r *reader) whenEN() {
	r.addendaEN()
	r.disclosedEN()
	for i := 0; i+1 < len(r.times); i++ {
		w, last := r.times[i], r.times[i+1]
		if w.start && last.end && !w.moment.IsZero() && !last.moment.IsZero() && !r.asideEN(w) {
			r.windowOfEN(w, last, r.around(w, last, i+1))
		}
	}
	for i, w := range r.times {
		if w == r.baseAt || w.moment.IsZero() || w.start || w.end || w.added || r.asideEN(w) {
			continue
		}
		r.placeEN(w, r.around(w, w, i), i)
	}
	if w := r.determined; w != nil && !r.has("discovered") && !foundAnyEN.MatchString(r.s) {
		r.found(w)
	}
}

// asideEN reports a time in a part of the text that tells nothing of the incident.
func (r *reader) asideEN(w *when) bool {
	sec := r.sectionEN(r.sentenceAt(w.from))
	return sec == secPast || sec == secContact
}

func (r *reader) windowOfEN(w, last *when, c context) {
	near := lastBytes(c.before, 220) + " " + firstBytes(c.after, 200)
	close := lastBytes(c.before, 60) + " " + firstBytes(c.after, 40)
	if r.has("window.start") || endOf(last.moment).Before(w.moment.Time) || !windowEN.MatchString(near) || !eventWordEN.MatchString(r.nearEN(c)) {
		return
	}
	if ordinaryEN.MatchString(c.before) {
		return
	}
	if noWindowEN.MatchString(close) && !strings.Contains(close, "access") || askedEN.MatchString(lastBytes(c.before, 80)+firstBytes(c.after, 80)) || notThenEN.MatchString(lastBytes(c.before, 60)) {
		return
	}
	certainty := incidentCertainty(possibleEN.MatchString(c.sentence) && !foundEN.MatchString(c.sentence))
	r.moment("window.start", w, certainty)
	r.moment("window.end", last, certainty)
}

// What was determined is a result, not the discovery; but where a text tells of no discovery and of no investigation
// before it, it is the first that the author knew.
var (
	determinedEN = regexp.MustCompile(`^(?i:determined|confirmed|concluded)\b`)
	examinedEN   = regexp.MustCompile(`(?i:investigat|review|forensic|analy[sz]|examin)`)
	foundAnyEN   = regexp.MustCompile(`(?i:\b(?:discover(?:ed|y)|detected|identified|learned|aware|notified (?:us|by)|noticed)\b)`)
)

// ordinaryEN is what people did in a period: the tickets that they submitted in it were exposed, but not then.
var ordinaryEN = regexp.MustCompile(`(?i:\b(?:submitted|placed|created|opened|filed|booked|issued|hired|treated|born|admitted|enrolled|employed|dated|seen|served|joined)\s(?:\w+\s){0,3}(?:between|from|during)?\s*(?:the dates of\s)?$)`)

var notThenEN = regexp.MustCompile(`(?i:\b(?:no (?:access|evidence|activity|indication)|(?:did|was|were) not (?:access|occur|affect|compromis|expos|involv)\w*)\b` + `[^,;]*$)`)

var foundEN = regexp.MustCompile(`(?i:\b(?:discovered|detected|identified|learned|became aware|determined|found|confirmed)\b)`)

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

// verbAt is a role's verb and where it stands.
type verbAt struct {
	role, from, to int
	behind         bool // it stands behind the time, which begins its clause
}

// firstVerb finds the verb that begins first in s, lastVerb the one that ends last. Of two at one place the longer says
// more: "began an investigation" is no beginning of the intrusion.
func firstVerb(s string) (best verbAt) {
	best.from = len(s) + 1
	for _, v := range rolesEN {
		if m := v.re.FindStringIndex(s); m != nil && (m[0] < best.from || m[0] == best.from && m[1] > best.to) {
			best = verbAt{role: v.role, from: m[0], to: m[1]}
		}
	}
	return best
}

func lastVerb(s string) (best verbAt) {
	best.from = -1
	for _, v := range rolesEN {
		for _, m := range v.re.FindAllStringIndex(s, 12) {
			if best.from < 0 || m[0] >= best.to || m[1] > best.to && m[0] >= best.from {
				best = verbAt{role: v.role, from: m[0], to: m[1]}
			}
		}
	}
	return best
}

// placeEN proposes what happened at w. Where a clause begins with the time, its verb follows; else the time belongs to the
// verb before it.
func (r *reader) placeEN(w *when, c context, i int) {
	before, after := lastBytes(c.before, 300), firstBytes(c.after, 500)
	if w.rel == absolute && updatedTail.MatchString(after) || futureEN.MatchString(lastBytes(before, 40)) || askedEN.MatchString(lastBytes(before, 80)+firstBytes(after, 60)) {
		return
	}
	if untilEN.MatchString(before) && !notFoundEN.MatchString(before) {
		if r.has("window.start") && !r.has("window.end") && windowEN.MatchString(c.sentence) && eventWordEN.MatchString(c.sentence) {
			r.moment("window.end", w, "")
		}
		return
	}
	if notFoundEN.MatchString(before) {
		r.found(w)
		return
	}
	bare := strings.TrimRight(before[:leadEN.FindStringIndex(before)[0]], " ")
	if bare == "" || breakEN.MatchString(bare) || len(bare) < len(before) && breakEN.MatchString(before[:len(bare)+1]) || markRE.MatchString(bare) && len(bare) < 4 {
		v := firstVerb(after)
		if v.from > len(after) || v.from > 400 {
			return
		}
		v.behind = true
		r.roleEN(w, v, after[:v.from], after[v.from:], c)
		return
	}
	cut := 0
	if e := clauseEN.FindAllStringIndex(bare, -1); len(e) > 0 {
		cut = e[len(e)-1][1]
	}
	v := lastVerb(bare[cut:])
	if v.from < 0 {
		if cut == 0 {
			return
		}
		if v = lastVerb(bare); v.from < 0 {
			return
		}
		cut = 0
	}
	r.roleEN(w, v, bare[:cut+v.from], bare[cut+v.from:], c)
}

// roleEN proposes w in the role of a verb, where the words before the verb (its subject) and behind it allow.
func (r *reader) roleEN(w *when, v verbAt, subject, rest string, c context) {
	if deniedEN.MatchString(lastBytes(subject, 24)) || askIfEN.MatchString(lastBytes(subject, 60)) {
		return
	}
	switch v.role {
	case roleFound:
		if itsEN.MatchString(subject) && theySaidEN.MatchString(subject) || !tellsEN.MatchString(rest) && r.vendorSubject(subject) {
			return
		}
		r.found(w)
		if !r.has("contained") && (cutNowEN.MatchString(c.rest) || closedSoon.MatchString(firstBytes(r.s[min(len(r.s), c.at+len(c.sentence)):], 90))) {
			r.momentDay("contained", w)
		}
	case roleRegulator:
		r.moment("regulator-notified", w, "")
		if both := rolesEN[1].re; v.behind && c.rest == c.after && both.MatchString(c.after) {
			r.moment("persons-notified", w, "")
		}
	case roleTold:
		r.moment("persons-notified", w, "")
		if rolesEN[0].re.MatchString(subject) {
			r.moment("regulator-notified", w, "")
		}
	case roleBlocked:
		r.moment("login-blocked", w, "")
	case roleContained:
		if strings.Contains(rest, "employment") {
			return
		}
		r.moment("contained", w, "")
	case roleNone:
		if determinedEN.MatchString(rest) && !examinedEN.MatchString(r.s[:c.at]+subject) && r.determined == nil {
			r.determined = w
		}
	case roleHappened:
		if !v.behind || !saysThatEN.MatchString(subject) { // not when the bank reported that it had happened
			r.happenedEN(w, subject, rest, c)
		}
	}
}

// nearEN is the sentence with a little of what stands around it.
func (r *reader) nearEN(c context) string {
	end := c.at + len(c.sentence)
	return lastBytes(r.s[:c.at], 200) + c.sentence + firstBytes(r.s[min(len(r.s), end):], 250)
}

var (
	saysThatEN = regexp.MustCompile(`(?i:\b(?:reported|said|confirmed|determined|advised|indicated|announced|disclosed|believed?|concluded|stated|explained|suggested|showed|revealed)\b[^.;]*\bthat\b[^.;]*$)`)
	tellsEN    = regexp.MustCompile(`(?i:^(?:alerted|notified|informed|advised|contacted|told|warned)\s)`)
	askIfEN    = regexp.MustCompile(`(?i:\b(?:if|whether|unless|in case)\b[^,;]*$)`)
)

func (r *reader) found(w *when) {
	if !r.has("discovered") {
		r.moment("discovered", w, "")
	}
}

// momentDay proposes the day of w alone: what was done right after it was done at a later hour.
func (r *reader) momentDay(key string, w *when) {
	v := *w
	if t := v.moment.Time; v.moment.Exact() {
		v.hh = -1
		v.set(t.Year(), int(t.Month()), t.Day(), r.zone)
	}
	r.moment(key, &v, "")
}

// happenedEN proposes w as the beginning of what happened. That something was sent is harmless unless it is said to have
// been a mistake, there or in the sentence behind.
func (r *reader) happenedEN(w *when, subject, rest string, c context) {
	if r.has("window.start") || harmlessEN.MatchString(subject) && !sufferEN.MatchString(rest) && !wrongSentEN.MatchString(c.sentence) {
		return
	}
	if sentVerbEN.MatchString(rest) {
		if near := r.nearEN(c); !wrongSentEN.MatchString(near) && !eventEN.MatchString(near) {
			return
		}
	}
	r.moment("window.start", w, incidentCertainty(possibleEN.MatchString(lastBytes(subject, 60)+firstBytes(rest, 60))))
}

// vendorSubject reports whether a verb's subject is a name that is not the author's: what a vendor found first is not
// when the author learned of it.
func (r *reader) vendorSubject(subject string) bool {
	tail := strings.TrimRight(lastBytes(subject, 70), " ")
	for _, v := range r.vendors {
		if v != r.own && strings.HasSuffix(tail, v) {
			return true
		}
	}
	return vendorItself.MatchString(tail)
}

var vendorItself = regexp.MustCompile(`(?i:\b(?:vendor|(?:service )?provider|supplier|processor|third[- ]party)(?: itself| first| had)?$)`)

var (
	datelineEN   = regexp.MustCompile(`^(?:[A-Z][A-Za-z.,' /()]{1,50}?[\s,]{0,2}[–—-]{1,2}\s?|\()?\s?(?:\w{3,6}day,\s)?$`)
	datelineTail = regexp.MustCompile(`^\s?(?:[–—-]{1,2}\s|/PRNewswire/|\(?GLOBE NEWSWIRE|:|\))`)
	postedEN     = regexp.MustCompile(`(?i:^\W*(?:posted|published|issued|dated|date(?: of (?:notice|letter))?|released|created|for immediate release)\b[^.]{0,50}$)`)
	todayEN      = regexp.MustCompile(`(?i:^\W*today,?\s?\(?$)`)
	headDateEN   = regexp.MustCompile(`^[\])*]*\s?(?:[–—|:-]\s|by\s|\|)[^.]*$`)
	updateEN     = regexp.MustCompile(`(?i:^[\s#*>_\[(\-–•]*(?:update[ds]?|edit(?:ed)?|correction|addendum)\b[^a-z]{0,12}(?:\((?:on )?|on |of |as of |– |- |: )?$)`)
	updateTailEN = regexp.MustCompile(`(?i:^[)\]*\s]*(?:[–—:-]\s?)?(?:update|edit|correction|addendum)\b)`)
	earliestEN   = regexp.MustCompile(`(?i:earliest event)`)
	titleDateEN  = regexp.MustCompile(`(?i:(?:statement|notice|incident|breach|update|disruption|attack|bulletin)\b[^.]{0,60}[–—(|-]\s?$)`)
)

// publicationEN finds the day of publication in the forms that English notices have besides a line of its own: a
// dateline, "Posted by the team on", a date behind the title. The head of an update is no publication, nor is the day
// that a filing gives its earliest event.
func (r *reader) publicationEN() {
	for _, w := range r.times {
		l := r.lines[w.line]
		before, after := r.s[l.from:w.from], r.s[w.to:l.to]
		if len(before) < 60 && w.d > 0 && (updateEN.MatchString(before) || w.line > 4 && strings.TrimSpace(strings.Trim(before, "-*#> [(")) == "" && updateTailEN.MatchString(firstBytes(after, 40))) {
			w.added = true
		}
		if r.baseAt == w && (w.added || earliestEN.MatchString(before) || w.rel != absolute) {
			r.baseAt, r.base, r.asOf = nil, incident.Moment{}, incident.Moment{}
		}
	}
	for _, w := range r.times {
		if r.baseAt != nil || w.line >= 14 || w.rel != absolute || w.d == 0 || w.start || w.end || w.added {
			continue
		}
		l := r.lines[w.line]
		before, after := r.s[l.from:w.from], r.s[w.to:l.to]
		wd := weekdayEN.FindString(before)
		lead := strings.TrimRight(strings.TrimSuffix(before, wd), " ")
		short := len(before) < 90 && !earliestEN.MatchString(before)
		switch {
		case !short:
		case lead != "" && todayEN.MatchString(lead),
			w.line < 4 && strings.Trim(lead, "#*[(- ") == "" && headDateEN.MatchString(after) && len(after) < 110,
			w.line < 4 && datelineEN.MatchString(before) && datelineTail.MatchString(after),
			len(after) < 60 && postedEN.MatchString(lead) && !strings.Contains(after, ". "),
			strings.TrimSpace(after) == "" && lead == "" && wd != "",
			w.line < 4 && (strings.TrimSpace(strings.Trim(after, ")")) == "" || w.line == 0 && strings.HasPrefix(after, ".")) && titleDateEN.MatchString(lead+" "):
			r.baseAt = w
		}
	}
	// A filing is signed and dated at its end.
	for _, w := range r.times {
		l := r.lines[w.line]
		if r.baseAt == nil && w.rel == absolute && w.line >= len(r.lines)-6 && w.line > 4 && filedEN.MatchString(r.s[l.from:w.from]) && len(r.s[w.to:l.to]) < 40 {
			r.baseAt = w
		}
	}
	if w := r.baseAt; w != nil {
		w.set(w.y, w.m, w.d, r.zone)
		if w.moment.Exact() { // a notice is of a day
			w.hh = -1
			w.set(w.y, w.m, w.d, r.zone)
		}
		r.base, r.asOf = w.moment, w.moment
	}
}

var filedEN = regexp.MustCompile(`(?i:^\W*(?:date[d]?)\s?:?\s?$)`)

// addendaEN proposes what was added to a notice later, under a head or behind a date of its own.
func (r *reader) addendaEN() {
	n := 0
	for _, w := range r.times {
		if !w.added || w.moment.IsZero() {
			continue
		}
		l := r.lines[w.line]
		from, to := w.to, l.to
		text := tidy(strings.TrimLeft(r.s[from:to], ")]:*_ –—-"))
		if len(text) < 8 && w.line+1 < len(r.lines) {
			next := r.lines[w.line+1]
			from, to = next.from, next.to
			text = tidy(strings.TrimLeft(r.s[from:to], "> *-"))
		}
		if text == "" {
			continue
		}
		n++
		day := w.moment
		if r.base.IsZero() || !day.Time.After(r.base.Time.Add(3650*24*time.Hour)) {
			r.propose(incident.Fact{Key: "addendum", Item: itoa(n), Value: incident.Value{Text: plain(text), Time: day}, AsOf: day}, w.from, to, w.doubt)
		}
	}
}

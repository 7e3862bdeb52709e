package extract

import (
	"slices"
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
)

// termsJA are tried at each place in this order: what is longer or more special first.
var termsJA = ruleJA("termsJA")

// classOf names the vocabulary's word of a group.
var classOf = map[string]string{
	"hashed": "password:hashed", "encrypted": "password:encrypted", "readable": "password:plain", "password": "password", "nickname": "nickname",
	"card": "payment-card", "bank": "bank-account", "insurance": "insurance-number", "national": "national-id", "mynumber": "national-id:my-number", "pension": "national-id:pension", "ssn": "national-id:ssn", "email": "email", "phone": "phone",
	"birth": "birth-date", "gender": "gender", "accountid": "account-id", "ip": "ip-address", "employer": "employer", "occupation": "occupation",
	"health": "health", "passport": "passport", "licence": "driving-licence", "vehicle": "vehicle", "purchase": "purchase-history", "message": "message-content", "address": "address", "name": "name",
	"question": "security-question", "pin": "pin", "code": "payment-card:code", "partial": "payment-card:partial", "payments": "payment-history",
	"finances": "finances", "age": "age", "nationality": "nationality", "family": "family", "jobs": "job-application", "education": "education",
	"loyalty": "loyalty", "device": "device", "location": "location", "credential": "credential", "token": "auth-token", "biometric": "biometric",
	"photo": "photo", "recording": "recording", "idcard": "identity-document", "social": "social-profile", "travel": "travel", "profile": "profile",
	"activity": "activity", "religion": "religion", "ethnicity": "ethnicity", "source": "source-code", "trait": "physical-trait",
}

// found is a class named in the text.
type mention struct {
	word     string
	from, to int
}

// mentions finds the classes that s[from:to] names.
func mentions(re *rule, s string, from, to int) []mention {
	var out []mention
	names := re.SubexpNames()
	for _, m := range re.FindAllStringSubmatchIndex(s[from:to], 200) {
		for g := 1; g < len(names); g++ {
			if names[g] == "" || m[2*g] < 0 || names[g] == "skip" {
				continue
			}
			if word := classOf[names[g]]; incident.KnownClass(word) {
				out = append(out, mention{word, from + m[0], from + m[1]})
			}
		}
	}
	return out
}

var (
	leakVerb = ruleJA("leakVerb")
	// What ends a clause whose predicate denies, and where the clause began.
	denied        = ruleJA("denied")
	clauseEdge    = ruleJA("clauseEdge")
	topicRE       = ruleJA("topicRE")
	adviceRE      = ruleJA("adviceRE")
	announceItems = ruleJA("announceItems")
	announceBelow = ruleJA("announceBelow")
	withheldJA    = ruleJA("withheldJA")
	negatesJA     = ruleJA("negatesJA")
)

// classesJA proposes which data were exposed: what the part on data lists, and what sentences say was lost. A clause that
// denies, and advice on what to do, name the same words and count for nothing.
func (r *reader) classesJA() {
	denied := map[string]bool{}
	type hit struct {
		mention
		possible bool
		how      string
	}
	var hits []hit
	announced, possible, withheld, line := false, false, false, -1
	for _, s := range r.sentences {
		l := r.lines[s.line]
		part := r.s[s.from:s.to]
		switch {
		case l.section == secNot:
			for _, m := range mentions(termsJA, r.s, s.from, s.to) {
				denied[m.word] = true
			}
			continue
		case l.section == secContact || l.section == secPast || l.section == secPrevention || l.section == secSource || l.section == secDamage:
			continue
		case s.line != line && l.heading && !strings.ContainsAny(part, ":("):
			announced, withheld = false, false
			possible = possibleJA.MatchString(part)
		}
		if withheld = withheld && s.line != line && !strings.Contains(part, "。") || withheldJA.MatchString(lastBytes(part, 200)); withheld {
			for _, m := range mentions(termsJA, r.s, s.from, s.to) {
				denied[m.word] = true
			}
			announced, line = false, s.line
			continue
		}
		if r.question(part) {
			continue
		}
		yes, no := r.sides(s)
		for _, m := range no {
			denied[m.word] = true
		}
		if s.line == line && announced {
			l.list = true // announced in the same line
		}
		line = s.line
		if len(yes) > 0 && r.exposing(part, l, announced, yes) {
			for _, m := range yes {
				if slices.Contains(weak, m.word) && l.section != secItems && !announced && !r.enumerates(yes) {
					continue // how they got in, not what was taken
				}
				hits = append(hits, hit{mention: m, how: r.namedHow(part, s.from, l, announced, m, yes, no), possible: possibleJA.MatchString(part) || l.section == secItems && possibleJA.MatchString(l.under) || (l.list && announced || l.section == secItems) && possible})
			}
		}
		if announceRE.MatchString(lastBytes(part, 200)) || announceBelow.MatchString(lastBytes(part, 200)) {
			announced = (announceItems.MatchString(part) || announceBelow.MatchString(part)) && !r.negative(part)
			possible = possibleJA.MatchString(part)
		} else if !l.list {
			announced = false
		}
	}
	if r.takenBack() {
		return
	}
	if !slices.ContainsFunc(hits, func(h hit) bool { return !denied[h.word] }) {
		r.personalJA()
	}
	form := slices.ContainsFunc(hits, func(h hit) bool { return strings.HasPrefix(h.word, "password:") })
	for _, h := range hits {
		if form && h.word == "password" {
			continue // said in what form they were
		}
		certainty := incident.Confirmed
		if h.possible {
			certainty = incident.Possible
		}
		doubt := ""
		if denied[h.word] {
			doubt = "elsewhere the text says that this was not included, at least of some"
		}
		r.propose(incident.Fact{Key: "data-class", Item: h.word, Value: incident.Value{Word: h.word}, Certainty: certainty}, h.from, h.to, doubt).by(h.how)
	}
}

// namedHow says how a sentence names a class: in a list, in a row with others, alone, or beside a denial.
func (r *reader) namedHow(part string, at int, l line, announced bool, m mention, yes, no []mention) string {
	switch {
	case len(no) > 0:
		return "denial"
	case negatesJA.MatchString(r.s[m.to : at+len(part)]):
		return "negated"
	case (l.section == secItems || l.list && announced) && (leakVerb.MatchString(part) || !strings.HasSuffix(part, "。")):
		return listed(m.word, "list") // a whole sentence among the items, which says of nothing that it was lost, is none
	case !leakVerb.MatchString(part) && !strings.Contains(part, "。") && !toldJA.MatchString(part):
		return listed(m.word, "item")
	case !leakVerb.MatchString(part):
		return "bare"
	case r.rowOf(m, yes, besideRE) > 2:
		return listed(m.word, "row")
	}
	for _, o := range yes { // of the row that m stands in, the last
		if o.from >= m.to && besideRE.MatchString(r.s[m.to:o.from]) {
			m = o
		}
	}
	if leakedThen.MatchString(r.s[m.to : at+len(part)]) {
		return listed(m.word, "leaked")
	}
	if r.rowOf(m, yes, besideRE) > 1 {
		return "pair"
	}
	return "sentence"
}

// common are the classes whose words mean little else. Those of the others mean several things (a school year or a year's pupils, a
// faculty or its name), or are what careful readers put under different classes.
var common = []string{"name", "address", "phone", "email", "birth-date", "age", "gender", "nationality", "payment-card", "bank-account", "account-id", "password", "password:hashed",
	"password:encrypted", "password:plain", "health", "insurance-number", "driving-licence", "passport", "national-id", "national-id:ssn", "national-id:my-number", "national-id:pension"}

// listed is how, but for the classes that are not common: those are counted apart.
func listed(word, how string) string {
	if !slices.Contains(common, word) {
		return "other"
	}
	return how
}

// leakedThen says of the data before it that they were lost, with no clause between.
var leakedThen = ruleJA("leakedThen")

// rowOf counts the classes of the row that m stands in: with nothing between them but what joins words.
func (r *reader) rowOf(m mention, all []mention, joins *rule) int {
	n, holds := 0, false
	for i, o := range all {
		if i > 0 && (o.from < all[i-1].to || !joins.MatchString(r.s[all[i-1].to:o.from])) {
			if holds {
				break
			}
			n = 0
		}
		n++
		holds = holds || o.from == m.from
	}
	return n
}

// personalJA proposes that personal data were lost where the text says so and nowhere says which.
func (r *reader) personalJA() {
	for _, s := range r.sentences {
		l := r.lines[s.line]
		part := r.s[s.from:s.to]
		if l.section == secContact || l.section == secPast || l.section == secPrevention || l.section == secSource || l.section == secNot {
			continue
		}
		part = strings.ReplaceAll(part, commission, strings.Repeat(" ", len(commission))) // whom it was reported to
		m := personalRE.FindStringIndex(part)
		if m != nil {
			if e := clauseEdge.FindAllStringIndex(part[:m[0]], -1); len(e) > 0 {
				part = part[e[len(e)-1][1]:] // what another clause denies is not said of this one
				s.from = s.to - len(part)
				m = personalRE.FindStringIndex(part)
			}
		}
		if m == nil || r.negative(part) || denied.MatchString(part) || unsure.MatchString(part) || hypothetical.MatchString(part) || generalCase.MatchString(part) || adviceRE.MatchString(part) && !titled(part) {
			continue
		}
		certainty := incident.Confirmed
		if possibleJA.MatchString(part) {
			certainty = incident.Possible
		}
		r.propose(incident.Fact{Key: "data-class", Item: "personal", Value: incident.Value{Word: "personal"}, Certainty: certainty}, s.from+m[0], s.from+m[1], "").by("unnamed")
		return
	}
}

const commission = "個人情報保護委員会"

var (
	personalRE = ruleJA("personalRE")
	unsure     = ruleJA("unsure")
)

// takenBack reports a notice that says that nothing was lost after all.
func (r *reader) takenBack() bool { return takenBackRE.MatchString(r.s) }

var takenBackRE = ruleJA("takenBackRE")

// weak are classes whose words also tell how somebody got in or what was looked at; they count only in a list.
var weak = []string{"credential", "auth-token", "activity", "profile", "photo", "recording", "source-code", "device"}

// exposing reports whether the classes named in a sentence are those that were lost.
func (r *reader) exposing(part string, l line, announced bool, yes []mention) bool {
	if notTheirs.MatchString(part) {
		return false
	}
	advice := adviceRE.MatchString(part) && !bccWord.MatchString(part)
	if advice && !leakStrong.MatchString(part) && (l.section != secItems || requestRE.MatchString(part)) {
		return false
	}
	if countedItem.MatchString(part) && l.section != secCause {
		return true
	}
	if l.section == secItems || l.list && announced {
		return utf8.RuneCountInString(part) < 400
	}
	if l.section == secResponse && !strings.Contains(part, "流出") && !strings.Contains(part, "漏") {
		return false
	}
	if advice && !strings.Contains(part, "可能性") && !surelyLeaked.MatchString(part) || hypothetical.MatchString(bracketed.ReplaceAllString(part, "")) {
		return false
	}
	return leakVerb.MatchString(part) || r.enumerates(yes)
}

// surelyLeaked says so, whatever the sentence tells of what came of it: アドレスを含むデータが流出し、当社を装ったメールが.
var surelyLeaked = ruleJA("surelyLeaked")

// requestRE asks readers for something.
var requestRE = ruleJA("requestRE")

// enumerates reports whether classes stand side by side, as they do where a notice lists what was lost (氏名、住所、電話番号 ほか).
func (r *reader) enumerates(yes []mention) bool {
	for i := 1; i < len(yes); i++ {
		if gap := r.s[yes[i-1].to:max(yes[i-1].to, yes[i].from)]; yes[i].word != yes[i-1].word && besideRE.MatchString(gap) {
			return true
		}
	}
	return false
}

var (
	bracketed = ruleJA("bracketed")
	besideRE  = ruleJA("besideRE")
)

// countedItem is a line of a note that names data with their number.
var countedItem = ruleJA("countedItem")

// notTheirs tells how to know a false message, or of what was used instead of the data of those concerned.
var notTheirs = ruleJA("notTheirs")

var hypothetical = ruleJA("hypothetical")

// sides parts the classes of a sentence into those that it affirms and those that it denies.
func (r *reader) sides(s sentence) (yes, no []mention) {
	all := mentions(termsJA, r.s, s.from, s.to)
	if len(all) == 0 {
		return nil, nil
	}
	part := r.s[s.from:s.to]
	type stretch struct{ from, to int }
	var not []stretch
	if m := notList.FindStringIndex(part); m != nil {
		not = append(not, stretch{s.from + m[0], s.to})
	}
	for _, m := range denied.FindAllStringIndex(part, 50) {
		from := 0
		word := part[m[0]:m[1]]
		if e := clauseEdge.FindAllStringIndex(part[:m[0]], -1); len(e) > 0 {
			k := len(e) - 1
			// "Xは一部のみ表示しており、閲覧されておりません": what follows without a topic of its own still speaks of X.
			for k >= 0 && strings.HasSuffix(part[:e[k][1]], "おり、") && !topicRE.MatchString(part[e[k][1]:m[0]]) {
				k--
			}
			if k >= 0 {
				from = e[k][1]
			}
		}
		// "X以外は流出していません" denies what is not X.
		if e := strings.LastIndex(part[from:m[0]], "以外"); e >= 0 {
			from += e + len("以外")
		} else if strings.HasPrefix(word, "以外") && stillDenied.MatchString(part[m[1]:]) {
			continue
		}
		// Inside brackets the denial holds for what stands there.
		if open := strings.LastIndexByte(part[:m[0]], '('); open >= from && !strings.Contains(part[open:m[0]], ")") {
			from = open
		} else if strings.Contains(word, "除") || strings.Contains(word, "以外") {
			// "Aを除くB、C": only A is meant; in a list before it too, but not what another clause says.
			if c := strings.LastIndexAny(part[from:m[0]], "("); c >= 0 {
				from += c
			}
		}
		not = append(not, stretch{s.from + from, s.from + m[1]})
	}
	for _, m := range all {
		deny := false
		for _, n := range not {
			deny = deny || m.from >= n.from && m.from < n.to
		}
		if (deny || bccHides.MatchString(r.s[m.to:s.to])) && bccMeans.MatchString(lastBytes(r.s[s.from:m.from], 90)) {
			continue // what BCC means is explained
		}
		if deny {
			no = append(no, m)
		} else {
			yes = append(yes, m)
		}
	}
	return yes, no
}

// bccMeans opens the brackets in which a notice explains what BCC and TO do; bccHides goes on with what others do not see.
var bccMeans, bccHides = ruleJA("bccMeans"), ruleJA("bccHides")

// notList heads, in its own line, a list of what was not lost.
var notList = ruleJA("notList")

// stillDenied ends a clause that begins with 以外 and denies.
var stillDenied = ruleJA("stillDenied")

// causesJA are the ways in which data are lost, the most telling first. A way that only advice, prevention or an
// explanation names does not count.
var causesJA = []struct {
	word string
	re   *rule
}{
	{"ransomware", ruleJA("causeJA-ransomware")},
	{"web-skimming", ruleJA("causeJA-web-skimming")},
	{"credential-stuffing", ruleJA("causeJA-credential-stuffing")},
	{"misdirected-mail", ruleJA("causeJA-misdirected-mail")},
	{"misdelivery", ruleJA("causeJA-misdelivery")},
	{"theft", ruleJA("causeJA-theft")},
	{"lost-media", ruleJA("causeJA-lost-media")},
	{"phishing", ruleJA("causeJA-phishing")},
	{"insider", ruleJA("causeJA-insider")},
	{"malware", ruleJA("causeJA-malware")},
	{"misconfiguration", ruleJA("causeJA-misconfiguration")},
	{"defect", ruleJA("causeJA-defect")},
	{"intrusion", ruleJA("causeJA-intrusion")},
	{"intrusion", ruleJA("causeJA-login")},
	{"contractor", ruleJA("causeJA-contractor")},
}

var causeNot = ruleJA("causeNot")

// notThis denies a cause that stands right before it: 不正アクセスではなく.
var notThis = ruleJA("notThis")

// eitherOr names a cause as one of two that are thought of.
var eitherOr = ruleJA("eitherOr")

// intrudedJA says that somebody broke in.
var intrudedJA = ruleJA("intrudedJA")

// illness is of people, not of computers.
var illness = ruleJA("illness")

var notLikely = ruleJA("notLikely")

// causeJA proposes how it happened.
func (r *reader) causeJA() {
	if r.takenBack() || r.causeInTitle() {
		return
	}
	for _, c := range causesJA {
		for _, s := range r.sentences {
			l := r.lines[s.line]
			if l.section == secContact || l.section == secPast || l.section == secPrevention || l.section == secDamage || l.section == secSource {
				continue
			}
			part := r.s[s.from:s.to]
			if l.heading && s.line > 5 {
				continue // a part's title names what the part is about, not what happened
			}
			m := c.re.FindStringIndex(part)
			if m != nil && c.word == "misconfiguration" && intrudedJA.MatchString(part) {
				continue // how it came to be readable, the sentence says besides
			}
			if m != nil && c.word == "malware" && illness.MatchString(part[:m[1]]) {
				continue
			}
			if m != nil && part[m[0]:m[1]] == "不正ログイン" && strings.Contains(r.s, "試行") {
				continue // a list was tried, or passwords were guessed: the text does not say which
			}
			if m == nil || notThis.MatchString(part[m[1]:]) || notLikely.MatchString(part[m[1]:]) || causeNot.MatchString(part) && l.section != secCause && !titleEnds(part) {
				continue
			}
			if c.word == "misdirected-mail" && l.section == secResponse || c.word == "credential-stuffing" && (strings.Contains(part, "ではな") || eitherOr.MatchString(part[:m[1]])) {
				continue
			}
			certainty := incident.Confirmed
			if tail := firstBytes(part[m[1]:], 60); perhapsSo.MatchString(tail) {
				certainty = incident.Possible
			}
			r.sentWrongly = strings.HasPrefix(c.word, "misd")
			r.propose(incident.Fact{Key: "cause", Value: incident.Value{Word: c.word}, Certainty: certainty}, s.from+m[0], s.from+m[1], "").by(r.causeHow(c.word, c.re))
			return
		}
	}
}

// stolenJA says that something was stolen, and not that it may have been.
var stolenJA = ruleJA("stolenJA")

// causeInTitle proposes what a title says happened to papers, media and messages: the text tells how it came about, and of a paper that
// was put into the wrong tray and then lost, that it was lost is the title's word.
func (r *reader) causeInTitle() bool {
	for _, l := range r.lines[:min(len(r.lines), 6)] {
		s := r.s[l.from:l.to]
		if len(s) > 240 || !titled(trailingDate.ReplaceAllString(s, "")) || strings.Contains(s, "。") {
			continue
		}
		for _, c := range causesJA {
			m := c.re.FindStringIndex(s)
			if m == nil || causeNot.MatchString(s) {
				continue
			}
			if c.word == "lost-media" && stolenJA.MatchString(r.s) {
				return false // missing papers that, the text tells, somebody took
			}
			if c.word != "misdirected-mail" && c.word != "misdelivery" && c.word != "theft" && c.word != "lost-media" {
				return false
			}
			r.sentWrongly = strings.HasPrefix(c.word, "misd")
			r.propose(incident.Fact{Key: "cause", Value: incident.Value{Word: c.word}}, l.from+m[0], l.from+m[1], "").by("title")
			return true
		}
	}
	return false
}

// damages are what may follow of a leak, as notices name them.
var damages = []struct {
	word string
	re   *rule
}{
	{"enquiry", ruleJA("damage-enquiry")},
	{"login", ruleJA("damage-login")},
	{"tampering", ruleJA("damage-tampering")},
	{"misuse", ruleJA("damage-misuse")},
}

var (
	noneRE     = ruleJA("noneRE")
	hasRE      = ruleJA("hasRE")
	reportedRE = ruleJA("reportedRE")
	damageNot  = ruleJA("damageNot")
)

var ofSystem = ruleJA("ofSystem")

// damageJA proposes what has followed: each negative for itself, as of its own time.
func (r *reader) damageJA() {
	for _, s := range r.sentences {
		part := r.s[s.from:s.to]
		l := r.lines[s.line]
		if l.section == secPast || l.section == secSource || r.isAddendum(l) {
			continue
		}
		none := noneRE.FindStringIndex(part)
		if none == nil {
			if m := reportedRE.FindStringIndex(part); m != nil && !damageNot.MatchString(part) {
				r.propose(incident.Fact{Key: "secondary-damage", Item: "misuse", Value: incident.Value{Word: "misuse", Status: "reported"}}, s.from+m[0], s.from+m[1], "").byStatus()
			} else if m := hasRE.FindStringIndex(part); m != nil && !damageNot.MatchString(part) && !ofSystem.MatchString(part[:m[0]]) {
				certainty, status := incident.Confirmed, "confirmed"
				if possibleJA.MatchString(part[m[0]:min(len(part), m[1])]) {
					certainty, status = incident.Possible, "reported"
				}
				r.propose(incident.Fact{Key: "secondary-damage", Item: "misuse", Value: incident.Value{Word: "misuse", Status: status}, Certainty: certainty}, s.from+m[0], s.from+m[1], "").byStatus()
			} else if m := shortNone.FindStringIndex(part); m != nil && l.section == secDamage {
				r.propose(incident.Fact{Key: "secondary-damage", Item: "misuse", Value: incident.Value{Word: "misuse", Status: "none-confirmed"}}, s.from+m[0], s.from+m[1], "").byStatus()
			}
			continue
		}
		for _, m := range noneRE.FindAllStringIndex(part, 8) {
			none = m // what is denied last is what the sentence is about
		}
		asOf := r.saidAsOf(s)
		before := part[:none[1]]
		if l.section == secDamage && shortNone.MatchString(part) {
			r.propose(incident.Fact{Key: "secondary-damage", Item: "misuse", Value: incident.Value{Word: "misuse", Status: "none-confirmed"}, AsOf: asOf}, s.from, s.to, "").byStatus()
			continue
		}
		for _, d := range damages {
			m := lastMatch(d.re, before)
			if m == nil || none[0]-m[1] > 260 || leadsTo.MatchString(before[m[1]:]) {
				continue
			}
			if d.word == "enquiry" && !strings.Contains(before[m[0]:], "問") && !strings.Contains(before[m[0]:], "申") {
				continue
			}
			if m := clauseEdge.FindStringIndex(before[m[1]:]); m != nil {
				continue
			}
			r.propose(incident.Fact{Key: "secondary-damage", Item: d.word, Value: incident.Value{Word: d.word, Status: "none-confirmed"}, AsOf: asOf}, s.from+m[0], s.from+none[1], "").byStatus()
		}
	}
}

var shortNone = ruleJA("shortNone")

// lastMatch gives the last place where re matches.
func lastMatch(re *rule, s string) []int {
	all := re.FindAllStringIndex(s, 50)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// saidAsOf gives the time that a sentence speaks as of, "7月19日16時時点".
func (r *reader) saidAsOf(s sentence) incident.Moment {
	for _, w := range r.times {
		if w.from >= s.from && w.to <= s.to && asOfTail.MatchString(r.s[w.to:s.to]) && !w.moment.IsZero() {
			return w.moment
		}
	}
	return incident.Moment{}
}

// leadsTo follows a damage that is named as what the incident itself was, not as what came of it.
var leadsTo = ruleJA("leadsTo")

// perhapsSo says of a cause that it is only thought to be one.
var perhapsSo = ruleJA("perhapsSo")

package extract

import (
	"strings"

	"shirase/internal/incident"
)

// termsEN are tried at each place in this order: what is longer or more special first. What is skipped is named in
// notices besides the data: the mail that came, the bureau, the system.
var termsEN = ruleEN("termsEN")

// classesEN are the vocabulary's words of the groups that English alone has.
var classesEN = map[string]string{
	"securityq": "security-question", "authtoken": "auth-token", "pin": "pin", "credential": "credential", "identity": "identity-document",
	"cardcode": "payment-card:code", "cardpart": "payment-card:partial", "wallet": "crypto-wallet", "age": "age", "biometric": "biometric",
	"trait": "physical-trait", "ethnicity": "ethnicity", "religion": "religion", "politics": "political-view", "sexuality": "sexuality",
	"nationality": "nationality", "family": "family", "social": "social-profile", "device": "device", "application": "job-application",
	"education": "education", "finances": "finances", "payments": "payment-history", "loyalty": "loyalty", "travel": "travel",
	"location": "location", "photo": "photo", "recording": "recording", "support": "support-record", "contacts": "contacts",
	"profile": "profile", "activity": "activity", "source": "source-code", "business": "business-secret", "system": "system",
}

// mentionsOf gives the classes that a sentence names; they are asked for more than once.
func (r *reader) mentionsOf(s sentence) []mention {
	out, ok := r.named[s.from]
	if !ok {
		if r.named == nil {
			r.named = map[int][]mention{}
		}
		out = mentionsEN(r.s, s.from, s.to)
		r.named[s.from] = out
	}
	return out
}

// mentionsEN finds the classes that s[from:to] names.
func mentionsEN(s string, from, to int) []mention {
	var out []mention
	names := termsEN.SubexpNames()
	for _, m := range termsEN.FindAllStringSubmatchIndex(s[from:to], 200) {
		for g := 1; g < len(names); g++ {
			if names[g] == "" || m[2*g] < 0 || names[g] == "skip" {
				continue
			}
			word := classesEN[names[g]]
			if word == "" {
				word = classOf[names[g]]
			}
			if word == "employer" && bareEN.MatchString(s[from+m[0]:from+m[1]]) && !afterItem.MatchString(lastBytes(s[from:from+m[0]], 20)) {
				continue
			}
			if word == "email" && bareMail.MatchString(s[from+m[0]:from+m[1]]) && !(inListEN.MatchString(firstBytes(s[from+m[1]:to], 40)) && afterItem.MatchString(lastBytes(s[from:from+m[0]], 20))) {
				continue
			}
			if incident.KnownClass(word) {
				out = append(out, mention{word, from + m[0], from + m[1]})
			}
		}
	}
	return out
}

// "E-mail" alone is a class only as an item of a list: what else is said of e-mails is how things were sent.
var (
	bareEN    = ruleEN("bareEN")
	bareMail  = ruleEN("bareMail")
	afterItem = ruleEN("afterItem")
	inListEN  = ruleEN("inListEN")
)

var (
	// What says that the things it is said of were exposed, or were where the intruder was.
	exposedEN = ruleEN("exposedEN")
	// What belongs to advice, to what is done against it and to what one needs to be served.
	adviceEN = ruleEN("adviceEN")
	// What describes a service or a rule, not what was lost.
	asideSaid  = ruleEN("asideSaid")
	personalEN = ruleEN("personalEN")
	// What one has is not what was taken.
	harmEN = ruleEN("harmEN")
)

// classesOfEN proposes which data were exposed: what sentences say was, and the lists that they announce. A clause that
// denies, and advice, name the same words and count for nothing.
func (r *reader) classesOfEN() {
	announced, possible, any, withheld := false, false, false, false
	var personal *mention
	personalPossible := false
	for n, s := range r.sentences[:min(len(r.sentences), maxTold)] {
		l := r.lines[s.line]
		part := r.s[s.from:s.to]
		sec := r.sectionEN(s)
		if sec == secPast || sec == secContact || sec == secPrevention {
			announced = false
			continue
		}
		bullet := listItem.MatchString(part)
		if withheld = withheld && (bullet || len(part) < 160 && !strings.HasSuffix(part, ".") && !exposedHere.MatchString(part)); withheld {
			// An item of what was not lost. Its line may go on with what was: "bank details but may have included:".
			announced = strings.HasSuffix(part, ":") && !withheldEN.MatchString(part)
			withheld, possible = !announced, possibleEN.MatchString(part)
			continue
		}
		if withheld = withheldEN.MatchString(part) && !notOnlyEN.MatchString(part); withheld {
			announced = false
			continue
		}
		advice := adviceEN.MatchString(part) && !strongEN.MatchString(part)
		item := announced && (l.list || n > 0 && r.sentences[n-1].line == s.line || bullet)
		listing := !advice && len(r.mentionsOf(s)) > 2
		if definesEN.MatchString(part) || measureEN.MatchString(part) && !exposedHere.MatchString(part) {
			continue
		}
		exposing := listing || item && !l.heading || (exposedEN.MatchString(part) || sec == secItems) && !advice && !asideSaid.MatchString(part)
		if exposing && !(l.heading && s.to-s.from < 70) {
			certainty := incidentCertainty(possibleEN.MatchString(part) || item && possible)
			for _, m := range r.mentionsOf(s) {
				if r.seen["data-class\x00"+m.word] > 0 {
					any = true
					continue
				}
				if !r.deniedHere(s, m) && !r.besideEN(s, m) {
					any = true
					if m.word == "account-id" && bankEN.MatchString(r.own) && strings.HasPrefix(strings.ToLower(r.s[m.from:m.to]), "account number") {
						m.word = "bank-account" // a bank has no other accounts
					}
					p := r.classEN(m, certainty, r.namedHowEN(s, item, m))
					if p != nil && sealedEN.MatchString(part) {
						p.Doubt = "the text says of some data that they stayed encrypted or were not reached"
					}
				}
			}
			if m := personalEN.FindStringIndex(part); m != nil && personal == nil && harmEN.MatchString(part) {
				if p := (mention{"personal", s.from + m[0], s.from + m[1]}); !r.deniedHere(s, p) {
					personal, personalPossible = &p, possibleEN.MatchString(part)
				}
			}
		}
		if announceEN.MatchString(lastBytes(part, 300)) && (exposedEN.MatchString(part) || sec == secItems) {
			announced, possible = !scopeEN.MatchString(part), possibleEN.MatchString(part)
		} else if !item {
			announced = false
		}
	}
	if personal != nil && !any {
		r.classEN(*personal, incidentCertainty(personalPossible), "unnamed")
	}
}

var (
	definesEN   = ruleEN("definesEN")
	measureEN   = ruleEN("measureEN")
	exposedHere = ruleEN("exposedHere")
	// withheldEN announces, or heads, a list of what was not lost; notOnlyEN says that more was.
	withheldEN, notOnlyEN = ruleEN("withheldEN"), ruleEN("notOnlyEN")
)

// gotThemEN says who got data, or who sent them: a sentence that says neither that nor what became of them may name data for
// another reason.
var gotThemEN = ruleEN("gotThemEN")

// joinsEN is what joins the items of a row.
var joinsEN = ruleEN("joinsEN")

// namedHowEN says how a sentence names a class: in a list, in a row with others, alone, or beside a denial.
func (r *reader) namedHowEN(s sentence, item bool, m mention) string {
	switch part := r.s[s.from:s.to]; {
	case scopeEN.MatchString(part):
		return "denial"
	case item || r.sectionEN(s) == secItems:
		return listed(m.word, "list")
	case !exposedHere.MatchString(part) && !strongEN.MatchString(part) && !gotThemEN.MatchString(part):
		return "bare"
	case r.rowOf(m, r.mentionsOf(s), joinsEN) > 2:
		return listed(m.word, "row")
	case r.rowOf(m, r.mentionsOf(s), joinsEN) > 1:
		return "pair"
	}
	return "sentence"
}

var bankEN = ruleEN("bankEN")

var (
	announceEN = ruleEN("announceEN")
	listItem   = ruleEN("listItem")
	strongEN   = ruleEN("strongEN")
)

func (r *reader) classEN(m mention, certainty incident.Certainty, how string) *Proposal {
	if strings.HasPrefix(m.word, "password:") {
		r.seen["data-class\x00password"]++
	}
	p := r.propose(incident.Fact{Key: "data-class", Item: m.word, Value: incident.Value{Word: m.word}, Certainty: certainty}, m.from, m.to, "")
	p.by(how)
	return p
}

// sealedEN says of data that nobody could read them.
var sealedEN = ruleEN("sealedEN")

// unsureEN is what nobody knows yet.
var unsureEN = ruleEN("unsureEN")

var (
	edgeEN = ruleEN("edgeEN")
	// Words that deny what follows or precedes them in their clause.
	scopeEN    = ruleEN("scopeEN")
	relativeEN = ruleEN("relativeEN")
	onwardEN   = ruleEN("onwardEN")
	// "No action was needed": a no that denies something else, or "not only".
	notDenial  = ruleEN("notDenial")
	cannotRule = ruleEN("cannotRule")
)

// deniedHere reports whether m stands in a clause that denies.
func (r *reader) deniedHere(s sentence, m mention) bool {
	// No clause is longer than this, and a list may name hundreds of things.
	s.from, s.to = max(s.from, m.from-600), min(s.to, m.to+300)
	part := r.s[s.from:s.to]
	from, to := 0, len(part)
	open := strings.Count(part[:m.from-s.from], "(") - strings.Count(part[:m.from-s.from], ")")
	for _, e := range edgeEN.FindAllStringIndex(part, 60) {
		word := part[e[0]:e[1]]
		if open > 0 && word == " (" { // "no data (such as names)": what stands in brackets is of the clause around them
			continue
		}
		if e[1] <= m.from-s.from {
			from = e[1]
		} else if e[0] >= m.to-s.from {
			to = e[0]
			break
		}
	}
	// "in a folder that did not need a password" denies nothing of what stands before it.
	if rel := relativeEN.FindStringIndex(part[m.to-s.from : to]); rel != nil {
		to = m.to - s.from + rel[0]
	}
	clause := part[from:to]
	if unsureEN.MatchString(part[:m.from-s.from]) {
		return true
	}
	for _, n := range scopeEN.FindAllStringIndex(clause, 12) {
		word := clause[n[0]:n[1]]
		tail := clause[n[1]:]
		if notDenial.MatchString(tail) || cannotRule.MatchString(tail) {
			continue
		}
		if onwardEN.MatchString(word) || strings.EqualFold(word, "no") {
			if m.from-s.from >= from+n[0] {
				return true
			}
			continue
		}
		return true
	}
	return false
}

// meansEN says how somebody got in: with credentials.
var meansEN = ruleEN("meansEN")

var mailboxEN = ruleEN("mailboxEN")

// placeEN says that an address is a place, and not what was lost.
var placeEN = ruleEN("placeEN")

var (
	otherSite = ruleEN("otherSite")
)

// besideEN reports a class that a sentence names as the attacker's means: the passwords that were stolen elsewhere.
func (r *reader) besideEN(s sentence, m mention) bool {
	part := r.s[s.from:s.to]
	switch m.word {
	case "message-content":
		// The mailbox that was opened is told of in every such notice; what lay in it is listed behind.
		return mailboxEN.MatchString(part) && !strings.HasPrefix(strings.ToLower(r.s[m.from:m.to]), "content")
	case "address":
		return placeEN.MatchString(part[:m.to-s.from])
	case "credential":
		return !strings.Contains(part, "your ") || meansEN.MatchString(part[:m.to-s.from]) && !strings.Contains(part[:m.to-s.from], "your ")
	case "password", "account-id", "email", "auth-token":
		near := part[max(0, m.from-s.from-90):min(len(part), m.to-s.from+140)]
		return otherSite.MatchString(near) && !strings.Contains(near, "your")
	}
	return false
}

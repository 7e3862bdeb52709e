package extract

import (
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
)

var (
	subjectJA   = ruleJA("subjectJA")
	shortFor    = ruleJA("shortFor")
	selfJA      = ruleJA("selfJA")
	nameLine    = ruleJA("nameLine")
	titleOwner  = ruleJA("titleOwner")
	ofTitle     = ruleJA("ofTitle")
	officeJA    = ruleJA("officeJA")
	officeTitle = ruleJA("officeTitle")
	officeTail  = ruleJA("officeTail")
	department  = ruleJA("department")
	notOwner    = ruleJA("notOwner")
	badName     = ruleJA("badName")
	corporate   = ruleJA("corporate")
	mayorLine   = ruleJA("mayorLine")
	chiefLine   = ruleJA("chiefLine")
	officeLine  = ruleJA("officeLine")
	teamLine    = ruleJA("teamLine")
	schoolLine  = ruleJA("schoolLine")
	verbPlace   = ruleJA("verbPlace")
	particle    = ruleJA("particle")
)

// ownedBy is a thing of a company, not the company.
var ownedBy = ruleJA("ownedBy")

var staffed = ruleJA("staffed")

// officeEnd is where the name of an office ends that m found in the text from at on. A part of it that is an office itself is
// its name: 東久留米市社会福祉協議会, but 鹿嶋市 of 鹿嶋市こども相談課.
func (r *reader) officeEnd(at int, m []int) int {
	if m[4] >= 0 && department.MatchString(r.s[at+m[4]:at+m[5]]) {
		return at + m[5]
	}
	return at + m[3]
}

// readThere follows whose pages readers are sent to.
var readThere = ruleJA("readThere")

// names collects what may be the name of who publishes, with how much speaks for it.
type names struct {
	s   string
	all []scoredName
}

type scoredName struct{ from, to, score int }

// sure is the score of a name that stands alone: what follows it need not be looked at.
const sure = 6

// itself is the score of a name that says that it is the author's: (以下「当社」).
const itself = 8

func (n *names) add(from, to, score int) {
	for from < to && strings.HasPrefix(n.s[from:to], "・") {
		from += len("・")
	}
	name := strings.TrimSpace(n.s[from:to])
	own := corporate.ReplaceAllString(name, "")
	next, _ := utf8.DecodeRuneInString(n.s[to:])
	goesOn := strings.ContainsRune("民内外政長立営税販場史", next) && !strings.HasPrefix(n.s[to:], "内部") // 市民, 市内
	if next == '立' || score < sure && goesOn || own == "" || utf8.RuneCountInString(name) < 2 ||
		badName.MatchString(name) || verbPlace.MatchString(name) || ownedBy.MatchString(name) || particle.MatchString(own) {
		return
	}
	for i := range n.all {
		if n.s[n.all[i].from:n.all[i].to] == n.s[from:to] {
			n.all[i].score += score
			return
		}
	}
	n.all = append(n.all, scoredName{from, to, score})
}

// organisationJA proposes who publishes: who calls itself 当社, the name on a line of its own near the date, or whose
// service it is. A contractor, the police or a regulator is named in the same ways and is told apart by what stands
// around it.
func (r *reader) organisationJA() {
	n := &names{s: r.s}
	r.namesOnLines(n)
	r.namesOfOffices(n)
	r.namesInSentences(n)
	best := scoredName{}
	for i := range n.all {
		if of := r.s[n.all[i].from:n.all[i].to]; !corporate.MatchString(of) && r.callsItself(of) {
			n.all[i].score += 2 // 当院 of a hospital, and not of the body that runs it
		}
	}
	for _, c := range n.all {
		if c.score > best.score {
			best = c
		}
	}
	how := "sentence"
	if best.score < 3 {
		if best, how = r.ownPlace(), "place"; best.score == 0 {
			return
		}
	}
	name := tidyName(r.s[best.from:best.to])
	switch {
	case best.score >= itself: // it says so, or two places agree
		how = "itself"
	case best.score >= 5 && r.besideDate(best):
		how = "dated"
	case best.score >= 5:
		how = "line"
	}
	r.propose(incident.Fact{Key: "organisation", Value: incident.Value{Text: plain(name)}}, best.from, best.to, "").by(how)
	r.sector(name, best.from, best.to)
}

// besideDate reports whether a name stands on the line of the day of publication, or on one next to it.
func (r *reader) besideDate(c scoredName) bool {
	if r.baseAt == nil {
		return false
	}
	between := r.s[min(c.from, r.baseAt.from):max(c.from, r.baseAt.from)]
	return strings.Count(between, "\n") <= 1 && !strings.Contains(between, "。")
}

// senderLine is the head of a message that says who sent it.
var senderLine = ruleJA("senderLine")

// ownPlace is the one place of its kind that a text names whose author calls itself 本市 or 本県.
func (r *reader) ownPlace() scoredName {
	own := ownPlaceRE.FindStringSubmatch(r.s)
	if own == nil {
		return scoredName{}
	}
	var found scoredName
	for _, m := range placeName.FindAllStringSubmatchIndex(r.s, 60) {
		next, _ := utf8.DecodeRuneInString(r.s[m[3]:])
		name := r.s[m[2]:m[3]]
		if !strings.HasSuffix(name, own[1]) || strings.ContainsRune("民内外長立営", next) && !strings.HasPrefix(r.s[m[3]:], own[1]) || badName.MatchString(name) || addressOf.MatchString(lastBytes(r.s[:m[2]], 30)) {
			continue
		}
		if found.score > 0 && r.s[found.from:found.to] != name {
			return scoredName{} // of two, neither is said to be the author
		}
		found = scoredName{m[2], m[3], 3}
	}
	return found
}

var ownPlaceRE, placeName, addressOf = ruleJA("ownPlaceRE"), ruleJA("placeName"), ruleJA("addressOf")

// callsItself reports whether the author calls itself by the kind of thing that a name ends with: 当院 of a hospital.
func (r *reader) callsItself(name string) bool {
	for _, k := range []struct{ word, end *rule }{{ownHospital, hospitalEnd}, {ownCentre, centreEnd}, {ownSchool, schoolEnd}, {ownInstitute, instituteEnd}} {
		if k.end.MatchString(name) && k.word.MatchString(r.s) {
			return true
		}
	}
	return false
}

var (
	ownHospital, hospitalEnd = ruleJA("ownHospital"), ruleJA("hospitalEnd")
	ownCentre, centreEnd     = ruleJA("ownCentre"), ruleJA("centreEnd")
	ownSchool, schoolEnd     = ruleJA("ownSchool"), ruleJA("schoolEnd")

	ownInstitute, instituteEnd = ruleJA("ownInstitute"), ruleJA("instituteEnd")
)

// namesOnLines takes the names that have a line to themselves, and those that a title begins with.
func (r *reader) namesOnLines(n *names) {
	for i, l := range r.lines {
		if l.section == secPast || len(n.all) > 40 {
			continue
		}
		s := r.s[l.from:l.to]
		if m := nameLine.FindStringSubmatchIndex(s); m != nil && len(s) < 150 {
			score := 5
			if i > maxHead && i < len(r.lines)-15 {
				score = 1
			}
			n.add(l.from+m[2], l.from+m[3], score)
		}
		for _, re := range []*rule{mayorLine, chiefLine, officeLine, schoolLine, teamLine} {
			if m := re.FindStringSubmatchIndex(s); m != nil && len(s) < 150 && (i < maxHead || i >= len(r.lines)-6) {
				n.add(l.from+m[2], l.from+m[3], sure)
			}
		}
		if i >= maxHead {
			continue
		}
		cut := len(serial.FindString(s))
		if m := titleOwner.FindStringSubmatchIndex(s[cut:]); m != nil && titled(strings.TrimSpace(trailingDate.ReplaceAllString(s, ""))) {
			n.add(l.from+cut+m[2], l.from+cut+m[3], 5)
		}
		if m := senderLine.FindStringSubmatchIndex(s); m != nil {
			n.add(l.from+m[2], l.from+m[3], sure)
		}
		if m := titleTail.FindStringSubmatchIndex(trailingDate.ReplaceAllString(s, "")); m != nil && isTitle(s[cut:max(cut, m[0])], true) {
			n.add(l.from+m[2], l.from+m[3], 5)
		}
		if m := ofTitle.FindStringSubmatchIndex(s); m != nil && (titled(s) || i < 12) {
			n.add(l.from+m[2], l.from+m[3], 4)
		}
	}
}

// namesOfOffices takes the offices that a title or one of the first sentences is about.
func (r *reader) namesOfOffices(n *names) {
	for i, l := range r.lines[:min(len(r.lines), 4)] {
		s := r.s[l.from:l.to]
		if !titleNoun.MatchString(s) {
			continue
		}
		if m := officeTitle.FindStringSubmatchIndex(s); m != nil && !strings.Contains(s, "。") && (i == 0 || l.heading || titled(s)) {
			n.add(l.from+m[2], r.officeEnd(l.from, m), 5)
		}
		if m := officeTail.FindStringSubmatchIndex(s); m != nil {
			n.add(l.from+m[2], l.from+m[3], 5)
		}
	}
	for i, s := range r.sentences[:min(len(r.sentences), 8)] {
		part := r.s[s.from:s.to]
		for _, m := range officeJA.FindAllStringSubmatchIndex(part, 4) {
			from, to, all := s.from+m[2], r.officeEnd(s.from, m), part[m[0]:m[1]]
			if notOwner.MatchString(lastBytes(part[:m[2]], 60)) || notOwner.MatchString(r.s[from:to]) || strings.HasSuffix(all, "から") {
				continue
			}
			switch {
			case staffed.MatchString(part[m[3]:m[1]]):
				n.add(from, to, 5)
			case i <= 4 && (m[4] >= 0 || strings.HasSuffix(all, "で") || strings.HasSuffix(all, "は")): // else somebody named: 市の, 病院が
				n.add(from, to, 3)
			}
		}
	}
}

// namesInSentences takes who is the subject of what happened, or calls itself 当社.
func (r *reader) namesInSentences(n *names) {
	for i, s := range r.sentences[:min(len(r.sentences), 61)] {
		part := r.s[s.from:s.to]
		if m := selfJA.FindStringSubmatchIndex(part); m != nil {
			n.add(s.from+m[2], s.from+m[3], itself)
		}
		for _, m := range subjectJA.FindAllStringSubmatchIndex(part, 6) {
			rest := part[m[3]:]
			if strings.HasPrefix(strings.TrimLeft(rest, " "), "(以下") && !shortFor.MatchString(firstBytes(rest, 60)) {
				continue // a name for somebody else
			}
			if notOwner.MatchString(lastBytes(part[:m[2]], 60)) || notOwner.MatchString(part[m[2]:m[3]]) || readThere.MatchString(rest) {
				continue
			}
			score := 3
			switch {
			case shortFor.MatchString(rest) && strings.Index(rest, "(以下") < 120:
				score = itself
			case strings.HasPrefix(rest, "が運営") && i < 12:
				score = 4
			case i > 12:
				score = 1
			}
			n.add(s.from+m[2], s.from+m[3], score)
		}
	}
}

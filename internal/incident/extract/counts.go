package extract

import (
	"fmt"
	"slices"
	"strings"

	"shirase/internal/incident"
)

var (
	leakWord    = ruleJA("leakWord")
	leakStrong  = ruleJA("leakStrong")
	scopeLabel  = ruleJA("scopeLabel")
	notAffected = ruleJA("notAffected")
	tailNot     = ruleJA("tailNot")
	notLeaked   = ruleJA("notLeaked")
	baseNoun    = ruleJA("baseNoun")
	revisedTo   = ruleJA("revisedTo")
	revisedVerb = ruleJA("revisedVerb")
	bccWord     = ruleJA("bccWord")
	correctedRE = ruleJA("correctedRE")
	beforeRE    = ruleJA("beforeRE")
)

var (
	superseded = ruleJA("superseded")
	ofData     = ruleJA("ofData")
)

var (
	// pickedOut is a part: このうち60件, or a line that begins with うち.
	pickedOut = ruleJA("pickedOut")
	// otherOnes are not all: 新たに判明した17名, 別の参加者1名.
	otherOnes = ruleJA("otherOnes")
	// baseInside stands, in brackets, before the number of all; baseLabel is that number's label.
	baseInside = ruleJA("baseInside")
	baseLabel  = ruleJA("baseLabel")
	membersEnd = ruleJA("membersEnd")
	// theirData follows a number of people whose data are meant: 職員4,313人の個人情報.
	theirData = ruleJA("theirData")
	forWhom   = ruleJA("forWhom")
)

// scored is an amount that may be the number of those affected.
type scored struct {
	*amount
	score    int
	possible bool
}

// countsJA proposes how many are affected, of how many, and how many attempts were made. 回 counts attempts only.
func (r *reader) countsJA() {
	var found []scored
	var tries []*amount
	for i, a := range r.amounts {
		l := r.lines[a.line]
		if l.section == secContact || l.section == secPast || l.section == secPrevention || l.section == secSource || l.section == secDamage {
			continue
		}
		s := r.sentenceAt(a.from)
		from, to := s.from, s.to
		if i > 0 && r.amounts[i-1].to > from && r.amounts[i-1].to <= a.from {
			from = r.amounts[i-1].to
		}
		if i+1 < len(r.amounts) && r.amounts[i+1].from < to {
			to = r.amounts[i+1].from
		}
		before, after := lastBytes(r.s[from:a.from], 300), firstBytes(r.s[a.to:max(a.to, to)], 400)
		whole := r.s[s.from:s.to]
		if r.question(whole) {
			continue
		}
		if a.unit == "attempts" {
			if r.attempt(a, before, after, whole) {
				tries = append(tries, a)
			}
			continue
		}
		if sc, ok := r.scoreJA(a, before, after, whole, l); ok {
			found = append(found, sc)
		}
	}
	r.attempts(tries)
	if !r.takenBack() {
		r.affected(found)
	}
}

var (
	attemptAfter  = ruleJA("attemptAfter")
	attemptBefore = ruleJA("attemptBefore")
	notAttempts   = ruleJA("notAttempts")
	allowed       = ruleJA("allowed")
	allowedAfter  = ruleJA("allowedAfter")
)

// attempt reports whether a counts attempts to get in: not those that a rule allows, not how often a page was seen.
func (r *reader) attempt(a *amount, before, after, whole string) bool {
	return (!a.part || strings.Contains(lastBytes(before, 60), "試行")) && a.value >= 3 && !allowed.MatchString(before) && !allowedAfter.MatchString(after) && !notAttempts.MatchString(after) && !r.negative(whole) &&
		(attemptAfter.MatchString(after) || attemptBefore.MatchString(before) || attemptBefore.MatchString(r.labelOf(a)) || strings.Contains(whole, "試"))
}

// attempts proposes the number of attempts: a total, or the only one.
func (r *reader) attempts(found []*amount) {
	var best *amount
	for _, a := range found {
		switch {
		case a.total:
			r.count("attempts.count", a, "")
			return
		case best == nil:
			best = a
		case best.value != a.value && r.lines[a.line].section == r.lines[best.line].section:
			return // parts
		}
	}
	if best != nil {
		r.count("attempts.count", best, "")
	}
}

// negative reports a sentence that says what has not happened.
func (r *reader) negative(s string) bool { return negativeJA.MatchString(s) }

var negativeJA = ruleJA("negativeJA")

func (r *reader) count(key string, a *amount, certainty incident.Certainty) {
	r.countDoubted(key, a, certainty, "")
}

func (r *reader) countDoubted(key string, a *amount, certainty incident.Certainty, doubt string) {
	n := a.value
	r.propose(incident.Fact{Key: key, Value: incident.Value{Number: &n, Unit: a.unit, Qualifier: a.qualifier}, Certainty: certainty}, a.from, a.to, doubt).by(r.countHow(a))
}

// scoreJA says how much speaks for a being the number of those affected.
func (r *reader) scoreJA(a *amount, before, after, whole string, l line) (scored, bool) {
	before = footnote.ReplaceAllString(before, "")
	sc := scored{amount: a, possible: possibleJA.MatchString(after) || possibleJA.MatchString(l.under)}
	if a.value == 0 {
		return sc, false
	}
	if strings.HasPrefix(strings.TrimSpace(after), "のうち") || strings.HasPrefix(strings.TrimSpace(after), "うち") || strings.HasPrefix(strings.TrimSpace(after), "中") || strings.HasPrefix(strings.TrimSpace(after), "の内") {
		if (baseNoun.MatchString(before) || r.nextIsLost(a)) && !leakStrong.MatchString(lastBytes(before, 60)) && !(strings.Trim(before, " ・-") == "" && leakStrong.MatchString(l.under)) {
			r.count("base.count", a, "")
			a.base = true
			return sc, false
		}
	}
	if superseded.MatchString(after) {
		return sc, false
	}
	if notPeople.MatchString(r.labelOf(a)) {
		return sc, false
	}
	bcc := bccWord.MatchString(whole)
	switch {
	case otherOnes.MatchString(before):
		return sc, false
	case a.part && a.of != nil && !a.of.base && pickedOut.MatchString(before) && theirData.MatchString(after) && leakVerb.MatchString(after) && !a.of.part:
		r.count("base.count", a.of, "")
		a.of.base = true
	case pickedOut.MatchString(before) && r.follows(a):
		r.picked = append(r.picked, a.value)
		return sc, false
	case notAffected.MatchString(lastBytes(before, 48)) && !(a.total && l.section == secScope) && !ofData.MatchString(before) && !theirData.MatchString(after) && !forWhom.MatchString(a.word) && !(bcc && strings.Contains(before, "送信先")), tailNot.MatchString(after) && !bcc, notLeaked.MatchString(after):
		return sc, false
	case a.part && a.of != nil && !a.of.base:
		if baseInside.MatchString(before) && !r.has("base.count") {
			r.count("base.count", a, "")
			a.base = true
		}
		return sc, false
	case beforeRE.MatchString(before), a.value < 10 && ofIncidents.MatchString(after):
		return sc, false
	}
	if baseLabel.MatchString(before) || membersEnd.MatchString(before) && strings.HasPrefix(r.s[a.from:], "総数") {
		r.count("base.count", a, "")
		a.base = true
		return sc, false
	}
	labelled := scopeLabel.MatchString(before)
	if !labelled && !leakWord.MatchString(whole) && !forWhom.MatchString(a.word) && l.section != secScope && l.section != secItems {
		return sc, false
	}
	if a.value < 2 && !labelled && !forWhom.MatchString(a.word) && !leakStrong.MatchString(after) && l.section != secScope {
		return sc, false
	}
	sc.score = 1
	if leakStrong.MatchString(after) || leakStrong.MatchString(before) {
		sc.score += 3
	} else if leakWord.MatchString(before + after) {
		sc.score += 2
	}
	if labelled {
		sc.score += 4
	}
	if l.section == secScope || l.section == secItems {
		sc.score += 2
	}
	if a.total {
		sc.score += 4
	}
	if revisedTo.MatchString(before) && revisedVerb.MatchString(after) || correctedRE.MatchString(before) {
		sc.score += 6
	}
	if l.section == secResponse || l.section == secCause {
		sc.score -= 2
	}
	return sc, sc.score >= 3
}

var possibleJA = ruleJA("possibleJA")

// footnote is a mark of one: (※1).
var footnote = ruleJA("footnote")

// notPeople labels a number of messages or of accesses.
var notPeople = ruleJA("notPeople")

// ofIncidents follows a number of incidents, not of those concerned: 2件の漏えい事案, 3件の誤送信が.
var ofIncidents = ruleJA("ofIncidents")

// affected chooses among what may be the number of those affected. Parts without a total are not added up, and where two
// numbers of the same kind speak equally loudly, the larger is chosen only if it is the sum of the others, or the first.
func (r *reader) affected(found []scored) {
	found = slices.DeleteFunc(found, func(sc scored) bool { // said elsewhere to be a part, or the whole of which it is one
		return sc.base || slices.Contains(r.picked, sc.value) && slices.ContainsFunc(found, func(o scored) bool { return o.value > sc.value && o.unit == sc.unit })
	})
	if len(found) == 0 {
		return
	}
	best := found[0]
	for _, sc := range found[1:] {
		if sc.score > best.score {
			best = sc
		}
	}
	// An unlabelled list of parts, none of which is the whole.
	var rivals []scored
	for _, sc := range found {
		if sc.score == best.score && sc.unit == best.unit && sc.value != best.value {
			rivals = append(rivals, sc)
		}
	}
	if len(rivals) > 0 && !best.total {
		var sum int64
		for _, sc := range rivals {
			sum += sc.value
		}
		listed := 0
		for _, sc := range rivals {
			if r.inList(sc.amount) {
				listed++
			}
		}
		if sum != best.value && listed == len(rivals) && r.inList(best.amount) {
			return
		}
	}
	said := slices.ContainsFunc(found, func(sc scored) bool { return sc.value == best.value && !r.inList(sc.amount) }) // in a sentence too
	if r.inList(best.amount) && !said && !best.total && !scopeLabel.MatchString(r.labelOf(best.amount)) {
		for _, a := range r.amounts { // one part of several
			if near := a.line - best.line; a.unit == best.unit && near != 0 && near >= -4 && near <= 4 && a.value != best.value && !a.part && r.inList(a) && r.lines[a.line].section == r.lines[best.line].section {
				return
			}
		}
	}
	doubt := ""
	if !best.total {
		var ok bool
		if best, doubt, ok = r.whole(best, found); !ok {
			return
		}
	}
	if best.qualifier == "exact" {
		switch label := r.labelOf(best.amount); {
		case strings.Contains(label, "最大"), strings.Contains(label, "上限"):
			best.qualifier = "at-most"
		case strings.Contains(label, "延べ"), strings.Contains(label, "のべ"):
			best.qualifier = "cumulative"
		}
	}
	if doubt == "" && !best.total && r.oneOfSeveral(best.amount) {
		return
	}
	certainty := incident.Confirmed
	if best.possible {
		certainty = incident.Possible
	}
	r.countDoubted("affected.count", best.amount, certainty, doubt)
}

// whole looks for numbers that one sentence joins to best. Of different people (生徒19名及びその保護者18名) none is the number of all,
// unless the text gives their sum; of different data (カード情報12名分と個人情報60名分) the largest is proposed with a doubt.
func (r *reader) whole(best scored, found []scored) (scored, string, bool) {
	parts := []*amount{best.amount}
	data := dataNamed.MatchString(lastBytes(r.s[:best.from], 60))
	for _, b := range r.amounts {
		near := parts[len(parts)-1]
		first, second := near, b
		if b.from < best.from {
			first, second = b, best.amount
		}
		if b == best.amount || b.unit != best.unit || b.part || b.base || b.line != best.line || second.from < first.to || !joinedJA.MatchString(r.s[first.to:second.from]) {
			continue
		}
		parts = append(parts, b)
		data = data && dataNamed.MatchString(lastBytes(r.s[:b.from], 60))
	}
	if len(parts) == 1 {
		return best, "", true
	}
	var sum, largest int64
	for _, a := range parts {
		sum, largest = sum+a.value, max(largest, a.value)
	}
	for _, sc := range found {
		if sc.value == sum && sc.unit == best.unit {
			return sc, "", true
		}
	}
	if !data {
		return best, "", false
	}
	for _, a := range parts {
		if a.value == largest {
			return scored{amount: a, possible: best.possible}, fmt.Sprintf("the text joins %d numbers of different data: whether they are of the same people it does not say", len(parts)), true
		}
	}
	return best, "", true
}

var (
	joinedJA  = ruleJA("joinedJA")
	dataNamed = ruleJA("dataNamed")
)

// lostOf stands between all and those concerned: 1万人のうち、表示された可能性のあるお客様 最大341人.
var lostOf = ruleJA("lostOf")

// nextIsLost reports whether the number that 216人のうち leads to is that of the people whose data were lost.
func (r *reader) nextIsLost(a *amount) bool {
	for _, b := range r.amounts {
		if b.from > a.from && b.line == a.line && b.unit == a.unit {
			return theirData.MatchString(r.s[b.to:r.lines[b.line].to]) || lostOf.MatchString(r.s[a.to:b.from])
		}
	}
	return false
}

// follows reports whether a comes shortly after another number of the same things, of which it may be a part.
func (r *reader) follows(a *amount) bool {
	for _, b := range r.amounts {
		if b.from < a.from && b.unit == a.unit && a.line-b.line <= 3 && !b.base && b.value > a.value {
			return true
		}
	}
	return false
}

// oneOfSeveral reports whether a stands in brackets behind one kind of data of several that have their own numbers.
func (r *reader) oneOfSeveral(a *amount) bool {
	s := r.sentenceAt(a.from)
	inBrackets := func(b *amount) bool {
		return b.from > 0 && r.s[b.from-1] == '(' && strings.HasPrefix(r.s[b.to:], ")")
	}
	for _, b := range r.amounts {
		if b != a && b.from >= s.from && b.to <= s.to && b.unit == a.unit && b.value != a.value && inBrackets(a) && inBrackets(b) {
			return true
		}
	}
	return false
}

// labelOf is what a number is a number of: the words before it on its line, or the line above where it begins its own.
func (r *reader) labelOf(a *amount) string {
	l := r.lines[a.line]
	label := strings.Trim(r.s[l.from:a.from], " -・:=")
	if label != "" || a.line == 0 {
		return firstBytes(label, 90)
	}
	above := r.lines[a.line-1]
	return lastBytes(r.s[above.from:above.to], 90)
}

var listMark = ruleJA("listMark")

// inList reports whether a stands in an item of a list.
func (r *reader) inList(a *amount) bool {
	l := r.lines[a.line]
	return l.list || listMark.MatchString(r.s[l.from:l.to])
}

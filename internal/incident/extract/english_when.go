package extract

import (
	"strings"
	"time"

	"shirase/internal/incident"
)

var (
	investigatingEN = ruleEN("investigatingEN")
	windowEN        = ruleEN("windowEN")
	eventWordEN     = ruleEN("eventWordEN")
	noWindowEN      = ruleEN("noWindowEN")
	futureEN        = ruleEN("futureEN")
	askedEN         = ruleEN("askedEN")
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

// rolesEN are the verbs, tried together: the nearest to a time is its own.
var rolesEN = []struct {
	role int
	re   *rule
}{
	{roleRegulator, ruleEN("role-regulator")},
	{roleTold, ruleEN("role-told")},
	{roleFound, ruleEN("role-found")},
	{roleBlocked, ruleEN("role-blocked")},
	{roleContained, ruleEN("role-contained")},
	{roleHappened, ruleEN("role-happened")},
	{roleDisclosed, ruleEN("role-disclosed")},
	{roleNone, ruleEN("role-none")},
}

// What joins a role's verb to somebody else: "the vendor told us that it discovered".
var (
	itsEN       = ruleEN("itsEN")
	theySaidEN  = ruleEN("theySaidEN")
	leadEN      = ruleEN("leadEN")
	breakEN     = ruleEN("breakEN")
	clauseEN    = ruleEN("clauseEN")
	untilEN     = ruleEN("untilEN")
	notFoundEN  = ruleEN("notFoundEN")
	wrongSentEN = ruleEN("wrongSentEN")
	sentVerbEN  = ruleEN("sentVerbEN")
	sufferEN    = ruleEN("sufferEN")
	harmlessEN  = ruleEN("harmlessEN")
	cutNowEN    = ruleEN("cutNowEN")
	closedSoon  = ruleEN("closedSoon")
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
	if v := firstVerb(firstBytes(c.after, 60)); ordinaryEN.MatchString(c.before) || v.role == roleFound && weFound.MatchString(strings.TrimRight(firstBytes(c.after, max(0, v.from)), " ")) {
		return // from January to March, we became aware
	}
	if noWindowEN.MatchString(close) && !strings.Contains(close, "access") || askedEN.MatchString(lastBytes(c.before, 80)+firstBytes(c.after, 80)) || notThenEN.MatchString(lastBytes(c.before, 60)) {
		return
	}
	certainty := incidentCertainty(possibleEN.MatchString(c.sentence) && !foundEN.MatchString(c.sentence))
	r.moment("window.start", w, certainty)
	if !r.morePeriods(last) {
		r.moment("window.end", last, certainty)
	}
}

// morePeriods reports whether a sentence strings periods together, of which last ends one: "between May 28 and June 13; June 15 and
// July 12". When the last of them ended, the next words say, and not these.
func (r *reader) morePeriods(last *when) bool {
	s := r.sentenceAt(last.from)
	for _, w := range r.times {
		if w.from >= last.to && w.to <= s.to {
			return alsoThen.MatchString(r.s[last.to:w.from])
		}
	}
	return false
}

var alsoThen = ruleEN("alsoThen")

// What was determined is a result, not the discovery; but where a text tells of no discovery and of no investigation
// before it, it is the first that the author knew.
var (
	determinedEN = ruleEN("determinedEN")
	examinedEN   = ruleEN("examinedEN")
	foundAnyEN   = ruleEN("foundAnyEN")
)

// ordinaryEN is what people did in a period: the tickets that they submitted in it were exposed, but not then.
var ordinaryEN = ruleEN("ordinaryEN")

var notThenEN = ruleEN("notThenEN")

var foundEN = ruleEN("foundEN")

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
	if eventNoun.MatchString(bare[cut+v.from:cut+v.to]) && awareEN.MatchString(bare[cut:cut+v.from]) {
		v.role = roleFound // became aware of the unauthorized access on May 19
	}
	r.roleEN(w, v, bare[:cut+v.from], bare[cut+v.from:], c)
}

var (
	awareEN   = ruleEN("awareEN")
	eventNoun = ruleEN("eventNoun")
)

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
		r.foundBy(w, r.finder(subject, rest))
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
	saysThatEN = ruleEN("saysThatEN")
	tellsEN    = ruleEN("tellsEN")
	askIfEN    = ruleEN("askIfEN")
)

func (r *reader) found(w *when) { r.foundBy(w, "") }

// foundBy proposes w as the discovery, and keeps who made it.
func (r *reader) foundBy(w *when, who string) {
	if r.has("discovered") {
		return
	}
	r.moment("discovered", w, "")
	for i := range r.proposals {
		if p := &r.proposals[i]; p.Fact.Key == "discovered" && who != "" {
			p.by(who)
		}
	}
}

// finder says who came to know of it: the author itself, one whom somebody told, or somebody by name, who may be another.
// What was identified is often a result, and not the event.
func (r *reader) finder(subject, rest string) string {
	subject = strings.TrimRight(subject, " ")
	switch {
	case resultEN.MatchString(rest):
		return "result"
	case weFound.MatchString(subject):
		return "we"
	case beenTold.MatchString(rest):
		return "told"
	case tellsEN.MatchString(rest):
		return "teller"
	case r.own != "" && strings.HasSuffix(subject, r.own):
		return "name"
	}
	return "other"
}

var (
	resultEN = ruleEN("resultEN")
	weFound  = ruleEN("weFound")
	beenTold = ruleEN("beenTold")
)

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
		first, _, _ := strings.Cut(v, " ") // "Aeries" of "Aeries Student Information System"
		if v != r.own && (strings.HasSuffix(tail, v) || len(first) > 3 && !strings.HasPrefix(r.own, first) && strings.HasSuffix(tail, first)) {
			return true
		}
	}
	return vendorItself.MatchString(tail)
}

var vendorItself = ruleEN("vendorItself")

var (
	datelineEN   = ruleEN("datelineEN")
	datelineTail = ruleEN("datelineTail")
	postedEN     = ruleEN("postedEN")
	todayEN      = ruleEN("todayEN")
	headDateEN   = ruleEN("headDateEN")
	updateEN     = ruleEN("updateEN")
	updateTailEN = ruleEN("updateTailEN")
	earliestEN   = ruleEN("earliestEN")
	titleDateEN  = ruleEN("titleDateEN")
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
		if letterEN.MatchString(after) && !earliestEN.MatchString(before) && len(before) < 600 {
			r.baseAt = w
			break
		}
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

var filedEN = ruleEN("filedEN")

// letterEN follows the date of a letter whose lines were run together.
var letterEN = ruleEN("letterEN")

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

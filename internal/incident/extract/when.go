package extract

import (
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
)

// titleEnds reports whether a line may be the title of a notice.
func titleEnds(s string) bool {
	return titled(s) || strings.HasSuffix(s, "報)") || englishTitle.MatchString(s)
}

var futureJA = ruleBoth("futureJA")

// resolveTimes completes every time. Those at or behind an addendum are said on its day.
func (r *reader) resolveTimes() {
	res := &resolver{base: r.base, zone: r.zone, lines: r.lines, oneDay: r.oneDay(), sole: r.soleYear()}
	for _, w := range r.times {
		if l := r.lines[w.line]; w.rel == absolute && w.d > 0 && r.isAddendum(l) && l.to-l.from < 100 {
			if day := date(w.y, w.m, w.d); day.After(res.known) {
				res.known = day
			}
		}
	}
	for _, w := range r.times {
		if w == r.baseAt {
			w.set(w.y, w.m, w.d, r.zone)
			continue
		}
		future := futureJA.MatchString(firstBytes(r.s[w.to:r.lines[w.line].to], 200))
		res.added = r.addedOn(w)
		l := r.lines[w.line]
		res.resolve(w, future || r.isAddendum(l))
	}
}

// addedOn is the day of the heading under which w stands, where that part was added later: 追記(6月13日).
func (r *reader) addedOn(w *when) incident.Moment {
	for i := w.line; i >= 0 && i > w.line-20; i-- {
		l := r.lines[i]
		if i < w.line && l.heading || addedHead.MatchString(r.s[l.from:l.to]) {
			for _, at := range r.times {
				if at.line == i && at != w && !at.moment.IsZero() && addedHead.MatchString(r.s[l.from:l.to]) {
					return at.moment
				}
			}
			return incident.Moment{}
		}
	}
	return incident.Moment{}
}

var addedHead = ruleBoth("addedHead")

// soleYear is the year of every date that has one, or 0 where they have several.
func (r *reader) soleYear() int {
	year := 0
	for _, w := range r.times {
		if w.rel == absolute && w.y != year {
			if year != 0 {
				return 0
			}
			year = w.y
		}
	}
	return year
}

// oneDay reports whether every day that the text names is the same.
func (r *reader) oneDay() bool {
	days := map[[2]int]bool{}
	for _, w := range r.times {
		switch w.rel {
		case absolute, noYear:
			days[[2]int{w.m, w.d}] = true
		case onlyTime, today:
		case dayShift:
			if w.shift != 0 {
				return false
			}
		default:
			return false
		}
	}
	return len(days) == 1
}

// question reports a sentence that asks, as frequently asked questions do.
func (r *reader) question(s string) bool { return questionRE.MatchString(s) }

var questionRE = ruleJA("questionRE")

// The words by which a time gets its part, looked for between it and the next time of its sentence.
var (
	incidentNoun = ruleJA("incidentNoun")
	foundVerb    = ruleJA("foundVerb")
	foundLabel   = ruleJA("foundLabel")
	startLabel   = ruleJA("startLabel")
	cutVerb      = ruleJA("cutVerb")
	loginBlock   = ruleJA("loginBlock")
	regulatorRE  = ruleJA("regulatorRE")
	reportVerb   = ruleJA("reportVerb")
	personRE     = ruleJA("personRE")
	toldVerb     = ruleJA("toldVerb")
	notDone      = ruleJA("notDone")
	windowNoun   = ruleJA("windowNoun")
	notPeriod    = ruleJA("notPeriod")
	openPeriod   = ruleJA("openPeriod")
	whoPeriod    = ruleJA("whoPeriod")
	dataOfPeriod = ruleJA("dataOfPeriod")
	toldUs       = ruleJA("toldUs")
	cardPaid     = ruleJA("cardPaid")
	negatedFind  = ruleJA("negatedFind")
	occurred     = ruleJA("occurred")
)

// whenJA gives the times their parts.
func (r *reader) whenJA() {
	r.disclosedJA()
	for i := 0; i+1 < len(r.times); i++ { // periods first: they say more than a single day
		if w, last := r.times[i], r.times[i+1]; w.start && last.end && !w.moment.IsZero() && !last.moment.IsZero() && r.lines[w.line].section != secPast {
			r.windowJA(w, last, r.around(w, last, i+1))
		}
	}
	for i := 0; i < len(r.times); i++ {
		w := r.times[i]
		if w == r.baseAt || w.moment.IsZero() {
			continue
		}
		l := r.lines[w.line]
		if l.section == secContact || l.section == secPast || l.section == secSource {
			continue
		}
		last := w
		if w.start && i+1 < len(r.times) && r.times[i+1].end && !r.times[i+1].moment.IsZero() {
			i++
			last = r.times[i]
		}
		r.placeJA(w, last, r.around(w, last, i))
	}
	r.containedNext()
}

// context is what stands around a time within its sentence.
type context struct {
	before, after string // up to the times beside it
	sentence      string
	rest          string // up to the end of the sentence
	label         string // the line or heading above, where the time begins its line
	at            int    // where the sentence begins
	line          string // up to the end of the line or the next time, where the time begins its line
}

// around gives the context of the times first to last, the latter being number i.
func (r *reader) around(first, last *when, i int) context {
	s := r.sentenceAt(first.from)
	from, to := s.from, s.to
	for j := i - 1; j >= 0 && r.times[j].to > from; j-- {
		if r.times[j].to <= first.from {
			from = r.times[j].to
			break
		}
	}
	for j := i + 1; j < len(r.times) && r.times[j].from < to; j++ {
		if tail := r.s[min(r.times[j].to, s.to):s.to]; r.times[j].rel != onlyYear && !modifier.MatchString(tail) && !(r.times[j].moment.Precision == incident.Month && whoPeriod.MatchString(tail)) {
			to = r.times[j].from
			break
		}
	}
	c := context{before: r.s[from:first.from], sentence: r.s[s.from:s.to], at: s.from}
	if last.to <= to {
		c.after = firstBytes(r.s[last.to:to], 700)
	}
	c.rest = firstBytes(r.s[last.to:max(last.to, s.to)], 900)
	// What stands in brackets with a time is about it, and what follows them is not.
	if open := strings.LastIndexByte(c.before, '('); open >= 0 && !strings.Contains(c.before[open:], ")") {
		if end := strings.IndexByte(c.after, ')'); end >= 0 {
			c.before, c.after, c.rest = c.before[open+1:], c.after[:end], c.after[:end]
		}
	}
	l := r.lines[first.line]
	if leads := strings.Trim(r.s[l.from:first.from], " ・-●○■(") == ""; leads && last.to <= l.to {
		end := l.to
		if i+1 < len(r.times) && r.times[i+1].from < end {
			end = r.times[i+1].from
		}
		c.line = firstBytes(r.s[last.to:max(last.to, end)], 900)
	}
	if strings.TrimSpace(r.s[l.from:first.from]) == "" || markRE.MatchString(r.s[l.from:first.from]) {
		c.label = l.under
		if first.line > 0 {
			above := r.lines[first.line-1]
			if above.to-above.from < 60 || l.to-l.from < 120 && r.s[l.from] == '(' { // a line in brackets is said of the one above
				c.label = strings.Trim(r.s[above.from:above.to], "■◆●・【】:<>() ")
			}
		}
		// A list gives the time on one line and what happened on the next.
		if strings.Trim(c.after, " 】)〉>]:") == "" && first.line+1 < len(r.lines) && l.section == secStory {
			next := r.lines[first.line+1]
			c.after = firstBytes(r.s[next.from:next.to], 400)
			c.rest = firstBytes(r.s[next.from:next.to], 900)
			for j := i + 1; j < len(r.times) && r.times[j].from < next.to; j++ {
				if r.times[j].from >= next.from {
					c.after = r.s[next.from:r.times[j].from]
					break
				}
			}
		}
	}
	return c
}

// modifier follows a time that only says which event is meant: 7月3日開催の教室.
var modifier = ruleBoth("modifier")

// sentenceAt finds the sentence that holds the byte.
func (r *reader) sentenceAt(at int) sentence {
	lo, hi := 0, len(r.sentences)
	for lo < hi {
		mid := (lo + hi) / 2
		if r.sentences[mid].to <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(r.sentences) {
		return r.sentences[lo]
	}
	return sentence{at, at, 0}
}

var (
	sentWrong     = ruleJA("sentWrong")
	reportedLater = ruleJA("reportedLater")
	reportGot     = ruleJA("reportGot")
	toldIt        = ruleJA("toldIt")
	toldUsIt      = ruleJA("toldUsIt")
	firstClause   = ruleJA("firstClause")
)

var asOfTail = ruleJA("asOfTail")

// placeJA proposes what happened at w, or from w to last.
func (r *reader) placeJA(w, last *when, c context) {
	if last != w {
		if !r.has("discovered") && toldUs.MatchString(c.after) && r.foundJA(c.after, c) {
			r.moment("discovered", w, "") // 13時20分から14時の間に、お二人から連絡をいただいた
		}
		if !asOfTail.MatchString(c.after) && !r.has("persons-notified") && personRE.MatchString(c.before+c.after) && toldVerb.MatchString(c.after) && !notDone.MatchString(c.after) {
			r.moment("persons-notified", w, "")
		}
		return
	}
	if r.labelledJA(w, c) || r.besideJA(w, c) || r.turnedJA(w, c) {
		return
	}
	r.cutJA(w, c)
	found := r.foundJA(c.after, c)
	if !r.has("discovered") && reportedLater.MatchString(c.after) && reportGot.MatchString(c.rest) || (!r.has("discovered") || w.moment.Exact()) && found {
		r.moment("discovered", w, "")
	}
	if day := w.moment.Time.Format(time.DateOnly); found && !slices.Contains(r.foundOn, day) {
		r.foundOn = append(r.foundOn, day)
	}
	r.toldJA(w, c)
	if !r.has("window.start") && r.beganJA(c.after) {
		r.moment("window.start", w, "")
	}
}

// labelledJA proposes what the label before a time says it is, and reports whether there is one.
func (r *reader) labelledJA(w *when, c context) bool {
	if asOfTail.MatchString(c.after) || updatedTail.MatchString(c.after) {
		return true
	}
	if r.lines[w.line].section == secPrevention {
		if regulatorRE.MatchString(c.before+c.after) && reportVerb.MatchString(c.after) && !notDone.MatchString(c.after) {
			r.moment("regulator-notified", w, "")
		}
		return true
	}
	label := strings.TrimSpace(c.before)
	if label == "" {
		label = c.label
	}
	label = lastBytes(label, 80)
	switch {
	case len(label) >= 60:
		return false
	case foundLabel.MatchString(label) && !strings.Contains(label, "お客様") && !(w.rel == dayShift && strings.HasSuffix(label, "した")):
		r.moment("discovered", w, "")
		return true
	case startLabel.MatchString(label):
		r.moment("window.start", w, "")
		return true
	}
	return false
}

// besideJA reports a time that is none of the incident's: of a later report, a deadline, another event, a question, what is
// still to come.
func (r *reader) besideJA(w *when, c context) bool {
	if (laterReport.MatchString(c.after) || laterBefore.MatchString(c.before)) && !regulatorRE.MatchString(c.sentence) && !ministry.MatchString(c.sentence) {
		r.propose(incident.Fact{Key: "addendum", Item: "told-" + w.moment.Time.Format(time.DateOnly), Value: incident.Value{Text: plain(tidy(r.s[w.from:w.to] + firstBytes(c.after, 60))), Time: w.moment}}, w.from, w.to, w.doubt)
		return true
	}
	if untilThen.MatchString(c.after) {
		if cutVerb.MatchString(c.after) && !notDone.MatchString(c.after) {
			r.containedJA(w, c.after)
		}
		return true
	}
	if fromToday.MatchString(c.after) && w.moment.String() == r.base.String() && personRE.MatchString(c.before+c.after) && toldVerb.MatchString(c.after) {
		r.moment("persons-notified", w, "")
		return true
	}
	if w.moment.Precision == incident.Month && (ofMonth.MatchString(c.after) || whoPeriod.MatchString(c.after)) { // 2020年12月末のふるさと納税, 4月に入会した方
		return true
	}
	return otherEvent.MatchString(c.after) || r.question(c.sentence) || firstReport.MatchString(c.after) || negatedFind.MatchString(c.after) && !r.toRegulator(c.after, c) ||
		postscript.MatchString(c.after) && r.update && !privately.MatchString(firstClause.FindString(c.after)) ||
		strings.Contains(lastBytes(c.before, 30), "過去") ||
		notDone.MatchString(c.after) && !strings.Contains(c.after, "ました") && !strings.Contains(c.after, "した")
}

// turnedJA proposes what a sentence turned round says of a time: 確認したのは7月25日です.
func (r *reader) turnedJA(w *when, c context) bool {
	m := cleft.FindStringSubmatch(c.before)
	if m == nil {
		return false
	}
	switch {
	case foundVerb.MatchString(m[1]) && incidentNoun.MatchString(c.before):
		r.moment("discovered", w, "")
	case cutVerb.MatchString(m[1]):
		r.moment("contained", w, "")
	}
	return true
}

// cutJA proposes when sign-ins were blocked, or what was open was closed.
func (r *reader) cutJA(w *when, c context) {
	block := loginBlock.FindString(c.after)
	switch {
	case block != "" && !staffAccount.MatchString(c.after) && (strings.Contains(block, "ログイン") || usersRE.MatchString(c.sentence)),
		lockAfter.MatchString(c.after) && lockObject.MatchString(c.before):
		r.moment("login-blocked", w, "")
	case r.sentWrongly && gotBack.MatchString(c.after) && !foundVerb.MatchString(c.before):
		r.containedJA(w, c.after)
	case r.lines[w.line].section == secDamage:
	case cutVerb.MatchString(c.after), cutAfter.MatchString(c.after) && cutObject.MatchString(c.before):
		r.containedJA(w, c.after)
	case cutVerb.MatchString(c.line) && !notDone.MatchString(c.line):
		r.containedJA(w, c.line)
	}
}

// beganJA reports whether what stands behind a time tells how it began.
func (r *reader) beganJA(after string) bool {
	if sinceRE.MatchString(after) && !toldVerb.MatchString(after) {
		return true
	}
	if r.foundFirst(after) {
		return false
	}
	if r.sentWrongly && sentVerb.MatchString(after) && !amends.MatchString(after) {
		return true
	}
	if sentOnly.MatchString(occurred.FindString(firstBytes(after, 500))) && slices.Contains(notBySending, r.causeWord()) {
		return false
	}
	if m := occurred.FindStringIndex(after); m != nil && illness.MatchString(after[:m[1]]) {
		return false
	}
	return occurred.MatchString(firstBytes(after, 500)) && !(amends.MatchString(after) && !leakStrong.MatchString(after)) &&
		!r.negative(firstClause.FindString(after)) && !elsewhere.MatchString(after)
}

// notBySending are causes that do not begin with something that was sent or put up; sentOnly is such a beginning.
var (
	notBySending = []string{"lost-media", "theft", "intrusion", "malware", "ransomware", "web-skimming", "credential-stuffing"}
	sentOnly     = ruleJA("sentOnly")
)

// causeWord is the cause that was proposed.
func (r *reader) causeWord() string {
	for _, p := range r.proposals {
		if p.Fact.Key == "cause" {
			return p.Fact.Value.Word
		}
	}
	return ""
}

// A date may stand between what was cut off and the verb: 決済を5月27日に停止しました.
var (
	cutAfter  = ruleJA("cutAfter")
	cutObject = ruleJA("cutObject")
)

// otherEvent is what a date may tell of besides: a service's beginning, the end of an inquiry.
var otherEvent = ruleJA("otherEvent")

// ofMonth makes a month the name of something.
var ofMonth = ruleJA("ofMonth")

// untilThen is a day by which something was so: 12月7日までに21名から.
var untilThen = ruleJA("untilThen")

// cleft turns a sentence round: 確認したのは7月25日です.
var cleft = ruleJA("cleft")

var (
	// sentVerb is the sending that went wrong, where the text is about one; amends are the mails that apologise for it.
	sentVerb = ruleJA("sentVerb")
	amends   = ruleJA("amends")

	askedToDelete, apologised = ruleJA("askedToDelete"), ruleJA("sorryRE")
)

// sinceRE is a beginning of which the text gives no end: 8月15日1時29分から、大量のアクセスがあり.
var sinceRE = ruleJA("sinceRE")

// ministry is whom reports are made to, whose numbers are not those of announcements.
var ministry = ruleJA("ministry")

var (
	lockAfter  = ruleJA("lockAfter")
	lockObject = ruleJA("lockObject")
)

// usersRE are those who sign in.
var usersRE = ruleJA("usersRE")

// atOnce begins a sentence on what was done right after what the one before it tells.
var atOnce = ruleJA("atOnce")

// containedNext proposes the day of the sentence before for what was done at once.
func (r *reader) containedNext() {
	for i := 1; i < len(r.sentences) && !r.has("contained"); i++ {
		s, before := r.sentences[i], r.sentences[i-1]
		part := r.s[s.from:s.to]
		if s.line != before.line || !atOnce.MatchString(part) || !cutVerb.MatchString(part) || notDone.MatchString(part) {
			continue
		}
		for i := len(r.times) - 1; i >= 0; i-- {
			w := r.times[i]
			if w.from >= s.from {
				continue
			}
			if w.from < before.from {
				break
			}
			if !r.has("contained") && !w.moment.IsZero() && w.moment.Precision != incident.Month && foundVerb.MatchString(r.s[w.to:before.to]) {
				v := *w
				v.hh = -1
				t := v.moment.Time
				v.set(t.Year(), int(t.Month()), t.Day(), r.zone)
				r.moment("contained", &v, "")
			}
		}
	}
}

// staffAccount is one that somebody of the organisation's own used.
var staffAccount = ruleJA("staffAccount")

// elsewhere is what a date tells of besides the occurrence: an event, or that somebody said so.
var elsewhere = ruleJA("elsewhere")

// surelyFound needs no word for what was found.
var surelyFound = ruleJA("surelyFound")

var fromWhom = ruleJA("fromWhom")

var (
	// foundHead heads the part on the discovery, in which the first word from outside is it.
	foundHead = ruleJA("foundHead")
	cameIn    = ruleJA("cameIn")
	// occurredThen says what had happened on a day, found out later: 5月19日に侵入していたことが判明.
	occurredThen = ruleJA("occurredThen")
)

var goodNews = ruleJA("goodNews")

// foundJA reports whether what stands behind a time tells of the discovery.
func (r *reader) foundJA(after string, c context) bool {
	m := foundVerb.FindStringIndex(after)
	if toldIt.MatchString(after) && !toldUsIt.MatchString(after) || occurredThen.MatchString(after) || sinceThen.MatchString(after) || m != nil && wePassed.MatchString(after[m[0]:]) {
		return false
	}
	if r.lines[r.sentenceAt(c.at).line].section == secStory && fromWhom.MatchString(after) {
		return true
	}
	if m != nil && (surelyFound.MatchString(after) || foundHead.MatchString(r.lines[r.sentenceAt(c.at).line].under) && !goodNews.MatchString(after[:m[0]])) {
		return true
	}
	if foundHead.MatchString(r.lines[r.sentenceAt(c.at).line].under) && cameIn.MatchString(after) && !r.negative(firstClause.FindString(after)) {
		return true
	}
	if m == nil || !incidentNoun.MatchString(after) && !incidentNoun.MatchString(c.before) {
		return false
	}
	// 復旧を確認, 安全を確認, 完了を確認: not what was discovered.
	if strings.Contains(after[m[0]:m[1]], "確認") && goodNews.MatchString(after[:m[0]]) {
		return false
	}
	return true
}

var (
	// sinceThen begins what was so from then on, found out later; wePassed is how an author says that it told somebody.
	sinceThen = ruleJA("sinceThen")
	wePassed  = ruleJA("wePassed")
)

// foundFirst reports whether the discovery is told before the occurrence.
func (r *reader) foundFirst(after string) bool {
	if toldIt.MatchString(after) && !toldUsIt.MatchString(after) || occurredThen.MatchString(after) {
		return false
	}
	if factFound.MatchString(after) {
		return true
	}
	f, o := foundVerb.FindStringIndex(after), occurred.FindStringIndex(after)
	return f != nil && (o == nil || f[0] < o[1]+30)
}

// factFound makes the whole sentence one on a discovery: 3月4日、...されている事実を確認.
var factFound = ruleJA("factFound")

// containedJA proposes when it was cut off. Where the verb is not the first thing that happened at a time of day, only
// the day is known.
func (r *reader) containedJA(w *when, after string) {
	if r.has("contained") {
		return
	}
	v := *w
	m := cutVerb.FindStringIndex(after)
	if m == nil {
		m = gotBack.FindStringIndex(after)
	}
	if m != nil && (foundVerb.MatchString(after[:m[0]]) && !rightThen.MatchString(after[:m[0]]) || sameDay.MatchString(after[:m[1]])) && v.moment.Exact() {
		v.hh = -1
		t := v.moment.Time
		v.set(t.Year(), int(t.Month()), t.Day(), r.zone)
	}
	r.moment("contained", &v, "")
}

// rightThen says that what was done was done at the time of the discovery.
var rightThen = ruleJA("rightThen")

// gotBack ends what was handed to the wrong person.
var gotBack = ruleJA("gotBack")

// sameDay says that something happened on the day, not at the time.
var sameDay = ruleJA("sameDay")

// visited is how people were told over several days.
var visited = ruleJA("visited")

// windowJA proposes the period in which it happened.
func (r *reader) windowJA(w, last *when, c context) {
	if w.moment.Precision == 0 || r.lines[w.line].section == secContact {
		return
	}
	near := lastBytes(c.before, 150) + c.after + c.label
	ok := windowNoun.MatchString(near)
	if (notPeriod.MatchString(c.after) || openPeriod.MatchString(c.before) || whoPeriod.MatchString(c.after) || dataOfPeriod.MatchString(c.after)) && !cardPaid.MatchString(near) && !startLabel.MatchString(c.label) {
		ok = false
	}
	if toldUs.MatchString(c.after) && !strings.Contains(c.after, "不正") {
		ok = false
	}
	if amends.MatchString(firstClause.FindString(c.after)) || visited.MatchString(c.after) {
		ok = false
	}
	if !ok || endOf(last.moment).Before(w.moment.Time) {
		return
	}
	certainty := incident.Confirmed
	if strings.Contains(c.after, "可能性") && !strings.Contains(c.after, "確認") {
		certainty = incident.Possible
	}
	if !r.has("window.start") {
		r.moment("window.start", w, certainty)
		r.moment("window.end", last, certainty)
	}
}

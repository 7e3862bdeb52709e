package extract

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"shirase/internal/incident"
)

func itoa(n int) string { return strconv.Itoa(n) }

var (
	addendumTail = ruleBoth("addendumTail")
	addendumHead = ruleBoth("addendumHead")
	promiseRE    = ruleJA("promiseRE")
	aboutPromise = ruleJA("aboutPromise")
	promiseVerb  = ruleJA("promiseVerb")
	doneVerb     = ruleJA("doneVerb")
)

// updateDay is the day on which a page was last changed, which adds nothing.
var updateDay = ruleBoth("updateDay")

// isAddendum reports a line that was added later.
func (r *reader) isAddendum(l line) bool {
	s := r.s[l.from:l.to]
	if updateDay.MatchString(s) {
		return false
	}
	return addendumTail.MatchString(lastBytes(s, 160)) || addendumHead.MatchString(firstBytes(s, 160))
}

// addendaJA proposes what was added to the notice later, and what it promised. What a promise became is for the reviewer:
// the text of a notice says what was planned.
func (r *reader) addendaJA() {
	n, m := 0, 0
	told := map[string]bool{} // a list of marks at the top names the parts below it
	for i, l := range r.lines {
		if !r.isAddendum(l) {
			continue
		}
		at := r.addendumTime(l)
		if at == nil || told[at.moment.String()] {
			continue
		}
		s := r.s[l.from:l.to]
		if bareMark.MatchString(s) && r.addedBelow(i, at) {
			continue
		}
		told[at.moment.String()] = true
		from, to := l.from, l.to
		if loc := addendumTail.FindStringIndex(s); loc != nil && strings.TrimSpace(s[:loc[0]]) != "" {
			to = l.from + loc[0]
		} else if loc := addendumHead.FindStringIndex(s); loc != nil {
			from = l.from + loc[1]
			if strings.TrimSpace(r.s[from:to]) == "" && i+1 < len(r.lines) { // a heading of its own
				from, to = r.lines[i+1].from, r.lines[i+1].to
			}
		}
		text := tidy(r.s[from:to])
		if text == "" {
			continue
		}
		n++
		r.propose(incident.Fact{Key: "addendum", Item: itoa(n), Value: incident.Value{Text: plain(text), Time: at.moment}, AsOf: at.moment}, from, max(to, l.to), at.doubt)
		if doneVerb.MatchString(text) && !strings.Contains(text, "予定") {
			m++
			r.propose(incident.Fact{Key: "action", Item: "added-" + itoa(m), Value: incident.Value{Text: plain(text), Status: "taken", Time: at.moment}, AsOf: at.moment}, from, to, "")
		}
	}
	r.promisesJA()
}

// bareMark is a mark without a text of its own.
var bareMark = ruleJA("bareMark")

// addedBelow reports whether a line after number i bears the same mark.
func (r *reader) addedBelow(i int, at *when) bool {
	for _, l := range r.lines[i+1:] {
		if r.isAddendum(l) {
			if w := r.addendumTime(l); w != nil && w.moment.Time.Truncate(24*time.Hour).Equal(at.moment.Time.Truncate(24*time.Hour)) {
				return true
			}
		}
	}
	return false
}

// addendumTime is the time in an addendum's mark.
func (r *reader) addendumTime(l line) *when {
	s := r.s[l.from:l.to]
	from, to := l.from, l.to
	if loc := addendumTail.FindStringIndex(s); loc != nil {
		from += loc[0]
	} else if loc := addendumHead.FindStringIndex(s); loc != nil {
		to = from + loc[1]
	}
	for _, w := range r.times {
		behind := w.from >= to && w.to <= l.to && strings.Trim(r.s[to:w.from], " ()") == "" // 【追記】2023年6月1日
		if (w.from >= from && w.to <= to || behind) && !w.moment.IsZero() && w != r.baseAt {
			return w
		}
	}
	return nil
}

// promisesJA proposes what was promised for a time at or after publication.
func (r *reader) promisesJA() {
	if r.base.IsZero() {
		return
	}
	n := 0
	told := map[string]bool{}
	for i, w := range r.times {
		l := r.lines[w.line]
		if w.moment.IsZero() || w == r.baseAt || w.start || w.end || l.section == secPast || l.section == secPrevention || l.section == secSource {
			continue
		}
		asOf := r.asOf
		if r.isAddendum(l) {
			if at := r.addendumTime(l); at == nil || at == w {
				continue
			} else {
				asOf = at.moment
			}
		}
		if endOf(w.moment).Before(r.base.Time) || !w.moment.Time.Before(r.base.Time.AddDate(2, 0, 0)) {
			continue
		}
		c := r.around(w, w, i)
		s := r.sentenceAt(w.from)
		if !promiseRE.MatchString(c.after) || !promiseVerb.MatchString(c.after) || asOfTail.MatchString(c.after) {
			continue
		}
		key := w.moment.String()
		if told[key] {
			continue
		}
		told[key] = true
		text := tidy(strings.TrimPrefix(strings.TrimPrefix(r.s[s.from:s.to], "また、"), "なお、"))
		if utf8.RuneCountInString(text) < 4 {
			continue
		}
		n++
		v := incident.Value{Text: plain(text), Status: "planned", Promised: w.moment}
		if w.about || aboutPromise.MatchString(c.after) {
			v.Qualifier = "about"
		}
		r.propose(incident.Fact{Key: "action", Item: "promise-" + itoa(n), Value: v, Certainty: incident.Planned, AsOf: asOf}, s.from, s.to, w.doubt)
	}
}

package extract

import "strings"

// toldJA proposes when the regulator and those concerned were told.
func (r *reader) toldJA(w *when, c context) {
	if r.toRegulator(c.after, c) {
		if strings.Contains(c.after, commission) && r.has("regulator-notified") && !strings.Contains(r.told, commission) {
			r.takeBack("regulator-notified") // the ministry was told before it
		}
		if !r.has("regulator-notified") {
			r.told = c.after
		}
		r.moment("regulator-notified", w, "")
	}
	if label := strings.TrimSpace(c.before); personRE.MatchString(label+"に") && toldLabel.MatchString(label) {
		r.moment("persons-notified", w, "")
	}
	toThem := personRE.MatchString(c.before+c.after) || toPeople.MatchString(r.lines[w.line].under) ||
		r.sentWrongly && apologised.MatchString(c.after) && askedToDelete.MatchString(c.after) // only who got the mail is asked to delete it
	wrongly := r.sentWrongly && !amends.MatchString(c.after) || sentWrong.MatchString(c.after) || // this is the mail that went wrong
		askedToDelete.MatchString(c.after) && !apologised.MatchString(c.after)
	if !r.has("persons-notified") && toThem && !wrongly && toldVerb.MatchString(c.after) && !notDone.MatchString(c.after) {
		r.moment("persons-notified", w, "")
	}
}

// toldLabel ends a line of a table that says when people were told.
var toldLabel = ruleJA("toldLabel")

// toPeople heads the part on telling those concerned.
var toPeople = ruleJA("toPeople")

// fromToday begins what starts on the day of the notice: 本日より封書にてご連絡いたします.
var fromToday = ruleJA("fromToday")

// otherOffice is told besides the regulator.
var otherOffice = ruleJA("otherOffice")

// toRegulator reports whether a time is that of the report to the regulator: named between it and the next time, or before it
// where nobody else is told.
func (r *reader) toRegulator(after string, c context) bool {
	if notDone.MatchString(after) || r.reportedLater(after) {
		return false
	}
	if m := regulatorRE.FindStringIndex(after); m != nil {
		return reportVerb.MatchString(c.rest) && !didBefore.MatchString(after[:m[0]])
	}
	if !regulatorRE.MatchString(c.before) || otherOffice.MatchString(after) {
		return false
	}
	return reportVerb.MatchString(after) || reportNoun.MatchString(c.before) && (strings.TrimSpace(after) == "" || doneOn.MatchString(after))
}

var (
	reportNoun = ruleJA("reportNoun")
	didBefore  = ruleJA("didBefore")
	doneOn     = ruleJA("doneOn")
)

// reportedLater reports whether the report to a regulator follows a discovery in the same sentence: then its own day is not said.
func (r *reader) reportedLater(after string) bool {
	m := regulatorRE.FindStringIndex(after)
	return m != nil && foundVerb.MatchString(after[:m[0]]) && !sameDayRE.MatchString(after[:m[0]])
}

var sameDayRE = ruleJA("sameDayRE")

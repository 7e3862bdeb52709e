package law

import (
	"fmt"
	"io"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Entry is a clock of a case, for a calendar.
type Entry struct {
	Case  string // its id
	Clock Clock
}

// WriteCalendar writes what is due as an iCalendar stream (RFC 5545): an event for each clock that runs, is overdue or was done
// and has a date. A due time to the day is an event of that whole day. Alarms stand at half and four fifths of a clock's time
// and at its end. A calendar is often kept by somebody else's server, so it names regimes, rules and cases, and nothing of what
// happened. base is the address of this instance, or empty. exercise is the origin of an exercise's ledger, "" of a real one: each text of it then says
// so, and its events are none of another calendar's.
func WriteCalendar(w io.Writer, lang language.Lang, entries []Entry, base, exercise string, now time.Time) error {
	mark, of := "", "shirase"
	if exercise != "" {
		mark, of = language.Exercise(lang), strings.ReplaceAll(exercise, "/", ".")
	}
	cal := ics.NewCalendarFor("Shirase")
	cal.SetMethod(ics.MethodPublish)
	cal.SetXWRCalName(mark + lang.Pick("対応の期限", "Deadlines of cases"))
	cal.SetRefreshInterval("PT1H")
	for _, e := range entries {
		c := e.Clock
		if c.Due.IsZero() || !c.runs() && c.State != Done {
			continue
		}
		event := cal.AddEvent(c.ID + "." + e.Case + "@" + of)
		event.SetDtStampTime(now.UTC())
		name := c.Rule.Name.In(lang)
		if c.Promise != nil { // in somebody's own words, which may say anything
			name = lang.Pick("約束したお知らせや作業", "Something promised")
		}
		plain := name
		if c.State != Running {
			name += lang.Pick("（", " (") + StateName(c.State).In(lang) + lang.Pick("）", ")")
		}
		event.SetSummary(mark + fmt.Sprintf(lang.Pick("期限: %s［%s］", "Due: %s [%s]"), name, e.Case))
		event.SetDescription(mark + c.note(lang))
		if c.Due.Precision == incident.Minute {
			event.SetStartAt(c.Due.Time)
			event.SetEndAt(c.Due.Time)
		} else {
			event.SetAllDayStartAt(c.Due.Time)
			event.SetAllDayEndAt(c.Due.Time.AddDate(0, 0, 1))
		}
		event.SetTimeTransparency(ics.TransparencyTransparent)
		if base != "" {
			event.SetURL(base + "/console/cases/" + e.Case + "/clocks")
		}
		for _, r := range c.Reminders() {
			alarm := event.AddAlarm()
			alarm.SetAction(ics.ActionDisplay)
			alarm.SetDescription(mark + fmt.Sprintf("%d %%: %s", r.Percent, plain))
			alarm.SetTrigger(r.At.UTC().Format("20060102T150405Z"), ics.WithValue(string(ics.ValueDataTypeDateTime)))
		}
	}
	return cal.SerializeTo(w, ics.WithNewLineWindows)
}

// note says where the rule stands and what is not sure of it.
func (c Clock) note(lang language.Lang) string {
	out := c.Regime.Name.In(lang)
	if c.Promise == nil {
		out += "\n" + c.Rule.Citation
	}
	if c.Soft() {
		out += "\n" + lang.Pick("目安であり、法定の期限ではありません。", "A guideline, and no limit by law.")
	}
	if !c.Verified() {
		out += "\n" + lang.Pick("未確認: 原文を確認していません。", "Unverified: the rule was not read in its primary text.")
	}
	if c.Guessed {
		out += "\n" + lang.Pick("計算で求めた休日によります。", "By computed holidays.")
	}
	if c.Doubt {
		out += "\n" + lang.Pick("まだ分からないことがあり、当てはまるものとして数えています: ", "Counted as if this were so, which nobody has said yet: ") + c.Why.In(lang)
	}
	return out
}

package law

import (
	"slices"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// A Change is what became of one clock between two times at which a case's clocks were worked out.
type Change struct {
	ID   string
	Kind ChangeKind
	From Clock // the zero Clock where it is new
	To   Clock // the zero Clock where it is gone
}

// ChangeKind says what became of a clock.
type ChangeKind string

const (
	Begun ChangeKind = "begun" // it runs, and did not
	Moved ChangeKind = "moved" // it is due at another time
	Ended ChangeKind = "ended" // it does not run any more: done, freed, suspended, not applicable, or its regime was refused
	Late  ChangeKind = "late"  // it became overdue
)

// runs reports whether a clock is counted: it runs or is overdue.
func (c Clock) runs() bool { return c.State == Running || c.State == Overdue }

// Compare says what became of clocks between two times, in the order of their ids: a fact that changes starts, ends and moves
// clocks, and whoever changes it is told so. Clocks that stand as before are left out.
func Compare(before, after []Clock) []Change {
	var out []Change
	was := map[string]Clock{}
	for _, c := range before {
		was[c.ID] = c
	}
	for _, c := range after {
		b := was[c.ID]
		delete(was, c.ID)
		x := Change{ID: c.ID, From: b, To: c}
		switch {
		case c.runs() && !b.runs():
			x.Kind = Begun
		case b.runs() && !c.runs():
			x.Kind = Ended
		case !c.runs():
			continue
		case !sameDue(b.Due, c.Due):
			x.Kind = Moved
		case c.State == Overdue && b.State != Overdue:
			x.Kind = Late
		default:
			continue
		}
		out = append(out, x)
	}
	for id, b := range was {
		if b.runs() {
			out = append(out, Change{ID: id, Kind: Ended, From: b})
		}
	}
	slices.SortFunc(out, func(a, b Change) int {
		switch {
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		}
		return 0
	})
	return out
}

func sameDue(a, b incident.Moment) bool { return a.Precision == b.Precision && a.Time.Equal(b.Time) }

// Words say the change in both languages.
func (x Change) Words() language.Text {
	due := func(c Clock) language.Text {
		if c.Due.IsZero() {
			return language.Text{JA: "期限の日時なし", EN: "no date follows"}
		}
		return language.Text{JA: "期限 " + c.Due.String(), EN: "due " + c.Due.String()}
	}
	from, to := due(x.From), due(x.To)
	switch x.Kind {
	case Begun:
		t := language.Text{JA: "始まりました（" + to.JA + "）", EN: "begun, " + to.EN}
		if x.To.Why != (language.Text{}) {
			t.JA, t.EN = t.JA+"。理由: "+x.To.Why.JA, t.EN+", because: "+x.To.Why.EN
		}
		return t
	case Moved:
		return language.Text{JA: "移りました（" + from.JA + " → " + to.JA + "）", EN: "moved: " + from.EN + " → " + to.EN}
	case Late:
		return language.Text{JA: "期限を過ぎました（" + to.JA + "）", EN: "overdue, " + to.EN}
	}
	if x.To.ID == "" && x.From.Promise != nil { // it was withdrawn, or what is recorded of it has no time any more
		return language.Text{JA: "終わりました（期限のある約束としては、もう記録されていません）", EN: "ended: it is not recorded as a promise with a time any more"}
	}
	if x.To.ID == "" {
		return language.Text{JA: "終わりました（法令の適用が外れました）", EN: "ended: its regime does not apply any more"}
	}
	t := language.Text{JA: "終わりました（" + StateName(x.To.State).JA + "）", EN: "ended: " + StateName(x.To.State).EN}
	if x.To.Why != (language.Text{}) {
		t.JA, t.EN = t.JA+"。理由: "+x.To.Why.JA, t.EN+", because: "+x.To.Why.EN
	}
	return t
}

// StateName is a state in both languages.
func StateName(s State) language.Text {
	switch s {
	case Running:
		return language.Text{JA: "進行中", EN: "running"}
	case Waiting:
		return language.Text{JA: "開始待ち", EN: "waiting"}
	case Overdue:
		return language.Text{JA: "期限超過", EN: "overdue"}
	case Done:
		return language.Text{JA: "済み", EN: "done"}
	case Suspended:
		return language.Text{JA: "停止中", EN: "suspended"}
	case Freed:
		return language.Text{JA: "不要になった", EN: "freed"}
	}
	return language.Text{JA: "対象外", EN: "not applicable"}
}

// reminded are the parts of a clock's time, in hundredths, at which somebody is reminded of it.
var reminded = []int{50, 80, 100}

// A Reminder is a time at which somebody is reminded of a clock that still runs then.
type Reminder struct {
	Clock   Clock
	Percent int // of the time from its start to its end: 50, 80 or 100
	At      time.Time
}

// Reminders are when somebody is reminded of the clock: at half, at four fifths and at the end of its time. A clock that waits,
// or that no date follows from, has none. A start that is known to the day only is counted from its first instant.
func (c Clock) Reminders() []Reminder {
	if !c.runs() || c.Due.IsZero() || c.Start.IsZero() {
		return nil
	}
	from, to := c.Start.Time, end(c.Due)
	if !to.After(from) {
		return []Reminder{{c, 100, to}}
	}
	var out []Reminder
	for _, p := range reminded {
		out = append(out, Reminder{c, p, from.Add(to.Sub(from) / 100 * time.Duration(p))})
	}
	out[len(out)-1].At = to
	return out
}

// Elapsed is how much of the clock's time is over at now, in hundredths from 0; more than 100 is overdue. ok is false where no
// date follows.
func (c Clock) Elapsed(now time.Time) (percent int, ok bool) {
	if c.Due.IsZero() || c.Start.IsZero() {
		return 0, false
	}
	from, to := c.Start.Time, end(c.Due)
	if !to.After(from) {
		return 100, true
	}
	return max(0, int(float64(now.Sub(from))/float64(to.Sub(from))*100)), true
}

// End is the instant at which a due time has passed.
func (c Clock) End() time.Time { return end(c.Due) }

package chart

import (
	"fmt"
	"slices"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Timeline is what happened in one incident.
type Timeline struct {
	Lang       language.Lang
	Name       string          // of the incident
	WindowName string          // what the window is a window of
	Start, End incident.Moment // the window; either may be zero
	Events     []Event
	Promises   []Promise
}

// Lane is the row of the drawing an event stands in.
type Lane int

const (
	Response Lane = iota // what the organisation found and did
	Told                 // what it said, and to whom
)

// Event is something that happened at a time.
type Event struct {
	At    incident.Moment
	About bool // the time is only roughly known
	What  string
	Lane  Lane
	Key   bool // a milestone, as against an addendum
}

// Outcome is what became of a promise.
type Outcome int

const (
	Open    Outcome = iota // nothing is known yet
	Kept                   // done as promised
	Slipped                // not done by then
)

// Promise is something that was announced for a time, and what became of it.
type Promise struct {
	What    string
	For     incident.Moment
	About   bool
	Outcome Outcome
	Done    incident.Moment // when it was done; zero where that is not known
	Known   incident.Moment // as of when the outcome is known
}

// milestones are the single-valued times of an incident beside its window, in the words of a timeline.
var milestones = []struct {
	key    string
	lane   Lane
	ja, en string
}{
	{"discovered", Response, "発見", "Discovered"},
	{"contained", Response, "遮断", "Contained"},
	{"login-blocked", Response, "全ログインを遮断", "Sign-in blocked"},
	{"closed", Response, "対応を終了", "Response closed"},
	{"regulator-notified", Told, "監督機関へ報告", "Regulator notified"},
	{"persons-notified", Told, "本人へ通知", "People told"},
	{"disclosed", Told, "公表", "Made public"},
}

// OfIncident gathers the timeline of i. Actions that were simply taken are left to the page's own table: the drawing
// shows milestones, what was said when, promises and liftings.
func OfIncident(lang language.Lang, i incident.Incident) Timeline {
	t := Timeline{Lang: lang, Name: i.Title(lang), WindowName: lang.Pick("影響のあった期間", "Period concerned")}
	if i.Attack() {
		t.WindowName = lang.Pick("不正アクセスの痕跡", "Traces of the intrusion")
	}
	if f, ok := i.Fact("window.start"); ok {
		t.Start = f.Value.Time
	}
	if f, ok := i.Fact("window.end"); ok {
		t.End = f.Value.Time
	}
	for _, m := range milestones {
		if f, ok := i.Fact(m.key); ok && !f.Value.Time.IsZero() {
			t.Events = append(t.Events, Event{f.Value.Time, f.Value.Qualifier == "about", lang.Pick(m.ja, m.en), m.lane, true})
		}
	}
	for n, f := range i.Listed("addendum") {
		if !f.Value.Time.IsZero() {
			t.Events = append(t.Events, Event{f.Value.Time, f.Value.Qualifier == "about", fmt.Sprintf(lang.Pick("追記%d", "Addendum %d"), n+1), Told, false})
		}
	}
	for _, f := range i.Listed("action") {
		v := f.Value
		switch {
		case v.Status == "lifted" && !v.Time.IsZero():
			t.Events = append(t.Events, Event{v.Time, false, v.Text.In(lang) + lang.Pick("（解除）", " (lifted)"), Response, true})
		case !v.Promised.IsZero():
			p := Promise{What: v.Text.In(lang), For: v.Promised, About: v.Qualifier == "about", Done: v.Time, Known: f.AsOf}
			switch v.Status {
			case "kept", "taken":
				p.Outcome = Kept
			case "slipped":
				p.Outcome = Slipped
			}
			t.Promises = append(t.Promises, p)
		}
	}
	t.sort()
	return t
}

// sort puts events and promises in the order of time. A day without a time stands before what is known to have
// happened within it.
func (t *Timeline) sort() {
	slices.SortStableFunc(t.Events, func(a, b Event) int { return a.At.Time.Compare(b.At.Time) })
	slices.SortStableFunc(t.Promises, func(a, b Promise) int { return a.For.Time.Compare(b.For.Time) })
}

// until is the end of the span in which m lies; m itself where it is known to the minute.
func until(m incident.Moment) time.Time {
	switch m.Precision {
	case incident.Hour:
		return m.Time.Add(time.Hour)
	case incident.Day:
		return m.Time.AddDate(0, 0, 1)
	case incident.Month:
		return m.Time.AddDate(0, 1, 0)
	case incident.Year:
		return m.Time.AddDate(1, 0, 0)
	}
	return m.Time
}

// due is by when a promise was to be kept: a promise for a day is kept if it is done within it.
func (p Promise) due() time.Time { return until(p.For) }

// Late reports whether it was done after it was due, or is known not to have been done by then.
func (p Promise) Late() bool {
	return p.Outcome == Slipped
}

// reach is the last time the drawing of a promise needs.
func (p Promise) reach() time.Time {
	last := p.due()
	switch {
	case !p.Done.IsZero():
		last = later(last, until(p.Done))
	case p.Outcome == Slipped && !p.Known.IsZero() && p.Known.Time.After(p.For.Time):
		last = later(last, until(p.Known))
	}
	return last
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// span is a time that something took.
type span struct{ from, to time.Time }

// spans are all the times that the drawing has to have room for.
func (t Timeline) spans() []span {
	var out []span
	for _, m := range []incident.Moment{t.Start, t.End} {
		if !m.IsZero() {
			out = append(out, span{m.Time, until(m)})
		}
	}
	for _, e := range t.Events {
		out = append(out, span{e.At.Time, until(e.At)})
	}
	for _, p := range t.Promises {
		out = append(out, span{p.For.Time, p.due()})
		if !p.Done.IsZero() {
			out = append(out, span{p.Done.Time, until(p.Done)})
		} else if r := p.reach(); r.After(p.due()) {
			out = append(out, span{r, r})
		}
	}
	return out
}

// Chart draws the timeline, broad with lanes from left to right, and narrow from top to bottom. Of one time only there
// is nothing to draw, but still the table.
func (t Timeline) Chart() Chart {
	t.sort()
	c := Chart{Name: t.Lang.Pick("経緯: ", "What happened: ") + t.Name, Says: t.says(), Table: t.table()}
	if len(t.Table()) > 1 {
		c.drawings = []*canvas{t.broad(), t.narrow()}
	}
	return c
}

// says describes the drawing in words.
func (t Timeline) says() string {
	kept, late := 0, 0
	for _, p := range t.Promises {
		switch p.Outcome {
		case Kept:
			kept++
		case Slipped:
			late++
		}
	}
	n := len(t.Events)
	if t.Lang == language.JA {
		s := fmt.Sprintf("%d個のできごとを時間の順に示した図。", n)
		if !t.Start.IsZero() && !t.End.IsZero() {
			s += fmt.Sprintf("%sは%sから%sまで。", t.WindowName, t.Start.In(t.Lang), t.End.In(t.Lang))
		}
		if len(t.Promises) > 0 {
			s += fmt.Sprintf("予告は%d件で、予定どおりが%d件、遅れが%d件。", len(t.Promises), kept, late)
		}
		return s + "同じ内容の表が、下にあります。"
	}
	s := fmt.Sprintf("%d events in the order of time. ", n)
	if !t.Start.IsZero() && !t.End.IsZero() {
		s += fmt.Sprintf("%s from %s to %s. ", t.WindowName, t.Start.In(t.Lang), t.End.In(t.Lang))
	}
	if len(t.Promises) > 0 {
		s += fmt.Sprintf("%d announced beforehand: %d done as promised, %d late. ", len(t.Promises), kept, late)
	}
	return s + "The table below says the same."
}

// Row is a line of the table.
type Row struct {
	At, Until incident.Moment
	What      string
	Lane      string
	Outcome   string
	Late      bool
}

// Table lists everything the drawing shows in the order of time.
func (t Timeline) Table() []Row {
	var out []Row
	l := t.Lang
	switch {
	case !t.Start.IsZero() && !t.End.IsZero():
		out = append(out, Row{At: t.Start, Until: t.End, What: t.WindowName, Lane: t.laneName(laneWindow)})
	case !t.Start.IsZero():
		out = append(out, Row{At: t.Start, What: t.WindowName + l.Pick("（始まり）", " (start)"), Lane: t.laneName(laneWindow)})
	case !t.End.IsZero():
		out = append(out, Row{At: t.End, What: t.WindowName + l.Pick("（終わり）", " (end)"), Lane: t.laneName(laneWindow)})
	}
	for _, e := range t.Events {
		lane := laneResponse
		if e.Lane == Told {
			lane = laneTold
		}
		out = append(out, Row{At: e.At, What: e.What, Lane: t.laneName(lane)})
	}
	for _, p := range t.Promises {
		out = append(out, Row{At: p.For, What: p.What, Lane: t.laneName(lanePromised), Outcome: t.outcome(p, plainWhen(l)), Late: p.Late()})
	}
	slices.SortStableFunc(out, func(a, b Row) int { return a.At.Time.Compare(b.At.Time) })
	return out
}

func (t Timeline) table() Table {
	l := t.Lang
	table := Table{Caption: l.Pick("経緯", "What happened"), Columns: []Column{{Head: l.Pick("時点", "When")}, {Head: l.Pick("いつまで", "Until")},
		{Head: l.Pick("区分", "Kind")}, {Head: l.Pick("できごと", "What")}, {Head: l.Pick("結果", "Outcome")}}}
	for _, r := range t.Table() {
		table.Rows = append(table.Rows, []Cell{timeCell(l, r.At), timeCell(l, r.Until), {Text: r.Lane}, {Text: r.What}, {Text: r.Outcome}})
	}
	return table
}

func timeCell(l language.Lang, m incident.Moment) Cell {
	if m.IsZero() {
		return Cell{}
	}
	return Cell{Text: m.In(l), Machine: m.String(), Time: true}
}

// plainWhen writes times in full.
func plainWhen(l language.Lang) func(incident.Moment) string {
	return func(m incident.Moment) string { return m.In(l) }
}

// outcome says what became of a promise.
func (t Timeline) outcome(p Promise, when func(incident.Moment) string) string {
	l := t.Lang
	switch {
	case p.Outcome == Kept && !p.Done.IsZero():
		return fmt.Sprintf(l.Pick("%s に実施", "done %s"), when(p.Done))
	case p.Outcome == Kept:
		return l.Pick("予定どおり実施", "done as promised")
	case p.Outcome == Slipped && !p.Done.IsZero():
		return fmt.Sprintf(l.Pick("遅れて %s に実施", "late: done %s"), when(p.Done))
	case p.Outcome == Slipped:
		return l.Pick("予定どおりに行われず", "not done as promised")
	case !p.Done.IsZero():
		return fmt.Sprintf(l.Pick("%s に実施", "done %s"), when(p.Done))
	}
	return l.Pick("結果は未記録", "outcome not recorded")
}

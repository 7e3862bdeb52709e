package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/response"
	"shirase/internal/roster"
)

// clockRow is a clock as it is shown, with what the case says of it.
type clockRow struct {
	law.Clock
	N      int // in the strip
	Case   *response.Case
	Origin response.Origin
	Begun  bool
	Mark   response.Marked // what was said of it last
	By     response.Recorded
	Marked bool
}

// rowIn is a row and the view that it is shown in, for a template that wants both.
type rowIn struct {
	Row  clockRow
	View any
}

// Left says how long there is, or how long it is over; "" where that means nothing.
func (k clockRow) Left(lang language.Lang, now time.Time) string {
	if k.Due.IsZero() || k.State != law.Running && k.State != law.Overdue && k.State != law.Suspended {
		return ""
	}
	left := k.Clock.Left(now)
	if left < 0 {
		return fmt.Sprintf(lang.Pick("%sを過ぎています", "%s over"), language.Duration(lang, left))
	}
	return fmt.Sprintf(lang.Pick("あと%s", "%s left"), language.Duration(lang, left))
}

// Version is that of what was said of the clock, for its form to name.
func (k clockRow) Version() int64 { return k.By.Version }

// rowsOf are the clocks of a case: those that count first, by when they are due.
func rowsOf(k *response.Case, clocks *response.Clocks) []clockRow {
	var out []clockRow
	for _, c := range clocks.Clocks {
		row := clockRow{Clock: c, Case: k}
		row.Origin, row.Begun = k.Origin(c)
		row.Mark, row.By, row.Marked = k.Marking(c.ID)
		out = append(out, row)
	}
	inOrder(out)
	return out
}

// urgency is the order of states: what counts, what waits, what is over.
var urgency = map[law.State]int{law.Overdue: 1, law.Running: 1, law.Suspended: 2, law.Waiting: 3, law.Done: 4, law.Freed: 5, law.NotApplicable: 6}

func inOrder(rows []clockRow) {
	slices.SortStableFunc(rows, func(a, b clockRow) int {
		if c := cmp.Compare(urgency[a.State], urgency[b.State]); c != 0 {
			return c
		}
		switch {
		case a.Due.IsZero() && b.Due.IsZero():
			return 0
		case a.Due.IsZero():
			return 1
		case b.Due.IsZero():
			return -1
		}
		return a.End().Compare(b.End())
	})
	n := 0
	for i := range rows {
		if rows[i].drawn() {
			n++
			rows[i].N = n
		}
	}
}

// drawn reports whether a clock has a place in the strip: it has begun, and is to be done, or was.
func (k clockRow) drawn() bool {
	return !k.Start.IsZero() && (!k.Due.IsZero() || k.State == law.Done) && k.State != law.NotApplicable && k.State != law.Freed
}

// strip is the clocks over time, drawn: a bar from when each began to when it is due. The table beside it says the same in words.
type strip struct {
	Height, Now int
	Bars        []bar
	Ticks       []tick
}

type bar struct {
	N, X, Y, Width int
	State          law.State
	Done           int // where it was done; 0: it was not
	Title          string
}

// Mid is the middle of the bar, for its number.
func (b bar) Mid() int { return b.Y + 11 }

type tick struct {
	X     int
	Label string
}

// The strip's measures, in units of its view box.
const (
	stripWidth = 440
	stripLeft  = 26 // for numbers
	stripRow   = 20
	stripHead  = 26 // for dates
)

// stripOf draws clocks; nil where there are none to draw.
func stripOf(lang language.Lang, rows []clockRow, now time.Time) *strip {
	var drawn []clockRow
	from, to := now, now
	for _, r := range rows {
		if !r.drawn() {
			continue
		}
		drawn = append(drawn, r)
		if r.Start.Time.Before(from) {
			from = r.Start.Time
		}
		for _, end := range []time.Time{dueEnd(r), doneAt(r)} {
			if end.After(to) {
				to = end
			}
		}
	}
	if len(drawn) == 0 {
		return nil
	}
	span := max(to.Sub(from), time.Hour)
	from, span = from.Add(-span/50), span+span/25
	at := func(t time.Time) int {
		return stripLeft + int(float64(stripWidth-stripLeft)*float64(t.Sub(from))/float64(span))
	}
	out := &strip{Height: stripHead + stripRow*len(drawn) + 4, Now: at(now), Ticks: ticksOf(lang, from, span, at)}
	for i, r := range drawn {
		b := bar{N: r.N, X: at(r.Start.Time), Y: stripHead + stripRow*i, State: r.State, Title: r.Rule.Name.In(lang)}
		end := dueEnd(r)
		if end.IsZero() {
			end = doneAt(r)
		}
		b.Width = max(at(end)-b.X, 3)
		if t := doneAt(r); !t.IsZero() {
			b.Done = at(t)
		}
		out.Bars = append(out.Bars, b)
	}
	return out
}

func dueEnd(r clockRow) time.Time {
	if r.Due.IsZero() {
		return time.Time{}
	}
	return r.End()
}

// doneAt is when it was done; zero where it was not, or nobody said when.
func doneAt(r clockRow) time.Time {
	if r.State != law.Done {
		return time.Time{}
	}
	if r.Promise != nil {
		return r.Promise.Kept.Time
	}
	m, err := incident.ParseMoment(r.Mark.At, nil)
	if err != nil {
		return time.Time{}
	}
	return m.Time
}

// ticksOf are days to go by: at most five, each at its midnight.
func ticksOf(lang language.Lang, from time.Time, span time.Duration, at func(time.Time) int) []tick {
	days := int(span/(24*time.Hour)) + 1
	step := (days + 4) / 5
	first := from.In(zone)
	day := time.Date(first.Year(), first.Month(), first.Day()+1, 0, 0, 0, 0, zone)
	var out []tick
	for ; day.Before(from.Add(span)); day = day.AddDate(0, 0, step) {
		if x := at(day); x < stripWidth-20 {
			out = append(out, tick{x, day.Format(lang.Pick("1/2", "2 Jan"))})
		}
	}
	return out
}

// Rows and Strip are what the clocks' page of a case shows.
func (v caseView) Rows() []clockRow { return rowsOf(v.Case, v.Clocks) }

// Strip draws them.
func (v caseView) Strip() *strip { return stripOf(v.Lang.Lang, v.Rows(), v.NowAt) }

// Counting and Over divide the rows into those that are still to be met, and those that are over or never were.
func (v caseView) Counting() []clockRow { return v.of(func(n int) bool { return n <= 3 }) }
func (v caseView) Over() []clockRow     { return v.of(func(n int) bool { return n == 4 || n == 5 }) }
func (v caseView) Outside() []clockRow  { return v.of(func(n int) bool { return n == 6 }) }

func (v caseView) of(keep func(int) bool) (out []clockRow) {
	for _, r := range v.Rows() {
		if keep(urgency[r.State]) {
			out = append(out, r)
		}
	}
	return out
}

// Single reports that the table is of one case, which it need not name.
func (v caseView) Single() bool { return true }

// Regimes are those that the case has said nothing of.
func (v caseView) Regimes() []choice {
	var out []choice
	for _, g := range v.book.Regimes() {
		if !slices.ContainsFunc(v.Case.Regimes, func(r response.Regime) bool { return r.ID == g.ID }) {
			out = append(out, choice{g.ID, g.Name.In(v.Lang.Lang)})
		}
	}
	return out
}

// Triggers and Words are what can be said that clocks start at, or depend on.
func (v caseView) Triggers() (out []choice) {
	for _, t := range law.Triggers() {
		if t != "knowledge" { // which is the declaration's, or a report's
			out = append(out, choice{t, law.TriggerText(t).In(v.Lang.Lang)})
		}
	}
	return out
}

// Words are conditions.
func (v caseView) Words() (out []choice) {
	for _, w := range law.Words() {
		out = append(out, choice{w, law.WordText(w).In(v.Lang.Lang)})
	}
	return out
}

// RegimeName is a regime's name.
func (v caseView) RegimeName(id string) string {
	if g, err := v.book.Regime(id); err == nil {
		return g.Name.In(v.Lang.Lang)
	}
	return id
}

// allClocksView is the clocks of all cases that somebody sees.
type allClocksView struct {
	view
	All    []clockRow
	Strip  *strip
	Unread []string
	Names  map[string]string
	NowAt  time.Time
}

// Single reports that the table names no cases.
func (v allClocksView) Single() bool { return false }

// Counting are all there are.
func (v allClocksView) Counting() []clockRow { return v.All }

// allClocks shows what is still to be met in all cases that are open, the most urgent first.
func (c *Console) allClocks(w http.ResponseWriter, r *http.Request, v *visit) error {
	out := allClocksView{view: c.view(r, v, "clocks", v.lang.Pick("すべての期限", "All clocks")), NowAt: c.now()}
	list, err := c.Cases.List(r.Context(), v.who)
	if err != nil {
		return err
	}
	for _, l := range list {
		k, clocks, err := c.Cases.Clocks(r.Context(), v.who, l.ID)
		if errors.Is(err, roster.ErrShredded) {
			continue
		}
		if err != nil {
			c.Log.Error("read a case", "case", l.ID, "error", err)
			out.Unread = append(out.Unread, l.ID)
			continue
		}
		if k.Closed {
			continue
		}
		for _, row := range rowsOf(k, clocks) {
			if urgency[row.State] <= 3 {
				row.N = 0
				out.All = append(out.All, row)
			}
		}
	}
	inOrder(out.All)
	out.Strip = stripOf(v.lang, out.All, out.NowAt)
	if out.Names, err = c.Staff.Names(r.Context()); err != nil {
		return err
	}
	out.Live = "/console/live"
	return c.frame.Show(w, r, http.StatusOK, "allclocks", out)
}

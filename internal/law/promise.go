package law

import (
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// promises is the regime of what an organisation promised in public: no law, and yet what it is judged by. Its clocks follow
// from its notices and facts.
var promises = Regime{ID: "promise", Name: language.Text{JA: "公表した約束", EN: "Promises made in public"}, Zone: incident.Japan}

// A Promise is that something happens by a time.
type Promise struct {
	ID    string // within the case: next-update, reset
	What  language.Text
	Where string          // the notice or fact that made it
	Made  incident.Moment // zero: not known
	Due   incident.Moment
	About bool            // "about 21:00": an hour more
	Kept  incident.Moment // when it happened; zero: it has not, or nobody has said
	Broke bool            // it is recorded that it was not kept
}

// Fate says what became of a promise.
type Fate string

const (
	Pending Fate = "open"    // its time has not come
	Kept    Fate = "kept"    // it was kept
	Slipped Fate = "slipped" // it came late, or was not kept
	Unsaid  Fate = "unsaid"  // its time is over, and nothing says what became of it
)

// Fate says how the promise stands at now.
func (p Promise) Fate(now time.Time) Fate {
	late := end(p.Due)
	if p.About {
		late = late.Add(time.Hour)
	}
	switch {
	case p.Broke, !p.Kept.IsZero() && !p.Kept.Time.Before(late):
		return Slipped
	case !p.Kept.IsZero():
		return Kept
	case !now.Before(late):
		return Unsaid
	}
	return Pending
}

// Clock gives a promise's clock as it stands at now. One that was kept is done, and so is one that came late; Why says which.
func (p Promise) Clock(now time.Time) Clock {
	regime := promises
	rule := &Rule{ID: p.ID, Name: p.What, Citation: p.Where, Status: Voluntary, Read: Primary, Start: "knowledge"}
	c := Clock{ID: "promise-" + p.ID, Regime: &regime, Rule: rule, Start: p.Made, Due: p.Due, State: Running, Promise: &p}
	switch p.Fate(now) {
	case Slipped:
		c.State, c.Why = Done, language.Text{JA: "守られなかったことを記録済み", EN: "slipped, as is recorded"}
		if !p.Kept.IsZero() {
			c.Why = language.Text{JA: "遅れて実施（" + p.Kept.String() + "）", EN: "slipped: done at " + p.Kept.String()}
		}
	case Kept:
		c.State, c.Why = Done, language.Text{JA: "予定どおり（" + p.Kept.String() + "）", EN: "kept: done at " + p.Kept.String()}
	case Unsaid:
		c.State, c.Why = Overdue, language.Text{JA: "約束した時刻を過ぎました。どうなったかを記録し、追記してください", EN: "the promised time has passed: record what became of it, and publish an addendum"}
	}
	return c
}
